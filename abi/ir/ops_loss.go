package ir

import "math"

func init() {
	attrs := []AttrDef{
		{Name: "ignore_index", Kind: AttrInt, Doc: "rows with this label have loss +0 and no gradient"},
		{Name: "z_loss", Kind: AttrFloat, Doc: "factor on the squared log of the partition function, 0 for none (Chowdhery et al., arXiv 2204.02311, section 5)"},
	}
	check := func(c *inference, hidden int) (rows Type) {
		h := c.rank(hidden, 2)
		c.float(hidden)
		w := c.rank(hidden+1, 2)
		c.sameAs(hidden+1, h.With(w.Shape[0], h.Shape[1]))
		c.require(w.Shape[0] > 0, "weight needs at least one row, is %v", w)
		c.sameAs(hidden+2, T(I32, h.Shape[0]))
		z := c.attrs.Float("z_loss")
		c.require(z >= 0 && !math.IsInf(z, 0), "z_loss must be finite and not negative, is %v", z)
		return statistics(h.With(h.Shape[0]))
	}
	define(
		&OpDef{
			Name: "linear_cross_entropy", Group: "loss",
			Doc: "The cross-entropy of softmax(hidden weight^T) with the labels, row by row: log(sum(exp(x))) - x[label], for hidden [N,E], weight [V,E] and labels i32 [N]; gives [N], in f32 for bf16 and f16. " +
				"The logits x need not exist as a whole. A label outside 0 to V-1 that is not ignore_index counts as a logit of 0.",
			Numerics: "Rules 5 and 8: (max - x[label]) + log(sum); with z_loss, z * (lse * lse) is added, lse = max + log(sum).",
			Operands: []string{"hidden", "weight", "labels"}, Results: []string{"loss"},
			Attrs: attrs,
			infer: func(c *inference) []Type { return []Type{check(c, 0)} },
			decompose: func(b *Builder, op *Op, in []Value) []Value {
				return []Value{newCrossEntropy(b, op, in[0], in[1], in[2]).loss()}
			},
			grad: func(g *Gradient) []Value {
				// The gradient computes the logits anyway, so it gives the loss too.
				out := g.B.Op("linear_cross_entropy_grad", append([]Value{g.Ct[0]}, g.In...), g.Op.Attrs...)
				if len(out) != 3 {
					return noValues(3)
				}
				g.Replaced[0] = out[0]
				return []Value{out[1], out[2], NoValue}
			},
		},
		&OpDef{
			Name: "linear_cross_entropy_grad", Group: "loss",
			Doc:      "The loss of linear_cross_entropy and the cotangents of its hidden and weight from that of the loss [N].",
			Numerics: "With p = exp(x - max) / sum, the logits' cotangent is (p - onehot) * cotangent, or (p * (1 + 2z * lse) - onehot) * cotangent; then two contractions by rule 5, over V and over N.",
			Operands: []string{"cotangent", "hidden", "weight", "labels"}, Results: []string{"loss", "hidden_grad", "weight_grad"},
			Attrs: attrs,
			infer: func(c *inference) []Type {
				rows := check(c, 1)
				c.sameAs(0, rows)
				return []Type{rows, c.in[1], c.in[2]}
			},
			decompose: func(b *Builder, op *Op, in []Value) []Value {
				x := newCrossEntropy(b, op, in[1], in[2], in[3])
				t := b.Type(x.exps)
				wide := func(row Value) Value { return b.BroadcastFront(row, t.Shape...) }
				p := b.Div(x.exps, wide(x.sum))
				if x.z != 0 {
					rows := b.Type(x.sum)
					p = b.Mul(p, wide(b.FMA(b.Full(rows, 2*x.z), x.lse(), b.Full(rows, 1))))
				}
				ct := b.Select(x.counts, in[0], b.Zeros(b.Type(in[0])))
				d := b.Mul(b.Sub(p, b.Convert(x.hit, t.DType)), wide(ct))
				return []Value{
					x.loss(),
					b.MatMul(d, in[2]),
					b.DotGeneral(d, in[1], DotDims{LHSContract: []int{0}, RHSContract: []int{0}}),
				}
			},
		},
	)
}

// crossEntropy is what loss and gradient share.
type crossEntropy struct {
	b                                *Builder
	z                                float64
	exps, hit                        Value // [N,V]: exp(x - max), and where the label is
	top, sum, logSum, target, counts Value // [N]
}

func newCrossEntropy(b *Builder, op *Op, hidden, weight, labels Value) crossEntropy {
	x := b.Linear(hidden, weight)
	t, rows := b.Type(x), b.Type(labels)
	c := crossEntropy{b: b, z: op.Attrs.Float("z_loss")}
	c.counts = b.Compare("ne", labels, b.Full(rows, float64(op.Attrs.Int("ignore_index"))))
	c.hit = b.Compare("eq", b.BroadcastFront(labels, t.Shape...), b.Iota(t.As(I32), 1))
	c.top = b.Reduce("max", x, 1)
	c.exps = b.Exp(b.Sub(x, b.BroadcastFront(c.top, t.Shape...)))
	c.sum = b.ReduceSum(c.exps, 1)
	c.logSum = b.Log(c.sum)
	c.target = b.ReduceSum(b.Select(c.hit, x, b.Zeros(t)), 1)
	return c
}

// lse is the log of the sum of exponentials of the logits.
func (c crossEntropy) lse() Value { return c.b.Add(c.top, c.logSum) }

func (c crossEntropy) loss() Value {
	b := c.b
	l := b.Add(b.Sub(c.top, c.target), c.logSum)
	if c.z != 0 {
		l = b.Add(l, b.Scale(b.Mul(c.lse(), c.lse()), c.z))
	}
	return b.Select(c.counts, l, b.Zeros(b.Type(l)))
}

// LinearCrossEntropy returns the cross-entropy [N] of softmax(hidden weight^T)
// with labels i32 [N]: hidden [N,E], weight [V,E]. Rows whose label is
// ignoreIndex have loss 0.
func (b *Builder) LinearCrossEntropy(hidden, weight, labels Value, ignoreIndex int, zLoss float64) Value {
	return b.one("linear_cross_entropy", []Value{hidden, weight, labels}, IntAttr("ignore_index", ignoreIndex), FloatAttr("z_loss", zLoss))
}
