package shapes

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"runtime"
	"slices"
	"sync"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/seedbed/seedbed/abi/vision"
	"github.com/seedbed/seedbed/datasets"
)

// Config says which pictures to make. Zero values are the defaults.
type Config struct {
	Size  int    `json:"size,omitempty" yaml:"size,omitempty"` // of a side in pixels, 8 to 1024; default 64
	Rows  int64  `json:"rows,omitempty" yaml:"rows,omitempty"` // default 20,000
	Seed  uint64 `json:"seed,omitempty" yaml:"seed,omitempty"`
	Split string `json:"split,omitempty" yaml:"split,omitempty"` // train (the default), validation or held_out
	// Masks adds the columns boxes and mask.
	Masks bool `json:"masks,omitempty" yaml:"masks,omitempty"`
	// Alike leaves out scenes of two different objects, in which a label belongs to the one that the caption names first.
	Alike bool `json:"alike,omitempty" yaml:"alike,omitempty"`
	// Label is the attribute of the first object that the column label holds: form (the default), color, size, texture or count, where 0
	// is one object.
	Label string `json:"label,omitempty" yaml:"label,omitempty"`
}

// Classes lists the values of the column label of a configuration, in order.
func (c Config) Classes() []string {
	switch c.Label {
	case "color":
		return Colors
	case "size":
		return Sizes
	case "texture":
		return Textures
	case "count":
		return numbers[1:]
	}
	return Forms
}

func (s *Scene) label(attribute string) int {
	o := s.Objects[0]
	switch attribute {
	case "color":
		return o.Color
	case "size":
		return o.Size
	case "texture":
		return o.Texture
	case "count":
		return s.Count - 1
	}
	return o.Form
}

// world is the dataset. Rows hold
//
//	image    pixels, u8[Size, Size, 3], as vision.PixelField
//	label    int32, index in Classes, of the first object
//	text     utf8, the caption
//	color, size, texture, count, position, relation
//	         int32, of the first object; position and relation are -1 where the caption does not say one
//	boxes    list<int32>, four for each object: left, top, right, bottom
//	mask     fixed_size_list<uint8>[Size*Size]: the number of the object at a pixel, from 1; 0 is the ground
type world struct {
	config      Config
	split       int
	schema      *arrow.Schema
	fingerprint string
}

// Open returns the pictures as a dataset.
func Open(c Config) (datasets.Dataset, error) {
	if c.Size == 0 {
		c.Size = 64
	}
	if c.Rows == 0 {
		c.Rows = 20_000
	}
	if c.Split == "" {
		c.Split = "train"
	}
	if c.Label == "form" {
		c.Label = "" // the same rows
	}
	if !slices.Contains([]string{"", "color", "size", "texture", "count"}, c.Label) {
		return nil, fmt.Errorf("shapes: label: %q is not form, color, size, texture or count", c.Label)
	}
	if c.Size < 8 || c.Size > 1024 {
		return nil, fmt.Errorf("shapes: size: %d is outside [8, 1024]", c.Size)
	}
	if c.Rows < 1 || c.Rows > 1<<40 {
		return nil, fmt.Errorf("shapes: rows: %d is outside [1, 2^40]", c.Rows)
	}
	w := &world{config: c, split: slices.Index(splits, c.Split)}
	if w.split < 0 {
		return nil, fmt.Errorf("shapes: split: %q is not train, validation or held_out", c.Split)
	}
	fields := []arrow.Field{
		vision.PixelField("image", c.Size, c.Size, 3), {Name: "label", Type: arrow.PrimitiveTypes.Int32}, {Name: "text", Type: arrow.BinaryTypes.String},
	}
	for _, name := range []string{"color", "size", "texture", "count", "position", "relation"} {
		fields = append(fields, arrow.Field{Name: name, Type: arrow.PrimitiveTypes.Int32})
	}
	if c.Masks {
		fields = append(fields,
			arrow.Field{Name: "boxes", Type: arrow.ListOfNonNullable(arrow.PrimitiveTypes.Int32)},
			arrow.Field{Name: "mask", Type: arrow.FixedSizeListOfNonNullable(int32(c.Size*c.Size), arrow.PrimitiveTypes.Uint8)})
	}
	w.schema = arrow.NewSchema(fields, nil)
	sum := sha256.Sum256(fmt.Appendf(nil, "shapes 1: %+v", c))
	w.fingerprint = hex.EncodeToString(sum[:])
	return w, nil
}

func (w *world) Schema() *arrow.Schema { return w.schema }
func (w *world) Len() int64            { return w.config.Rows }
func (w *world) Fingerprint() string   { return w.fingerprint }
func (w *world) Close() error          { return nil }

