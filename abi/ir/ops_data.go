package ir

import (
	"math"
	"slices"
)

// Data movement: ops that place elements without computing on them.

func init() {
	define(
		&OpDef{
			Name: "constant", Group: "data movement",
			Doc:      "A tensor given in the program: either all its elements, row-major, or one element that fills it.",
			Numerics: "Exact.",
			Results:  []string{"result"},
			Attrs: []AttrDef{
				{Name: "dtype", Kind: AttrDType, Doc: "element type of the result"},
				{Name: "shape", Kind: AttrInts, Doc: "shape of the result"},
				{Name: "value", Kind: AttrBytes, Doc: "little-endian elements: all of them, or one"},
			},
			infer: func(c *inference) []Type {
				t := T(c.attrs.DType("dtype"), c.shape("shape")...)
				n := len(c.attrs.Bytes("value"))
				c.require(n == t.DType.Size() || n == t.Bytes(), "value has %d bytes, %v needs %d or %d", n, t, t.DType.Size(), t.Bytes())
				return []Type{t}
			},
		},
		&OpDef{
			Name: "iota", Group: "data movement",
			Doc:      "Counts 0, 1, 2, ... along one dimension.",
			Numerics: "Exact for every index that the dtype represents; others are rounded to nearest even.",
			Results:  []string{"result"},
			Attrs: []AttrDef{
				{Name: "dtype", Kind: AttrDType, Doc: "element type of the result, not bool"},
				{Name: "shape", Kind: AttrInts, Doc: "shape of the result"},
				{Name: "dimension", Kind: AttrInt, Doc: "dimension to count along"},
			},
			infer: func(c *inference) []Type {
				t := T(c.attrs.DType("dtype"), c.shape("shape")...)
				c.require(t.DType != Bool, "a bool cannot count")
				c.dim("dimension", t.Rank())
				return []Type{t}
			},
		},
		&OpDef{
			Name: "broadcast_in_dim", Group: "data movement",
			Doc:      "Repeats the operand: dimension i of the operand becomes dimension dimensions[i] of the result; a dimension of size 1 stretches.",
			Numerics: "Exact.",
			Operands: []string{"operand"}, Results: []string{"result"},
			Attrs: []AttrDef{
				{Name: "shape", Kind: AttrInts, Doc: "shape of the result"},
				{Name: "dimensions", Kind: AttrInts, Doc: "for each operand dimension, its place in the result; ascending"},
			},
			infer: func(c *inference) []Type {
				t := c.in[0].With(c.shape("shape")...)
				dims := c.dims("dimensions", t.Rank())
				c.require(len(dims) == c.in[0].Rank(), "dimensions has %d entries, the operand rank %d", len(dims), c.in[0].Rank())
				c.require(slices.IsSorted(dims), "dimensions are not ascending: %v", dims)
				for i, d := range dims {
					n := c.in[0].Shape[i]
					c.require(n == 1 || n == t.Shape[d], "operand dimension %d of size %d cannot become dimension %d of size %d", i, n, d, t.Shape[d])
				}
				return []Type{t}
			},
			grad: func(g *Gradient) []Value {
				b, in, out := g.B, g.B.Type(g.In[0]), g.B.Type(g.Out[0])
				dims := g.Op.Attrs.Ints("dimensions")
				var reduced []int
				for d := range out.Shape {
					k := slices.Index(dims, d)
					if k < 0 || in.Shape[k] == 1 && out.Shape[d] != 1 {
						reduced = append(reduced, d)
					}
				}
				return []Value{b.Reshape(b.ReduceSum(g.Ct[0], reduced...), in.Shape...)}
			},
		},
		&OpDef{
			Name: "reshape", Group: "data movement",
			Doc:      "The same elements, row-major, in another shape.",
			Numerics: "Exact.",
			Operands: []string{"operand"}, Results: []string{"result"},
			Attrs: []AttrDef{{Name: "shape", Kind: AttrInts, Doc: "shape of the result"}},
			infer: func(c *inference) []Type {
				t := c.in[0].With(c.shape("shape")...)
				c.require(t.Elements() == c.in[0].Elements(), "%v has %d elements, %v has %d", c.in[0], c.in[0].Elements(), t, t.Elements())
				return []Type{t}
			},
			grad: func(g *Gradient) []Value {
				return []Value{g.B.Reshape(g.Ct[0], g.B.Type(g.In[0]).Shape...)}
			},
		},
		&OpDef{
			Name: "transpose", Group: "data movement",
			Doc:      "Permutes dimensions: dimension i of the result is dimension permutation[i] of the operand.",
			Numerics: "Exact.",
			Operands: []string{"operand"}, Results: []string{"result"},
			Attrs: []AttrDef{{Name: "permutation", Kind: AttrInts, Doc: "a permutation of the operand's dimensions"}},
			infer: func(c *inference) []Type {
				p := c.dims("permutation", c.in[0].Rank())
				c.require(len(p) == c.in[0].Rank(), "permutation has %d entries, the operand rank %d", len(p), c.in[0].Rank())
				shape := make([]int, len(p))
				for i, d := range p {
					shape[i] = c.in[0].Shape[d]
				}
				return []Type{c.in[0].With(shape...)}
			},
			grad: func(g *Gradient) []Value {
				p := g.Op.Attrs.Ints("permutation")
				inverse := make([]int, len(p))
				for i, d := range p {
					inverse[d] = i
				}
				return []Value{g.B.Transpose(g.Ct[0], inverse...)}
			},
		},
		&OpDef{
			Name: "slice", Group: "data movement",
			Doc:      "The elements from start (included) to limit (excluded) in steps of stride, in every dimension.",
			Numerics: "Exact.",
			Operands: []string{"operand"}, Results: []string{"result"},
			Attrs: []AttrDef{
				{Name: "start", Kind: AttrInts, Doc: "first index in each dimension"},
				{Name: "limit", Kind: AttrInts, Doc: "index after the last in each dimension"},
				{Name: "stride", Kind: AttrInts, Doc: "step in each dimension, at least 1"},
			},
			infer: func(c *inference) []Type {
				start, limit, stride := c.attrs.Ints("start"), c.attrs.Ints("limit"), c.attrs.Ints("stride")
				r := c.in[0].Rank()
				c.require(len(start) == r && len(limit) == r && len(stride) == r, "start, limit and stride need %d entries each", r)
				shape := make([]int, r)
				for i, n := range c.in[0].Shape {
					c.require(0 <= start[i] && start[i] <= limit[i] && limit[i] <= n, "dimension %d: %d to %d is outside 0 to %d", i, start[i], limit[i], n)
					c.require(stride[i] >= 1, "dimension %d: stride is %d", i, stride[i])
					shape[i] = (limit[i] - start[i] + stride[i] - 1) / stride[i]
				}
				return []Type{c.in[0].With(shape...)}
			},
			grad: func(g *Gradient) []Value {
				b, in, out := g.B, g.B.Type(g.In[0]), g.B.Type(g.Out[0])
				start, stride := g.Op.Attrs.Ints("start"), g.Op.Attrs.Ints("stride")
				high, interior := make([]int, in.Rank()), make([]int, in.Rank())
				for i := range high {
					interior[i] = stride[i] - 1
					covered := start[i]
					if n := out.Shape[i]; n > 0 {
						covered += (n-1)*stride[i] + 1
					}
					high[i] = in.Shape[i] - covered
				}
				return []Value{b.Pad(g.Ct[0], b.Const(in.DType, 0), start, high, interior)}
			},
		},
		&OpDef{
			Name: "concatenate", Group: "data movement",
			Doc:      "Joins tensors along one dimension, in the order given.",
			Numerics: "Exact.",
			Operands: []string{"operands"}, Variadic: true, Results: []string{"result"},
			Attrs: []AttrDef{{Name: "dimension", Kind: AttrInt, Doc: "dimension to join along"}},
			infer: func(c *inference) []Type {
				d := c.dim("dimension", c.in[0].Rank())
				t := c.in[0].With(slices.Clone(c.in[0].Shape)...)
				for i, o := range c.in[1:] {
					c.require(o.DType == t.DType && o.Rank() == t.Rank(), "operand %d is %v beside %v", i+1, o, t)
					for k := range o.Shape {
						c.require(k == d || o.Shape[k] == t.Shape[k], "operand %d is %v beside %v", i+1, o, c.in[0])
					}
					t.Shape[d] += o.Shape[d]
				}
				return []Type{t}
			},
			grad: func(g *Gradient) []Value {
				d, at := g.Op.Attrs.Int("dimension"), 0
				cts := noValues(len(g.In))
				for i, v := range g.In {
					n := g.B.Type(v).Shape[d]
					if g.Need[i] {
						cts[i] = g.B.SliceDim(g.Ct[0], d, at, at+n)
					}
					at += n
				}
				return cts
			},
		},
		&OpDef{
			Name: "pad", Group: "data movement",
			Doc:      "Surrounds the operand with a value: low before, high after and interior between the elements of each dimension.",
			Numerics: "Exact.",
			Operands: []string{"operand", "value"}, Results: []string{"result"},
			Attrs: []AttrDef{
				{Name: "low", Kind: AttrInts, Doc: "elements put before, at least 0"},
				{Name: "high", Kind: AttrInts, Doc: "elements put after, at least 0"},
				{Name: "interior", Kind: AttrInts, Doc: "elements put between two neighbours, at least 0"},
			},
			infer: func(c *inference) []Type {
				c.sameAs(1, T(c.in[0].DType))
				low, high, interior := c.shape("low"), c.shape("high"), c.shape("interior")
				r := c.in[0].Rank()
				c.require(len(low) == r && len(high) == r && len(interior) == r, "low, high and interior need %d entries each", r)
				shape := make([]int, r)
				for i, n := range c.in[0].Shape {
					shape[i] = low[i] + n + max(n-1, 0)*interior[i] + high[i]
				}
				return []Type{c.in[0].With(shape...)}
			},
			grad: func(g *Gradient) []Value {
				b, in, out := g.B, g.B.Type(g.In[0]), g.B.Type(g.Out[0])
				low, high, interior := g.Op.Attrs.Ints("low"), g.Op.Attrs.Ints("high"), g.Op.Attrs.Ints("interior")
				limit, stride := make([]int, in.Rank()), make([]int, in.Rank())
				for i := range limit {
					limit[i], stride[i] = out.Shape[i]-high[i], interior[i]+1
				}
				cts := noValues(2)
				if g.Need[0] {
					cts[0] = b.Slice(g.Ct[0], low, limit, stride)
				}
				if g.Need[1] {
					inner := b.Pad(b.Zeros(in), b.Const(in.DType, 1), low, high, interior)
					cts[1] = b.ReduceSum(b.Mul(g.Ct[0], inner), allDims(out.Rank())...)
				}
				return cts
			},
		},
		&OpDef{
			Name: "gather", Group: "data movement",
			Doc:      "Takes slices of the operand along an axis: result[a..., i..., b...] = operand[a..., indices[i...], b...]. An index outside the axis is clamped to it.",
			Numerics: "Exact.",
			Operands: []string{"operand", "indices"}, Results: []string{"result"},
			Attrs: []AttrDef{{Name: "axis", Kind: AttrInt, Doc: "dimension of the operand that is indexed"}},
			infer: func(c *inference) []Type {
				ax := c.dim("axis", c.in[0].Rank())
				c.require(c.in[1].DType.IsInteger(), "indices must be integers, are %v", c.in[1])
				s := c.in[0].Shape
				shape := slices.Concat(s[:ax], c.in[1].Shape, s[ax+1:])
				t := c.in[0].With(shape...)
				c.require(s[ax] > 0 || t.Elements() == 0, "there is nothing to take: axis %d of %v is empty", ax, c.in[0])
				return []Type{t}
			},
			grad: func(g *Gradient) []Value {
				ax, t := g.Op.Attrs.Int("axis"), g.B.Type(g.In[0])
				// scatter drops what gather clamps.
				it := g.B.Type(g.In[1]).DType
				largest := t.Shape[ax] - 1
				if it == U8 {
					largest = min(largest, math.MaxUint8)
				}
				at := g.B.Clamp(g.B.Const(it, 0), g.In[1], g.B.Const(it, float64(max(largest, 0))))
				return []Value{g.B.Scatter("add", ax, g.B.Zeros(t), at, g.Ct[0]), NoValue}
			},
		},
		&OpDef{
			Name: "scatter", Group: "data movement",
			Doc:      "The operand with updates combined into slices along an axis: operand[a..., indices[i...], b...] takes updates[a..., i..., b...]. An update whose index is outside the axis is dropped. With mode set, the last update wins.",
			Numerics: "Rule 10: mode add collects the updates of one destination in ascending order of the update index, from +0, in chunks of 512 as a contraction does; the operand's element is added last. mul, min and max apply in ascending order.",
			Operands: []string{"operand", "indices", "updates"}, Results: []string{"result"},
			Attrs: []AttrDef{
				{Name: "axis", Kind: AttrInt, Doc: "dimension of the operand that is indexed"},
				{Name: "mode", Kind: AttrString, Words: []string{"add", "max", "min", "mul", "set"}, Doc: "how an update combines"},
			},
			infer: func(c *inference) []Type {
				ax := c.dim("axis", c.in[0].Rank())
				c.require(c.in[1].DType.IsInteger(), "indices must be integers, are %v", c.in[1])
				c.require(c.in[0].DType != Bool || c.attrs.Str("mode") == "set", "a bool can only be set")
				s := c.in[0].Shape
				c.sameAs(2, c.in[0].With(slices.Concat(s[:ax], c.in[1].Shape, s[ax+1:])...))
				return []Type{c.in[0]}
			},
			grad: func(g *Gradient) []Value {
				if g.Op.Attrs.Str("mode") != "add" {
					g.B.Fail("scatter has a gradient in mode add only, not %s", g.Op.Attrs.Str("mode"))
					return noValues(3)
				}
				cts := []Value{g.Ct[0], NoValue, NoValue}
				if g.Need[2] {
					ax := g.Op.Attrs.Int("axis")
					taken := g.B.Gather(ax, g.Ct[0], g.In[1])
					// A dropped update moves nothing.
					n := g.B.Type(g.In[0]).Shape[ax]
					it := g.B.Type(g.In[1])
					inside := g.B.And(g.B.Compare("ge", g.In[1], g.B.Full(it, 0)), g.B.Compare("lt", g.In[1], g.B.Full(it, float64(n))))
					dims := make([]int, it.Rank())
					for i := range dims {
						dims[i] = ax + i
					}
					mask := g.B.BroadcastInDim(inside, g.B.Type(taken).Shape, dims)
					cts[2] = g.B.Select(mask, taken, g.B.Zeros(g.B.Type(taken)))
				}
				return cts
			},
		},
		&OpDef{
			Name: "convert", Group: "data movement",
			Doc:      "Converts each element to another dtype.",
			Numerics: "To a float: round to nearest even. Float to integer: towards zero, saturating, NaN to 0. To bool: x != 0. Integer to a narrower integer: modulo 2^n.",
			Operands: []string{"operand"}, Results: []string{"result"},
			Attrs: []AttrDef{{Name: "dtype", Kind: AttrDType, Doc: "element type of the result"}},
			infer: func(c *inference) []Type { return []Type{c.in[0].As(c.attrs.DType("dtype"))} },
			grad: func(g *Gradient) []Value {
				in, out := g.B.Type(g.In[0]).DType, g.B.Type(g.Out[0]).DType
				if !in.IsFloat() || !out.IsFloat() {
					return noValues(1)
				}
				return []Value{g.B.Convert(g.Ct[0], in)}
			},
		},
	)
}

