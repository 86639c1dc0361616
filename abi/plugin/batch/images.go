package batch

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/abi/plugin/config"
	"github.com/seedbed/seedbed/abi/vision"
)

// Images is a column "image" (see vision.FindImages) on its way to a model that
// takes f32[B,C,H,W]: decoded, transformed, (v/255 - mean) / deviation.
type Images struct {
	Mean, Deviation float64
	Augment         string
	// Views says that augmented images are what is learned from, in evaluations
	// as well; otherwise these see whole images.
	Views bool
	scale float64 // least part of an image's area that a crop has, 0 for the default

	column    *vision.ImageColumn
	name      int // column that says where a row comes from, or -1
	pipeline  vision.Pipeline
	whole     vision.Pipeline // of evaluations
	normalize *vision.Normalizer
	shape     ir.Type
}

// Fields are the configuration that objectives on images have. augments are
// what the objective may do to images, its default first: "none" brings them to
// the model's size, "crop" takes a random part (Szegedy et al., arXiv
// 1409.4842), "crop_flip" also flips every other, "simclr" is the augmentation
// of Chen et al., arXiv 2002.05709, appendix A.
func (m *Images) Fields(augments ...string) []config.Field {
	return []config.Field{
		config.Float("image_mean", &m.Mean, 0.5, 0, 1),
		config.Float("image_std", &m.Deviation, 0.5, 0.001, 1),
		config.Word("augment", &m.Augment, augments...),
		config.Float("crop_scale", &m.scale, 0.08, 0.01, 1),
	}
}

// Bind finds the column, for images of type t, f32[B,C,H,W].
func (m *Images) Bind(s *arrow.Schema, t ir.Type) (err error) {
	channels, height, width := t.Shape[1], t.Shape[2], t.Shape[3]
	if channels != 1 && channels != 3 {
		return fmt.Errorf("the model takes images of %d channels; there are images of 1 and 3", channels)
	}
	if m.column, err = vision.FindImages(s, "image", vision.DecodeOptions{Channels: channels}); err != nil {
		return err
	}
	m.name = -1
	if found := s.FieldIndices("name"); len(found) == 1 {
		m.name = found[0]
	}
	if m.normalize, err = vision.NewNormalizer([]float32{float32(m.Mean)}, []float32{float32(m.Deviation)}); err != nil {
		return err
	}
	m.shape = t
	if m.Augment != "none" && height != width {
		return config.Wrong("augment", "%s makes square images; the model takes %v", m.Augment, t)
	}
	crop := vision.RandomResizedCrop{Size: height}
	if m.scale > 0 {
		crop.Scale = [2]float64{m.scale, 1}
	}
	flip := vision.RandomHorizontalFlip{P: 0.5}
	m.whole = vision.Pipeline{vision.ResizeTo{Width: width, Height: height}}
	switch m.Augment {
	case "none":
		m.pipeline = m.whole
	case "crop":
		m.pipeline = vision.Pipeline{crop}
	case "crop_flip":
		m.pipeline = vision.Pipeline{crop, flip}
	case "simclr":
		m.pipeline = vision.Pipeline{
			crop, flip,
			vision.Sometimes{P: 0.8, Transform: vision.ColorJitter{Brightness: 0.8, Contrast: 0.8, Saturation: 0.8, Hue: 0.2}},
			vision.RandomGrayscale{P: 0.2},
			vision.Sometimes{P: 0.5, Transform: vision.GaussianBlur{Sigma: [2]float64{0.1, 2}, Kernel: max(1, height/10) | 1}},
		}
	}
	return m.pipeline.Check()
}

// Put fills a buffer with a view of every row's image; draws depend on the
// sample's place in the run and the view. A buffer that is nil is left alone.
func (m *Images) Put(ctx context.Context, rows arrow.Record, at plugin.Position, view uint32, buffer []byte) error {
	if buffer == nil {
		return nil
	}
	n, channels, pixels := m.shape.Shape[0], m.shape.Shape[1], m.shape.Shape[2]*m.shape.Shape[3]
	size := 4 * channels * pixels
	if rows.NumRows() != int64(n) || len(buffer) != n*size {
		return errors.New("the buffer of images does not fit the rows")
	}
	pipeline := m.pipeline
	if at.Evaluating() && !m.Views {
		pipeline = m.whole
	}
	return vision.Each(ctx, n, func(w *vision.Work, r int) error {
		if err := m.column.Load(w, rows, r); err != nil {
			return m.named(rows, r, err)
		}
		draws := vision.NewDraws(vision.Key{Seed: at.Seed, Epoch: at.Step, Sample: at.Grain*uint64(n) + uint64(r), View: view})
		pipeline.Apply(w, &draws)
		if w.Channels != channels || w.Width*w.Height != pixels {
			return fmt.Errorf("row %d: an image of %dx%dx%d is not of the model's size %v", r, w.Height, w.Width, w.Channels, m.shape)
		}
		whole := make([]byte, size)
		if err := m.normalize.Put(whole, w.Image); err != nil {
			return err
		}
		to := buffer[r*size:][:size]
		for c := range channels { // pixel by pixel becomes channel by channel
			for i := range pixels {
				copy(to[4*(c*pixels+i):][:4], whole[4*(i*channels+c):])
			}
		}
		return nil
	})
}

// Level is the 8-bit value of which Put made v.
func (m *Images) Level(v float32) int {
	share := float64(float64(v)*m.Deviation) + m.Mean
	return int(math.Floor(float64(share*255) + 0.5))
}

// named says which sample of the dataset an error is about, if it says so.
func (m *Images) named(rows arrow.Record, r int, err error) error {
	if m.name >= 0 {
		if names, ok := rows.Column(m.name).(*array.String); ok && r < names.Len() && names.IsValid(r) {
			return fmt.Errorf("%s: %w", names.Value(r), err)
		}
	}
	return err
}

// Input finds one of a model's inputs of images, f32[B,C,H,W].
func Input(inputs []ir.Param, name string) (ir.Type, error) {
	for _, in := range inputs {
		if in.Name == name {
			if in.Type.DType != ir.F32 || in.Type.Rank() != 4 || in.Type.Elements() == 0 {
				return ir.Type{}, fmt.Errorf("the model's input %q is %v; the objective makes images f32[B,C,H,W]", name, in.Type)
			}
			return in.Type, nil
		}
	}
	return ir.Type{}, fmt.Errorf("the model takes no input %q", name)
}
