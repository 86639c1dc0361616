package ir

import "math"

// Losses over logits and predictions that are at hand.

func init() {
	attrs := []AttrDef{
		{Name: "ignore_index", Kind: AttrInt, Doc: "rows with this label have loss +0 and no gradient"},
		{Name: "label_smoothing", Kind: AttrFloat, Doc: "share e of the target spread evenly over all classes (Szegedy et al., arXiv 1512.00567), rounded to the dtype"},
	}
	rows := func(c *inference, logits int) Type {
		t := c.float(logits)
		last := t.Rank() - 1
		c.require(last >= 0 && t.Shape[last] > 0, "logits need a last dimension of at least one class, are %v", t)
		c.sameAs(logits+1, T(I32, t.Shape[:last]...))
		e := c.attrs.Float("label_smoothing")
		c.require(e >= 0 && e <= 1, "label_smoothing must be from 0 to 1, is %v", e)
		return statistics(t.With(t.Shape[:last]...))
	}
	define(
		&OpDef{
			Name: "cross_entropy", Group: "loss",
			Doc:      "The cross-entropy of softmax(logits) over the last dimension with labels (i32), row by row; in f32 for bf16 and f16. A label outside the classes that is not ignore_index counts as a logit of 0.",
			Numerics: "Rule 8: nll = (max - x[label]) + log(sum) with sum of exp(x - max) by rule 7. With smoothing e > 0: even = log(sum) - sum(x - max) / V by rule 7, loss = fma(e, even - nll, nll).",
			Operands: []string{"logits", "labels"}, Results: []string{"loss"},
			Attrs: attrs,
			infer: func(c *inference) []Type { return []Type{rows(c, 0)} },
			decompose: func(b *Builder, op *Op, in []Value) []Value {
				x := newRowEntropy(b, op, in[0], in[1])
				loss := b.Add(b.Sub(x.top, x.target), b.Log(x.sum))
				if x.smoothing > 0 {
					t := b.Type(loss)
					last := b.Type(x.shifted).Rank() - 1
					even := b.Sub(b.Log(x.sum), b.Div(b.ReduceSum(x.shifted, last), b.Full(t, float64(b.Dim(x.shifted, last)))))
					loss = b.FMA(b.Full(t, x.smoothing), b.Sub(even, loss), loss)
				}
				return []Value{b.Select(x.counts, loss, b.Zeros(b.Type(loss)))}
			},
			grad: func(g *Gradient) []Value {
				return []Value{g.B.one("cross_entropy_grad", []Value{g.Ct[0], g.In[0], g.In[1]}, g.Op.Attrs...), NoValue}
			},
		},
		&OpDef{
			Name: "cross_entropy_grad", Group: "loss",
			Doc:      "The cotangent of the logits of cross_entropy from that of the loss.",
			Numerics: "(p - t) * cotangent with p = exp(x - max) / sum and t = 1 - e + e/V at the label, e/V elsewhere, computed in binary64 and rounded to the dtype.",
			Operands: []string{"cotangent", "logits", "labels"}, Results: []string{"logits_grad"},
			Attrs: attrs,
			infer: func(c *inference) []Type {
				c.sameAs(0, rows(c, 1))
				return []Type{c.in[1]}
			},
			decompose: func(b *Builder, op *Op, in []Value) []Value {
				x := newRowEntropy(b, op, in[1], in[2])
				t := b.Type(in[1])
				wide := func(row Value) Value { return b.BroadcastFront(row, t.Shape...) }
				even := x.smoothing / float64(t.Shape[t.Rank()-1])
				target := b.Select(x.hit, b.Full(t, 1-x.smoothing+even), b.Full(t, even))
				ct := b.Select(x.counts, in[0], b.Zeros(b.Type(in[0])))
				return []Value{b.Mul(b.Sub(b.Div(x.exps, wide(x.sum)), target), wide(ct))}
			},
		},
		&OpDef{
			Name: "sigmoid_cross_entropy", Group: "loss",
			Doc:      "The binary cross-entropy of logistic(logits) with targets, probabilities of the same shape, element by element.",
			Numerics: "(maximum(x, 0) - x * t) + log1p(exp(-|x|)), every operation rounded.",
			Operands: []string{"logits", "targets"}, Results: []string{"loss"},
			infer: func(c *inference) []Type {
				c.sameAs(1, c.float(0))
				return []Type{c.in[0]}
			},
			decompose: func(b *Builder, _ *Op, in []Value) []Value {
				x := in[0]
				tail := b.Unary("log_plus_one", b.Exp(b.Negate(b.Unary("abs", x))))
				return []Value{b.Add(b.Sub(b.Max(x, b.Zeros(b.Type(x))), b.Mul(x, in[1])), tail)}
			},
			grad: func(g *Gradient) []Value {
				return g.wanted(
					func() Value { return g.B.Mul(g.B.Sub(g.B.Unary("logistic", g.In[0]), g.In[1]), g.Ct[0]) },
					func() Value { return g.B.Negate(g.B.Mul(g.In[0], g.Ct[0])) })
			},
		},
		&OpDef{
			Name: "mean_squared_error", Group: "loss",
			Doc:      "The mean of (prediction - target)^2 over the last dimension, row by row; in f32 for bf16 and f16.",
			Numerics: "One subtraction, a sum of squares by rule 7 with fma, one division by the size of the row.",
			Operands: []string{"prediction", "target"}, Results: []string{"loss"},
			infer: func(c *inference) []Type {
				t := c.float(0)
				c.require(t.Rank() > 0, "prediction needs a last dimension")
				c.sameAs(1, t)
				return []Type{statistics(t.With(t.Shape[:t.Rank()-1]...))}
			},
			decompose: func(b *Builder, _ *Op, in []Value) []Value {
				t := b.Type(in[0])
				last := t.Rank() - 1
				d := b.Sub(in[0], in[1])
				sum := b.ReduceDot(d, d, last)
				return []Value{b.Div(sum, b.Full(b.Type(sum), float64(t.Shape[last])))}
			},
			derived: true,
		},
		&OpDef{
			Name: "info_nce", Group: "loss",
			Doc:      "The contrastive loss InfoNCE (van den Oord et al., arXiv 1807.03748) of a similarity matrix [N, M]: for each row the cross-entropy of similarity / temperature with the column of its positive, positives i32 [N]; in f32 for bf16 and f16. With exclude_diagonal, N = M and row i does not see column i, as in SimCLR (Chen et al., arXiv 2002.05709).",
			Numerics: "One division; excluded elements are -Inf; then cross_entropy.",
			Operands: []string{"similarity", "positives"}, Results: []string{"loss"},
			Attrs: []AttrDef{
				{Name: "temperature", Kind: AttrFloat, Doc: "more than 0, rounded to the dtype"},
				{Name: "exclude_diagonal", Kind: AttrBool, Doc: "whether a row leaves out its own column"},
			},
			infer: func(c *inference) []Type {
				c.float(0)
				t := c.rank(0, 2)
				c.require(t.Shape[1] > 0, "similarity needs a column, is %v", t)
				c.require(!c.attrs.Bool("exclude_diagonal") || t.Shape[0] == t.Shape[1], "exclude_diagonal needs a square matrix, not %v", t)
				c.sameAs(1, T(I32, t.Shape[0]))
				c.positive("temperature")
				return []Type{statistics(t.With(t.Shape[0]))}
			},
			decompose: func(b *Builder, op *Op, in []Value) []Value {
				t := b.Type(in[0])
				x := b.Div(in[0], b.Full(t, op.Attrs.Float("temperature")))
				if op.Attrs.Bool("exclude_diagonal") {
					own := b.Compare("eq", b.Iota(t.As(I32), 0), b.Iota(t.As(I32), 1))
					x = b.Select(own, b.Full(t, math.Inf(-1)), x)
				}
				return []Value{b.CrossEntropy(x, in[1], -1, 0)}
			},
			derived: true,
		},
	)
}

