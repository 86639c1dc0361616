package ir

import "slices"

// Ops that combine many elements into one, and random bits.

func init() {
	define(
		&OpDef{
			Name: "dot_general", Group: "contraction",
			Doc:      "Sums products over the contracting dimensions, for every index of the batching dimensions. The result has the batching dimensions, then the free ones of lhs, then those of rhs.",
			Numerics: "Rule 5: an fma chain in chunks of 512. k runs over the contracting dimensions row-major in the order that the attribute lists them.",
			Operands: []string{"lhs", "rhs"}, Results: []string{"result"},
			Attrs: []AttrDef{
				{Name: "lhs_batching_dimensions", Kind: AttrInts, Doc: "dimensions of lhs paired with those of rhs"},
				{Name: "rhs_batching_dimensions", Kind: AttrInts, Doc: "dimensions of rhs paired with those of lhs"},
				{Name: "lhs_contracting_dimensions", Kind: AttrInts, Doc: "dimensions of lhs that are summed over"},
				{Name: "rhs_contracting_dimensions", Kind: AttrInts, Doc: "dimensions of rhs that are summed over"},
			},
			infer: func(c *inference) []Type {
				l, r := c.float(0), c.float(1)
				c.require(l.DType == r.DType, "lhs is %v, rhs %v", l, r)
				d := DotDimsOf(c.attrs)
				c.dims("lhs_batching_dimensions", l.Rank())
				c.dims("rhs_batching_dimensions", r.Rank())
				c.dims("lhs_contracting_dimensions", l.Rank())
				c.dims("rhs_contracting_dimensions", r.Rank())
				pairs := func(what string, ls, rs []int) {
					c.require(len(ls) == len(rs), "%s: %d dimensions of lhs, %d of rhs", what, len(ls), len(rs))
					for i := range ls {
						c.require(l.Shape[ls[i]] == r.Shape[rs[i]], "%s: lhs %v dimension %d does not match rhs %v dimension %d", what, l, ls[i], r, rs[i])
					}
				}
				pairs("batching", d.LHSBatch, d.RHSBatch)
				pairs("contracting", d.LHSContract, d.RHSContract)
				for _, k := range d.LHSContract {
					c.require(!slices.Contains(d.LHSBatch, k), "lhs dimension %d is both batching and contracting", k)
				}
				for _, k := range d.RHSContract {
					c.require(!slices.Contains(d.RHSBatch, k), "rhs dimension %d is both batching and contracting", k)
				}
				var shape []int
				for _, k := range d.LHSBatch {
					shape = append(shape, l.Shape[k])
				}
				for _, k := range d.LHSFree(l.Rank()) {
					shape = append(shape, l.Shape[k])
				}
				for _, k := range d.RHSFree(r.Rank()) {
					shape = append(shape, r.Shape[k])
				}
				return []Type{l.With(shape...)}
			},
			grad: func(g *Gradient) []Value {
				d := DotDimsOf(g.Op.Attrs)
				l, r := g.B.Type(g.In[0]).Rank(), g.B.Type(g.In[1]).Rank()
				nb, lf, rf := len(d.LHSBatch), d.LHSFree(l), d.RHSFree(r)
				ctBatch, ctL, ctR := allDims(nb), make([]int, len(lf)), make([]int, len(rf))
				for i := range ctL {
					ctL[i] = nb + i
				}
				for i := range ctR {
					ctR[i] = nb + len(lf) + i
				}
				// back contracts the cotangent with the other operand over the other
				// operand's free dimensions and puts the dimensions, which come out as
				// batch, free, contracted, in the operand's own order.
				back := func(other Value, otherBatch, otherFree, ctFree []int, batch, free, contract, otherContract []int) Value {
					y := g.B.DotGeneral(g.Ct[0], other, DotDims{LHSBatch: ctBatch, RHSBatch: otherBatch, LHSContract: ctFree, RHSContract: otherFree})
					// The contracted dimensions come out ascending in other.
					ascending := slices.Clone(otherContract)
					slices.Sort(ascending)
					at := slices.Concat(batch, free)
					for _, k := range ascending {
						at = append(at, contract[slices.Index(otherContract, k)])
					}
					p := make([]int, len(at))
					for from, to := range at {
						p[to] = from
					}
					return g.B.Transpose(y, p...)
				}
				return g.wanted(
					func() Value { return back(g.In[1], d.RHSBatch, rf, ctR, d.LHSBatch, lf, d.LHSContract, d.RHSContract) },
					func() Value { return back(g.In[0], d.LHSBatch, lf, ctL, d.RHSBatch, rf, d.RHSContract, d.LHSContract) })
			},
		},
		&OpDef{
			Name: "reduce", Group: "reduction",
			Doc:      "Combines all elements along the given dimensions, which the result lacks. Over nothing, sum gives 0, prod 1, max the smallest and min the largest value of the dtype (infinite for floats).",
			Numerics: "Float sum: rule 7, the reduced dimensions flattened row-major. max and min: rule 4. prod: a chain from 1, ascending. Integers wrap.",
			Operands: []string{"operand"}, Results: []string{"result"},
			Attrs: []AttrDef{
				{Name: "dimensions", Kind: AttrInts, Doc: "dimensions to reduce, ascending"},
				{Name: "kind", Kind: AttrString, Words: []string{"and", "max", "min", "or", "prod", "sum"}, Doc: "how elements combine"},
			},
			infer: func(c *inference) []Type {
				k := c.attrs.Str("kind")
				if k == "and" || k == "or" {
					c.require(c.in[0].DType == Bool, "%s reduces bools, not %v", k, c.in[0])
				} else {
					c.require(c.in[0].DType != Bool, "%s does not reduce bools", k)
				}
				return []Type{c.reduced(0)}
			},
			grad: func(g *Gradient) []Value {
				b, in := g.B, g.B.Type(g.In[0])
				keep := complement(g.Op.Attrs.Ints("dimensions"), in.Rank())
				switch kind := g.Op.Attrs.Str("kind"); kind {
				case "sum":
					return []Value{b.BroadcastInDim(g.Ct[0], in.Shape, keep)}
				case "max", "min":
					// Equal extremes share the cotangent.
					hit := b.Convert(b.Compare("eq", g.In[0], b.BroadcastInDim(g.Out[0], in.Shape, keep)), in.DType)
					share := b.Div(g.Ct[0], b.ReduceSum(hit, g.Op.Attrs.Ints("dimensions")...))
					return []Value{b.Mul(hit, b.BroadcastInDim(share, in.Shape, keep))}
				default:
					b.Fail("reduce has no gradient for kind %s", kind)
					return noValues(1)
				}
			},
		},
		&OpDef{
			Name: "reduce_dot", Group: "reduction",
			Doc:      "Sums lhs * rhs along the given dimensions, which the result lacks; with lhs = rhs a sum of squares.",
			Numerics: "Rule 7, with an fma into the lane.",
			Operands: []string{"lhs", "rhs"}, Results: []string{"result"},
			Attrs: []AttrDef{{Name: "dimensions", Kind: AttrInts, Doc: "dimensions to reduce, ascending"}},
			infer: func(c *inference) []Type {
				c.sameAs(1, c.float(0))
				return []Type{c.reduced(0)}
			},
			grad: func(g *Gradient) []Value {
				in := g.B.Type(g.In[0])
				ct := g.B.BroadcastInDim(g.Ct[0], in.Shape, complement(g.Op.Attrs.Ints("dimensions"), in.Rank()))
				return g.wanted(
					func() Value { return g.B.Mul(ct, g.In[1]) },
					func() Value { return g.B.Mul(ct, g.In[0]) })
			},
		},
		extreme("argmax", "largest"),
		extreme("argmin", "smallest"),
		&OpDef{
			Name: "cumsum", Group: "reduction",
			Doc:      "Sums of the elements up to each one, itself included, along a dimension; from the end if reverse. Integers wrap.",
			Numerics: "A chain of additions from +0 in the order of the elements, from the last if reverse; bf16 and f16 are chained in f32 and each sum is rounded once.",
			Operands: []string{"operand"}, Results: []string{"result"},
			Attrs: []AttrDef{
				{Name: "dimension", Kind: AttrInt, Doc: "dimension to sum along"},
				{Name: "reverse", Kind: AttrBool, Doc: "whether to begin at the end"},
			},
			infer: func(c *inference) []Type {
				c.require(c.in[0].DType != Bool, "is not defined for %v", c.in[0])
				c.dim("dimension", c.in[0].Rank())
				return []Type{c.in[0]}
			},
			grad: func(g *Gradient) []Value {
				return []Value{g.B.Cumsum(g.Ct[0], g.Op.Attrs.Int("dimension"), !g.Op.Attrs.Bool("reverse"))}
			},
		},
		&OpDef{
			Name: "rng_bit_generator", Group: "random",
			Doc:      "Random bits that depend on nothing but the state, the stream and the element's index. state = (seed low, seed high, step, part): a program that works on part p of a larger tensor of equal parts draws what the whole would have drawn there.",
			Numerics: "Rule 14: Philox4x32-10, key = seed, counter = (element/4 low, element/4 high, stream, step); element = part * elements + index, and its remainder by 4 picks the word.",
			Operands: []string{"state"}, Results: []string{"bits"},
			Attrs: []AttrDef{
				{Name: "shape", Kind: AttrInts, Doc: "shape of the result"},
				{Name: "stream", Kind: AttrInt, Doc: "which independent stream, 0 to 2^32 - 1"},
			},
			infer: func(c *inference) []Type {
				c.sameAs(0, T(U32, 4))
				s := c.attrs.Int("stream")
				c.require(s >= 0 && s < 1<<32, "stream %d is outside 0 to 2^32 - 1", s)
				return []Type{T(U32, c.shape("shape")...)}
			},
		},
	)
}

