package ir

import "math"

// Random values. All draw from rng_bit_generator's streams (rule 14).

func init() {
	drawn := []AttrDef{
		{Name: "shape", Kind: AttrInts, Doc: "shape of the result"},
		{Name: "stream", Kind: AttrInt, Doc: "which independent stream, 0 to 2^32 - 1"},
	}
	with := func(more ...AttrDef) []AttrDef { return append(more, drawn...) }
	define(
		&OpDef{
			Name: "random_normal", Group: "random",
			Doc:      "Normal values (f32) of mean 0 and standard deviation 1. state, stream and the element's number as in rng_bit_generator.",
			Numerics: "Rule 14, Box and Muller: elements 4i and 4i+1 come from words 0 and 1 of block i, 4i+2 and 4i+3 from words 2 and 3; of a pair (w0, w1), u1 = ((w0 >> 8) + 1) * 2^-24, u2 = (w1 >> 8) * 2^-24, radius = sqrt(-2 * log(u1)), and the values are radius * cospi(2 u2) and radius * sinpi(2 u2): log, sqrt, cospi, sinpi correctly rounded, then one multiplication.",
			Operands: []string{"state"}, Results: []string{"result"},
			Attrs: with(),
			infer: func(c *inference) []Type { return []Type{c.drawn(F32)} },
		},
		&OpDef{
			Name: "random_uniform", Group: "random",
			Doc:      "Uniform values (f32) from low to high, high excluded but for rounding. state and stream as in rng_bit_generator.",
			Numerics: "u = (bits >> 8) * 2^-24, exact; then fma(u, high - low, low), where high - low and low are rounded to f32.",
			Operands: []string{"state"}, Results: []string{"result"},
			Attrs: with(
				AttrDef{Name: "low", Kind: AttrFloat, Doc: "least value"},
				AttrDef{Name: "high", Kind: AttrFloat, Doc: "bound of the values, not below low"}),
			infer: func(c *inference) []Type {
				lo, hi := c.attrs.Float("low"), c.attrs.Float("high")
				c.require(lo <= hi && lo >= -math.MaxFloat32 && hi <= math.MaxFloat32, "low %v and high %v are not a range of f32", lo, hi)
				return []Type{c.drawn(F32)}
			},
			decompose: func(b *Builder, op *Op, in []Value) []Value {
				t := op.Results[0]
				lo, hi := op.Attrs.Float("low"), op.Attrs.Float("high")
				bits := b.RngBitGenerator(in[0], uint32(op.Attrs.Int("stream")), t.Shape...)
				u := b.Scale(b.Convert(b.shiftRight(bits, 8), F32), 0x1p-24)
				return []Value{b.FMA(u, b.Full(t, hi-lo), b.Full(t, lo))}
			},
		},
		&OpDef{
			Name: "random_bernoulli", Group: "random",
			Doc:      "Bools that are true with a given probability. state and stream as in rng_bit_generator.",
			Numerics: "bits < round(probability * 2^32), ties to even; all true where that is 2^32.",
			Operands: []string{"state"}, Results: []string{"result"},
			Attrs: with(AttrDef{Name: "probability", Kind: AttrFloat, Doc: "of true, from 0 to 1"}),
			infer: func(c *inference) []Type {
				p := c.attrs.Float("probability")
				c.require(p >= 0 && p <= 1, "probability must be from 0 to 1, is %v", p)
				return []Type{c.drawn(Bool)}
			},
			decompose: func(b *Builder, op *Op, in []Value) []Value {
				t := op.Results[0]
				threshold := math.RoundToEven(op.Attrs.Float("probability") * (1 << 32))
				if threshold >= 1<<32 {
					return []Value{b.Full(t, 1)}
				}
				bits := b.RngBitGenerator(in[0], uint32(op.Attrs.Int("stream")), t.Shape...)
				return []Value{b.Compare("lt", bits, b.Full(t.As(U32), threshold))}
			},
		},
		&OpDef{
			Name: "random_categorical", Group: "random",
			Doc:      "Draws an index (i32) for each row of logits, the last dimension, with the probabilities softmax(logits): the largest of logits + Gumbel noise (Maddison et al., arXiv 1611.00712). state and stream as in rng_bit_generator, one element for each logit.",
			Numerics: gumbelNumerics + " The result is argmax(logits + noise).",
			Operands: []string{"logits", "state"}, Results: []string{"result"},
			Attrs: drawn[1:],
			infer: func(c *inference) []Type {
				t := c.float(0)
				c.require(t.Rank() > 0 && t.Shape[t.Rank()-1] > 0, "logits need a last dimension, are %v", t)
				c.sameAs(1, T(U32, 4))
				c.stream()
				return []Type{T(I32, t.Shape[:t.Rank()-1]...)}
			},
			decompose: func(b *Builder, op *Op, in []Value) []Value {
				t := b.Type(in[0])
				return []Value{b.Argmax(b.Add(in[0], b.gumbel(op, in[1], t)), t.Rank()-1)}
			},
		},
		&OpDef{
			Name: "gumbel_softmax", Group: "random",
			Doc:      "A differentiable sample of a categorical distribution (Jang et al., arXiv 1611.01144): softmax((logits + Gumbel noise) / temperature) over the last dimension. state and stream as in rng_bit_generator, one element for each logit.",
			Numerics: gumbelNumerics + " Then one addition, one division, and softmax.",
			Operands: []string{"logits", "state"}, Results: []string{"result"},
			Attrs: []AttrDef{{Name: "temperature", Kind: AttrFloat, Doc: "more than 0, rounded to the dtype"}, drawn[1]},
			infer: func(c *inference) []Type {
				c.require(c.float(0).Rank() > 0, "needs a last dimension")
				c.sameAs(1, T(U32, 4))
				c.stream()
				c.positive("temperature")
				return []Type{c.in[0]}
			},
			decompose: func(b *Builder, op *Op, in []Value) []Value {
				t := b.Type(in[0])
				x := b.Add(in[0], b.gumbel(op, in[1], t))
				return []Value{b.Softmax(b.Div(x, b.Full(t, op.Attrs.Float("temperature"))))}
			},
			derived: true,
		},
	)
}

