package gpt

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/abi/plugin/config"
)

// Model is the plugin. It has no state.
var Model plugin.Model = model{}

type model struct{}

const role = "causal_lm"

// Bounds on what a module may be asked for: parameters in all, and sequences
// in a batch.
const (
	maxParameters int64 = 1 << 40
	maxBatch            = 1 << 20
)

// Info says who the plugin is.
func (model) Info() plugin.Info {
	return plugin.Info{
		Name:    "gpt",
		Version: "0.1.0",
		Doc:     "Decoder-only transformers: GPT-2, and the Llama family by options.",
		Roles:   []string{role},
	}
}

// Build returns the module for role "causal_lm" and the dimensions "batch" and
// "sequence". The module's Config has every field but preset, and builds the
// same module again.
func (model) Build(ctx context.Context, r plugin.BuildRequest) (*plugin.Module, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if r.Role != role {
		return nil, fmt.Errorf("gpt: the role %q is not one of its own: %s", config.Clip(r.Role), role)
	}
	c, err := parseSettings(r.Config)
	if err != nil {
		return nil, err
	}
	batch, sequence, err := dims(r.Dims)
	if err != nil {
		return nil, err
	}
	if sequence > c.NPositions {
		return nil, config.Wrong("n_positions", "%d is less than the dimension \"sequence\", %d", c.NPositions, sequence)
	}
	var net network = gpt2{c}
	if c.llama() {
		net = llama{c}
	}
	m := &plugin.Module{Parameters: net.parameters()}
	slices.SortFunc(m.Parameters, func(a, b plugin.Parameter) int { return strings.Compare(a.Name, b.Name) })
	total := int64(0)
	for _, p := range m.Parameters {
		total += int64(p.Type.Elements()) // at most 2^40 each, and 2^14 of them
	}
	if total > maxParameters {
		return nil, config.Wrong("n_layer", "%d layers and these sizes make %d parameters, more than %d", c.NLayer, total, maxParameters)
	}
	if m.Config, err = c.JSON(); err != nil {
		return nil, fmt.Errorf("gpt: writing the configuration: %w", err)
	}
	write := func(name string, attention float64) (*ir.Func, error) {
		f := &forward{Builder: ir.NewBuilder(name), weights: map[string]ir.Value{}, state: ir.NoValue, epsilon: c.LayerNormEpsilon, attentionDropout: attention}
		for _, p := range m.Parameters {
			f.weights[p.Name] = f.Param(p.Name, p.Type)
		}
		ids := ir.T(ir.I32, batch, sequence)
		f.ids, f.positions, f.segments = f.Param("input_ids", ids), f.Param("position_ids", ids), f.Param("segment_ids", ids)
		if c.EmbdPdrop > 0 || c.AttnPdrop > 0 || c.ResidPdrop > 0 {
			f.state = f.Param("state", ir.T(ir.U32, 4))
		}
		hidden, embedding := net.forward(f)
		f.Return("hidden", hidden)
		f.Return("output_embedding", embedding)
		g, err := f.Func()
		if err != nil {
			return nil, fmt.Errorf("gpt: batch %d, sequence %d: %w", batch, sequence, err)
		}
		return g, nil
	}
	if m.Forward, err = write(role, c.AttnPdrop); err != nil {
		return nil, err
	}
	if c.AttnPdrop > 0 {
		m.Evaluate, err = write(role+"_evaluate", 0)
	}
	return m, err
}

func dims(d map[string]int) (batch, sequence int, err error) {
	for _, name := range slices.Sorted(maps.Keys(d)) {
		if name != "batch" && name != "sequence" {
			return 0, 0, fmt.Errorf("gpt: unknown dimension %q; %s has batch and sequence", config.Clip(name), role)
		}
	}
	batch, sequence = d["batch"], d["sequence"]
	if batch < 1 || batch > maxBatch {
		return 0, 0, fmt.Errorf("gpt: dimension \"batch\" must be 1 to %d, is %d", maxBatch, batch)
	}
	if sequence < 1 {
		return 0, 0, fmt.Errorf("gpt: dimension \"sequence\" must be 1 to n_positions, is %d", sequence)
	}
	return batch, sequence, nil
}

// network is one family: its parameters in any order, and what it computes of
// them.
type network interface {
	parameters() []plugin.Parameter
	forward(f *forward) (hidden, outputEmbedding ir.Value)
}

// parameters collects the parameters of a module.
type parameters struct {
	list     []plugin.Parameter
	bias     bool    // whether linear maps have one
	scale    float64 // standard deviation of weights
	residual float64 // that of weights that write into the residual stream
}

func newParameters(c *settings) *parameters {
	return &parameters{bias: c.Bias, scale: c.InitializerRange, residual: c.InitializerRange / math.Sqrt(float64(2*c.NLayer))}
}

func (p *parameters) add(name string, init plugin.Init, shape ...int) {
	p.list = append(p.list, plugin.Parameter{Name: name, Type: ir.T(ir.F32, shape...), Init: init, NoDecay: len(shape) == 1})
}

// weight adds a normal tensor.
func (p *parameters) weight(name string, scale float64, shape ...int) {
	p.add(name, plugin.Init{Kind: plugin.InitNormal, Scale: scale}, shape...)
}

// linear adds name.weight of the given shape and, if there are biases,
// name.bias [out].
func (p *parameters) linear(name string, scale float64, out int, shape ...int) {
	p.weight(name+".weight", scale, shape...)
	if p.bias {
		p.add(name+".bias", plugin.Init{Kind: plugin.InitZeros}, out)
	}
}

// forward is a builder of the function, with its parameters and inputs.
type forward struct {
	*ir.Builder
	weights                  map[string]ir.Value
	ids, positions, segments ir.Value // i32[B,S]
	state                    ir.Value // u32[4], or NoValue
	epsilon                  float64  // of norms
	attentionDropout         float64
}

// weight returns the parameter called name.
func (f *forward) weight(name string) ir.Value {
	v, ok := f.weights[name]
	if !ok {
		return f.Fail("there is no parameter %q", name)
	}
	return v
}

// addBias adds the bias called name to the last dimension of x, if the module
// has it.
func (f *forward) addBias(x ir.Value, name string) ir.Value {
	bias, ok := f.weights[name]
	if !ok {
		return x
	}
	return f.Add(x, f.BroadcastTo(bias, f.Type(x).Shape...))
}

// drop is dropout at a rate that may be 0.
func (f *forward) drop(x ir.Value, rate float64) ir.Value {
	if rate == 0 {
		return x
	}
	return f.Dropout(x, f.state, rate)
}

// heads turns [B,S,H*D] into [B,S,H,D].
func (f *forward) heads(x ir.Value, n, dim int) ir.Value {
	return f.Reshape(x, f.Dim(x, 0), f.Dim(x, 1), n, dim)
}

// attention is causal attention within segments; the heads' results come out
// side by side, [B,S,H*D].
func (f *forward) attention(q, k, v ir.Value) ir.Value {
	var y ir.Value
	if f.attentionDropout > 0 {
		scale := 1 / math.Sqrt(float64(f.Dim(q, -1)))
		y = f.DroppedAttention(q, k, v, ir.NoValue, f.state, true, scale, f.attentionDropout, f.segments, f.segments)
	} else {
		y = f.Attention(q, k, v, true, f.segments, f.segments)
	}
	return f.Reshape(y, f.Dim(q, 0), f.Dim(q, 1), f.Dim(q, 2)*f.Dim(q, 3))
}
