package ir

import (
	"slices"
)

// Control flow: ops that run functions of their own.

func init() {
	define(
		&OpDef{
			Name: "call", Group: "control flow",
			Doc:      "Runs a function on the operands and gives its results.",
			Numerics: "Those of the function.",
			Operands: []string{"operands"}, Optional: 1, Variadic: true, Results: []string{"results"}, VariadicResults: true,
			Regions: []string{"callee"},
			infer: func(c *inference) []Type {
				c.takes(0, c.in)
				return c.gives(0)
			},
			decompose: func(b *Builder, op *Op, in []Value) []Value { return b.Inline(op.Regions[0], in) },
			derived:   true,
		},
		&OpDef{
			Name: "while", Group: "control flow",
			Doc:      "Runs body on the operands, then on its own results, again and again as long as condition, which gives one bool[], holds for them; gives what condition did not hold for. condition and body take the operands' types, and body gives them.",
			Numerics: "Those of the functions. A loop that does not end ends with the run's deadline.",
			Operands: []string{"operands"}, Variadic: true, Results: []string{"results"}, VariadicResults: true,
			Regions: []string{"condition", "body"},
			infer: func(c *inference) []Type {
				c.takes(0, c.in)
				c.takes(1, c.in)
				more := c.gives(0)
				c.require(len(more) == 1 && more[0].Equal(T(Bool)), "condition gives %v, must give one bool[]", more)
				c.require(slices.EqualFunc(c.gives(1), c.in, Type.Equal), "body gives %v, must give %v", c.gives(1), c.in)
				return slices.Clone(c.in)
			},
		},
		&OpDef{
			Name: "case", Group: "control flow",
			Doc:      "Runs one of several branches on the operands: number index (i32[]), or the last where index is outside. All take the operands' types and give the same types.",
			Numerics: "Those of the branch.",
			Operands: []string{"index", "operands"}, Optional: 1, Variadic: true, Results: []string{"results"}, VariadicResults: true,
			Regions: []string{"branches"}, MoreRegions: true,
			infer: func(c *inference) []Type {
				c.sameAs(0, T(I32))
				out := c.gives(0)
				for i := range c.regions {
					c.takes(i, c.in[1:])
					c.require(slices.EqualFunc(c.gives(i), out, Type.Equal), "branch %d gives %v, the first %v", i, c.gives(i), out)
				}
				return out
			},
		},
	)
}

// takes checks the parameters of a region.
func (c *inference) takes(region int, want []Type) {
	f := c.regions[region]
	ok := len(f.Params) == len(want)
	for i := 0; ok && i < len(want); i++ {
		ok = f.Params[i].Type.Equal(want[i])
	}
	c.require(ok, "func %s must take %v", f.Name, want)
}

// gives returns the types of a region's results.
func (c *inference) gives(region int) []Type {
	f := c.regions[region]
	types := f.Types()
	out := make([]Type, len(f.Results))
	for i, r := range f.Results {
		out[i] = types[r.Value]
	}
	return out
}

// Call runs f on args.
func (b *Builder) Call(f *Func, args ...Value) []Value {
	return b.OpRegions("call", 1, args, []*Func{f})
}

// While runs body on state again and again as long as condition holds.
func (b *Builder) While(condition, body *Func, state ...Value) []Value {
	return b.OpRegions("while", 1, state, []*Func{condition, body})
}

// Case runs the branch that index (i32[]) names, the last where it names none.
func (b *Builder) Case(index Value, branches []*Func, args ...Value) []Value {
	return b.OpRegions("case", 1, append([]Value{index}, args...), branches)
}
