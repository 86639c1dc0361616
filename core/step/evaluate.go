package step

import (
	"fmt"
	"slices"
	"strings"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/core/grad"
)

// Evaluation returns the function that takes a module's parameters and buffers,
// the batch's fields and perhaps State, as Link's does, and gives the results of
// loss without dropout and without gradients.
func Evaluation(m *plugin.Module, loss *ir.Func, batch []ir.Param) (*ir.Func, error) {
	if err := m.Check(); err != nil {
		return nil, fmt.Errorf("model: %w", err)
	}
	linked, err := link(m.Evaluation(), len(m.State()), loss, batch)
	if err != nil {
		return nil, err
	}
	return WithoutDropout(linked)
}

// WithoutDropout returns f with every dropout op replaced by its operand: what
// a model computes when it is evaluated or used. The op is the one way in which
// a module says that something is for training only; its other random draws
// stay. State is no parameter of the result if nothing draws any more.
func WithoutDropout(f *ir.Func) (*ir.Func, error) {
	used := func(v ir.Value) bool {
		return slices.ContainsFunc(f.Results, func(r ir.Result) bool { return r.Value == v }) ||
			slices.ContainsFunc(f.Ops, func(op ir.Op) bool { return op.Name != "dropout" && slices.Contains(op.Operands, v) })
	}
	b := ir.NewBuilder(f.Name)
	m := make([]ir.Value, 0, f.NumValues())
	for i, p := range f.Params {
		if p.Name == State && !used(ir.Value(i)) {
			m = append(m, ir.NoValue)
			continue
		}
		m = append(m, b.Param(p.Name, p.Type))
	}
	for i := range f.Ops {
		if op := &f.Ops[i]; op.Name == "dropout" {
			m = append(m, m[op.Operands[0]])
		} else {
			m = append(m, b.CopyOp(op, m)...)
		}
	}
	for _, r := range f.Results {
		b.Return(r.Name, m[r.Value])
	}
	g, err := b.Func()
	if err != nil {
		return nil, err
	}
	return grad.Prune(g)
}

// Application returns a new function that uses a module: it takes what the module's evaluation does, then what is more, has the
// evaluation in it, without dropout, and still returns nothing. The values are those of the outputs, then of what is more.
func Application(m *plugin.Module, name string, outputs []string, more ...ir.Param) (*ir.Builder, []ir.Value, error) {
	f, err := WithoutDropout(m.Evaluation())
	if err != nil {
		return nil, nil, err
	}
	b := ir.NewBuilder(name)
	var args []ir.Value
	for _, p := range slices.Concat(f.Params, more) {
		args = append(args, b.Param(p.Name, p.Type))
	}
	n := len(f.Params)
	results := b.Inline(f, args[:n])
	if err := b.Err(); err != nil {
		return nil, nil, err
	}
	var values []ir.Value
	for _, output := range outputs {
		i := f.Result(output)
		if i < 0 {
			var have []string
			for _, o := range m.Outputs() {
				have = append(have, o.Name)
			}
			return nil, nil, fmt.Errorf("the model gives no %s; it gives %s", output, strings.Join(have, ", "))
		}
		values = append(values, results[i])
	}
	return b, append(values, args[n:]...), nil
}
