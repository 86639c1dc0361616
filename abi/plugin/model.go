package plugin

import (
	"context"
	"encoding/json"
	"fmt"

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
	// Forward computes the role. Its parameters are the module's, by name and
	// in order, then the role's inputs; its results are the role's outputs.
	Forward *ir.Func
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

// Init says how a parameter begins. The host draws the values: element i of
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
// parameters sorted, named once and of float dtype, and a verified function
// that takes them first.
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
	return nil
}

// Inputs returns the role's inputs: what Forward takes after the parameters.
func (m *Module) Inputs() []ir.Param { return m.Forward.Params[len(m.Parameters):] }
