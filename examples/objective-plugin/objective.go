package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/abi/plugin/batch"
	"github.com/seedbed/seedbed/abi/plugin/config"
)

// Objective is the plugin. Its zero value is ready.
type Objective struct{}

// Info describes the plugin.
func (Objective) Info() plugin.Info {
	return plugin.Info{
		Name: "barlow_twins", Version: "1.0.0", Roles: []string{"two_view_encoder"},
		Doc: "makes the cross-correlation of two views' embeddings the identity",
	}
}

// binding is the objective fitted to a model and a dataset.
type binding struct {
	images batch.Images
	view   ir.Type    // of view_a and of view_b, f32[B,C,H,W]
	fields []ir.Param // of the batch
	loss   *ir.Func
	config json.RawMessage
}

// Bind needs a model of role two_view_encoder: inputs view_a and view_b,
// f32[B,C,H,W], and an output embeddings, f32[2B,D], first those of view_a. Rows
// have a column image (see batch.Images). Its configuration is that of images
// and lambda, the weight of what is off the diagonal.
//
// The role's embeddings are of length 1, those of the paper are not. The loss
// standardizes each of their D components over the batch, as the paper does, so
// that only the relative size of an image's components is lost.
func (Objective) Bind(_ context.Context, r plugin.BindRequest) (plugin.Binding, error) {
	if r.Role != "two_view_encoder" {
		return nil, fmt.Errorf("barlow_twins needs a model of role two_view_encoder, not %q", r.Role)
	}
	b, lambda := &binding{}, 0.0
	fields := append(b.images.Fields("simclr", "crop_flip", "none"), config.Float("lambda", &lambda, 0.0051, 0, 1))
	err := config.Read(r.Config, nil, fields...)
	if err != nil {
		return nil, err
	}
	if b.config, err = config.JSON(fields...); err != nil {
		return nil, err
	}
	embeddings, err := batch.Output(r.Outputs, "embeddings", 2)
	if err != nil {
		return nil, err
	}
	if b.view, err = batch.Input(r.Inputs, "view_a"); err != nil {
		return nil, err
	}
	n := b.view.Shape[0]
	if n < 2 {
		return nil, fmt.Errorf("a grain has %d image; a correlation needs at least 2", n)
	}
	if embeddings.Shape[0] != 2*n {
		return nil, fmt.Errorf("the model's view_a is %v and its embeddings %v; needs two of each image", b.view, embeddings)
	}
	if err := b.images.Bind(r.Rows, b.view); err != nil {
		return nil, err
	}
	if b.fields, err = batch.Fields(r.Inputs, map[string]ir.Type{"view_a": b.view, "view_b": b.view}); err != nil {
		return nil, err
	}
	b.loss, err = loss(embeddings, lambda)
	return b, err
}

// loss is the paper's equation 1, of one grain:
//
//	sum_i (1 - C_ii)^2 + lambda * sum_i sum_{j != i} C_ij^2
//
// where C[D,D] is the cross-correlation of the components of both views over
// the grain's images (equation 2). The weight is 1: a step's loss is the mean
// over its grains.
func loss(embeddings ir.Type, lambda float64) (*ir.Func, error) {
	b := ir.NewBuilder("loss")
	z := b.Param("embeddings", embeddings)
	n, d := embeddings.Shape[0]/2, embeddings.Shape[1]
	standard := func(x ir.Value) ir.Value {
		y, _, _ := b.BatchNormTraining(x, b.Full(ir.T(ir.F32, d), 1), b.Zeros(ir.T(ir.F32, d)), 1e-5)
		return y
	}
	a, c := standard(b.SliceDim(z, 0, 0, n)), standard(b.SliceDim(z, 0, n, 2*n))
	correlation := b.Scale(b.DotGeneral(a, c, ir.DotDims{LHSContract: []int{0}, RHSContract: []int{0}}), 1/float64(n))

	square := ir.T(ir.I32, d, d)
	diagonal := b.Compare("eq", b.Iota(square, 0), b.Iota(square, 1))
	t := b.Type(correlation)
	missing := b.Sub(b.Full(t, 1), correlation)
	on := b.ReduceSum(b.Select(diagonal, b.Mul(missing, missing), b.Zeros(t)), 0, 1)
	off := b.ReduceSum(b.Select(diagonal, b.Zeros(t), b.Mul(correlation, correlation)), 0, 1)

	b.Return("loss", b.Add(on, b.Scale(off, lambda)))
	b.Return("weight", b.Const(ir.F32, 1))
	b.Return("invariance", on)
	b.Return("redundancy", off)
	return b.Func()
}

func (b *binding) Loss() *ir.Func          { return b.loss }
func (b *binding) Batch() []ir.Param       { return b.fields }
func (b *binding) Config() json.RawMessage { return b.config }

// Metrics are the two terms of the loss, without lambda.
func (b *binding) Metrics() []plugin.Metric {
	return []plugin.Metric{
		{Name: "invariance", Doc: "how far both views' components are from being the same", PerWeight: true},
		{Name: "redundancy", Doc: "how much different components tell the same", PerWeight: true},
	}
}

// Transform makes two views of each image.
func (b *binding) Transform(ctx context.Context, rows arrow.Record, at plugin.Position, fields [][]byte) error {
	buffers, err := batch.Open(rows, b.view.Shape[0], b.fields, fields)
	if err != nil {
		return fmt.Errorf("barlow_twins: %w", err)
	}
	for i, name := range []string{"view_a", "view_b"} {
		if err := b.images.Put(ctx, rows, at, uint32(i), buffers[name]); err != nil {
			return fmt.Errorf("barlow_twins: %w", err)
		}
	}
	return nil
}