func allDims(rank int) []int {
	l := make([]int, rank)
	for i := range l {
		l[i] = i
	}
	return l
}

// Const returns a scalar of dtype d.
func (b *Builder) Const(d DType, v float64) Value { return b.Full(T(d), v) }

// Full returns a tensor of type t filled with v.
func (b *Builder) Full(t Type, v float64) Value {
	data, err := Scalar(t.DType, v)
	if err != nil {
		return b.Fail("constant: %v", err)
	}
	return b.Constant(t, data)
}

// Zeros returns a tensor of type t filled with +0.
func (b *Builder) Zeros(t Type) Value { return b.Full(t, 0) }

// Constant returns a tensor of type t with the given little-endian elements:
// all of them, or one that fills it.
func (b *Builder) Constant(t Type, data []byte) Value {
	return b.one("constant", nil, DTypeAttr("dtype", t.DType), IntsAttr("shape", t.Shape...), BytesAttr("value", data))
}

// Iota returns a tensor of type t that counts along dimension.
func (b *Builder) Iota(t Type, dimension int) Value {
	return b.one("iota", nil, DTypeAttr("dtype", t.DType), IntsAttr("shape", t.Shape...), IntAttr("dimension", dimension))
}

// BroadcastInDim repeats x into shape; dimension i of x becomes dims[i].
func (b *Builder) BroadcastInDim(x Value, shape, dims []int) Value {
	return b.one("broadcast_in_dim", []Value{x}, IntsAttr("shape", shape...), IntsAttr("dimensions", dims...))
}

