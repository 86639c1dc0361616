package ir

import "math"

func init() {
	attrs := []AttrDef{
		{Name: "causal", Kind: AttrBool, Doc: "whether query i sees keys up to i + T - S only"},
		{Name: "scale", Kind: AttrFloat, Doc: "factor on the scores, usually 1/sqrt(D), rounded to the dtype"},
	}
	define(
		&OpDef{
			Name: "scaled_dot_product_attention", Group: "attention",
			Doc: "softmax(scale * q k^T) v for each head (Vaswani et al., arXiv 1706.03762). query [B,S,H,D]; key [B,T,G,D]; value [B,T,G,E]; G divides H and query head h uses key head h / (H/G) (Ainslie et al., arXiv 2305.13245). " +
				"With query_segments [B,S] and key_segments [B,T] (i32), a query sees keys of its own segment only. A query that sees no key gives +0. Also gives the maximum score and the sum of exponentials [B,G,H/G,S] of each query.",
			Numerics: "Rule 12: masked keys are excluded; no rescaling; the division comes after the weighted sum of the values.",
			Operands: []string{"query", "key", "value", "query_segments", "key_segments"}, Optional: 2,
			Results: []string{"result", "max", "sum"},
			Attrs:   attrs,
			infer: func(c *inference) []Type {
				q, stats := c.attention(0)
				if len(c.in) == 5 {
					c.segments(3, 0)
				}
				return []Type{q.With(q.Shape[0], q.Shape[1], q.Shape[2], c.in[2].Shape[3]), stats, stats}
			},
			decompose: func(b *Builder, op *Op, in []Value) []Value {
				return attentionOf(b, op, in[0], in[1], in[2], NoValue, in[3:]).forward(in[2])
			},
			grad: func(g *Gradient) []Value {
				g.onlyFirst()
				in := []Value{g.ct(0), g.In[0], g.In[1], g.In[2], g.Out[0], g.Out[1], g.Out[2]}
				cts := g.B.Op("scaled_dot_product_attention_grad", append(in, g.In[3:]...), g.Op.Attrs...)
				return append(cts, noValues(len(g.In)-3)...)
			},
		},
		&OpDef{
			Name: "scaled_dot_product_attention_grad", Group: "attention",
			Doc:      "The cotangents of query, key and value of scaled_dot_product_attention from that of its result. Probabilities are computed again from max and sum.",
			Numerics: "Rule 12: the query's gradient sums over keys; those of key and value over the queries of all heads that share them, head by head.",
			Operands: []string{"cotangent", "query", "key", "value", "result", "max", "sum", "query_segments", "key_segments"}, Optional: 2,
			Results: []string{"query_grad", "key_grad", "value_grad"},
			Attrs:   attrs,
			infer: func(c *inference) []Type {
				q, stats := c.attention(1)
				c.sameAs(0, q.With(q.Shape[0], q.Shape[1], q.Shape[2], c.in[3].Shape[3]))
				c.sameAs(4, c.in[0])
				c.sameAs(5, stats)
				c.sameAs(6, stats)
				if len(c.in) == 9 {
					c.segments(7, 1)
				}
				return []Type{c.in[1], c.in[2], c.in[3]}
			},
			decompose: func(b *Builder, op *Op, in []Value) []Value {
				a := attentionOf(b, op, in[1], in[2], in[3], NoValue, in[7:])
				out, _ := a.backward(in[0], in[1], in[2], in[3], in[4], in[5], in[6], op.Attrs.Float("scale"))
				return out
			},
		},
	)
}

// attention checks query, key and value, which start at operand i, and
// returns the query's type and that of one value a query.
func (c *inference) attention(i int) (query, stats Type) {
	c.float(i)
	q, k, v := c.rank(i, 4), c.rank(i+1, 4), c.rank(i+2, 4)
	h, g := q.Shape[2], k.Shape[2]
	c.require(g > 0 && h%g == 0, "%d key heads do not divide %d query heads", g, h)
	c.sameAs(i+1, q.With(q.Shape[0], k.Shape[1], g, q.Shape[3]))
	c.sameAs(i+2, q.With(q.Shape[0], k.Shape[1], g, v.Shape[3]))
	return q, statistics(q.With(q.Shape[0], g, h/g, q.Shape[1]))
}