// extreme is argmax or argmin.
func extreme(name, which string) *OpDef {
	return &OpDef{
		Name: name, Group: "reduction",
		Doc:      "The index (i32) of the " + which + " element along a dimension, which the result lacks. The lowest index wins a tie; a NaN counts as " + which + ".",
		Numerics: "Exact (rule 4).",
		Operands: []string{"operand"}, Results: []string{"result"},
		Attrs: []AttrDef{{Name: "dimension", Kind: AttrInt, Doc: "dimension to search"}},
		infer: func(c *inference) []Type {
			d := c.dim("dimension", c.in[0].Rank())
			c.require(c.in[0].DType != Bool && c.in[0].Shape[d] > 0, "cannot search dimension %d of %v", d, c.in[0])
			return []Type{T(I32, slices.Delete(slices.Clone(c.in[0].Shape), d, d+1)...)}
		},
	}
}

func (c *inference) reduced(i int) Type {
	t := c.in[i]
	dims := c.dims("dimensions", t.Rank())
	c.require(slices.IsSorted(dims), "dimensions are not ascending: %v", dims)
	var shape []int
	for _, d := range complement(dims, t.Rank()) {
		shape = append(shape, t.Shape[d])
	}
	return t.With(shape...)
}

// complement returns the dimensions of a tensor that are not in dims.
func complement(dims []int, rank int) []int {
	l := make([]int, 0, rank)
	for d := range rank {
		if !slices.Contains(dims, d) {
			l = append(l, d)
		}
	}
	return l
}

