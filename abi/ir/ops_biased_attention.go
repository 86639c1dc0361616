package ir

import "math"

func init() {
	attrs := []AttrDef{
		{Name: "causal", Kind: AttrBool, Doc: "whether query i sees keys up to i + T - S only"},
		{Name: "scale", Kind: AttrFloat, Doc: "factor on the products, usually 1/sqrt(D), rounded to the dtype"},
	}
	// bias checks the bias, operand i, against query and key, which start at operand q.
	bias := func(c *inference, i, q int) Type {
		t := c.rank(i, 4)
		s, k := c.in[q].Shape, c.in[q+1].Shape
		c.require(t.Shape[0] == 1 || t.Shape[0] == s[0], "bias is %v; its first dimension must be 1 or the batch %d", t, s[0])
		c.sameAs(i, c.in[q].With(t.Shape[0], s[2], s[1], k[1]))
		return t
	}
	define(
		&OpDef{
			Name: "biased_attention", Group: "attention",
			Doc: "scaled_dot_product_attention with a bias added to the scores before the softmax: softmax(scale * q k^T + bias) v. bias is [B,H,S,T] or [1,H,S,T], such as relative_position_bias. " +
				"A bias of -Inf hides a key, as a segment of its own does; a query that sees no key gives +0.",
			Numerics: "As scaled_dot_product_attention; the bias is one addition after the scale.",
			Operands: []string{"query", "key", "value", "bias", "query_segments", "key_segments"}, Optional: 2,
			Results: []string{"result", "max", "sum"},
			Attrs:   attrs,
			infer: func(c *inference) []Type {
				q, stats := c.attention(0)
				bias(c, 3, 0)
				if len(c.in) == 6 {
					c.segments(4, 0)
				}
				return []Type{q.With(q.Shape[0], q.Shape[1], q.Shape[2], c.in[2].Shape[3]), stats, stats}
			},
			decompose: func(b *Builder, op *Op, in []Value) []Value {
				return attentionOf(b, op, in[0], in[1], in[2], in[3], in[4:]).forward(in[2])
			},
			grad: func(g *Gradient) []Value {
				g.onlyFirst()
				in := []Value{g.ct(0), g.In[0], g.In[1], g.In[2], g.In[3], g.Out[0], g.Out[1], g.Out[2]}
				cts := g.B.Op("biased_attention_grad", append(in, g.In[4:]...), g.Op.Attrs...)
				return append(cts, noValues(len(g.In)-4)...)
			},
		},
		&OpDef{
			Name: "biased_attention_grad", Group: "attention",
			Doc:      "The cotangents of query, key, value and bias of biased_attention from that of its result. Probabilities are computed again from max and sum.",
			Numerics: "As scaled_dot_product_attention_grad; the bias's is the scores', p * (dp - sum(cotangent * result)), summed over the batch by rule 7 where the bias is shared.",
			Operands: []string{"cotangent", "query", "key", "value", "bias", "result", "max", "sum", "query_segments", "key_segments"}, Optional: 2,
			Results: []string{"query_grad", "key_grad", "value_grad", "bias_grad"},
			Attrs:   attrs,
			infer: func(c *inference) []Type {
				q, stats := c.attention(1)
				c.sameAs(0, q.With(q.Shape[0], q.Shape[1], q.Shape[2], c.in[3].Shape[3]))
				t := bias(c, 4, 1)
				c.sameAs(5, c.in[0])
				c.sameAs(6, stats)
				c.sameAs(7, stats)
				if len(c.in) == 10 {
					c.segments(8, 1)
				}
				return []Type{c.in[1], c.in[2], c.in[3], t}
			},
			decompose: func(b *Builder, op *Op, in []Value) []Value {
				a := attentionOf(b, op, in[1], in[2], in[3], in[4], in[8:])
				out, ds := a.backward(in[0], in[1], in[2], in[3], in[5], in[6], in[7], op.Attrs.Float("scale"))
				t, s := b.Type(in[4]), b.Type(ds).Shape
				if len(s) != 5 {
					return append(out, NoValue)
				}
				db := b.Reshape(ds, s[0], s[1]*s[2], s[3], s[4])
				if t.Shape[0] != s[0] {
					db = b.Reshape(b.ReduceSum(db, 0), t.Shape...)
				}
				return append(out, db)
			},
		},
	)
}

// BiasedAttention is Attention with a bias [B,H,S,T] or [1,H,S,T] added to the
// scaled scores. A scale of 0 stands for 1/sqrt(D).
func (b *Builder) BiasedAttention(q, k, v, bias Value, causal bool, scale float64, segments ...Value) Value {
	if scale == 0 {
		scale = 1 / math.Sqrt(float64(b.Dim(q, -1)))
	}
	return b.one("biased_attention", append([]Value{q, k, v, bias}, segments...), BoolAttr("causal", causal), FloatAttr("scale", scale))
}