// segments checks the segment numbers, which start at operand i, against query
// and key, which start at operand q.
func (c *inference) segments(i, q int) {
	for k := range 2 {
		s := c.in[q+k].Shape
		c.sameAs(i+k, T(I32, s[0], s[1]))
	}
}

// attention holds what forward and backward share: scaled scores
// [B,G,R,S,T], where R query heads share each of G key heads, and which of
// them count.
type attention struct {
	b       *Builder
	g, r    int
	scores  Value
	allowed Value // bool, or NoValue where every key counts
}

func attentionOf(b *Builder, op *Op, q, k, v, bias Value, segments []Value) attention {
	return newAttention(b, q, k, v, bias, op.Attrs.Bool("causal"), op.Attrs.Float("scale"), segments)
}

func newAttention(b *Builder, q, k, v, bias Value, causal bool, scale float64, segments []Value) attention {
	a := attention{b: b, g: b.Dim(k, 2), allowed: NoValue}
	a.r = b.Dim(q, 2) / max(a.g, 1)
	// [B,G,R,S,D] x [B,T,G,D] -> [B,G,R,S,T]
	dots := b.DotGeneral(a.group(q), k, DotDims{LHSBatch: []int{0, 1}, RHSBatch: []int{0, 2}, LHSContract: []int{4}, RHSContract: []int{3}})
	a.scores = b.Scale(dots, scale)
	shape := b.Type(a.scores).Shape
	if bias != NoValue {
		s := b.Type(bias).Shape
		a.scores = b.Add(a.scores, b.BroadcastTo(b.Reshape(bias, s[0], a.g, a.r, s[2], s[3]), shape...))
	}
	and := func(m Value) {
		if a.allowed != NoValue {
			m = b.And(a.allowed, m)
		}
		a.allowed = m
	}
	if causal {
		s, t := b.Dim(q, 1), b.Dim(k, 1)
		i, j := b.Iota(T(I32, s, t), 0), b.Iota(T(I32, s, t), 1)
		seen := b.Compare("le", j, b.Add(i, b.Full(T(I32, s, t), float64(t-s))))
		and(b.BroadcastInDim(seen, shape, []int{3, 4}))
	}
	if len(segments) == 2 {
		and(b.Compare("eq", b.BroadcastInDim(segments[0], shape, []int{0, 3}), b.BroadcastInDim(segments[1], shape, []int{0, 4})))
	}
	return a
}

// forward returns the result, and the maximum and the sum of each query.
func (a attention) forward(v Value) []Value {
	b := a.b
	lowest := b.Full(b.Type(a.scores), math.Inf(-1))
	top := b.Reduce("max", a.masked(a.scores, lowest), 4)
	// A query that sees no key has no maximum; 0 keeps its scores finite.
	none := b.Compare("eq", top, b.Full(b.Type(top), math.Inf(-1)))
	top = b.Select(none, b.Zeros(b.Type(top)), top)
	p := a.exponentials(top)
	sum := b.ReduceSum(p, 4)
	y := a.values(p, v)
	y = b.Div(y, b.BroadcastFront(nonzero(b, sum), b.Type(y).Shape...))
	return []Value{a.ungroup(y), top, sum}
}

// values returns the sums of the values, [B,T,G,E], by weights [B,G,R,S,T].
func (a attention) values(weights, v Value) Value { // [B,G,R,S,E]
	return a.b.DotGeneral(weights, v, DotDims{LHSBatch: []int{0, 1}, RHSBatch: []int{0, 2}, LHSContract: []int{4}, RHSContract: []int{1}})
}

