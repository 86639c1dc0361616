package ir

import (
	"math"
	"slices"
)

// Composites: ops defined by a decomposition into primitives. A backend may
// compute one in any way that gives the decomposition's bits.

const decomposed = "The decomposition's, to the bit."

func init() {
	eps := AttrDef{Name: "epsilon", Kind: AttrFloat, Doc: "added to the variance or mean square, rounded to the dtype"}
	define(
		&OpDef{
			Name: "softmax", Group: "normalization",
			Doc:      "exp(x - max) / sum over the last dimension.",
			Numerics: "Rule 8: exact maximum, correctly rounded exp, sum by rule 7, true division.",
			Operands: []string{"operand"}, Results: []string{"result"},
			infer: func(c *inference) []Type {
				c.require(c.float(0).Rank() > 0, "needs a last dimension")
				return []Type{c.in[0]}
			},
			decompose: func(b *Builder, _ *Op, in []Value) []Value {
				x, s := in[0], b.Type(in[0]).Shape
				last := len(s) - 1
				e := b.Exp(b.Sub(x, b.BroadcastFront(b.Reduce("max", x, last), s...)))
				return []Value{b.Div(e, b.BroadcastFront(b.ReduceSum(e, last), s...))}
			},
			grad: func(g *Gradient) []Value {
				b, s := g.B, g.B.Type(g.Out[0]).Shape
				inner := b.ReduceDot(g.Ct[0], g.Out[0], len(s)-1)
				return []Value{b.Mul(g.Out[0], b.Sub(g.Ct[0], b.BroadcastFront(inner, s...)))}
			},
		},
		&OpDef{
			Name: "layer_norm", Group: "normalization",
			Doc:      "Layer normalization over the last dimension (Ba et al., arXiv 1607.06450): (x - mean) / sqrt(var + epsilon) * weight + bias, with the biased variance. Also gives the mean and 1 / sqrt(var + epsilon) of each row.",
			Numerics: "Rule 8: two passes; every operation rounded.",
			Operands: []string{"operand", "weight", "bias"}, Results: []string{"result", "mean", "rstd"},
			Attrs: []AttrDef{eps},
			infer: func(c *inference) []Type {
				row := c.normalized()
				c.sameAs(2, c.in[1])
				return []Type{c.in[0], row, row}
			},
			decompose: func(b *Builder, op *Op, in []Value) []Value {
				x, t := in[0], b.Type(in[0])
				last := t.Rank() - 1
				mean := b.meanLast(x)
				centred := b.Sub(x, b.BroadcastFront(mean, t.Shape...))
				rows := b.Type(mean)
				variance := b.Div(b.ReduceDot(centred, centred, last), b.Full(rows, float64(t.Shape[last])))
				rstd := b.Unary("rsqrt", b.Add(variance, b.Full(rows, op.Attrs.Float("epsilon"))))
				y := b.Mul(centred, b.BroadcastFront(rstd, t.Shape...))
				y = b.Add(b.Mul(y, b.BroadcastTo(in[1], t.Shape...)), b.BroadcastTo(in[2], t.Shape...))
				return []Value{y, mean, rstd}
			},
			grad: func(g *Gradient) []Value {
				g.onlyFirst()
				return g.B.Op("layer_norm_grad", []Value{g.ct(0), g.In[0], g.In[1], g.Out[1], g.Out[2]})
			},
		},
		&OpDef{
			Name: "layer_norm_grad", Group: "normalization",
			Doc:      "The cotangents of layer_norm's operand, weight and bias from that of its result.",
			Numerics: decomposed,
			Operands: []string{"cotangent", "operand", "weight", "mean", "rstd"}, Results: []string{"operand_grad", "weight_grad", "bias_grad"},
			infer: func(c *inference) []Type {
				t := c.float(1)
				c.require(t.Rank() > 0, "operand needs a last dimension")
				c.sameAs(0, t)
				c.sameAs(2, t.With(t.Shape[t.Rank()-1]))
				c.sameAs(3, statistics(t.With(t.Shape[:t.Rank()-1]...)))
				c.sameAs(4, c.in[3])
				return []Type{t, c.in[2], c.in[2]}
			},
			decompose: func(b *Builder, _ *Op, in []Value) []Value {
				dy, x, w, mean, rstd := in[0], in[1], in[2], in[3], in[4]
				t := b.Type(x)
				last := t.Rank() - 1
				n := b.Full(b.Type(mean), float64(t.Shape[last]))
				wide := func(row Value) Value { return b.BroadcastFront(row, t.Shape...) }
				xhat := b.Mul(b.Sub(x, wide(mean)), wide(rstd))
				dxhat := b.Mul(dy, b.BroadcastTo(w, t.Shape...))
				shift := b.Div(b.ReduceSum(dxhat, last), n)
				along := b.Div(b.ReduceDot(dxhat, xhat, last), n)
				dx := b.Mul(b.Sub(b.Sub(dxhat, wide(shift)), b.Mul(xhat, wide(along))), wide(rstd))
				return []Value{dx, b.sumRowsDot(dy, xhat), b.sumRows(dy)}
			},
		},
		&OpDef{
			Name: "rms_norm", Group: "normalization",
			Doc:      "Root mean square normalization over the last dimension (Zhang and Sennrich, arXiv 1910.07467): x / sqrt(mean(x^2) + epsilon) * weight. Also gives 1 / sqrt(mean(x^2) + epsilon) of each row.",
			Numerics: "Rule 8; every operation rounded.",
			Operands: []string{"operand", "weight"}, Results: []string{"result", "rstd"},
			Attrs: []AttrDef{eps},
			infer: func(c *inference) []Type { row := c.normalized(); return []Type{c.in[0], row} },
			decompose: func(b *Builder, op *Op, in []Value) []Value {
				x, t := in[0], b.Type(in[0])
				last := t.Rank() - 1
				rows := t.With(t.Shape[:last]...)
				square := b.Div(b.ReduceDot(x, x, last), b.Full(rows, float64(t.Shape[last])))
				rstd := b.Unary("rsqrt", b.Add(square, b.Full(rows, op.Attrs.Float("epsilon"))))
				y := b.Mul(b.Mul(x, b.BroadcastFront(rstd, t.Shape...)), b.BroadcastTo(in[1], t.Shape...))
				return []Value{y, rstd}
			},
			grad: func(g *Gradient) []Value {
				g.onlyFirst()
				return g.B.Op("rms_norm_grad", []Value{g.ct(0), g.In[0], g.In[1], g.Out[1]})
			},
		},
		&OpDef{
			Name: "rms_norm_grad", Group: "normalization",
			Doc:      "The cotangents of rms_norm's operand and weight from that of its result.",
			Numerics: decomposed,
			Operands: []string{"cotangent", "operand", "weight", "rstd"}, Results: []string{"operand_grad", "weight_grad"},
			infer: func(c *inference) []Type {
				t := c.float(1)
				c.require(t.Rank() > 0, "operand needs a last dimension")
				c.sameAs(0, t)
				c.sameAs(2, t.With(t.Shape[t.Rank()-1]))
				c.sameAs(3, statistics(t.With(t.Shape[:t.Rank()-1]...)))
				return []Type{t, c.in[2]}
			},
			decompose: func(b *Builder, _ *Op, in []Value) []Value {
				dy, x, w, rstd := in[0], in[1], in[2], in[3]
				t := b.Type(x)
				last := t.Rank() - 1
				wide := func(row Value) Value { return b.BroadcastFront(row, t.Shape...) }
				xhat := b.Mul(x, wide(rstd))
				dxhat := b.Mul(dy, b.BroadcastTo(w, t.Shape...))
				along := b.Div(b.ReduceDot(dxhat, xhat, last), b.Full(b.Type(rstd), float64(t.Shape[last])))
				dx := b.Mul(b.Sub(dxhat, b.Mul(xhat, wide(along))), wide(rstd))
				return []Value{dx, b.sumRowsDot(dy, xhat)}
			},
		},
		&OpDef{
			Name: "rotary_embedding", Group: "attention",
			Doc:      "Rotates pairs (x[i], x[i + D/2]) of the last dimension by the angle whose cosine and sine are given (Su et al., arXiv 2104.09864, in the layout of Hugging Face's Llama). operand [B,S,H,D]; cosine, sine [B,S,D/2].",
			Numerics: decomposed,
			Operands: []string{"operand", "cosine", "sine"}, Results: []string{"result"},
			infer: func(c *inference) []Type {
				c.float(0)
				t := c.rank(0, 4)
				c.require(t.Shape[3]%2 == 0, "the last dimension must be even, is %d", t.Shape[3])
				c.sameAs(1, t.With(t.Shape[0], t.Shape[1], t.Shape[3]/2))
				c.sameAs(2, c.in[1])
				return []Type{t}
			},
			decompose: func(b *Builder, _ *Op, in []Value) []Value {
				s := b.Type(in[0]).Shape
				half := s[3] / 2
				x1, x2 := b.SliceDim(in[0], 3, 0, half), b.SliceDim(in[0], 3, half, s[3])
				heads := func(v Value) Value {
					return b.BroadcastInDim(v, []int{s[0], s[1], s[2], half}, []int{0, 1, 3})
				}
				cos, sin := heads(in[1]), heads(in[2])
				y1 := b.Sub(b.Mul(x1, cos), b.Mul(x2, sin))
				y2 := b.Add(b.Mul(x2, cos), b.Mul(x1, sin))
				return []Value{b.Concatenate(3, y1, y2)}
			},
			grad: func(g *Gradient) []Value {
				if g.Need[1] || g.Need[2] {
					g.B.Fail("rotary_embedding has no gradient for its angles")
				}
				return []Value{g.B.Rotary(g.Ct[0], g.In[1], g.B.Negate(g.In[2])), NoValue, NoValue}
			},
		},
		&OpDef{
			Name: "dropout", Group: "random",
			Doc:      "Sets elements to +0 with probability rate and multiplies the others by 1 / (1 - rate) (Srivastava et al. 2014). state and stream as in rng_bit_generator; an element is kept where its bits are below round((1 - rate) * 2^32).",
			Numerics: "The scale is rounded to the dtype, then one multiplication.",
			Operands: []string{"operand", "state"}, Results: []string{"result"},
			Attrs: []AttrDef{
				{Name: "rate", Kind: AttrFloat, Doc: "probability of zero, at least 0 and below 1"},
				{Name: "stream", Kind: AttrInt, Doc: "which independent stream, 0 to 2^32 - 1"},
			},
			infer: func(c *inference) []Type {
				c.float(0)
				c.sameAs(1, T(U32, 4))
				r := c.attrs.Float("rate")
				c.require(r >= 0 && r < 1, "rate must be at least 0 and below 1, is %v", r)
				s := c.attrs.Int("stream")
				c.require(s >= 0 && s < 1<<32, "stream %d is outside 0 to 2^32 - 1", s)
				return []Type{c.in[0]}
			},
			decompose: func(b *Builder, op *Op, in []Value) []Value {
				t := b.Type(in[0])
				keep := 1 - op.Attrs.Float("rate")
				threshold := math.RoundToEven(keep * (1 << 32))
				if threshold >= 1<<32 {
					return []Value{in[0]}
				}
				bits := b.RngBitGenerator(in[1], uint32(op.Attrs.Int("stream")), t.Shape...)
				kept := b.Compare("lt", bits, b.Full(t.As(U32), threshold))
				return []Value{b.Select(kept, b.Scale(in[0], 1/keep), b.Zeros(t))}
			},
			grad: func(g *Gradient) []Value {
				return []Value{g.B.Op("dropout", []Value{g.Ct[0], g.In[1]}, g.Op.Attrs...)[0], NoValue}
			},
		},
	)
}

