package ir

import "slices"

// Data movement at indices that are known only when the program runs, and
// elements read in another way.

func init() {
	starts := func(c *inference, i, rank int) {
		c.require(c.in[i].DType == I32, "start must be i32, is %v", c.in[i])
		c.sameAs(i, T(I32, rank))
	}
	define(
		&OpDef{
			Name: "dynamic_slice", Group: "data movement",
			Doc:      "The block of the given shape that begins at start, an i32 for each dimension. A start that would let the block reach outside the operand is clamped: to 0, or to the operand's size minus the block's.",
			Numerics: exactResult,
			Operands: []string{"operand", "start"}, Results: []string{"result"},
			Attrs: []AttrDef{{Name: "shape", Kind: AttrInts, Doc: "shape of the block, no larger than the operand"}},
			infer: func(c *inference) []Type {
				x := c.in[0]
				starts(c, 1, x.Rank())
				t := x.With(c.shape("shape")...)
				c.require(t.Rank() == x.Rank(), "shape has %d entries, the operand rank %d", t.Rank(), x.Rank())
				for i, n := range t.Shape {
					c.require(n <= x.Shape[i], "dimension %d: %d is more than %v has", i, n, x)
				}
				return []Type{t}
			},
			grad: func(g *Gradient) []Value {
				return []Value{g.B.DynamicUpdateSlice(g.B.Zeros(g.B.Type(g.In[0])), g.Ct[0], g.In[1]), NoValue}
			},
		},
		&OpDef{
			Name: "dynamic_update_slice", Group: "data movement",
			Doc:      "The operand with the block that begins at start replaced by update. start is clamped as in dynamic_slice.",
			Numerics: exactResult,
			Operands: []string{"operand", "update", "start"}, Results: []string{"result"},
			infer: func(c *inference) []Type {
				x, u := c.in[0], c.in[1]
				c.require(u.DType == x.DType && u.Rank() == x.Rank(), "update is %v, operand %v", u, x)
				for i, n := range u.Shape {
					c.require(n <= x.Shape[i], "dimension %d: update %v is larger than operand %v", i, u, x)
				}
				starts(c, 2, x.Rank())
				return []Type{x}
			},
			grad: func(g *Gradient) []Value {
				u := g.B.Type(g.In[1])
				return g.wanted(
					func() Value { return g.B.DynamicUpdateSlice(g.Ct[0], g.B.Zeros(u), g.In[2]) },
					func() Value { return g.B.DynamicSlice(g.Ct[0], g.In[2], u.Shape...) })
			},
		},
		&OpDef{
			Name: "reverse", Group: "data movement",
			Doc:      "The operand with the order of its elements reversed along some dimensions.",
			Numerics: exactResult,
			Operands: []string{"operand"}, Results: []string{"result"},
			Attrs: []AttrDef{{Name: "dimensions", Kind: AttrInts, Doc: "dimensions to reverse, ascending"}},
			infer: func(c *inference) []Type {
				d := c.dims("dimensions", c.in[0].Rank())
				c.require(slices.IsSorted(d), "dimensions are not ascending: %v", d)
				return []Type{c.in[0]}
			},
			grad: func(g *Gradient) []Value {
				return []Value{g.B.Reverse(g.Ct[0], g.Op.Attrs.Ints("dimensions")...)}
			},
		},
		&OpDef{
			Name: "bitcast_convert", Group: "data movement",
			Doc:      "Reads the bits of each element as another dtype of the same size. A bool can only be read as a bool.",
			Numerics: "Exact; a NaN has the bits 0x7FC00000 (f32), 0x7FC0 (bf16), 0x7E00 (f16) or 0x7FF8000000000000 (f64), whatever made it.",
			Operands: []string{"operand"}, Results: []string{"result"},
			Attrs: []AttrDef{{Name: "dtype", Kind: AttrDType, Doc: "element type of the result"}},
			infer: func(c *inference) []Type {
				from, to := c.in[0].DType, c.attrs.DType("dtype")
				c.require(from.Size() == to.Size() && (from == Bool) == (to == Bool), "%v cannot be read as %v", from, to)
				return []Type{c.in[0].As(to)}
			},
		},
	)
}

// DynamicSlice takes the block of the given shape that begins at start, i32
// [rank].
func (b *Builder) DynamicSlice(x, start Value, shape ...int) Value {
	return b.one("dynamic_slice", []Value{x, start}, IntsAttr("shape", shape...))
}

// DynamicUpdateSlice replaces the block of x that begins at start, i32 [rank].
func (b *Builder) DynamicUpdateSlice(x, update, start Value) Value {
	return b.one("dynamic_update_slice", []Value{x, update, start})
}

// Reverse reverses the order of elements along dims.
func (b *Builder) Reverse(x Value, dims ...int) Value {
	return b.one("reverse", []Value{x}, IntsAttr("dimensions", dims...))
}

// BitcastConvert reads the bits of x as another dtype of the same size.
func (b *Builder) BitcastConvert(x Value, d DType) Value {
	return b.one("bitcast_convert", []Value{x}, DTypeAttr("dtype", d))
}
