package ir

func init() {
	eps := AttrDef{Name: "epsilon", Kind: AttrFloat, Doc: "added to the variance, rounded to the dtype"}
	// channels checks that operands from to the end are one value a channel, and
	// returns their type.
	channels := func(c *inference, x int, from ...int) Type {
		t := c.float(x)
		c.require(t.Rank() > 0, "operand needs a last dimension")
		ch := t.With(t.Shape[t.Rank()-1])
		for _, i := range from {
			c.sameAs(i, ch)
		}
		return ch
	}
	define(
		&OpDef{
			Name: "batch_norm_training", Group: "normalization",
			Doc: "Batch normalization (Ioffe and Szegedy, arXiv 1502.03167) over all dimensions but the last, which holds the channels: (x - mean) / sqrt(var + epsilon) * weight + bias, with the mean and the biased variance of each channel over the batch, which are results too. " +
				"The statistics are those of the program's own batch, that is of one grain (rule 9). Running averages take the unbiased variance, var * n / (n - 1).",
			Numerics: "Rule 8, sums by rule 7 over the rows: mean = sum / n; var = sum of squares of (x - mean), by fma, / n; rstd = 1 / sqrt(var + epsilon); y = ((x - mean) * rstd) * weight + bias, every operation rounded.",
			Operands: []string{"operand", "weight", "bias"}, Results: []string{"result", "mean", "variance"},
			Attrs: []AttrDef{eps},
			infer: func(c *inference) []Type {
				ch := channels(c, 0, 1, 2)
				c.epsilon()
				s := statistics(ch)
				return []Type{c.in[0], s, s}
			},
			decompose: func(b *Builder, op *Op, in []Value) []Value {
				x := in[0]
				n := b.Full(b.Type(in[1]), float64(b.rows(x)))
				mean := b.Div(b.sumRows(x), n)
				centred := b.Sub(x, b.BroadcastTo(mean, b.Type(x).Shape...))
				variance := b.Div(b.sumRowsDot(centred, centred), n)
				return []Value{b.affine(centred, variance, in[1], in[2], op.Attrs.Float("epsilon")), mean, variance}
			},
			grad: func(g *Gradient) []Value {
				g.onlyFirst()
				return g.B.Op("batch_norm_grad", []Value{g.ct(0), g.In[0], g.In[1], g.Out[1], g.Out[2]}, g.Op.Attrs...)
			},
		},
		&OpDef{
			Name: "batch_norm_grad", Group: "normalization",
			Doc:      "The cotangents of the operand, weight and bias of batch_norm_training from that of its result.",
			Numerics: "With xhat = (x - mean) * rstd and n rows: bias_grad = sum(cotangent), weight_grad = sum(cotangent * xhat) by rule 7; operand_grad = ((cotangent - bias_grad / n) - xhat * (weight_grad / n)) * (rstd * weight), every operation rounded.",
			Operands: []string{"cotangent", "operand", "weight", "mean", "variance"}, Results: []string{"operand_grad", "weight_grad", "bias_grad"},
			Attrs: []AttrDef{eps},
			infer: func(c *inference) []Type {
				ch := channels(c, 1, 2)
				c.sameAs(0, c.in[1])
				c.sameAs(3, statistics(ch))
				c.sameAs(4, statistics(ch))
				c.epsilon()
				return []Type{c.in[1], ch, ch}
			},
			decompose: func(b *Builder, op *Op, in []Value) []Value {
				dy, x, w, mean, variance := in[0], in[1], in[2], in[3], in[4]
				shape := b.Type(x).Shape
				wide := func(v Value) Value { return b.BroadcastTo(v, shape...) }
				n := b.Full(b.Type(w), float64(b.rows(x)))
				rstd := b.rstd(variance, op.Attrs.Float("epsilon"))
				xhat := b.Mul(b.Sub(x, wide(mean)), wide(rstd))
				db, dw := b.sumRows(dy), b.sumRowsDot(dy, xhat)
				dx := b.Sub(b.Sub(dy, wide(b.Div(db, n))), b.Mul(xhat, wide(b.Div(dw, n))))
				return []Value{b.Mul(dx, wide(b.Mul(rstd, w))), dw, db}
			},
		},
		&OpDef{
			Name: "batch_norm_inference", Group: "normalization",
			Doc:      "Batch normalization with given statistics: (x - mean) / sqrt(variance + epsilon) * weight + bias for each channel, the last dimension.",
			Numerics: "rstd = 1 / sqrt(variance + epsilon); y = ((x - mean) * rstd) * weight + bias, every operation rounded.",
			Operands: []string{"operand", "weight", "bias", "mean", "variance"}, Results: []string{"result"},
			Attrs: []AttrDef{eps},
			infer: func(c *inference) []Type {
				ch := channels(c, 0, 1, 2)
				c.sameAs(3, statistics(ch))
				c.sameAs(4, statistics(ch))
				c.epsilon()
				return []Type{c.in[0]}
			},
			decompose: func(b *Builder, op *Op, in []Value) []Value {
				centred := b.Sub(in[0], b.BroadcastTo(in[3], b.Type(in[0]).Shape...))
				return []Value{b.affine(centred, in[4], in[1], in[2], op.Attrs.Float("epsilon"))}
			},
			derived: true,
		},
	)
}

// statistics is the type of statistics of values of type t: bf16 and f16 keep
// theirs in f32.
func statistics(t Type) Type {
	if t.DType.IsHalf() {
		return t.As(F32)
	}
	return t
}

func (c *inference) epsilon() {
	e := c.attrs.Float("epsilon")
	c.require(e >= 0 && e < 1e30, "epsilon must be finite and not negative, is %v", e)
}

// rows returns the number of elements of each channel.
func (b *Builder) rows(x Value) int {
	n := 1
	s := b.Type(x).Shape
	for _, d := range s[:max(len(s)-1, 0)] {
		n *= d
	}
	return n
}

func (b *Builder) rstd(variance Value, epsilon float64) Value {
	return b.Unary("rsqrt", b.Add(variance, b.Full(b.Type(variance), epsilon)))
}

// affine finishes a batch normalization.
func (b *Builder) affine(centred, variance, weight, bias Value, epsilon float64) Value {
	wide := func(v Value) Value { return b.BroadcastTo(v, b.Type(centred).Shape...) }
	y := b.Mul(centred, wide(b.rstd(variance, epsilon)))
	return b.Add(b.Mul(y, wide(weight)), wide(bias))
}

// BatchNormTraining normalizes each channel, the last dimension, by its own
// mean and variance, which it returns too; weight and bias are [C].
func (b *Builder) BatchNormTraining(x, weight, bias Value, epsilon float64) (y, mean, variance Value) {
	out := b.Op("batch_norm_training", []Value{x, weight, bias}, FloatAttr("epsilon", epsilon))
	if len(out) != 3 {
		return NoValue, NoValue, NoValue
	}
	return out[0], out[1], out[2]
}

// BatchNormInference normalizes each channel by given statistics.
func (b *Builder) BatchNormInference(x, weight, bias, mean, variance Value, epsilon float64) Value {
	return b.one("batch_norm_inference", []Value{x, weight, bias, mean, variance}, FloatAttr("epsilon", epsilon))
}
