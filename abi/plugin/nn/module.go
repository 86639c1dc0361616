package nn

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/abi/plugin/config"
)

// maxParameters bounds the elements of all parameters of a module.
const maxParameters = 1 << 40

// Net is a network that is being written.
type Net struct {
	*ir.Builder
	// Epsilon is what norms add to the variance.
	Epsilon float64
	// Evaluating tells whether this is the function that takes buffers.
	Evaluating bool

	inputs     map[string]ir.Value
	parameters map[string]plugin.Parameter
	// values are those of the parameters; nil while they are being collected.
	values  map[string]ir.Value
	buffers map[string]plugin.ModelBuffer
	// averages are the values of buffers; nil unless Evaluating.
	averages map[string]ir.Value
	state    ir.Value
	draws    bool // whether state is used
	differs  bool // whether the network is another one while Evaluating
	total    int
}

// stateName is the input that holds the state of random draws; the host fills
// it.
const stateName = "state"

// Module writes the functions of a role. body is called twice: once to learn
// which parameters there are, and once with their values; if there are buffers,
// or attention drops out, also a third time, for evaluation. It must do the same
// each time, but where the network depends on Evaluating, and returns the role's outputs by Return. State is not among
// inputs: it becomes one if the network draws random bits.
func Module(role string, config json.RawMessage, inputs []ir.Param, body func(n *Net)) (*plugin.Module, error) {
	first := &Net{Builder: ir.NewBuilder(role), parameters: map[string]plugin.Parameter{}, buffers: map[string]plugin.ModelBuffer{}}
	first.declare(inputs, true)
	body(first)
	if _, err := first.Func(); err != nil {
		return nil, err
	}
	m := &plugin.Module{Config: config}
	for _, p := range first.parameters {
		m.Parameters = append(m.Parameters, p)
	}
	slices.SortFunc(m.Parameters, func(a, b plugin.Parameter) int { return strings.Compare(a.Name, b.Name) })

	for _, x := range first.buffers {
		m.Buffers = append(m.Buffers, x)
	}
	slices.SortFunc(m.Buffers, func(a, b plugin.ModelBuffer) int { return strings.Compare(a.Name, b.Name) })
	var err error
	if m.Forward, err = first.again(m, role, inputs, false, body); err != nil {
		return nil, err
	}
	if len(m.Buffers) > 0 || first.differs {
		if m.Evaluate, err = first.again(m, role+"_evaluate", inputs, true, body); err != nil {
			return nil, err
		}
	}
	return m, m.Check()
}

// again writes a function of a module whose parameters and buffers n found.
func (n *Net) again(m *plugin.Module, name string, inputs []ir.Param, evaluating bool, body func(n *Net)) (*ir.Func, error) {
	x := &Net{Builder: ir.NewBuilder(name), Evaluating: evaluating, parameters: n.parameters, values: map[string]ir.Value{}, buffers: n.buffers}
	for _, p := range m.Parameters {
		x.values[p.Name] = x.Param(p.Name, p.Type)
	}
	if evaluating {
		x.averages = map[string]ir.Value{}
		for _, b := range m.Buffers {
			x.averages[b.Name] = x.Param(b.Name, b.Type)
		}
	}
	x.declare(inputs, n.draws)
	body(x)
	return x.Func()
}

func (n *Net) declare(inputs []ir.Param, state bool) {
	n.inputs = map[string]ir.Value{}
	for _, p := range inputs {
		n.inputs[p.Name] = n.Param(p.Name, p.Type)
	}
	n.state = ir.NoValue
	if state {
		n.state = n.Param(stateName, ir.T(ir.U32, 4))
	}
}

// Input returns an input of the role.
func (n *Net) Input(name string) ir.Value {
	v, ok := n.inputs[name]
	if !ok {
		return n.Fail("there is no input %q", name)
	}
	return v
}

// Has tells whether there is an input.
func (n *Net) Has(name string) bool { _, ok := n.inputs[name]; return ok }

