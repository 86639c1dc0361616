package step

import (
	"fmt"
	"slices"
	"strings"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/core/grad"
)

// Names of values that model, objective and host agree on.
const (
	Loss   = "loss"   // result of a loss: the sum of losses, f32[]
	Weight = "weight" // result of a loss: what it is a sum over, f32[]
	// State is the parameter that holds the state of random draws, u32[4] =
	// (seed low, seed high, step, grain); the host fills it, never a batch.
	State = "state"
)

var stateType = ir.T(ir.U32, 4)

// Link returns the function that takes a module's parameters, then the batch's
// fields in the order of batch, then State if the model or the loss draws
// random bits, and gives the results of loss and what the model's buffers take.
//
// A parameter of loss is one of the model's outputs or a field of the batch; a
// name that is both, or neither, is an error that names both sides.
func Link(m *plugin.Module, loss *ir.Func, batch []ir.Param) (*ir.Func, error) {
	if err := m.Check(); err != nil {
		return nil, fmt.Errorf("model: %w", err)
	}
	return link(m.Forward, len(m.Parameters), loss, batch)
}

// link joins a function of a model, which takes held tensors before the role's
// inputs, with a loss.
func link(model *ir.Func, held int, loss *ir.Func, batch []ir.Param) (*ir.Func, error) {
	if err := loss.Verify(); err != nil {
		return nil, fmt.Errorf("objective: %w", err)
	}
	b := ir.NewBuilder("grain")
	values := map[string]ir.Value{}
	for _, p := range model.Params[:held] {
		values[p.Name] = b.Param(p.Name, p.Type)
	}
	fields := map[string]ir.Type{}
	for _, f := range batch {
		if f.Name == State {
			return nil, fmt.Errorf("objective: the batch has a field %q, which is the host's own name", State)
		}
		if _, taken := values[f.Name]; taken {
			return nil, fmt.Errorf("the batch's field %q has the name of a parameter, a buffer or another field", f.Name)
		}
		fields[f.Name] = f.Type
		values[f.Name] = b.Param(f.Name, f.Type)
	}
	draws := func(f *ir.Func) bool { return f.Param(State) >= 0 }
	if draws(model) || draws(loss) {
		fields[State] = stateType
		values[State] = b.Param(State, stateType)
	}

	var args []ir.Value
	for i, p := range model.Params {
		if i >= held {
			if err := fits("the model's input", p, fields, "the batch"); err != nil {
				return nil, err
			}
		}
		args = append(args, values[p.Name])
	}
	types := model.Types()
	outputs := map[string]ir.Type{}
	forward := b.Inline(model, args)
	for i, r := range model.Results {
		if isBuffer(r.Name) {
			continue
		}
		if _, both := fields[r.Name]; both {
			return nil, fmt.Errorf("%q is both an output of the model and a field of the batch", r.Name)
		}
		outputs[r.Name], values[r.Name] = types[r.Value], forward[i]
	}

	args = args[:0]
	for _, p := range loss.Params {
		where, name := fields, "the batch"
		if _, ok := outputs[p.Name]; ok {
			where, name = outputs, "the model"
		}
		if err := fits("the loss's parameter", p, where, name); err != nil {
			return nil, err
		}
		args = append(args, values[p.Name])
	}
	results := b.Inline(loss, args)
	lossTypes := loss.Types()
	for i, r := range loss.Results {
		if t := lossTypes[r.Value]; !t.Equal(ir.T(ir.F32)) {
			return nil, fmt.Errorf("objective: the result %q of the loss is %v, must be f32[]", r.Name, t)
		}
		if isBuffer(r.Name) || strings.HasPrefix(r.Name, grad.Prefix) {
			return nil, fmt.Errorf("objective: the loss returns %q; names that begin so are the host's own", r.Name)
		}
		b.Return(r.Name, results[i])
	}
	for i, r := range model.Results {
		if isBuffer(r.Name) {
			b.Return(r.Name, forward[i])
		}
	}
	for _, name := range []string{Loss, Weight} {
		if loss.Result(name) < 0 {
			return nil, fmt.Errorf("objective: the loss returns no %q, only %s", name, resultNames(loss))
		}
	}
	return b.Func()
}

// isBuffer tells whether a result is for a buffer of the model.
func isBuffer(name string) bool { return strings.HasPrefix(name, plugin.BufferPrefix) }

// fits reports whether a parameter has a counterpart of its type.
func fits(what string, p ir.Param, have map[string]ir.Type, where string) error {
	t, ok := have[p.Name]
	switch {
	case !ok:
		names := make([]string, 0, len(have))
		for n := range have {
			names = append(names, n)
		}
		slices.Sort(names)
		return fmt.Errorf("%s %q %v has no counterpart: %s gives %s", what, p.Name, p.Type, where, strings.Join(names, ", "))
	case !t.Equal(p.Type):
		return fmt.Errorf("%s %q is %v, but %s gives it as %v", what, p.Name, p.Type, where, t)
	}
	return nil
}

func resultNames(f *ir.Func) string {
	names := make([]string, len(f.Results))
	for i, r := range f.Results {
		names[i] = r.Name
	}
	return strings.Join(names, ", ")
}