// BroadcastTo repeats x into shape with its dimensions at the end, as NumPy
// does; a value that has the shape already is returned as it is.
func (b *Builder) BroadcastTo(x Value, shape ...int) Value {
	t := b.Type(x)
	if slices.Equal(t.Shape, shape) {
		return x
	}
	dims := make([]int, t.Rank())
	for i := range dims {
		dims[i] = len(shape) - t.Rank() + i
	}
	return b.BroadcastInDim(x, shape, dims)
}

// BroadcastFront repeats x into shape with its dimensions at the front: the
// usual way to bring the result of a reduction back.
func (b *Builder) BroadcastFront(x Value, shape ...int) Value {
	if t := b.Type(x); slices.Equal(t.Shape, shape) {
		return x
	}
	return b.BroadcastInDim(x, shape, allDims(b.Type(x).Rank()))
}

// Reshape gives x another shape; a value that has it already is returned.
func (b *Builder) Reshape(x Value, shape ...int) Value {
	if slices.Equal(b.Type(x).Shape, shape) {
		return x
	}
	return b.one("reshape", []Value{x}, IntsAttr("shape", shape...))
}

// Transpose permutes dimensions: dimension i of the result is permutation[i].
func (b *Builder) Transpose(x Value, permutation ...int) Value {
	if slices.IsSorted(permutation) && len(permutation) == b.Type(x).Rank() {
		return x
	}
	return b.one("transpose", []Value{x}, IntsAttr("permutation", permutation...))
}