// Weight returns the parameter called name, f32 of the given shape. Weight
// decay spares those of rank 0 and 1. The same name may be used again with the
// same shape: the parameter is shared.
func (n *Net) Weight(name string, init plugin.Init, shape ...int) ir.Value {
	p := plugin.Parameter{Name: name, Type: ir.T(ir.F32, shape...), Init: init, NoDecay: len(shape) < 2}
	if known, ok := n.parameters[name]; ok {
		if !known.Type.Equal(p.Type) || known.Init != init {
			return n.Fail("parameter %q is %v with %v, and %v with %v elsewhere", name, p.Type, init, known.Type, known.Init)
		}
	} else if n.values != nil {
		return n.Fail("parameter %q was not there at first", name)
	} else {
		n.parameters[name] = p
		if err := p.Type.Check(); err != nil {
			return n.Fail("parameter %q: %v", name, err)
		}
		if n.total += p.Type.Elements(); n.total > maxParameters {
			return n.Fail("the parameters have more than %d elements", maxParameters)
		}
	}
	if n.values == nil {
		return n.Zeros(p.Type) // stands for it while parameters are collected
	}
	return n.values[name]
}

// Average declares the buffer called name, an f32 average that begins as init
// and keeps decay of itself in a step. While Evaluating it returns the average;
// otherwise NoValue, and seen, called once, says what the average takes of the
// batch.
func (n *Net) Average(name string, init plugin.Init, decay float64, seen func() ir.Value, shape ...int) ir.Value {
	x := plugin.ModelBuffer{Name: name, Type: ir.T(ir.F32, shape...), Init: init, Decay: decay}
	if known, ok := n.buffers[name]; !ok && n.values == nil {
		n.buffers[name] = x
	} else if n.values == nil || !ok || !known.Type.Equal(x.Type) || known.Init != init || known.Decay != decay {
		return n.Fail("buffer %q is declared twice, or was not so at first", name)
	}
	if n.Evaluating {
		return n.averages[name]
	}
	n.Return(plugin.BufferPrefix+name, seen())
	return ir.NoValue
}

// Ones begins with 1.
func Ones() plugin.Init { return plugin.Init{Kind: plugin.InitOnes} }

// Zeros begins with 0.
func Zeros() plugin.Init { return plugin.Init{Kind: plugin.InitZeros} }

// Normal has mean 0 and the given standard deviation.
func Normal(deviation float64) plugin.Init {
	return plugin.Init{Kind: plugin.InitNormal, Scale: deviation}
}

// Uniform is uniform in [-bound, bound).
func Uniform(bound float64) plugin.Init { return plugin.Init{Kind: plugin.InitUniform, Scale: bound} }

// Begin checks what all models check of a request before anything else: that the role is one of info's, the configuration, which it
// reads into the fields, and the dimensions called names, which it returns in that order.
func Begin(ctx context.Context, info plugin.Info, r plugin.BuildRequest, presets []config.Preset, fields []config.Field, names ...string) ([]int, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if !slices.Contains(info.Roles, r.Role) {
		return nil, fmt.Errorf("%s: the role %q is not one of its own: %s", info.Name, r.Role, strings.Join(info.Roles, ", "))
	}
	if err := config.Read(r.Config, presets, fields...); err != nil {
		return nil, err
	}
	return Dims(info.Name, r.Dims, names...)
}

// maxDim bounds one dimension of a request.
const maxDim = 1 << 20

// Dims takes the dimensions called names, in order, from those of a request,
// which must have them all, positive, and no others.
func Dims(owner string, given map[string]int, names ...string) ([]int, error) {
	out := make([]int, len(names))
	for i, name := range names {
		if out[i] = given[name]; out[i] < 1 || out[i] > maxDim {
			return nil, fmt.Errorf("%s: dimension %q must be 1 to %d, is %d", owner, name, maxDim, out[i])
		}
	}
	if len(given) != len(names) {
		var unknown []string
		for name := range given {
			if !slices.Contains(names, name) {
				unknown = append(unknown, name)
			}
		}
		slices.Sort(unknown)
		return nil, fmt.Errorf("%s: unknown dimensions %q; it has %s", owner, unknown, strings.Join(names, ", "))
	}
	return out, nil
}
