package ir

import "slices"

// Gradient is what an op's gradient rule works on: it reads the op's operands,
// results and the cotangents of its results, and returns the cotangents of
// its operands, built with B. core/grad drives the rules.
type Gradient struct {
	B   *Builder
	Op  *Op
	In  []Value // operands
	Out []Value // results
	Ct  []Value // cotangents of the results; NoValue where zero
	// Need says for which operands a cotangent is wanted.
	Need []bool
	// Replaced holds, after the rule has run, values equal to the op's results
	// that the gradient computed anyway (NoValue where there is none), so that
	// the forward op need not run if nothing else uses it.
	Replaced []Value
}

// Apply runs the gradient rule of the op and returns one cotangent an
// operand, NoValue where it is zero or not wanted.
func (g *Gradient) Apply() []Value {
	d := LookupOp(g.Op.Name)
	if d == nil || d.grad == nil {
		return noValues(len(g.In))
	}
	g.Replaced = noValues(len(g.Out))
	return d.grad(g)
}

func noValues(n int) []Value {
	l := make([]Value, n)
	for i := range l {
		l[i] = NoValue
	}
	return l
}

// zero returns the cotangent of result i, as zeros where it is absent.
func (g *Gradient) ct(i int) Value {
	if g.Ct[i] != NoValue {
		return g.Ct[i]
	}
	return g.B.Zeros(g.B.Type(g.Out[i]))
}

// Decompose builds the normative decomposition of a composite op on the given
// operands and returns its results, or nil for a primitive. Operands in bf16
// or f16 are converted to f32 first, and the results back: a composite rounds
// to 16 bits once (rule 15).
func Decompose(b *Builder, op *Op, in []Value) []Value {
	d := LookupOp(op.Name)
	if d == nil || d.decompose == nil {
		return nil
	}
	if len(op.Regions) > 0 {
		return d.decompose(b, op, in) // its functions say how they round
	}
	wide := make([]Value, len(in))
	for i, v := range in {
		wide[i] = v
		if b.Type(v).DType.IsHalf() {
			wide[i] = b.Convert(v, F32)
		}
	}
	out := d.decompose(b, op, wide)
	for i, v := range out {
		if i < len(op.Results) && b.Err() == nil {
			out[i] = b.Convert(v, op.Results[i].DType)
		}
	}
	return out
}

// Expand returns f with every composite that keep does not want replaced by
// its decomposition, repeatedly, until none is left.
func Expand(f *Func, keep func(op *Op) bool) (*Func, error) {
	b := NewBuilder(f.Name)
	m := make([]Value, 0, f.NumValues())
	for _, p := range f.Params {
		m = append(m, b.Param(p.Name, p.Type))
	}
	expanded := false
	for i := range f.Ops {
		op := &f.Ops[i]
		if d := LookupOp(op.Name); d == nil || !d.IsComposite() || keep(op) {
			inner := *op
			inner.Regions = slices.Clone(op.Regions)
			for k, r := range op.Regions {
				var err error
				if inner.Regions[k], err = Expand(r, keep); err != nil {
					return nil, err
				}
			}
			m = append(m, b.CopyOp(&inner, m)...)
			continue
		}
		in := make([]Value, len(op.Operands))
		for k, v := range op.Operands {
			in[k] = m[v]
		}
		m = append(m, Decompose(b, op, in)...)
		expanded = true
	}
	for _, r := range f.Results {
		b.Return(r.Name, m[r.Value])
	}
	g, err := b.Func()
	if err != nil || !expanded {
		return g, err
	}
	return Expand(g, keep)
}
