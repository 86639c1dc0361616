package step

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
)

// Weights are what a run trains: the parameters and buffers of its modules
// together, each once, sorted by name.
type Weights struct {
	Parameters []plugin.Parameter
	Buffers    []plugin.ModelBuffer
	frozen     map[string]bool
}

// Join returns the weights of modules of one model, in the roles of the run's
// objectives. What has the same name is the same tensor, and must be declared
// alike. Parameters whose name matches one of freeze, patterns as those of
// path.Match in which * stops at no dot, keep their first values; a pattern that
// matches none is an error, and so is to freeze all.
func Join(freeze []string, modules ...*plugin.Module) (*Weights, error) {
	w := &Weights{frozen: map[string]bool{}}
	parameters, buffers := map[string]plugin.Parameter{}, map[string]plugin.ModelBuffer{}
	for _, m := range modules {
		for _, p := range m.Parameters {
			if q, ok := parameters[p.Name]; ok && (!q.Type.Equal(p.Type) || q.Init != p.Init || q.NoDecay != p.NoDecay) {
				return nil, fmt.Errorf("model: the parameter %q is %v in one role and %v in another, or begins or decays otherwise", p.Name, q.Type, p.Type)
			}
			parameters[p.Name] = p
		}
		for _, x := range m.Buffers {
			if y, ok := buffers[x.Name]; ok && (!y.Type.Equal(x.Type) || y.Init != x.Init || y.Decay != x.Decay) {
				return nil, fmt.Errorf("model: the buffer %q is %v in one role and %v in another, or begins or decays otherwise", x.Name, y.Type, x.Type)
			}
			buffers[x.Name] = x
		}
	}
	for name, p := range parameters {
		if _, both := buffers[name]; both {
			return nil, fmt.Errorf("model: %q is a parameter in one role and a buffer in another", name)
		}
		w.Parameters = append(w.Parameters, p)
	}
	for _, x := range buffers {
		w.Buffers = append(w.Buffers, x)
	}
	slices.SortFunc(w.Parameters, func(a, b plugin.Parameter) int { return strings.Compare(a.Name, b.Name) })
	slices.SortFunc(w.Buffers, func(a, b plugin.ModelBuffer) int { return strings.Compare(a.Name, b.Name) })
	for _, pattern := range freeze {
		matched := false
		for _, p := range w.Parameters {
			ok, err := path.Match(pattern, p.Name)
			if err != nil {
				return nil, fmt.Errorf("the pattern %q: %w", pattern, err)
			}
			if ok {
				w.frozen[p.Name], matched = true, true
			}
		}
		if !matched {
			return nil, fmt.Errorf("no parameter matches %q; the first is %q", pattern, w.Parameters[0].Name)
		}
	}
	if len(w.Parameters) == len(w.frozen) {
		return nil, errors.New("there is no parameter to train")
	}
	return w, nil
}

// Trained lists the parameters that are not frozen.
func (w *Weights) Trained() []plugin.Parameter {
	return slices.DeleteFunc(slices.Clone(w.Parameters), func(p plugin.Parameter) bool { return w.frozen[p.Name] })
}

// Tensors lists what checkpoints keep of a model: parameters, frozen ones too,
// then buffers.
func (w *Weights) Tensors() []ir.Param {
	return (&plugin.Module{Parameters: w.Parameters, Buffers: w.Buffers}).State()
}