const gumbelNumerics = "The noise is -log(-log(u)) with u = (2 * (bits >> 9) + 1) * 2^-24 in f32, in (0, 1) and exact; each log correctly rounded, in f32 whatever the dtype of the logits."

// drawn checks state, shape and stream, and returns the result's type.
func (c *inference) drawn(d DType) Type {
	c.sameAs(0, T(U32, 4))
	c.stream()
	return T(d, c.shape("shape")...)
}

func (c *inference) stream() {
	s := c.attrs.Int("stream")
	c.require(s >= 0 && s < 1<<32, "stream %d is outside 0 to 2^32 - 1", s)
}

func (c *inference) positive(attr string) {
	v := c.attrs.Float(attr)
	c.require(v > 0 && v < 1e30, "%s must be finite and more than 0, is %v", attr, v)
}

func (b *Builder) shiftRight(x Value, n int) Value {
	return b.one("shift_right_logical", []Value{x, b.Full(b.Type(x), float64(n))})
}

// gumbel draws Gumbel noise of the type t.
func (b *Builder) gumbel(op *Op, state Value, t Type) Value {
	bits := b.RngBitGenerator(state, uint32(op.Attrs.Int("stream")), t.Shape...)
	n := b.Convert(b.shiftRight(bits, 9), F32)
	u := b.FMA(n, b.Full(t.As(F32), 0x1p-23), b.Full(t.As(F32), 0x1p-24))
	return b.Convert(b.Negate(b.Log(b.Negate(b.Log(u)))), t.DType)
}

// RandomNormal draws standard normal values (f32) on a stream of its own.
func (b *Builder) RandomNormal(state Value, shape ...int) Value {
	return b.one("random_normal", []Value{state}, IntsAttr("shape", shape...), IntAttr("stream", int(b.NextStream())))
}

// RandomUniform draws values (f32) from low to high on a stream of its own.
func (b *Builder) RandomUniform(state Value, low, high float64, shape ...int) Value {
	return b.one("random_uniform", []Value{state}, FloatAttr("low", low), FloatAttr("high", high), IntsAttr("shape", shape...), IntAttr("stream", int(b.NextStream())))
}

// RandomBernoulli draws bools that are true with probability p, on a stream of
// its own.
func (b *Builder) RandomBernoulli(state Value, p float64, shape ...int) Value {
	return b.one("random_bernoulli", []Value{state}, FloatAttr("probability", p), IntsAttr("shape", shape...), IntAttr("stream", int(b.NextStream())))
}

// RandomCategorical draws an index (i32) for each row of logits, on a stream of
// its own.
func (b *Builder) RandomCategorical(logits, state Value) Value {
	return b.one("random_categorical", []Value{logits, state}, IntAttr("stream", int(b.NextStream())))
}

// GumbelSoftmax draws a differentiable sample for each row of logits, on a
// stream of its own.
func (b *Builder) GumbelSoftmax(logits, state Value, temperature float64) Value {
	return b.one("gumbel_softmax", []Value{logits, state}, FloatAttr("temperature", temperature), IntAttr("stream", int(b.NextStream())))
}