// backward returns the cotangents of query, key and value, and of the scores
// [B,G,R,S,T].
func (a attention) backward(ct, q, k, v, result, top, sum Value, scale float64) (cts []Value, scores Value) {
	b := a.b
	shape := b.Type(a.scores).Shape
	p := b.Div(a.exponentials(top), b.BroadcastFront(nonzero(b, sum), shape...))
	dy, y := a.group(ct), a.group(result) // [B,G,R,S,E]
	// Over the queries of the R heads of a group: [B,G,R,S,T] x [B,G,R,S,E] -> [B,G,T,E]
	overQueries := DotDims{LHSBatch: []int{0, 1}, RHSBatch: []int{0, 1}, LHSContract: []int{2, 3}, RHSContract: []int{2, 3}}
	dv := b.DotGeneral(p, dy, overQueries)
	dp := b.DotGeneral(dy, v, DotDims{LHSBatch: []int{0, 1}, RHSBatch: []int{0, 2}, LHSContract: []int{4}, RHSContract: []int{3}})
	inner := b.BroadcastFront(b.ReduceDot(dy, y, 4), shape...)
	scores = b.Mul(p, b.Sub(dp, inner))
	ds := b.Scale(scores, scale)
	dq := b.DotGeneral(ds, k, DotDims{LHSBatch: []int{0, 1}, RHSBatch: []int{0, 2}, LHSContract: []int{4}, RHSContract: []int{1}})
	dk := b.DotGeneral(ds, a.group(q), overQueries)
	return []Value{a.ungroup(dq), b.Transpose(dk, 0, 2, 1, 3), b.Transpose(dv, 0, 2, 1, 3)}, scores
}

func (a attention) masked(x, otherwise Value) Value {
	if a.allowed == NoValue {
		return x
	}
	return a.b.Select(a.allowed, x, otherwise)
}

// exponentials returns exp(score - top), and +0 for masked keys.
func (a attention) exponentials(top Value) Value {
	t := a.b.Type(a.scores)
	e := a.b.Exp(a.b.Sub(a.scores, a.b.BroadcastFront(top, t.Shape...)))
	return a.masked(e, a.b.Zeros(t))
}

// group turns [B,S,H,D] into [B,G,R,S,D].
func (a attention) group(x Value) Value {
	s := a.b.Type(x).Shape
	if len(s) != 4 {
		return a.b.Fail("attention: rank %d", len(s))
	}
	return a.b.Transpose(a.b.Reshape(x, s[0], s[1], a.g, a.r, s[3]), 0, 2, 3, 1, 4)
}

// ungroup turns [B,G,R,S,D] into [B,S,H,D].
func (a attention) ungroup(x Value) Value {
	s := a.b.Type(x).Shape
	if len(s) != 5 {
		return a.b.Fail("attention: rank %d", len(s))
	}
	return a.b.Reshape(a.b.Transpose(x, 0, 3, 1, 2, 4), s[0], s[3], s[1]*s[2], s[4])
}

// nonzero returns x with 1 in the place of 0.
func nonzero(b *Builder, x Value) Value {
	t := b.Type(x)
	return b.Select(b.Compare("eq", x, b.Zeros(t)), b.Full(t, 1), x)
}

// Attention is scaled dot-product attention with scale 1/sqrt(D): q [B,S,H,D],
// k [B,T,G,D], v [B,T,G,E]. segments are none, or those of the queries [B,S]
// and of the keys [B,T].
func (b *Builder) Attention(q, k, v Value, causal bool, segments ...Value) Value {
	scale := 1 / math.Sqrt(float64(b.Dim(q, -1)))
	return b.one("scaled_dot_product_attention", append([]Value{q, k, v}, segments...), BoolAttr("causal", causal), FloatAttr("scale", scale))
}

// DroppedAttention is attention of which each probability is dropped at a rate
// before it weighs a value, as transformers are trained (Devlin et al., arXiv
// 1810.04805, A.2): of primitives, so that all the probabilities [B,H,S,T] are
// in memory. Operands are those of Attention and BiasedAttention; bias is
// NoValue for none, and state is that of Dropout.
func (b *Builder) DroppedAttention(q, k, v, bias, state Value, causal bool, scale, rate float64, segments ...Value) Value {
	a := newAttention(b, q, k, v, bias, causal, scale, segments)
	t := b.Type(a.scores)
	// Finite, so that the softmax of a query that sees no key is no NaN.
	p := b.Softmax(a.masked(a.scores, b.Full(t, -math.MaxFloat32)))
	return a.ungroup(a.values(b.Dropout(a.masked(p, b.Zeros(t)), state, rate), v))
}
