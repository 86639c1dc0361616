package run

import (
	"context"
	"errors"
	"fmt"
	"image"
	"slices"
	"strings"

	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/core/checkpoint"
	"github.com/seedbed/seedbed/core/device"
	"github.com/seedbed/seedbed/core/generate"
	"github.com/seedbed/seedbed/core/plugins"
	"github.com/seedbed/seedbed/core/recipe"
	"github.com/seedbed/seedbed/datasets/tokens"
)

// The roles of models that draw: priorRole makes codes of a text, painterRole an
// image of codes.
const (
	priorRole   = "token_prior"
	stepRole    = "token_prior_step"
	painterRole = "code_decoder"
)

// maxDrawn is how many images are made at a time.
const maxDrawn = 32

// Drawing is what Draw is asked to do.
type Drawing struct {
	Checkpoint string   // of a model of role token_prior: its folder, or that of its run
	Codes      string   // the same of the autoencoder whose codes it learned; empty is the recipe's data.codes
	Backend    string   // a name or path; empty is the recipe's
	Captions   []string // what the images show
	Images     int      // of each caption
	generate.Sampling
	Seed      uint64
	DataPlane plugins.DataPlane
	Start     Start
	// Image gets the images one by one: number image, from 0, of caption number
	// caption. Its error ends the drawing.
	Image func(caption, image int, m image.Image) error
}

// Drawn is what Draw did.
type Drawn struct {
	Step    uint64 // steps that the model was trained for
	Weights string // its weights_sha256
}

// Draws tells whether the model of a checkpoint makes images of text, and not
// text: whether it was trained on codes.
func Draws(path string) (bool, error) {
	c, err := checkpoint.Open(path)
	if err != nil {
		return false, err
	}
	r, err := recipe.Parse(path, []byte(c.Manifest.Recipe), nil)
	return err == nil && r.Data.Codes != "", err
}

// Draw makes images of captions: the model of a checkpoint makes codes, and the
// autoencoder whose codes it has learned an image of them. An image depends on
// the weights of both, its caption, its number, the sampling and the seed alone.
func Draw(ctx context.Context, w Drawing) (_ *Drawn, err error) {
	if err := w.Sampling.Check(); err != nil {
		return nil, err
	}
	if len(w.Captions) == 0 || w.Images < 1 {
		return nil, fmt.Errorf("%d images of each of %d captions: there is nothing to draw", w.Images, len(w.Captions))
	}
	c, r, err := openTrained(w.Checkpoint)
	if err != nil {
		return nil, err
	}
	if w.Codes != "" {
		r.Data.Codes = w.Codes
	}
	painter, of, err := openCodes(r)
	if err != nil {
		return nil, err
	}
	if was, err := c.ReadFile(codesFile, 1024); err != nil {
		return nil, err
	} else if strings.TrimSpace(string(was)) != painter.Manifest.WeightsSHA256 {
		return nil, fmt.Errorf("%s was trained on the codes of another autoencoder than that of %s: name the right one by --codes", c.Path, painter.Path)
	}
	tok, err := tokenizerOf(c)
	if err != nil {
		return nil, err
	}
	caption, err := tokens.NewCaption(tok, r.Train.SequenceLength)
	if err != nil {
		return nil, err
	}
	if w.Backend == "" {
		w.Backend = r.Backend.Plugin
	}
	memory, err := plugins.NewMemory(w.DataPlane)
	if err != nil {
		return nil, err
	}
	defer memory.Close()
	processes := &crew{start: w.Start, memory: memory}
	defer func() { err = errors.Join(err, processes.close()) }()
	backend, err := processes.add(ctx, plugins.KindBackend, w.Backend)
	if err != nil {
		return nil, err
	}
	d := backend.Device()
	rows := min(maxDrawn, len(w.Captions)*w.Images)
	priors, held, err := processes.load(ctx, d, c, r, rows, priorRole, stepRole)
	if err != nil {
		return nil, err
	}
	p, err := generate.NewPrior(ctx, d, priors[0], priors[1], held)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	decoders, held, err := processes.load(ctx, d, painter, of, rows, painterRole)
	if err != nil {
		return nil, err
	}
	q, err := generate.NewPainter(ctx, d, decoders[0], held)
	if err != nil {
		return nil, err
	}
	defer q.Close()
	if p.TextLen() > r.Train.SequenceLength {
		return nil, fmt.Errorf("%s: the model takes %d tokens of a text and its recipe has %d", c.Path, p.TextLen(), r.Train.SequenceLength)
	}
	return &Drawn{c.Manifest.Step, c.Manifest.WeightsSHA256}, w.draw(ctx, p, q, caption, rows)
}

// load builds the model of a checkpoint in roles and puts the weights of the
// first, which has all that the others have, on a device.
func (c *crew) load(ctx context.Context, d device.Device, from *checkpoint.Checkpoint, r *recipe.Recipe, rows int, roles ...string) ([]*plugin.Module, func(string) plugin.Buffer, error) {
	model, err := c.add(ctx, plugins.KindModel, r.Model.Plugin)
	if err != nil {
		return nil, nil, err
	}
	var modules []*plugin.Module
	for _, role := range roles {
		if info := model.Info(); !slices.Contains(info.Roles, role) {
			return nil, nil, fmt.Errorf("%s: model %s plays %s; this needs one of role %s", from.Path, info.Name, strings.Join(info.Roles, ", "), role)
		}
		m, err := model.Model().Build(ctx, plugin.BuildRequest{Config: r.Model.Config, Role: role, Dims: map[string]int{"batch": rows}})
		if err == nil {
			err = m.Check()
		}
		if err != nil {
			return nil, nil, r.PluginError("model", err)
		}
		modules = append(modules, m)
	}
	buffers, err := upload(ctx, d, from, modules[0])
	return modules, func(name string) plugin.Buffer { return buffers[name] }, err
}

// draw makes all images, rows at a time.
func (w *Drawing) draw(ctx context.Context, p *generate.Prior, q *generate.Painter, caption *tokens.Caption, rows int) error {
	total := len(w.Captions) * w.Images
	for from := 0; from < total; from += rows {
		var ids []int32
		var numbers []uint32
		for i := range rows {
			k := min(from+i, total-1) // the last one again, to fill the batch
			ids = append(ids, caption.Rows(w.Captions[k/w.Images])[:p.TextLen()]...)
			numbers = append(numbers, uint32(k%w.Images))
		}
		codes, err := p.Codes(ctx, ids, w.Sampling, w.Seed, numbers)
		if err != nil {
			return err
		}
		pixels, err := q.Paint(ctx, codes)
		if err != nil {
			return err
		}
		size := len(pixels) / rows
		for i := range min(rows, total-from) {
			m, err := picture(pixels[i*size:][:size], q.Height, q.Width, q.Channels)
			if err != nil {
				return err
			}
			if err := w.Image((from+i)/w.Images, (from+i)%w.Images, m); err != nil {
				return err
			}
		}
	}
	return nil
}

// picture is an image of pixels [H,W,C], grey or RGB.
func picture(pixels []uint8, height, width, channels int) (image.Image, error) {
	box := image.Rect(0, 0, width, height)
	switch channels {
	case 1:
		m := image.NewGray(box)
		copy(m.Pix, pixels)
		return m, nil
	case 3:
		m := image.NewNRGBA(box)
		for i := range height * width {
			copy(m.Pix[4*i:], pixels[3*i:][:3])
			m.Pix[4*i+3] = 255
		}
		return m, nil
	}
	return nil, fmt.Errorf("an image of %d channels is neither grey nor RGB", channels)
}
