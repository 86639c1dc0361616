package grad

import (
	"fmt"
	"slices"

	"github.com/seedbed/seedbed/abi/ir"
)

// Prefix is put before a parameter's name to name the result that holds the
// gradient with respect to it.
const Prefix = "grad."

// Reverse returns a function with the parameters and results of f and, for
// each parameter in wrt, a result called Prefix + name: the gradient of the
// scalar result loss with respect to that parameter, of the parameter's type.
//
// Cotangents of a value that is used several times are added in the order in
// which reverse mode meets the uses, last use first; the sum is therefore the
// same program for the same f.
//
// Composites whose gradient is their decomposition's are expanded.
func Reverse(f *ir.Func, loss string, wrt []string) (*ir.Func, error) {
	f, err := ir.Expand(f, func(op *ir.Op) bool { return !ir.LookupOp(op.Name).IsDerived() })
	if err != nil {
		return nil, err
	}
	r := f.Result(loss)
	if r < 0 {
		return nil, fmt.Errorf("differentiating %s: it has no result %q", f.Name, loss)
	}
	types := f.Types()
	if t := types[f.Results[r].Value]; t.Rank() != 0 || !t.DType.IsFloat() {
		return nil, fmt.Errorf("differentiating %s: result %q is %v, a gradient needs a float scalar", f.Name, loss, t)
	}
	params := make([]int, len(wrt))
	for i, name := range wrt {
		params[i] = f.Param(name)
		if params[i] < 0 {
			return nil, fmt.Errorf("differentiating %s: it has no parameter %q", f.Name, name)
		}
		if t := types[params[i]]; !t.DType.IsFloat() {
			return nil, fmt.Errorf("differentiating %s: parameter %q is %v, a gradient needs floats", f.Name, name, t)
		}
	}

	b := ir.NewBuilder(f.Name)
	m := make([]ir.Value, 0, len(types))
	for _, p := range f.Params {
		m = append(m, b.Param(p.Name, p.Type))
	}
	for i := range f.Ops {
		m = append(m, b.CopyOp(&f.Ops[i], m)...)
	}
	if b.Err() != nil {
		return nil, b.Err()
	}

	active := activeValues(f, params)
	ct := make([]ir.Value, len(types))
	for i := range ct {
		ct[i] = ir.NoValue
	}
	out := f.Results[r].Value
	ct[out] = b.Full(types[out], 1)
	// replaced maps a forward value to an equal one that a gradient computed.
	replaced := map[ir.Value]ir.Value{}
	for i := len(f.Ops) - 1; i >= 0; i-- {
		op := &f.Ops[i]
		if err := reverseOp(b, op, m, ct, active, replaced); err != nil {
			return nil, fmt.Errorf("differentiating %s: op %d (%s): %w", f.Name, i, op.Name, err)
		}
	}

	m = forwardAgain(b, f, m, replaced)
	for _, res := range f.Results {
		b.Return(res.Name, m[res.Value])
	}
	for i, p := range params {
		v := ct[p]
		if v == ir.NoValue {
			v = b.Zeros(types[p])
		}
		b.Return(Prefix+wrt[i], v)
	}
	g, err := b.Func()
	if err != nil {
		return nil, err
	}
	return Prune(g)
}

// forwardAgain repeats the forward ops that use a replaced value, on what
// replaces it, and returns the map of values that this gives. Ops that nothing
// uses any more, and copies that nothing needs, are left to Prune.
func forwardAgain(b *ir.Builder, f *ir.Func, m []ir.Value, replaced map[ir.Value]ir.Value) []ir.Value {
	if len(replaced) == 0 {
		return m
	}
	again := slices.Clone(m)
	for i := range f.Ops {
		op := &f.Ops[i]
		results := make([]ir.Value, len(op.Results))
		if slices.ContainsFunc(op.Operands, func(v ir.Value) bool { return again[v] != m[v] }) {
			copy(results, b.CopyOp(op, again))
		} else {
			copy(results, m[op.First:])
		}
		for k, v := range results {
			if same, ok := replaced[m[op.Result(k)]]; ok {
				v = same
			}
			again[op.Result(k)] = v
		}
	}
	return again
}

// activeValues marks the float values that depend on one of the parameters.
func activeValues(f *ir.Func, params []int) []bool {
	types := f.Types()
	active := make([]bool, len(types))
	for _, p := range params {
		active[p] = true
	}
	for i := range f.Ops {
		op := &f.Ops[i]
		if slices.ContainsFunc(op.Operands, func(v ir.Value) bool { return active[v] }) {
			for k, t := range op.Results {
				active[op.Result(k)] = t.DType.IsFloat()
			}
		}
	}
	return active
}

func reverseOp(b *ir.Builder, op *ir.Op, m, ct []ir.Value, active []bool, replaced map[ir.Value]ir.Value) error {
	g := &ir.Gradient{B: b, Op: op}
	wanted, arrives := false, false
	for _, v := range op.Operands {
		g.In = append(g.In, m[v])
		g.Need = append(g.Need, active[v])
		wanted = wanted || active[v]
	}
	for i := range op.Results {
		v := op.Result(i)
		g.Out = append(g.Out, m[v])
		g.Ct = append(g.Ct, ct[v])
		arrives = arrives || ct[v] != ir.NoValue
	}
	if !wanted || !arrives {
		return nil
	}
	if !ir.LookupOp(op.Name).IsDifferentiable() {
		return fmt.Errorf("the op has no gradient; keep the parameters that are trained out of its operands")
	}
	cts := g.Apply()
	if err := b.Err(); err != nil {
		return err
	}
	for i, v := range op.Operands {
		switch {
		case !active[v] || cts[i] == ir.NoValue:
		case ct[v] == ir.NoValue:
			ct[v] = cts[i]
		default:
			ct[v] = b.Add(ct[v], cts[i])
		}
	}
	for i, same := range g.Replaced {
		if same != ir.NoValue {
			replaced[g.Out[i]] = same
		}
	}
	return b.Err()
}

// Prune returns f without the ops whose results nothing uses. Parameters stay.
func Prune(f *ir.Func) (*ir.Func, error) {
	used := make([]bool, f.NumValues())
	for _, r := range f.Results {
		used[r.Value] = true
	}
	live := make([]bool, len(f.Ops))
	for i := len(f.Ops) - 1; i >= 0; i-- {
		op := &f.Ops[i]
		for k := range op.Results {
			live[i] = live[i] || used[op.Result(k)]
		}
		if live[i] {
			for _, v := range op.Operands {
				used[v] = true
			}
		}
	}
	b := ir.NewBuilder(f.Name)
	m := make([]ir.Value, 0, f.NumValues())
	for _, p := range f.Params {
		m = append(m, b.Param(p.Name, p.Type))
	}
	for i := range f.Ops {
		if live[i] {
			m = append(m, b.CopyOp(&f.Ops[i], m)...)
			continue
		}
		for range f.Ops[i].Results {
			m = append(m, ir.NoValue)
		}
	}
	for _, r := range f.Results {
		b.Return(r.Name, m[r.Value])
	}
	return b.Func()
}