// rowEntropy is what the loss and the gradient of cross_entropy share.
type rowEntropy struct {
	smoothing                float64
	shifted, exps, hit       Value // like the logits: x - max, its exp, and where the label is
	top, sum, target, counts Value // one a row
}

func newRowEntropy(b *Builder, op *Op, logits, labels Value) rowEntropy {
	t, rows := b.Type(logits), b.Type(labels)
	last := t.Rank() - 1
	x := rowEntropy{smoothing: op.Attrs.Float("label_smoothing")}
	x.counts = b.Compare("ne", labels, b.Full(rows, float64(op.Attrs.Int("ignore_index"))))
	x.hit = b.Compare("eq", b.BroadcastFront(labels, t.Shape...), b.Iota(t.As(I32), last))
	x.top = b.Reduce("max", logits, last)
	x.shifted = b.Sub(logits, b.BroadcastFront(x.top, t.Shape...))
	x.exps = b.Exp(x.shifted)
	x.sum = b.ReduceSum(x.exps, last)
	x.target = b.ReduceSum(b.Select(x.hit, logits, b.Zeros(t)), last)
	return x
}

// CrossEntropy returns the cross-entropy of softmax(logits) over the last
// dimension with labels (i32), one a row. Rows whose label is ignoreIndex have
// loss 0.
func (b *Builder) CrossEntropy(logits, labels Value, ignoreIndex int, labelSmoothing float64) Value {
	return b.one("cross_entropy", []Value{logits, labels}, IntAttr("ignore_index", ignoreIndex), FloatAttr("label_smoothing", labelSmoothing))
}

// SigmoidCrossEntropy returns the binary cross-entropy of logistic(logits)
// with targets, element by element.
func (b *Builder) SigmoidCrossEntropy(logits, targets Value) Value {
	return b.one("sigmoid_cross_entropy", []Value{logits, targets})
}

// MeanSquaredError returns the mean of (prediction - target)^2 over the last
// dimension.
func (b *Builder) MeanSquaredError(prediction, target Value) Value {
	return b.one("mean_squared_error", []Value{prediction, target})
}

// InfoNCE returns the contrastive loss of each row of similarity [N, M], whose
// positive is in column positives i32 [N].
func (b *Builder) InfoNCE(similarity, positives Value, temperature float64, excludeDiagonal bool) Value {
	return b.one("info_nce", []Value{similarity, positives}, FloatAttr("temperature", temperature), BoolAttr("exclude_diagonal", excludeDiagonal))
}