// maxReadBytes bounds one Read, which allocates what it returns.
const maxReadBytes = 1 << 31

func (w *world) Read(ctx context.Context, rows []int64) (arrow.Record, error) {
	size := w.config.Size
	if int64(len(rows)) > maxReadBytes/int64(4*size*size) {
		return nil, fmt.Errorf("read shapes: %d pictures of %d pixels at once are too many", len(rows), size*size)
	}
	for _, r := range rows {
		if r < 0 || r >= w.config.Rows {
			return nil, fmt.Errorf("read shapes: row %d is outside [0, %d)", r, w.config.Rows)
		}
	}
	type picture struct {
		scene     Scene
		pix, mask []uint8
		boxes     []Box
	}
	pictures := make([]picture, len(rows))
	var group sync.WaitGroup
	workers := min(len(rows), runtime.GOMAXPROCS(0))
	for k := range workers {
		group.Go(func() {
			for i := k; i < len(rows) && ctx.Err() == nil; i += workers {
				p := &pictures[i]
				p.scene = newScene(w.config.Seed, w.split, uint64(rows[i]), w.config.Alike)
				p.pix = make([]uint8, 3*size*size)
				if w.config.Masks {
					p.mask = make([]uint8, size*size)
				}
				p.boxes = p.scene.render(size, p.pix, p.mask)
			}
		})
	}
	group.Wait()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, w.schema)
	defer b.Release()
	bytes := func(field int, data []uint8) {
		list := b.Field(field).(*array.FixedSizeListBuilder)
		list.Append(true)
		list.ValueBuilder().(*array.Uint8Builder).AppendValues(data, nil)
	}
	for _, p := range pictures {
		o := p.scene.Objects[0]
		position := int32(-1)
		if p.scene.Count == 1 && p.scene.Relation < 0 {
			position = int32(o.Cell)
		}
		bytes(0, p.pix)
		b.Field(1).(*array.Int32Builder).Append(int32(p.scene.label(w.config.Label)))
		b.Field(2).(*array.StringBuilder).Append(p.scene.Caption)
		for i, v := range []int32{int32(o.Color), int32(o.Size), int32(o.Texture), int32(p.scene.Count), position, int32(p.scene.Relation)} {
			b.Field(3 + i).(*array.Int32Builder).Append(v)
		}
		if w.config.Masks {
			list := b.Field(9).(*array.ListBuilder)
			list.Append(true)
			for _, x := range p.boxes {
				list.ValueBuilder().(*array.Int32Builder).AppendValues([]int32{int32(x.Left), int32(x.Top), int32(x.Right), int32(x.Bottom)}, nil)
			}
			bytes(10, p.mask)
		}
	}
	return b.NewRecord(), nil
}

// Distinct returns the first n rows whose captions, apart from how they are worded, all say something else, and something that no
// caption of other datasets says: what retrieval is measured on. It is an error if the dataset has fewer.
func Distinct(d datasets.Dataset, n int, others ...datasets.Dataset) ([]int64, error) {
	w, ok := d.(*world)
	if !ok {
		return nil, fmt.Errorf("shapes: distinct captions of a dataset that is not of shapes")
	}
	seen := map[string]bool{}
	for _, other := range others {
		o, ok := other.(*world)
		if !ok {
			return nil, fmt.Errorf("shapes: captions unlike those of a dataset that is not of shapes")
		}
		for i := int64(0); i < o.config.Rows; i++ {
			s := newScene(o.config.Seed, o.split, uint64(i), o.config.Alike)
			seen[s.meaning()] = true
		}
	}
	var rows []int64
	for i := int64(0); i < w.config.Rows && len(rows) < n; i++ {
		s := newScene(w.config.Seed, w.split, uint64(i), w.config.Alike)
		said := s.meaning()
		if !seen[said] {
			seen[said] = true
			rows = append(rows, i)
		}
	}
	if len(rows) < n {
		return nil, fmt.Errorf("shapes: %d rows have %d different captions, fewer than %d", w.config.Rows, len(rows), n)
	}
	return rows, nil
}

// meaning is what a caption says, in one wording.
func (s *Scene) meaning() string {
	what := phrase(s.Objects[0], s.Count)
	switch {
	case s.Relation >= 0: // "a left of b" is "b right of a"
		second := phrase(s.Objects[1], 1)
		if s.Relation%2 == 1 {
			return second + " " + Relations[s.Relation-1] + " " + what
		}
		return what + " " + Relations[s.Relation] + " " + second
	case s.Count == 1:
		return what + " at the " + Positions[s.Objects[0].Cell]
	}
	return what
}
