package discrete_vae

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/numerics"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/abi/plugin/batch"
	"github.com/seedbed/seedbed/abi/plugin/config"
)

// Objective is the plugin.
type Objective struct{}

var _ plugin.Objective = Objective{}

// Info describes the plugin.
func (Objective) Info() plugin.Info {
	return plugin.Info{Name: "discrete_vae", Version: "1.0.0", Doc: "describes images by codes", Roles: []string{"discrete_vae"}}
}

type binding struct {
	images      batch.Images
	likelihood  string
	shape       ir.Type // of pixel_values
	codes       ir.Type // of code_logits
	first, last float64 // temperatures
	steps       int
	fields      []ir.Param
	loss        *ir.Func
}

func (b *binding) Loss() *ir.Func    { return b.loss }
func (b *binding) Batch() []ir.Param { return b.fields }

// The likelihoods of pixels: DALL-E's, and a normal one of fixed width, whose
// logarithm but for a constant is the squared error.
const (
	laplace = "logit_laplace"
	normal  = "normal"
)

// Metrics says what the loss returns beside loss and weight.
func (b *binding) Metrics() []plugin.Metric {
	reconstruction := plugin.Metric{Name: "reconstruction_nll", Doc: "nats an image", PerWeight: true}
	if b.likelihood == normal {
		reconstruction = plugin.Metric{Name: "squared_error", Doc: "summed over an image, of values from 0.1 to 0.9", PerWeight: true}
	}
	return []plugin.Metric{
		reconstruction,
		{Name: "kl", Doc: "nats an image, of its codes from equal ones", PerWeight: true},
	}
}

// Bind needs a model of role discrete_vae: inputs pixel_values
// (f32[B,C,H,W], from 0.1 to 0.9), gumbel (f32[B,K,h,w], standard Gumbel noise)
// and temperature (f32[]); outputs code_logits (f32[B,K,h,w]) and
// reconstruction (f32[B,2C,H,W]: places, then log widths). Rows have a column
// image (see batch.Images).
func (Objective) Bind(_ context.Context, r plugin.BindRequest) (plugin.Binding, error) {
	b, beta := &binding{}, 0.0
	// Pixels become 0.1 + 0.8 v/255: (v/255 + 0.125) / 1.25.
	b.images.Mean, b.images.Deviation = -0.125, 1.25
	err := config.Read(r.Config, nil,
		config.Word("augment", &b.images.Augment, "none", "crop_flip"),
		// What the decoder's outputs say of pixels: logit_laplace is DALL-E's; normal
		// is the squared error of the logistic function of the places, which needs no
		// widths and heeds rare colors sooner.
		config.Word("likelihood", &b.likelihood, laplace, normal),
		// The factor on the divergence.
		config.Float("beta", &beta, 6.6, 0, 1000),
		// The temperature falls from one to the other in this many steps, as half a
		// cosine. One that begins well above 1 leaves codes soft, and the noise small
		// beside them, while the autoencoder learns what to keep: more codes come into
		// use.
		config.Float("temperature", &b.first, 1, 0.01, 100),
		config.Float("final_temperature", &b.last, 0.0625, 0.01, 100),
		config.Int("temperature_steps", &b.steps, 150000, 1, 1<<30),
	)
	if err != nil {
		return nil, err
	}
	if r.Role != "discrete_vae" {
		return nil, fmt.Errorf("objective discrete_vae needs a model of role discrete_vae, not %q", r.Role)
	}
	if b.codes, err = batch.Output(r.Outputs, "code_logits", 4); err != nil {
		return nil, err
	}
	reconstruction, err := batch.Output(r.Outputs, "reconstruction", 4)
	if err != nil {
		return nil, err
	}
	if b.shape, err = batch.Input(r.Inputs, "pixel_values"); err != nil {
		return nil, err
	}
	s := b.shape.Shape
	if !reconstruction.Equal(b.shape.With(s[0], 2*s[1], s[2], s[3])) || b.codes.Shape[0] != s[0] {
		return nil, fmt.Errorf("the model's pixel_values are %v, its reconstruction %v and its code_logits %v: they do not fit", b.shape, reconstruction, b.codes)
	}
	if err = b.images.Bind(r.Rows, b.shape); err != nil {
		return nil, err
	}
	if b.fields, err = batch.Fields(r.Inputs, map[string]ir.Type{"pixel_values": b.shape, "gumbel": b.codes, "temperature": ir.T(ir.F32)}); err != nil {
		return nil, err
	}
	b.loss, err = b.build(reconstruction, beta)
	return b, err
}

