package masked_patch_prediction

import (
	"context"
	"fmt"
	"math"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/abi/plugin/batch"
	"github.com/seedbed/seedbed/abi/plugin/config"
)

// Objective is the plugin.
type Objective struct{}

var _ plugin.Objective = Objective{}

const role = "masked_patches"

// Info describes the plugin.
func (Objective) Info() plugin.Info {
	return plugin.Info{Name: "masked_patch_prediction", Version: "1.0.0", Doc: "predicts the colors or the pixels of patches whose embeddings are replaced", Roles: []string{role}}
}

type binding struct {
	images                     batch.Images
	rate, keepRate, randomRate float64
	distance                   string

	shape          ir.Type // of pixel_values
	patches, patch int     // of an image, and the side of one in pixels
	hidden         int     // patches of an image that are predicted
	colors         bool    // whether mean colors are predicted
	fields         []ir.Param
	loss           *ir.Func
}

func (b *binding) Loss() *ir.Func    { return b.loss }
func (b *binding) Batch() []ir.Param { return b.fields }

// Metrics says what the loss returns beside loss and weight.
func (b *binding) Metrics() []plugin.Metric {
	if !b.colors {
		return nil
	}
	return []plugin.Metric{{Name: "accuracy", Doc: "part of the hidden patches whose likeliest mean color is right", PerWeight: true}}
}

func (b *binding) configuration() []config.Field {
	return append(b.images.Fields("crop_flip", "crop", "none"),
		config.Float("mask_rate", &b.rate, 0.5, 0, 1),
		// Of the patches that are predicted, the parts whose embeddings are kept
		// and are those of other patches; the rest have the mask token.
		config.Float("keep_rate", &b.keepRate, 0.1, 0, 1),
		config.Float("random_rate", &b.randomRate, 0.1, 0, 1),
		config.Word("pixel_loss", &b.distance, "l1", "l2"),
	)
}

// Bind needs a model of role masked_patches: inputs pixel_values
// (f32[B,C,H,W]) and patch_sources (i32[B,N], the patch whose embedding stands
// at each place, N for the mask token); output prediction (f32[B,N,K]). K says
// what is predicted: 8^C classes are the mean colors of 3 bits a channel, the
// first channel highest; P*P*C values are the patch's pixels, channel by channel.
// Rows have a column image (see batch.Images).
func (Objective) Bind(_ context.Context, r plugin.BindRequest) (plugin.Binding, error) {
	b := &binding{}
	err := config.Read(r.Config, nil, b.configuration()...)
	switch {
	case err != nil:
		return nil, err
	case r.Role != role:
		return nil, fmt.Errorf("objective masked_patch_prediction needs a model of role %s, not %q", role, r.Role)
	case b.keepRate+b.randomRate > 1:
		return nil, config.Wrong("random_rate", "with keep_rate makes %v, more than 1", b.keepRate+b.randomRate)
	}
	prediction, err := batch.Output(r.Outputs, "prediction", 3)
	if err != nil {
		return nil, err
	}
	if b.shape, err = batch.Input(r.Inputs, "pixel_values"); err != nil {
		return nil, err
	}
	s := b.shape.Shape
	b.patches = prediction.Shape[1]
	for b.patch = 1; b.patch*b.patch*b.patches < s[2]*s[3]; {
		b.patch++
	}
	if p := b.patch; prediction.Shape[0] != s[0] || s[2]%p != 0 || s[3]%p != 0 || (s[2]/p)*(s[3]/p) != b.patches {
		return nil, fmt.Errorf("the model's prediction %v is not of the square patches of its pixel_values %v", prediction, b.shape)
	}
	if err = b.images.Bind(r.Rows, b.shape); err != nil {
		return nil, err
	}
	colors, pixels := 1<<(bits*s[1]), b.patch*b.patch*s[1]
	switch prediction.Shape[2] {
	case colors:
		b.colors = true
	case pixels:
	default:
		return nil, fmt.Errorf("the model's prediction %v is neither of %d colors nor of the %d values of a patch", prediction, colors, pixels)
	}
	b.hidden = min(b.patches, max(1, int(math.Floor(float64(b.rate*float64(b.patches))+0.5))))
	if b.hidden == b.patches && b.keepRate+b.randomRate == 0 {
		return nil, config.Wrong("mask_rate", "%v hides all of the %d patches", b.rate, b.patches)
	}
	sources, labels := ir.T(ir.I32, s[0], b.patches), ir.Param{Name: "labels", Type: ir.T(ir.I32, s[0], b.patches)}
	if !b.colors {
		labels.Name = "hidden_patches"
	}
	if b.fields, err = batch.Fields(r.Inputs, map[string]ir.Type{"pixel_values": b.shape, "patch_sources": sources}, labels); err != nil {
		return nil, err
	}
	if b.colors {
		b.loss, err = b.ofColors(prediction, labels)
	} else {
		b.loss, err = b.ofPixels(prediction, labels)
	}
	return b, err
}

// ofColors is the cross-entropy of the hidden patches' mean colors, summed.
func (b *binding) ofColors(prediction ir.Type, labels ir.Param) (*ir.Func, error) {
	f := ir.NewBuilder("loss")
	n := prediction.Shape[0] * b.patches
	x, y := f.Param("prediction", prediction), f.Param(labels.Name, labels.Type)
	x, y = f.Reshape(x, n, prediction.Shape[2]), f.Reshape(y, n)
	f.Return("loss", f.ReduceSum(f.CrossEntropy(x, y, batch.IgnoreIndex, 0), 0))
	f.Return("weight", f.Const(ir.F32, float64(prediction.Shape[0]*b.hidden)))
	// A patch that is not hidden has a label that no class is.
	f.Return("accuracy", f.ReduceSum(f.Convert(f.Compare("eq", f.Argmax(x, 1), y), ir.F32), 0))
	return f.Func()
}

// ofPixels is the mean distance of each hidden patch, summed.
func (b *binding) ofPixels(prediction ir.Type, hidden ir.Param) (*ir.Func, error) {
	f := ir.NewBuilder("loss")
	x, h, pixels := f.Param("prediction", prediction), f.Param(hidden.Name, hidden.Type), f.Param("pixel_values", b.shape)
	s, p := b.shape.Shape, b.patch
	// [B,C,h,p,w,p] -> [B,h,w,C,p,p]
	target := f.Transpose(f.Reshape(pixels, s[0], s[1], s[2]/p, p, s[3]/p, p), 0, 2, 4, 1, 3, 5)
	d := f.Sub(x, f.Reshape(target, prediction.Shape...))
	var each ir.Value
	if b.distance == "l2" {
		each = f.ReduceDot(d, d, 2)
	} else {
		each = f.ReduceSum(f.Unary("abs", d), 2)
	}
	each = f.Div(each, f.Full(prediction.With(prediction.Shape[:2]...), float64(prediction.Shape[2])))
	f.Return("loss", f.ReduceDot(each, f.Convert(h, ir.F32), 0, 1))
	f.Return("weight", f.Const(ir.F32, float64(s[0]*b.hidden)))
	return f.Func()
}