// Slice takes start to limit in steps of stride, in every dimension.
func (b *Builder) Slice(x Value, start, limit, stride []int) Value {
	return b.one("slice", []Value{x}, IntsAttr("start", start...), IntsAttr("limit", limit...), IntsAttr("stride", stride...))
}

// SliceDim takes lo to hi of dimension d and everything of the others.
func (b *Builder) SliceDim(x Value, d, lo, hi int) Value {
	t := b.Type(x)
	if d < 0 || d >= t.Rank() {
		return b.Fail("slice: dimension %d is outside %v", d, t)
	}
	start, limit, stride := make([]int, t.Rank()), slices.Clone(t.Shape), slices.Repeat([]int{1}, t.Rank())
	start[d], limit[d] = lo, hi
	return b.Slice(x, start, limit, stride)
}

// Concatenate joins values along a dimension.
func (b *Builder) Concatenate(dimension int, xs ...Value) Value {
	return b.one("concatenate", xs, IntAttr("dimension", dimension))
}

// Pad surrounds x with a scalar value.
func (b *Builder) Pad(x, value Value, low, high, interior []int) Value {
	return b.one("pad", []Value{x, value}, IntsAttr("low", low...), IntsAttr("high", high...), IntsAttr("interior", interior...))
}

// Gather takes slices of x along axis.
func (b *Builder) Gather(axis int, x, indices Value) Value {
	return b.one("gather", []Value{x, indices}, IntAttr("axis", axis))
}

// Scatter combines updates into slices of x along axis; mode is set, add,
// mul, min or max.
func (b *Builder) Scatter(mode string, axis int, x, indices, updates Value) Value {
	return b.one("scatter", []Value{x, indices, updates}, IntAttr("axis", axis), StringAttr("mode", mode))
}

// Convert changes the dtype of x.
func (b *Builder) Convert(x Value, d DType) Value {
	if b.Type(x).DType == d {
		return x
	}
	return b.one("convert", []Value{x}, DTypeAttr("dtype", d))
}
