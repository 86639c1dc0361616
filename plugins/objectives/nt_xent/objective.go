package nt_xent

import (
	"context"
	"fmt"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/abi/plugin/batch"
	"github.com/seedbed/seedbed/abi/plugin/config"
)

// Objective is the plugin.
type Objective struct{}

var _ plugin.Objective = Objective{}

// Info describes the plugin.
func (Objective) Info() plugin.Info {
	return plugin.Info{Name: "nt_xent", Version: "1.0.0", Doc: "tells which views are of the same image", Roles: []string{"two_view_encoder"}}
}

type binding struct {
	images batch.Images
	shape  ir.Type // of a view
	fields []ir.Param
	loss   *ir.Func
}

func (b *binding) Loss() *ir.Func    { return b.loss }
func (b *binding) Batch() []ir.Param { return b.fields }

// Metrics says what the loss returns beside loss and weight.
func (b *binding) Metrics() []plugin.Metric {
	return []plugin.Metric{{Name: "accuracy", Doc: fmt.Sprintf("part of the views whose other view is found among %d", 2*b.shape.Shape[0]-1), PerWeight: true}}
}

// Bind needs a model of role two_view_encoder: inputs view_a and view_b
// (f32[B,C,H,W]), output embeddings (f32[2B,D], of length 1, first those of
// view_a). Rows have a column image (see batch.Images).
func (Objective) Bind(_ context.Context, r plugin.BindRequest) (plugin.Binding, error) {
	b, temperature := &binding{images: batch.Images{Views: true}}, 0.0
	fields := append(b.images.Fields("simclr", "crop_flip", "crop", "none"), config.Float("temperature", &temperature, 0.5, 0.001, 100))
	err := config.Read(r.Config, nil, fields...)
	if err != nil {
		return nil, err
	}
	if r.Role != "two_view_encoder" {
		return nil, fmt.Errorf("objective nt_xent needs a model of role two_view_encoder, not %q", r.Role)
	}
	embeddings, err := batch.Output(r.Outputs, "embeddings", 2)
	if err != nil {
		return nil, err
	}
	if b.shape, err = batch.Input(r.Inputs, "view_a"); err != nil {
		return nil, err
	}
	n := b.shape.Shape[0]
	if embeddings.Shape[0] != 2*n {
		return nil, fmt.Errorf("the model's view_a is %v and its embeddings %v: needs two of each image", b.shape, embeddings)
	}
	if n < 2 {
		return nil, fmt.Errorf("a grain has %d image; telling images apart needs at least 2", n)
	}
	if err = b.images.Bind(r.Rows, b.shape); err != nil {
		return nil, err
	}
	if b.fields, err = batch.Fields(r.Inputs, map[string]ir.Type{"view_a": b.shape, "view_b": b.shape}); err != nil {
		return nil, err
	}
	b.loss, err = build(embeddings, temperature)
	return b, err
}

// build writes the loss of all 2B views: the cross-entropy of the other view
// of the same image among all others, by cosine similarity over temperature.
func build(embeddings ir.Type, temperature float64) (*ir.Func, error) {
	f := ir.NewBuilder("loss")
	z := f.Param("embeddings", embeddings)
	views := embeddings.Shape[0]
	t := ir.T(ir.I32, views/2)
	i := f.Iota(t, 0)
	other := f.Concatenate(0, f.Add(i, f.Full(t, float64(views/2))), i)
	cosines := f.Linear(z, z)
	f.Return("loss", f.ReduceSum(f.InfoNCE(cosines, other, temperature, true), 0))
	f.Return("weight", f.Const(ir.F32, float64(views)))
	square := ir.T(ir.I32, views, views)
	self := f.Compare("eq", f.Iota(square, 0), f.Iota(square, 1))
	others := f.Select(self, f.Full(f.Type(cosines), -2), cosines) // less than any cosine
	right := f.Compare("eq", f.Argmax(others, 1), other)
	f.Return("accuracy", f.ReduceSum(f.Convert(right, ir.F32), 0))
	return f.Func()
}

// Transform makes two views of each image.
func (b *binding) Transform(ctx context.Context, rows arrow.Record, at plugin.Position, fields [][]byte) error {
	buffers, err := batch.Open(rows, b.shape.Shape[0], b.fields, fields)
	if err != nil {
		return fmt.Errorf("nt_xent: %w", err)
	}
	for view, name := range []string{"view_a", "view_b"} {
		if err := b.images.Put(ctx, rows, at, uint32(view), buffers[name]); err != nil {
			return fmt.Errorf("nt_xent: %w", err)
		}
	}
	return nil
}
