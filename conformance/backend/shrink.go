package backend

import (
	"context"
	"fmt"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/conformance/cases"
	"github.com/seedbed/seedbed/core/grad"
)

// shrink looks for a smaller program that the target still gets wrong: fewer
// results, then ops replaced by parameters that hold what the reference gets
// for them. It tries at most budget programs.
func (s *session) shrink(ctx context.Context, c *cases.Case, budget int) (*cases.Case, error) {
	small, failure := c, error(nil)
	fails := func(try *cases.Case) bool {
		if budget <= 0 || ctx.Err() != nil || try == nil {
			return false
		}
		budget--
		if err := s.hold(ctx, try); err != nil {
			small, failure = try, err
			return true
		}
		return false
	}
	for i := range c.Func.Results {
		if len(c.Func.Results) > 1 && fails(derive(c, func(f *ir.Func) { f.Results = f.Results[i : i+1] })) {
			break
		}
	}
	for again := true; again; {
		again = false
		for i := len(small.Func.Ops) - 1; i >= 0; i-- {
			if i >= len(small.Func.Ops) {
				continue
			}
			if fails(cut(small, i)) {
				again = true
			}
		}
	}
	return small, failure
}

// derive changes a copy of the case's function and leaves out what nothing
// uses any more.
func derive(c *cases.Case, change func(f *ir.Func)) *cases.Case {
	f := *c.Func
	change(&f)
	pruned, err := grad.Prune(&f)
	if err != nil {
		return nil
	}
	d := *c
	d.Func = pruned
	return dropUnused(&d)
}

// dropUnused leaves out the parameters that nothing uses.
func dropUnused(c *cases.Case) *cases.Case {
	used := map[ir.Value]bool{}
	for i := range c.Func.Ops {
		for _, v := range c.Func.Ops[i].Operands {
			used[v] = true
		}
	}
	for _, r := range c.Func.Results {
		used[r.Value] = true
	}
	b := ir.NewBuilder(c.Func.Name)
	m := make([]ir.Value, 0, c.Func.NumValues())
	d := *c
	d.Args = nil
	for i, p := range c.Func.Params {
		if !used[ir.Value(i)] {
			m = append(m, ir.NoValue)
			continue
		}
		m = append(m, b.Param(p.Name, p.Type))
		d.Args = append(d.Args, c.Args[i])
	}
	return finish(&d, b, m)
}

// finish copies the ops and results of c's function to b, whose values for the
// parameters are m.
func finish(c *cases.Case, b *ir.Builder, m []ir.Value) *cases.Case {
	for i := range c.Func.Ops {
		m = append(m, b.CopyOp(&c.Func.Ops[i], m)...)
	}
	for _, r := range c.Func.Results {
		b.Return(r.Name, m[r.Value])
	}
	f, err := b.Func()
	if err != nil {
		return nil
	}
	c.Func = f
	return c
}

// cut replaces the results of op number at by parameters; nil if nothing needs
// them then.
func cut(c *cases.Case, at int) *cases.Case {
	op := &c.Func.Ops[at]
	for _, r := range c.Func.Results {
		if r.Value >= op.First && int(r.Value) < int(op.First)+len(op.Results) {
			return nil // it would leave nothing to compute
		}
	}
	// What the reference gets for the op.
	d := *c
	inner := derive(c, func(f *ir.Func) {
		f.Results = nil
		for k := range op.Results {
			f.Results = append(f.Results, ir.Result{Name: fmt.Sprintf("cut%d", k), Value: op.Result(k)})
		}
	})
	if inner == nil {
		return nil
	}
	values, err := Expect(inner)
	if err != nil {
		return nil
	}
	b := ir.NewBuilder(c.Func.Name)
	var m []ir.Value
	for _, p := range c.Func.Params {
		m = append(m, b.Param(p.Name, p.Type))
	}
	var cuts []ir.Value
	for k, t := range op.Results {
		cuts = append(cuts, b.Param(fmt.Sprintf("v%d", int(op.First)+k), t))
	}
	d.Args = append(append([][]byte(nil), c.Args...), values...)
	for i := range c.Func.Ops {
		if i == at {
			m = append(m, cuts...)
		} else {
			m = append(m, b.CopyOp(&c.Func.Ops[i], m)...)
		}
	}
	for _, r := range c.Func.Results {
		b.Return(r.Name, m[r.Value])
	}
	f, err := b.Func()
	if err != nil {
		return nil
	}
	d.Func = f
	return derive(&d, func(*ir.Func) {})
}

// hold runs a case and holds it against the reference.
func (s *session) hold(ctx context.Context, c *cases.Case) error {
	_, err := s.results(ctx, c)
	return err
}
