package ir

func init() {
	scalars := func(c *inference, from int) {
		for i := from; i < len(c.in); i++ {
			c.sameAs(i, c.in[0].With())
		}
	}
	same := func(c *inference, n int) {
		c.float(0)
		for i := 1; i < n; i++ {
			c.sameAs(i, c.in[0])
		}
	}
	factor := func(c *inference, names ...string) {
		for _, n := range names {
			v := c.attrs.Float(n)
			c.require(v >= 0 && v < 1, "%s must be at least 0 and below 1, is %v", n, v)
		}
	}
	define(
		&OpDef{
			Name: "adamw", Group: "optimizer",
			Doc: "One step of Adam with decoupled weight decay (Kingma and Ba, arXiv 1412.6980; Loshchilov and Hutter, arXiv 1711.05101). " +
				"The gradient is a sum over weight samples or tokens; clip scales its mean. decay is the learning rate times the weight decay, step_size the learning rate / (1 - beta1^t), correction sqrt(1 - beta2^t).",
			Numerics: "g = (gradient / weight) * clip; exp_avg = fma(1 - beta1, g - exp_avg, exp_avg); exp_avg_sq = fma(1 - beta2, g * g, beta2 * exp_avg_sq); " +
				"parameter = fma(-decay, parameter, parameter) - (step_size * exp_avg) / (sqrt(exp_avg_sq) / correction + epsilon). Attributes and 1 - beta are rounded to the dtype; every other operation rounds once.",
			Operands: []string{"parameter", "gradient", "exp_avg", "exp_avg_sq", "weight", "clip", "decay", "step_size", "correction"},
			Results:  []string{"parameter", "exp_avg", "exp_avg_sq"},
			Attrs: []AttrDef{
				{Name: "beta1", Kind: AttrFloat, Doc: "decay of the mean of gradients"},
				{Name: "beta2", Kind: AttrFloat, Doc: "decay of the mean of squared gradients"},
				{Name: "epsilon", Kind: AttrFloat, Doc: "added to the denominator"},
			},
			infer: func(c *inference) []Type {
				same(c, 4)
				scalars(c, 4)
				factor(c, "beta1", "beta2")
				e := c.attrs.Float("epsilon")
				c.require(e >= 0 && e < 1e30, "epsilon must be finite and not negative, is %v", e)
				return []Type{c.in[0], c.in[0], c.in[0]}
			},
			decompose: func(b *Builder, op *Op, in []Value) []Value {
				p, m, v := in[0], in[2], in[3]
				t := b.Type(p)
				wide := func(x Value) Value { return b.BroadcastInDim(x, t.Shape, nil) }
				beta1, beta2 := op.Attrs.Float("beta1"), op.Attrs.Float("beta2")
				g := b.Mul(b.Div(in[1], wide(in[4])), wide(in[5]))
				m = b.FMA(b.Full(t, 1-beta1), b.Sub(g, m), m)
				v = b.FMA(b.Full(t, 1-beta2), b.Mul(g, g), b.Mul(b.Full(t, beta2), v))
				p = b.FMA(b.Negate(wide(in[6])), p, p)
				denominator := b.Add(b.Div(b.Sqrt(v), wide(in[8])), b.Full(t, op.Attrs.Float("epsilon")))
				p = b.Sub(p, b.Div(b.Mul(wide(in[7]), m), denominator))
				return []Value{p, m, v}
			},
		},
		&OpDef{
			Name: "sgd", Group: "optimizer",
			Doc: "One step of stochastic gradient descent with momentum, as torch.optim.SGD without dampening, and with decoupled weight decay. " +
				"The gradient is a sum over weight samples or tokens; clip scales its mean. decay is the learning rate times the weight decay.",
			Numerics: "g = (gradient / weight) * clip; momentum_buffer = fma(momentum, momentum_buffer, g); parameter = fma(-lr, momentum_buffer, fma(-decay, parameter, parameter)).",
			Operands: []string{"parameter", "gradient", "momentum_buffer", "weight", "clip", "decay", "lr"},
			Results:  []string{"parameter", "momentum_buffer"},
			Attrs:    []AttrDef{{Name: "momentum", Kind: AttrFloat, Doc: "decay of the sum of gradients, 0 for none"}},
			infer: func(c *inference) []Type {
				same(c, 3)
				scalars(c, 3)
				factor(c, "momentum")
				return []Type{c.in[0], c.in[0]}
			},
			decompose: func(b *Builder, op *Op, in []Value) []Value {
				p := in[0]
				t := b.Type(p)
				wide := func(x Value) Value { return b.BroadcastInDim(x, t.Shape, nil) }
				g := b.Mul(b.Div(in[1], wide(in[3])), wide(in[4]))
				buffer := b.FMA(b.Full(t, op.Attrs.Float("momentum")), in[2], g)
				p = b.FMA(b.Negate(wide(in[5])), p, p)
				return []Value{b.FMA(b.Negate(wide(in[6])), buffer, p), buffer}
			},
		},
		&OpDef{
			Name: "ema", Group: "optimizer",
			Doc:      "One step of an exponential moving average: (1 - decay) of the way from average to value.",
			Numerics: "fma(1 - decay, value - average, average), with 1 - decay computed in binary64 and rounded to the dtype.",
			Operands: []string{"average", "value"}, Results: []string{"average"},
			Attrs: []AttrDef{{Name: "decay", Kind: AttrFloat, Doc: "share of the average that stays, from 0 to 1"}},
			infer: func(c *inference) []Type {
				same(c, 2)
				d := c.attrs.Float("decay")
				c.require(d >= 0 && d <= 1, "decay must be from 0 to 1, is %v", d)
				return []Type{c.in[0]}
			},
			decompose: func(b *Builder, op *Op, in []Value) []Value {
				return []Value{b.FMA(b.Full(b.Type(in[0]), 1-op.Attrs.Float("decay")), b.Sub(in[1], in[0]), in[0])}
			},
		},
		&OpDef{
			Name: "clip_by_norm", Group: "optimizer",
			Doc:      "The operand scaled down so that a norm, which it may share with other tensors, comes to at most max_norm: operand * minimum(1, max_norm / (norm + 1e-6)), as torch.nn.utils.clip_grad_norm_ (Pascanu et al., arXiv 1211.5063).",
			Numerics: "One addition, one division, one minimum, one multiplication; constants are rounded to the dtype.",
			Operands: []string{"operand", "norm"}, Results: []string{"result"},
			Attrs: []AttrDef{{Name: "max_norm", Kind: AttrFloat, Doc: "more than 0"}},
			infer: func(c *inference) []Type {
				same(c, 1)
				scalars(c, 1)
				c.positive("max_norm")
				return []Type{c.in[0]}
			},
			decompose: func(b *Builder, op *Op, in []Value) []Value {
				t := b.Type(in[1])
				factor := b.Min(b.Full(t, 1), b.Div(b.Full(t, op.Attrs.Float("max_norm")), b.Add(in[1], b.Full(t, 1e-6))))
				return []Value{b.Mul(in[0], b.BroadcastTo(factor, b.Type(in[0]).Shape...))}
			},
		},
	)
}

