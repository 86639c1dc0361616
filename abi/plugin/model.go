package plugin

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/seedbed/seedbed/abi/ir"
)

// Info says who a plugin is.
type Info struct {
	Name    string // such as "gpt"; what recipes call it
	Version string // semantic version of the plugin itself
	Doc     string // one sentence
	// Roles are what a model can play, or the one that an objective needs,
	// such as "causal_lm".
	Roles []string
}

// Model turns a configuration into a module. Its methods may be called by any
// number of goroutines at once and give the same result every time.
type Model interface {
	Info() Info
	// Build returns the module for a role. A *ConfigError names the field of
	// the configuration that is wrong.
	Build(ctx context.Context, r BuildRequest) (*Module, error)
}

// BuildRequest asks a model for a module.
type BuildRequest struct {
	// Config is a JSON object whose fields the plugin defines; empty means all
	// defaults. Unknown fields are an error.
	Config json.RawMessage
	// Role is one of the model's roles.
	Role string
	// Dims are the sizes that the role leaves open, such as "batch" and
	// "sequence" of causal_lm.
	Dims map[string]int
}

// Module is a model: its parameters and what it computes from them.
type Module struct {
	// Config is the whole configuration, defaults included, as a JSON object.
	Config json.RawMessage
	// Parameters are sorted by name. Names are those under which checkpoints
	// keep them.
	Parameters []Parameter
	// Buffers are sorted by name, and none has the name of a parameter.
	Buffers []ModelBuffer
	// Forward computes the role. Its parameters are the module's, by name and
	// in order, then the role's inputs; its results are the role's outputs, and
	// BufferPrefix + name for every buffer: what it takes of the batch.
	Forward *ir.Func
	// Evaluate computes the role as it is used, not trained, with buffers as
	// they are: it takes the module's parameters, then its buffers, by name and
	// in order, then Forward's inputs, and gives the role's outputs in Forward's
	// order. Where there are no buffers it may be nil: Forward is used then.
	Evaluate *ir.Func
}

// Parameter is a trained tensor of a module.
type Parameter struct {
	Name string
	Type ir.Type
	Init Init
	// NoDecay exempts the parameter from weight decay, as is usual for biases
	// and the weights of norms.
	NoDecay bool
}

// BufferPrefix begins the name of a result of Forward that is for a buffer.
const BufferPrefix = "buffer."

// ModelBuffer is a tensor of a module that no gradient moves, such as a running
// average of batch normalization. The host keeps it: a step ends with
// ema(buffer, mean, Decay), where mean is that of Forward's result over the
// step's grains.
type ModelBuffer struct {
	Name  string
	Type  ir.Type
	Init  Init    // zeros or ones
	Decay float64 // what stays of it in a step, 0 to 1; PyTorch's momentum is 1 - Decay
}

// InitKind names a distribution of initial values.
type InitKind string

// The distributions of initial values.
const (
	InitZeros  InitKind = "zeros"
	InitOnes   InitKind = "ones"
	InitNormal InitKind = "normal" // mean Mean, standard deviation Scale
	// InitUniform is uniform in [-Scale, Scale).
	InitUniform InitKind = "uniform"
)

// Init says how a parameter begins, whatever device draws the values: element i of
// the parameter comes from the run's seed, the parameter's place in name
// order, and i alone.
type Init struct {
	Kind  InitKind
	Scale float64 // of normal and uniform; must be finite and not negative
	Mean  float64 // of normal, at most 1e30 in magnitude
}

// ConfigError is an error in one field of a plugin's configuration.
type ConfigError struct {
	Field string // path of the field, such as "n_head"
	Msg   string // what is wrong and what would be right
}

// Error returns "config field n_head: message".
func (e *ConfigError) Error() string { return fmt.Sprintf("config field %s: %s", e.Field, e.Msg) }

// Check reports the first way in which a module does not keep its promises:
// parameters and buffers sorted, named once and of float dtype, and verified
// functions that take them first and give what they must.
func (m *Module) Check() error {
	if m.Forward == nil {
		return fmt.Errorf("the module has no forward function")
	}
	if err := m.Forward.Verify(); err != nil {
		return err
	}
	if len(m.Forward.Params) < len(m.Parameters) {
		return fmt.Errorf("func %s takes %d parameters, fewer than the module's %d", m.Forward.Name, len(m.Forward.Params), len(m.Parameters))
	}
	for i, p := range m.Parameters {
		if i > 0 && m.Parameters[i-1].Name >= p.Name {
			return fmt.Errorf("parameter %q does not come after %q: they must be sorted and unique", p.Name, m.Parameters[i-1].Name)
		}
		if !p.Type.DType.IsFloat() {
			return fmt.Errorf("parameter %q is %v; only floats can be trained", p.Name, p.Type)
		}
		switch p.Init.Kind {
		case InitZeros, InitOnes:
		case InitNormal, InitUniform:
			if !(p.Init.Scale >= 0 && p.Init.Scale <= 1e30) {
				return fmt.Errorf("parameter %q: init scale %v is not between 0 and 1e30", p.Name, p.Init.Scale)
			}
			if !(p.Init.Mean >= -1e30 && p.Init.Mean <= 1e30) || p.Init.Mean != 0 && p.Init.Kind != InitNormal {
				return fmt.Errorf("parameter %q: init mean %v of %s is not one of a normal distribution, -1e30 to 1e30", p.Name, p.Init.Mean, p.Init.Kind)
			}
		default:
			return fmt.Errorf("parameter %q: unknown init %q", p.Name, p.Init.Kind)
		}
		if q := m.Forward.Params[i]; q.Name != p.Name || !q.Type.Equal(p.Type) {
			return fmt.Errorf("func %s: parameter %d is %q %v, the module's is %q %v", m.Forward.Name, i, q.Name, q.Type, p.Name, p.Type)
		}
	}
	return m.checkBuffers()
}

