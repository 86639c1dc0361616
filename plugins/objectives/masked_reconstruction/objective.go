package masked_reconstruction

import (
	"context"
	"errors"
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
	return plugin.Info{Name: "masked_reconstruction", Version: "1.0.0", Doc: "predicts the patches of an image that are hidden", Roles: []string{"masked_autoencoder"}}
}

type binding struct {
	images               batch.Images
	shape                ir.Type // of pixel_values
	patches, seen, patch int
	fields               []ir.Param
	loss                 *ir.Func
}

func (b *binding) Loss() *ir.Func    { return b.loss }
func (b *binding) Batch() []ir.Param { return b.fields }

// Bind needs a model of role masked_autoencoder: inputs pixel_values
// (f32[B,C,H,W]), ids_keep (i32[B,L], the patches that the encoder sees, in its
// order) and ids_restore (i32[B,N], where each patch stands in the order of the
// shown, then the hidden); output prediction (f32[B,N,P*P*C], pixel by pixel).
// Rows have a column image (see batch.Images).
func (Objective) Bind(_ context.Context, r plugin.BindRequest) (plugin.Binding, error) {
	b := &binding{}
	normalize := false
	// Whether each patch is to be predicted with mean 0 and variance 1.
	fields := append(b.images.Fields("crop_flip", "crop", "none"), config.Bool("norm_pix_loss", &normalize, true))
	err := config.Read(r.Config, nil, fields...)
	if err != nil {
		return nil, err
	}
	if r.Role != "masked_autoencoder" {
		return nil, fmt.Errorf("objective masked_reconstruction needs a model of role masked_autoencoder, not %q", r.Role)
	}
	prediction, err := batch.Output(r.Outputs, "prediction", 3)
	if err != nil {
		return nil, err
	}
	if b.shape, err = batch.Input(r.Inputs, "pixel_values"); err != nil {
		return nil, err
	}
	s := b.shape.Shape
	for _, in := range r.Inputs {
		if in.Name == "ids_keep" && in.Type.Rank() == 2 {
			b.seen = in.Type.Shape[1]
		}
	}
	b.patches = prediction.Shape[1]
	for b.patch = 1; b.patch*b.patch*s[1] < prediction.Shape[2]; {
		b.patch++
	}
	if p := b.patch; prediction.Shape[0] != s[0] || p*p*s[1] != prediction.Shape[2] || s[2]%p != 0 || s[3]%p != 0 || (s[2]/p)*(s[3]/p) != b.patches {
		return nil, fmt.Errorf("the model's prediction %v is not of the square patches of its pixel_values %v", prediction, b.shape)
	}
	if b.seen < 1 || b.seen > b.patches {
		return nil, fmt.Errorf("the model sees %d of %d patches", b.seen, b.patches)
	}
	if err = b.images.Bind(r.Rows, b.shape); err != nil {
		return nil, err
	}
	restore := ir.Param{Name: "ids_restore", Type: ir.T(ir.I32, s[0], b.patches)}
	if b.fields, err = batch.Fields(r.Inputs, map[string]ir.Type{
		"pixel_values": b.shape, "ids_keep": ir.T(ir.I32, s[0], b.seen), "ids_restore": restore.Type,
	}); err != nil {
		return nil, err
	}
	b.loss, err = b.build(prediction, restore, normalize)
	return b, err
}

// build writes the loss: the mean squared error of each hidden patch, summed.
func (b *binding) build(prediction ir.Type, restore ir.Param, normalize bool) (*ir.Func, error) {
	f := ir.NewBuilder("loss")
	x, order, pixels := f.Param("prediction", prediction), f.Param(restore.Name, restore.Type), f.Param("pixel_values", b.shape)
	s, p := b.shape.Shape, b.patch
	// [B,C,h,p,w,p] -> [B,h,w,p,p,C]
	target := f.Transpose(f.Reshape(pixels, s[0], s[1], s[2]/p, p, s[3]/p, p), 0, 2, 4, 3, 5, 1)
	target = f.Reshape(target, prediction.Shape...)
	n := float64(prediction.Shape[2])
	rows := prediction.With(prediction.Shape[:2]...)
	wide := func(v ir.Value) ir.Value { return f.BroadcastFront(v, prediction.Shape...) }
	if normalize {
		centred := f.Sub(target, wide(f.Div(f.ReduceSum(target, 2), f.Full(rows, n))))
		variance := f.Div(f.ReduceDot(centred, centred, 2), f.Full(rows, n-1)) // unbiased, as in the released code
		target = f.Div(centred, wide(f.Sqrt(f.Add(variance, f.Full(rows, 1e-6)))))
	}
	d := f.Sub(x, target)
	each := f.Div(f.ReduceDot(d, d, 2), f.Full(rows, n))
	hidden := f.Convert(f.Compare("ge", order, f.Full(restore.Type, float64(b.seen))), ir.F32)
	f.Return("loss", f.ReduceDot(each, hidden, 0, 1))
	f.Return("weight", f.Const(ir.F32, float64(s[0]*(b.patches-b.seen))))
	return f.Func()
}

// stream keeps the draws apart from others.
const stream uint32 = 0x6d616500 // "mae"

// Transform shows some patches of each image, every choice as likely as
// another. A model that sees all of them is only evaluated, and its patches are
// in their own order.
func (b *binding) Transform(ctx context.Context, rows arrow.Record, at plugin.Position, fields [][]byte) error {
	if b.seen == b.patches && !at.Evaluating() {
		return errors.New("masked_reconstruction: the model sees all patches, so that none is left to predict: raise its mask_ratio")
	}
	n := b.shape.Shape[0]
	buffers, err := batch.Open(rows, n, b.fields, fields)
	if err != nil {
		return fmt.Errorf("masked_reconstruction: %w", err)
	}
	if err := b.images.Put(ctx, rows, at, 0, buffers["pixel_values"]); err != nil {
		return fmt.Errorf("masked_reconstruction: %w", err)
	}
	for r := range n {
		if b.seen == b.patches {
			for i := range b.patches {
				buffers.PutInt("ids_keep", r*b.seen+i, int32(i))
				buffers.PutInt("ids_restore", r*b.patches+i, int32(i))
			}
			continue
		}
		for place, patch := range batch.NewDraws(at, stream, n, r).Choose(b.patches, b.patches) {
			if place < b.seen {
				buffers.PutInt("ids_keep", r*b.seen+place, int32(patch))
			}
			buffers.PutInt("ids_restore", r*b.patches+patch, int32(place))
		}
	}
	return nil
}
