package ir

import "slices"

const ranking = " Among keys, +0 equals -0, and a NaN equals another and is larger than every number. Equal keys stay in their order."

func init() {
	define(
		&OpDef{
			Name: "sort", Group: "sorting",
			Doc:      "Sorts keys along a dimension, the smallest first, or the largest if descending, and puts values, if given, of the keys' shape and any dtype, in the same order." + ranking,
			Numerics: exactResult,
			Operands: []string{"keys", "values"}, Optional: 1, Results: []string{"keys", "values"},
			Attrs: []AttrDef{
				{Name: "dimension", Kind: AttrInt, Doc: "dimension to sort along"},
				{Name: "descending", Kind: AttrBool, Doc: "whether the largest comes first"},
			},
			infer: func(c *inference) []Type {
				k := c.in[0]
				c.dim("dimension", k.Rank())
				c.require(k.DType != Bool, "keys cannot be %v", k)
				if len(c.in) == 2 {
					c.sameAs(1, k.As(c.in[1].DType))
				}
				return slices.Clone(c.in)
			},
			grad: func(g *Gradient) []Value {
				b, t, d := g.B, g.B.Type(g.In[0]), g.Op.Attrs.Int("dimension")
				// Where each element came from, then sorting by that brings the cotangents back.
				from := b.Op("sort", []Value{g.In[0], b.Iota(t.As(I32), d)}, g.Op.Attrs...)
				if len(from) != 2 {
					return noValues(len(g.In))
				}
				cts := noValues(len(g.In))
				for i := range cts {
					if g.Need[i] && g.Ct[i] != NoValue {
						cts[i] = b.Op("sort", []Value{from[1], g.Ct[i]}, IntAttr("dimension", d), BoolAttr("descending", false))[1]
					}
				}
				return cts
			},
		},
		&OpDef{
			Name: "top_k", Group: "sorting",
			Doc:      "The k largest elements of each row, the last dimension, the largest first, and their indices in the row (i32)." + ranking,
			Numerics: exactResult,
			Operands: []string{"operand"}, Results: []string{"values", "indices"},
			Attrs: []AttrDef{{Name: "k", Kind: AttrInt, Doc: "elements to take, from 0 to the size of a row"}},
			infer: func(c *inference) []Type {
				t, k := c.in[0], c.attrs.Int("k")
				c.require(t.Rank() > 0 && t.DType != Bool, "operand cannot be %v", t)
				last := t.Rank() - 1
				c.require(k >= 0 && k <= t.Shape[last], "k is %d, a row has %d elements", k, t.Shape[last])
				out := t.With(append(slices.Clone(t.Shape[:last]), k)...)
				return []Type{out, out.As(I32)}
			},
			grad: func(g *Gradient) []Value {
				// Rows one after the other: a scatter along one axis.
				b, t := g.B, g.B.Type(g.In[0])
				last := t.Rank() - 1
				n, it := t.Elements(), b.Type(g.Out[1])
				rows := 1
				for _, d := range t.Shape[:last] {
					rows *= d
				}
				k := it.Shape[last]
				first := b.Mul(b.Iota(T(I32, rows, k), 0), b.Full(T(I32, rows, k), float64(t.Shape[last])))
				at := b.Add(b.Reshape(g.Out[1], rows, k), first)
				y := b.Scatter("add", 0, b.Zeros(t.With(n)), b.Reshape(at, rows*k), b.Reshape(g.Ct[0], rows*k))
				return []Value{b.Reshape(y, t.Shape...)}
			},
		},
	)
}

// Sort sorts x along a dimension.
func (b *Builder) Sort(x Value, dimension int, descending bool) Value {
	return b.one("sort", []Value{x}, IntAttr("dimension", dimension), BoolAttr("descending", descending))
}

// SortPairs sorts keys along a dimension and puts values in the same order.
func (b *Builder) SortPairs(keys, values Value, dimension int, descending bool) (k, v Value) {
	out := b.Op("sort", []Value{keys, values}, IntAttr("dimension", dimension), BoolAttr("descending", descending))
	if len(out) != 2 {
		return NoValue, NoValue
	}
	return out[0], out[1]
}

// TopK returns the k largest elements of each row of x and their indices
// (i32).
func (b *Builder) TopK(x Value, k int) (values, indices Value) {
	out := b.Op("top_k", []Value{x}, IntAttr("k", k))
	if len(out) != 2 {
		return NoValue, NoValue
	}
	return out[0], out[1]
}