// DotDims are the dimension numbers of dot_general.
type DotDims struct {
	LHSBatch, RHSBatch       []int
	LHSContract, RHSContract []int
}

// DotDimsOf reads the dimension numbers of a dot_general op.
func DotDimsOf(as Attrs) DotDims {
	return DotDims{
		LHSBatch: as.Ints("lhs_batching_dimensions"), RHSBatch: as.Ints("rhs_batching_dimensions"),
		LHSContract: as.Ints("lhs_contracting_dimensions"), RHSContract: as.Ints("rhs_contracting_dimensions"),
	}
}

// LHSFree returns the dimensions of lhs that are in the result, ascending.
func (d DotDims) LHSFree(rank int) []int {
	return complement(slices.Concat(d.LHSBatch, d.LHSContract), rank)
}

// RHSFree returns the dimensions of rhs that are in the result, ascending.
func (d DotDims) RHSFree(rank int) []int {
	return complement(slices.Concat(d.RHSBatch, d.RHSContract), rank)
}

// DotGeneral contracts l with r.
func (b *Builder) DotGeneral(l, r Value, d DotDims) Value {
	return b.one("dot_general", []Value{l, r},
		IntsAttr("lhs_batching_dimensions", d.LHSBatch...), IntsAttr("rhs_batching_dimensions", d.RHSBatch...),
		IntsAttr("lhs_contracting_dimensions", d.LHSContract...), IntsAttr("rhs_contracting_dimensions", d.RHSContract...))
}

// MatMul contracts the last dimension of x [..., K] with the first of w [K, N].
func (b *Builder) MatMul(x, w Value) Value {
	return b.DotGeneral(x, w, DotDims{LHSContract: []int{b.Type(x).Rank() - 1}, RHSContract: []int{0}})
}

// Linear contracts the last dimension of x [..., K] with the last of w [N, K],
// as torch.nn.Linear stores its weight.
func (b *Builder) Linear(x, w Value) Value {
	return b.DotGeneral(x, w, DotDims{LHSContract: []int{b.Type(x).Rank() - 1}, RHSContract: []int{1}})
}

// Reduce combines elements along dims; kind is sum, prod, max, min, and, or.
func (b *Builder) Reduce(kind string, x Value, dims ...int) Value {
	return b.one("reduce", []Value{x}, IntsAttr("dimensions", dims...), StringAttr("kind", kind))
}

// ReduceSum sums along dims; over no dimensions it returns x itself.
func (b *Builder) ReduceSum(x Value, dims ...int) Value {
	if len(dims) == 0 {
		return x
	}
	return b.Reduce("sum", x, dims...)
}

// ReduceDot sums x * y along dims.
func (b *Builder) ReduceDot(x, y Value, dims ...int) Value {
	return b.one("reduce_dot", []Value{x, y}, IntsAttr("dimensions", dims...))
}

// Argmax returns the index (i32) of the largest element along a dimension.
func (b *Builder) Argmax(x Value, dimension int) Value {
	return b.one("argmax", []Value{x}, IntAttr("dimension", dimension))
}

// Argmin returns the index (i32) of the smallest element along a dimension.
func (b *Builder) Argmin(x Value, dimension int) Value {
	return b.one("argmin", []Value{x}, IntAttr("dimension", dimension))
}

// Cumsum returns the sums up to each element along a dimension, from the end
// if reverse.
func (b *Builder) Cumsum(x Value, dimension int, reverse bool) Value {
	return b.one("cumsum", []Value{x}, IntAttr("dimension", dimension), BoolAttr("reverse", reverse))
}

// RngBitGenerator draws u32 bits of the given shape from a stream; state is
// u32[4] = (seed low, seed high, step, part).
func (b *Builder) RngBitGenerator(state Value, stream uint32, shape ...int) Value {
	return b.one("rng_bit_generator", []Value{state}, IntsAttr("shape", shape...), IntAttr("stream", int(stream)))
}