// normalized checks operand and weight of a normalization over the last
// dimension and returns the type of one value a row.
func (c *inference) normalized() Type {
	t := c.float(0)
	c.require(t.Rank() > 0, "operand needs a last dimension")
	c.sameAs(1, t.With(t.Shape[t.Rank()-1]))
	c.epsilon()
	return statistics(t.With(t.Shape[:t.Rank()-1]...))
}

// onlyFirst refuses to differentiate through the saved statistics of an op.
func (g *Gradient) onlyFirst() {
	if slices.ContainsFunc(g.Ct[1:], func(v Value) bool { return v != NoValue }) {
		g.B.Fail("%s has a gradient through its first result only", g.Op.Name)
	}
}

func (b *Builder) meanLast(x Value) Value {
	t := b.Type(x)
	last := t.Rank() - 1
	return b.Div(b.ReduceSum(x, last), b.Full(t.With(t.Shape[:last]...), float64(t.Shape[last])))
}

// sumRows sums over all dimensions but the last.
func (b *Builder) sumRows(x Value) Value { return b.ReduceSum(x, allDims(b.Type(x).Rank()-1)...) }

func (b *Builder) sumRowsDot(x, y Value) Value {
	return b.ReduceDot(x, y, allDims(b.Type(x).Rank()-1)...)
}

// Softmax normalizes the last dimension to probabilities.
func (b *Builder) Softmax(x Value) Value { return b.one("softmax", []Value{x}) }

// LayerNorm normalizes the last dimension of x; weight and bias are [C].
func (b *Builder) LayerNorm(x, weight, bias Value, epsilon float64) Value {
	return b.one("layer_norm", []Value{x, weight, bias}, FloatAttr("epsilon", epsilon))
}

// RMSNorm normalizes the last dimension of x; weight is [C].
func (b *Builder) RMSNorm(x, weight Value, epsilon float64) Value {
	return b.one("rms_norm", []Value{x, weight}, FloatAttr("epsilon", epsilon))
}

// Rotary rotates x [B,S,H,D] by angles given as cosine and sine [B,S,D/2].
func (b *Builder) Rotary(x, cosine, sine Value) Value {
	return b.one("rotary_embedding", []Value{x, cosine, sine})
}

// Dropout zeroes elements of x with probability rate, on a stream of its own.
func (b *Builder) Dropout(x, state Value, rate float64) Value {
	return b.one("dropout", []Value{x, state}, FloatAttr("rate", rate), IntAttr("stream", int(b.NextStream())))
}
