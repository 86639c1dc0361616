package ir

func init() {
	factor := func(name, doc string) AttrDef {
		return AttrDef{Name: name, Kind: AttrFloat, Doc: doc + ", rounded to the dtype"}
	}
	same := func(attr string) func(c *inference) []Type {
		return func(c *inference) []Type {
			c.float(0)
			v := c.attrs.Float(attr)
			c.require(v >= 0 && v < 1e30, "%s must be finite and not negative, is %v", attr, v)
			return []Type{c.in[0]}
		}
	}
	define(
		&OpDef{
			Name: "leaky_relu", Group: "activation",
			Doc:      "x where x > 0, else slope * x (Maas et al. 2013). The gradient at 0 is slope.",
			Numerics: "At most one multiplication.",
			Operands: []string{"operand"}, Results: []string{"result"},
			Attrs: []AttrDef{factor("slope", "factor on what is not positive")},
			infer: same("slope"),
			decompose: func(b *Builder, op *Op, in []Value) []Value {
				x := in[0]
				positive := b.Compare("gt", x, b.Zeros(b.Type(x)))
				return []Value{b.Select(positive, x, b.Scale(x, op.Attrs.Float("slope")))}
			},
			derived: true,
		},
		&OpDef{
			Name: "elu", Group: "activation",
			Doc:      "x where x > 0, else alpha * (e^x - 1) (Clevert et al., arXiv 1511.07289).",
			Numerics: "alpha * expm1(x): correctly rounded, then one multiplication.",
			Operands: []string{"operand"}, Results: []string{"result"},
			Attrs: []AttrDef{factor("alpha", "minus the value far to the left")},
			infer: same("alpha"),
			decompose: func(b *Builder, op *Op, in []Value) []Value {
				x := in[0]
				positive := b.Compare("gt", x, b.Zeros(b.Type(x)))
				return []Value{b.Select(positive, x, b.Scale(b.Unary("exponential_minus_one", x), op.Attrs.Float("alpha")))}
			},
			grad: func(g *Gradient) []Value {
				b, x := g.B, g.In[0]
				slope := b.Add(g.Out[0], b.Full(b.Type(x), g.Op.Attrs.Float("alpha")))
				return []Value{b.Select(b.Compare("gt", x, b.Zeros(b.Type(x))), g.Ct[0], b.Mul(g.Ct[0], slope))}
			},
		},
		&OpDef{
			Name: "log_softmax", Group: "normalization",
			Doc:      "The logarithm of softmax over the last dimension.",
			Numerics: "Rule 8: (x - max) - log(sum), where sum adds exp(x - max) by rule 7.",
			Operands: []string{"operand"}, Results: []string{"result"},
			infer: func(c *inference) []Type {
				c.require(c.float(0).Rank() > 0, "needs a last dimension")
				return []Type{c.in[0]}
			},
			decompose: func(b *Builder, _ *Op, in []Value) []Value {
				s := b.Type(in[0]).Shape
				last := len(s) - 1
				shifted := b.Sub(in[0], b.BroadcastFront(b.Reduce("max", in[0], last), s...))
				sum := b.ReduceSum(b.Exp(shifted), last)
				return []Value{b.Sub(shifted, b.BroadcastFront(b.Log(sum), s...))}
			},
			grad: func(g *Gradient) []Value {
				b, s := g.B, g.B.Type(g.Out[0]).Shape
				sum := b.ReduceSum(g.Ct[0], len(s)-1)
				return []Value{b.Sub(g.Ct[0], b.Mul(b.Exp(g.Out[0]), b.BroadcastFront(sum, s...)))}
			},
		},
		&OpDef{
			Name: "group_norm", Group: "normalization",
			Doc:      "Group normalization (Wu and He, arXiv 1803.08494) of [N, spatial..., C]: the channels of each sample in equal, consecutive groups, each normalized over its channels and the spatial dimensions: (x - mean) / sqrt(var + epsilon) * weight + bias with the biased variance; weight and bias [C]. Also gives the mean and 1 / sqrt(var + epsilon) [N, groups].",
			Numerics: "Rule 8: mean and centred sum of squares by rule 7 over (spatial..., channel of the group) row-major, each divided by their number; y = ((x - mean) * rstd) * weight + bias, every operation rounded.",
			Operands: []string{"operand", "weight", "bias"}, Results: []string{"result", "mean", "rstd"},
			Attrs: []AttrDef{
				{Name: "epsilon", Kind: AttrFloat, Doc: "added to the variance, rounded to the dtype"},
				{Name: "groups", Kind: AttrInt, Doc: "number of groups, which divides the channels"},
			},
			infer: func(c *inference) []Type {
				t := c.float(0)
				c.require(t.Rank() >= 2, "operand needs samples and channels, is %v", t)
				ch, g := t.Shape[t.Rank()-1], c.attrs.Int("groups")
				c.require(g >= 1 && ch%g == 0, "%d groups do not divide %d channels", g, ch)
				c.sameAs(1, t.With(ch))
				c.sameAs(2, t.With(ch))
				c.epsilon()
				s := statistics(t.With(t.Shape[0], g))
				return []Type{t, s, s}
			},
			decompose: func(b *Builder, op *Op, in []Value) []Value {
				t := b.Type(in[0])
				n, ch, g := t.Shape[0], t.Shape[t.Rank()-1], op.Attrs.Int("groups")
				space := 1
				for _, d := range t.Shape[1 : t.Rank()-1] {
					space *= d
				}
				shape := []int{n, space, g, ch / g}
				x := b.Reshape(in[0], shape...)
				wide := func(v Value) Value { return b.BroadcastInDim(v, shape, []int{0, 2}) }
				count := b.Full(t.With(n, g), float64(space*(ch/g)))
				mean := b.Div(b.ReduceSum(x, 1, 3), count)
				centred := b.Sub(x, wide(mean))
				rstd := b.rstd(b.Div(b.ReduceDot(centred, centred, 1, 3), count), op.Attrs.Float("epsilon"))
				y := b.Reshape(b.Mul(centred, wide(rstd)), t.Shape...)
				y = b.Add(b.Mul(y, b.BroadcastTo(in[1], t.Shape...)), b.BroadcastTo(in[2], t.Shape...))
				return []Value{y, mean, rstd}
			},
			derived: true,
		},
	)
}

// LeakyReLU returns x where x > 0, else slope * x.
func (b *Builder) LeakyReLU(x Value, slope float64) Value {
	return b.one("leaky_relu", []Value{x}, FloatAttr("slope", slope))
}

// ELU returns x where x > 0, else alpha * (e^x - 1).
func (b *Builder) ELU(x Value, alpha float64) Value {
	return b.one("elu", []Value{x}, FloatAttr("alpha", alpha))
}

// LogSoftmax returns the logarithm of the softmax over the last dimension.
func (b *Builder) LogSoftmax(x Value) Value { return b.one("log_softmax", []Value{x}) }

// GroupNorm normalizes x [N, spatial..., C] in groups of channels; weight and
// bias are [C].
func (b *Builder) GroupNorm(x, weight, bias Value, groups int, epsilon float64) Value {
	return b.one("group_norm", []Value{x, weight, bias}, IntAttr("groups", groups), FloatAttr("epsilon", epsilon))
}