// build writes the loss of each image, summed: with places m and widths e^s,
// |logit(x) - m| / e^s + s + log(2 x (1 - x)) for each value, or
// (logistic(m) - x)^2, and beta times the sum over codes of q log(K q).
func (b *binding) build(reconstruction ir.Type, beta float64) (*ir.Func, error) {
	f := ir.NewBuilder("loss")
	logits, y, x := f.Param("code_logits", b.codes), f.Param("reconstruction", reconstruction), f.Param("pixel_values", b.shape)
	c := b.shape.Shape[1]
	place, width := f.SliceDim(y, 1, 0, c), f.SliceDim(y, 1, c, 2*c)
	var reconstructed ir.Value
	if b.likelihood == normal {
		e := f.Sub(f.Unary("logistic", place), x)
		reconstructed = f.ReduceSum(f.Mul(e, e), 0, 1, 2, 3)
	} else {
		rest := f.Sub(f.Full(b.shape, 1), x)
		distance := f.Unary("abs", f.Sub(f.Log(f.Div(x, rest)), place))
		nll := f.Add(f.Add(f.Div(distance, f.Exp(width)), width), f.Log(f.Scale(f.Mul(x, rest), 2)))
		reconstructed = f.ReduceSum(nll, 0, 1, 2, 3)
	}

	q := f.LogSoftmax(f.Transpose(logits, 0, 2, 3, 1))
	k := f.Full(f.Type(q), numerics.Log64(float64(b.codes.Shape[1])))
	divergence := f.ReduceDot(f.Exp(q), f.Add(q, k), 0, 1, 2, 3)
	f.Return("loss", f.Add(reconstructed, f.Scale(divergence, beta)))
	f.Return("weight", f.Const(ir.F32, float64(b.shape.Shape[0])))
	f.Return(b.Metrics()[0].Name, reconstructed)
	f.Return("kl", divergence)
	return f.Func()
}

// stream keeps the draws apart from others.
const stream uint32 = 0x67756d00 // "gum"

// Transform fills gumbel with noise and temperature with that of the step.
func (b *binding) Transform(ctx context.Context, rows arrow.Record, at plugin.Position, fields [][]byte) error {
	n := b.shape.Shape[0]
	buffers, err := batch.Open(rows, n, b.fields, fields)
	if err != nil {
		return fmt.Errorf("discrete_vae: %w", err)
	}
	if err := b.images.Put(ctx, rows, at, 0, buffers["pixel_values"]); err != nil {
		return fmt.Errorf("discrete_vae: %w", err)
	}
	if noise := buffers["gumbel"]; noise != nil {
		each := b.codes.Elements() / n
		for r := range n {
			draws := batch.NewDraws(at, stream, n, r)
			for i := range each {
				u := (float32(draws.Bits()>>9) + 0.5) * 0x1p-23 // within (0, 1), exact
				v := -numerics.Log(-numerics.Log(u))
				binary.LittleEndian.PutUint32(noise[4*(r*each+i):], math.Float32bits(v))
			}
		}
	}
	buffers.PutFloat("temperature", 0, float32(b.temperature(at.Step)))
	return nil
}

func (b *binding) temperature(step uint64) float64 {
	done := min(1, float64(step)/float64(b.steps))
	return b.last + float64((b.first-b.last)*(1+numerics.CosPi64(done))/2)
}