// AdamWHyper are the constants of AdamW.
type AdamWHyper struct{ Beta1, Beta2, Epsilon float64 }

// AdamW takes a parameter, its gradient and its two moments one step on; the
// scalars are those of the op's operands.
func (b *Builder) AdamW(parameter, gradient, expAvg, expAvgSq, weight, clip, decay, stepSize, correction Value, h AdamWHyper) (p, m, v Value) {
	out := b.Op("adamw", []Value{parameter, gradient, expAvg, expAvgSq, weight, clip, decay, stepSize, correction},
		FloatAttr("beta1", h.Beta1), FloatAttr("beta2", h.Beta2), FloatAttr("epsilon", h.Epsilon))
	if len(out) != 3 {
		return NoValue, NoValue, NoValue
	}
	return out[0], out[1], out[2]
}

// SGD takes a parameter, its gradient and its momentum buffer one step on.
func (b *Builder) SGD(parameter, gradient, buffer, weight, clip, decay, lr Value, momentum float64) (p, m Value) {
	out := b.Op("sgd", []Value{parameter, gradient, buffer, weight, clip, decay, lr}, FloatAttr("momentum", momentum))
	if len(out) != 2 {
		return NoValue, NoValue
	}
	return out[0], out[1]
}

// EMA moves an average towards value by 1 - decay of their difference.
func (b *Builder) EMA(average, value Value, decay float64) Value {
	return b.one("ema", []Value{average, value}, FloatAttr("decay", decay))
}

// ClipByNorm scales x down so that norm, a scalar, comes to at most maxNorm.
func (b *Builder) ClipByNorm(x, norm Value, maxNorm float64) Value {
	return b.one("clip_by_norm", []Value{x, norm}, FloatAttr("max_norm", maxNorm))
}