// checkBuffers is the part of Check that is about buffers.
func (m *Module) checkBuffers() error {
	buffers := map[string]ir.Type{}
	for i, x := range m.Buffers {
		if i > 0 && m.Buffers[i-1].Name >= x.Name {
			return fmt.Errorf("buffer %q does not come after %q: they must be sorted and unique", x.Name, m.Buffers[i-1].Name)
		}
		switch {
		case m.Forward.Param(x.Name) >= 0:
			return fmt.Errorf("func %s takes the buffer %q or something of its name; only Evaluate takes buffers", m.Forward.Name, x.Name)
		case !x.Type.DType.IsFloat():
			return fmt.Errorf("buffer %q is %v; only floats can be averaged", x.Name, x.Type)
		case x.Init != Init{Kind: InitZeros} && x.Init != Init{Kind: InitOnes}:
			return fmt.Errorf("buffer %q begins with %v; buffers begin with zeros or ones", x.Name, x.Init)
		case !(x.Decay >= 0 && x.Decay <= 1):
			return fmt.Errorf("buffer %q: decay %v is not between 0 and 1", x.Name, x.Decay)
		}
		buffers[BufferPrefix+x.Name] = x.Type
	}
	types := m.Forward.Types()
	for _, r := range m.Forward.Results {
		if !strings.HasPrefix(r.Name, BufferPrefix) {
			continue
		}
		t, ok := buffers[r.Name]
		if got := types[r.Value]; !ok || !got.Equal(t) {
			return fmt.Errorf("func %s: the result %q is %v, and the module has no such buffer of that type", m.Forward.Name, r.Name, got)
		}
		delete(buffers, r.Name)
	}
	for _, x := range m.Buffers {
		if _, missing := buffers[BufferPrefix+x.Name]; missing {
			return fmt.Errorf("func %s has no result %q for the buffer", m.Forward.Name, BufferPrefix+x.Name)
		}
	}
	if m.Evaluate == nil {
		if len(m.Buffers) > 0 {
			return fmt.Errorf("the module has %d buffers; one with buffers has an evaluate function", len(m.Buffers))
		}
		return nil
	}
	if err := m.Evaluate.Verify(); err != nil {
		return err
	}
	if err := sameParams(m.Evaluate, "takes", m.Evaluate.Params, append(m.State(), m.Inputs()...)); err != nil {
		return err
	}
	return sameParams(m.Evaluate, "gives", results(m.Evaluate), m.Outputs())
}

// sameParams reports where what a function takes or gives is not what it must
// be.
func sameParams(f *ir.Func, does string, have, want []ir.Param) error {
	for i, p := range want {
		if i >= len(have) || have[i].Name != p.Name || !have[i].Type.Equal(p.Type) {
			got := "nothing"
			if i < len(have) {
				got = fmt.Sprintf("%q %v", have[i].Name, have[i].Type)
			}
			return fmt.Errorf("func %s %s %s as number %d, where %q %v comes", f.Name, does, got, i, p.Name, p.Type)
		}
	}
	if len(have) > len(want) {
		return fmt.Errorf("func %s %s %q, which is one too many", f.Name, does, have[len(want)].Name)
	}
	return nil
}

func results(f *ir.Func) []ir.Param {
	types := f.Types()
	var l []ir.Param
	for _, r := range f.Results {
		l = append(l, ir.Param{Name: r.Name, Type: types[r.Value]})
	}
	return l
}

// Inputs returns the role's inputs: what Forward takes after the parameters.
func (m *Module) Inputs() []ir.Param { return m.Forward.Params[len(m.Parameters):] }

// Outputs returns the role's outputs: what Forward gives, but for buffers.
func (m *Module) Outputs() []ir.Param {
	return slices.DeleteFunc(results(m.Forward), func(p ir.Param) bool { return strings.HasPrefix(p.Name, BufferPrefix) })
}

// State returns what training changes and checkpoints keep: parameters, then
// buffers.
func (m *Module) State() []ir.Param {
	var l []ir.Param
	for _, p := range m.Parameters {
		l = append(l, ir.Param{Name: p.Name, Type: p.Type})
	}
	for _, x := range m.Buffers {
		l = append(l, ir.Param{Name: x.Name, Type: x.Type})
	}
	return l
}

// Evaluation returns the function that computes the role from State and
// Inputs: Evaluate, or Forward where there is none.
func (m *Module) Evaluation() *ir.Func {
	if m.Evaluate != nil {
		return m.Evaluate
	}
	return m.Forward
}
