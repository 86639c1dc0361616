package cases

import (
	"fmt"
	"sync"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/core/grad"
)

// Gradients returns the units of float dtype whose op has a gradient, with the
// cells through which gradients flow.
var Gradients = sync.OnceValues(func() ([]Unit, error) {
	all, err := Units()
	if err != nil {
		return nil, err
	}
	var units []Unit
	for _, u := range all {
		if !u.DType.IsFloat() || !u.Op.IsDifferentiable() {
			continue
		}
		g := Unit{Op: u.Op, DType: u.DType}
		for _, c := range u.cells {
			if _, _, err := c.gradient(newSource(0, u.Name(), 0, 0), u); err == nil && !c.make(newSource(0, u.Name(), 0, 0), u.DType).classes {
				g.cells = append(g.cells, c)
			}
		}
		if len(g.cells) == 0 {
			return nil, fmt.Errorf("op %s has a gradient for %v, but no case of conformance/cases reaches it", u.Op.Name, u.DType)
		}
		units = append(units, g)
	}
	return units, nil
})

// gradient builds the loss of a variant of the cell, which weighs every element
// of the op's results differently, and its gradients.
func (c cell) gradient(r *source, u Unit) (*ir.Func, app, error) {
	a := c.make(r, u.DType)
	build := func(results, operands int) (*ir.Func, error) {
		b := ir.NewBuilder("loss")
		var in []ir.Value
		var wrt []string
		for i, o := range a.operands {
			name := fmt.Sprintf("x%d", i)
			in = append(in, b.Param(name, o.Type))
			if o.DType.IsFloat() && len(wrt) < operands {
				wrt = append(wrt, name)
			}
		}
		sum := ir.NoValue
		out := b.OpRegions(u.Op.Name, u.Op.Version, in, a.regions, a.attrs...)
		for _, y := range out[:min(results, len(out))] {
			t := b.Type(y)
			if !t.DType.IsFloat() {
				continue
			}
			n := t.Elements()
			weights := b.Add(b.Iota(ir.T(u.DType, n), 0), b.Full(ir.T(u.DType, n), 0.5))
			part := b.ReduceDot(b.Reshape(b.Convert(y, u.DType), n), weights, 0)
			if sum == ir.NoValue {
				sum = part
			} else {
				sum = b.Add(sum, part)
			}
		}
		b.Return("loss", sum)
		f, err := b.Func()
		if err != nil {
			return nil, err
		}
		return grad.Reverse(f, "loss", wrt)
	}
	var first error
	for _, try := range [][2]int{{len(u.Op.Results), len(a.operands)}, {1, len(a.operands)}, {1, 1}} {
		f, err := build(try[0], try[1])
		if err == nil {
			return f, a, nil
		}
		if first == nil {
			first = err
		}
	}
	return nil, a, first
}

// GradientName returns the name of gradient case i of a unit of Gradients.
func (u Unit) GradientName(i int) string { return fmt.Sprintf("gradients/%s/%d", u.Name(), i) }

// Gradient returns gradient case i of a unit of Gradients: the program gives
// the loss and its gradients. Values are of moderate size; with smooth they are
// positive and not ties, so that finite differences tell the same.
func (u Unit) Gradient(seed uint64, i int, smooth bool) (*Case, error) {
	c := u.cells[i%len(u.cells)]
	variant := i / len(u.cells)
	name := u.GradientName(i)
	r := newSource(seed, "gradients/"+u.Name(), i, variant)
	f, a, err := c.gradient(r, u)
	if err != nil {
		return nil, fmt.Errorf("case %s: %w", name, err)
	}
	k := &Case{Name: name, Op: u.Op.Name, DType: u.DType, Cell: c.name, Func: f}
	for _, o := range a.operands {
		switch dom := o.domain; {
		case smooth && o.DType.IsFloat() && dom.kind != within:
			o.domain = between(0.3, 1.7)
		case dom.kind != within && o.DType.IsFloat():
			o.domain = between(-3, 3)
		}
		k.Args = append(k.Args, r.fill(o.Type, o.domain, 1))
	}
	return k, nil
}
