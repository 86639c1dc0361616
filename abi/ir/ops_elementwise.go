package ir

// Elementwise ops: one result element for each element of equal-shaped
// operands.

func single(name, doc, numericRule string, ok func(DType) bool, grad func(g *Gradient) Value) *OpDef {
	d := &OpDef{
		Name: name, Group: "elementwise", Doc: doc, Numerics: numericRule,
		Operands: []string{"operand"}, Results: []string{"result"},
		infer: func(c *inference) []Type {
			c.require(ok(c.in[0].DType), "is not defined for %v", c.in[0])
			return []Type{c.in[0]}
		},
	}
	if grad != nil {
		d.grad = func(g *Gradient) []Value { return []Value{grad(g)} }
	}
	return d
}

func pairwise(name, doc, numericRule string, ok func(DType) bool, grad func(g *Gradient) (l, r func() Value)) *OpDef {
	d := &OpDef{
		Name: name, Group: "elementwise", Doc: doc, Numerics: numericRule,
		Operands: []string{"lhs", "rhs"}, Results: []string{"result"},
		infer: func(c *inference) []Type {
			c.require(ok(c.in[0].DType), "is not defined for %v", c.in[0])
			c.sameAs(1, c.in[0])
			return []Type{c.in[0]}
		},
	}
	if grad != nil {
		d.grad = func(g *Gradient) []Value {
			l, r := grad(g)
			return g.wanted(l, r)
		}
	}
	return d
}

// wanted builds only the cotangents that are needed.
func (g *Gradient) wanted(rules ...func() Value) []Value {
	cts := noValues(len(g.In))
	for i, rule := range rules {
		if rule != nil && g.Need[i] {
			cts[i] = rule()
		}
	}
	return cts
}

const (
	oneRounding = "One IEEE-754 operation, rounded to nearest even (rule 1)."
	exactResult = "Exact."
	correct     = "Correctly rounded (rule 13)."
)

func floats(d DType) bool   { return d.IsFloat() }
func numbers(d DType) bool  { return d != Bool }
func signed(d DType) bool   { return d.IsSigned() }
func logical(d DType) bool  { return d == Bool || d.IsInteger() }
func integers(d DType) bool { return d.IsInteger() }

func init() {
	// The derivative of each function in terms of its operand x, result y and
	// cotangent ct.
	define(
		single("negate", "-x.", exactResult, signed, func(g *Gradient) Value { return g.B.Negate(g.Ct[0]) }),
		single("abs", "|x|. The gradient at 0 is 0.", exactResult, signed, func(g *Gradient) Value {
			return g.B.Mul(g.Ct[0], g.B.Unary("sign", g.In[0]))
		}),
		single("sign", "-1, 0 or 1 by the sign of x; a zero keeps its sign, NaN stays NaN.", exactResult, signed, nil),
		single("not", "Bitwise complement; logical not for bool.", exactResult, logical, nil),
		single("floor", "The largest integer not above x.", exactResult, floats, nil),
		single("ceil", "The smallest integer not below x.", exactResult, floats, nil),
		single("round_nearest_even", "The nearest integer, ties to even.", exactResult, floats, nil),
		single("sqrt", "The square root.", oneRounding, floats, func(g *Gradient) Value {
			return g.B.Div(g.Ct[0], g.B.Add(g.Out[0], g.Out[0]))
		}),
		single("rsqrt", "1 / sqrt(x).", "Two operations, each rounded: the square root, then the division (rule 13).", floats, func(g *Gradient) Value {
			half := g.B.Full(g.B.Type(g.In[0]), -0.5)
			return g.B.Mul(g.Ct[0], g.B.Mul(half, g.B.Div(g.Out[0], g.In[0])))
		}),
		single("exponential", "e^x.", correct, floats, func(g *Gradient) Value { return g.B.Mul(g.Ct[0], g.Out[0]) }),
		single("exponential_minus_one", "e^x - 1.", correct, floats, func(g *Gradient) Value {
			return g.B.Mul(g.Ct[0], g.B.Unary("exponential", g.In[0]))
		}),
		single("log", "The natural logarithm.", correct, floats, func(g *Gradient) Value { return g.B.Div(g.Ct[0], g.In[0]) }),
		single("log_plus_one", "ln(1 + x).", correct, floats, func(g *Gradient) Value {
			one := g.B.Full(g.B.Type(g.In[0]), 1)
			return g.B.Div(g.Ct[0], g.B.Add(one, g.In[0]))
		}),
		single("tanh", "The hyperbolic tangent.", correct, floats, func(g *Gradient) Value {
			one := g.B.Full(g.B.Type(g.In[0]), 1)
			return g.B.Mul(g.Ct[0], g.B.Sub(one, g.B.Mul(g.Out[0], g.Out[0])))
		}),
		single("logistic", "1 / (1 + e^-x).", correct, floats, func(g *Gradient) Value {
			one := g.B.Full(g.B.Type(g.In[0]), 1)
			return g.B.Mul(g.Ct[0], g.B.Mul(g.Out[0], g.B.Sub(one, g.Out[0])))
		}),
		single("sine", "sin(x), x in radians.", correct, floats, func(g *Gradient) Value {
			return g.B.Mul(g.Ct[0], g.B.Unary("cosine", g.In[0]))
		}),
		single("cosine", "cos(x), x in radians.", correct, floats, func(g *Gradient) Value {
			return g.B.Negate(g.B.Mul(g.Ct[0], g.B.Unary("sine", g.In[0])))
		}),
		single("erf", "The error function.", correct, floats, func(g *Gradient) Value {
			t := g.B.Type(g.In[0])
			e := g.B.Unary("exponential", g.B.Negate(g.B.Mul(g.In[0], g.In[0])))
			return g.B.Mul(g.Ct[0], g.B.Mul(g.B.Full(t, 1.1283791670955126), e)) // 2/sqrt(pi)
		}),
		single("relu", "x where x > 0 or x is NaN, else +0. The gradient at 0 is 0.", exactResult, floats, func(g *Gradient) Value {
			zero := g.B.Zeros(g.B.Type(g.In[0]))
			return g.B.Select(g.B.Compare("gt", g.Out[0], zero), g.Ct[0], zero) // the result is above 0 where x is, and x need not be kept
		}),
		single("gelu", "x * (1 + erf(x/sqrt(2))) / 2 (Hendrycks and Gimpel, arXiv 1606.08415).", correct, floats, derivative("gelu_derivative")),
		single("gelu_tanh", "x * (1 + tanh(sqrt(2/pi) * (x + 0.044715 x^3))) / 2, the approximation used by GPT-2.", correct, floats, derivative("gelu_tanh_derivative")),
		single("silu", "x * logistic(x) (Elfwing et al., arXiv 1702.03118).", correct, floats, derivative("silu_derivative")),
		single("softplus", "ln(1 + e^x).", correct, floats, derivative("logistic")),
		single("gelu_derivative", "The first derivative of gelu.", correct, floats, nil),
		single("gelu_tanh_derivative", "The first derivative of gelu_tanh.", correct, floats, nil),
		single("silu_derivative", "The first derivative of silu.", correct, floats, nil),

		pairwise("add", "lhs + rhs. Integers wrap.", oneRounding, numbers, func(g *Gradient) (l, r func() Value) {
			ct := func() Value { return g.Ct[0] }
			return ct, ct
		}),
		pairwise("subtract", "lhs - rhs. Integers wrap.", oneRounding, numbers, func(g *Gradient) (l, r func() Value) {
			return func() Value { return g.Ct[0] }, func() Value { return g.B.Negate(g.Ct[0]) }
		}),
		pairwise("multiply", "lhs * rhs. Integers wrap.", oneRounding, numbers, func(g *Gradient) (l, r func() Value) {
			return func() Value { return g.B.Mul(g.Ct[0], g.In[1]) }, func() Value { return g.B.Mul(g.Ct[0], g.In[0]) }
		}),
		pairwise("divide", "lhs / rhs. Integers truncate towards zero; division by zero gives all ones (-1 if signed), and the smallest signed value divided by -1 is itself.", oneRounding, numbers, func(g *Gradient) (l, r func() Value) {
			return func() Value { return g.B.Div(g.Ct[0], g.In[1]) },
				func() Value { return g.B.Negate(g.B.Div(g.B.Mul(g.Ct[0], g.Out[0]), g.In[1])) }
		}),
		pairwise("maximum", "The larger; NaN if either is NaN; +0 > -0. The gradient goes to lhs where it is larger, to rhs where that is larger, and half to each where they are equal.", "IEEE-754-2019 maximum (rule 4).", numbers, choose("gt", "lt")),
		pairwise("minimum", "The smaller; NaN if either is NaN; -0 < +0. The gradient is that of maximum, reversed.", "IEEE-754-2019 minimum (rule 4).", numbers, choose("lt", "gt")),
		pairwise("and", "Bitwise and; logical and for bool.", exactResult, logical, nil),
		pairwise("or", "Bitwise or; logical or for bool.", exactResult, logical, nil),
		pairwise("xor", "Bitwise exclusive or; inequality for bool.", exactResult, logical, nil),
		pairwise("shift_left", "lhs shifted left by rhs bits; 0 where rhs is not below the width.", exactResult, integers, nil),
		pairwise("shift_right_logical", "lhs shifted right by rhs bits, zeros coming in; 0 where rhs is not below the width.", exactResult, integers, nil),

		pairwise("shift_right_arithmetic", "lhs shifted right by rhs bits, copies of the sign coming in: as many as fit where rhs is not below the width. For unsigned dtypes shift_right_logical.", exactResult, integers, nil),
		pairwise("remainder", "lhs - rhs * trunc(lhs / rhs), which has the sign of lhs; NaN for an infinite lhs or a zero rhs, lhs for an infinite rhs. Integers: lhs where rhs is 0.", "Exact.", numbers, func(g *Gradient) (l, r func() Value) {
			return func() Value { return g.Ct[0] }, func() Value {
				return g.B.Negate(g.B.Mul(g.Ct[0], g.B.Div(g.B.Sub(g.In[0], g.Out[0]), g.In[1])))
			}
		}),

		&OpDef{
			Name: "is_finite", Group: "elementwise",
			Doc:      "Whether x is neither infinite nor NaN.",
			Numerics: exactResult,
			Operands: []string{"operand"}, Results: []string{"result"},
			infer: func(c *inference) []Type { return []Type{c.float(0).As(Bool)} },
		},
		&OpDef{
			Name: "clamp", Group: "elementwise",
			Doc:      "x brought into min to max, which have the type of x or are scalars. The gradient goes to x where min <= x <= max, else to the bound that x lies beyond.",
			Numerics: "minimum(maximum(x, min), max) by rule 4: NaN in, NaN out; max where min > max.",
			Operands: []string{"min", "operand", "max"}, Results: []string{"result"},
			infer: func(c *inference) []Type {
				x := c.in[1]
				c.require(x.DType != Bool, "is not defined for %v", x)
				for _, i := range []int{0, 2} {
					if c.in[i].Rank() > 0 {
						c.sameAs(i, x)
					} else {
						c.sameAs(i, T(x.DType))
					}
				}
				return []Type{x}
			},
			decompose: func(b *Builder, _ *Op, in []Value) []Value {
				s := b.Type(in[1]).Shape
				return []Value{b.Min(b.Max(in[1], b.BroadcastTo(in[0], s...)), b.BroadcastTo(in[2], s...))}
			},
			grad: func(g *Gradient) []Value {
				b, t := g.B, g.B.Type(g.In[1])
				lo, hi, zero := b.BroadcastTo(g.In[0], t.Shape...), b.BroadcastTo(g.In[2], t.Shape...), b.Zeros(t)
				over := b.Compare("gt", g.In[1], hi)
				under := b.Compare("lt", g.In[1], lo)
				bound := func(i int, x Value) Value {
					if b.Type(g.In[i]).Rank() == 0 {
						return b.ReduceSum(x, allDims(t.Rank())...)
					}
					return x
				}
				return g.wanted(
					func() Value { return bound(0, b.Select(b.And(under, b.Compare("le", lo, hi)), g.Ct[0], zero)) },
					func() Value { return b.Select(over, zero, b.Select(under, zero, g.Ct[0])) },
					func() Value { return bound(2, b.Select(b.Compare("gt", b.Max(g.In[1], lo), hi), g.Ct[0], zero)) })
			},
		},
		&OpDef{
			Name: "compare", Group: "elementwise",
			Doc:      "Compares as IEEE-754 does: a NaN is unequal to everything, +0 equals -0.",
			Numerics: exactResult,
			Operands: []string{"lhs", "rhs"}, Results: []string{"result"},
			Attrs: []AttrDef{{Name: "direction", Kind: AttrString, Words: []string{"eq", "ge", "gt", "le", "lt", "ne"}, Doc: "the comparison"}},
			infer: func(c *inference) []Type {
				c.sameAs(1, c.in[0])
				return []Type{c.in[0].As(Bool)}
			},
		},
		&OpDef{
			Name: "select", Group: "elementwise",
			Doc:      "on_true where the predicate holds, else on_false.",
			Numerics: exactResult,
			Operands: []string{"predicate", "on_true", "on_false"}, Results: []string{"result"},
			infer: func(c *inference) []Type {
				c.sameAs(0, c.in[1].As(Bool))
				c.sameAs(2, c.in[1])
				return []Type{c.in[1]}
			},
			grad: func(g *Gradient) []Value {
				zero := g.B.Zeros(g.B.Type(g.Ct[0]))
				return g.wanted(nil,
					func() Value { return g.B.Select(g.In[0], g.Ct[0], zero) },
					func() Value { return g.B.Select(g.In[0], zero, g.Ct[0]) })
			},
		},
		&OpDef{
			Name: "fma", Group: "elementwise",
			Doc:      "a * b + c.",
			Numerics: "Fused: one rounding (rule 1).",
			Operands: []string{"a", "b", "c"}, Results: []string{"result"},
			infer: func(c *inference) []Type {
				t := c.float(0)
				c.sameAs(1, t)
				c.sameAs(2, t)
				return []Type{t}
			},
			grad: func(g *Gradient) []Value {
				return g.wanted(
					func() Value { return g.B.Mul(g.Ct[0], g.In[1]) },
					func() Value { return g.B.Mul(g.Ct[0], g.In[0]) },
					func() Value { return g.Ct[0] })
			},
		},
	)
}

func derivative(op string) func(g *Gradient) Value {
	return func(g *Gradient) Value { return g.B.Mul(g.Ct[0], g.B.Unary(op, g.In[0])) }
}

// choose is the gradient of maximum and minimum.
func choose(left, right string) func(g *Gradient) (l, r func() Value) {
	return func(g *Gradient) (l, r func() Value) {
		if !g.B.Type(g.In[0]).DType.IsFloat() {
			return nil, nil
		}
		b, t := g.B, g.B.Type(g.In[0])
		side := func(direction string) func() Value {
			return func() Value {
				tie := b.Select(b.Compare("eq", g.In[0], g.In[1]), b.Mul(g.Ct[0], b.Full(t, 0.5)), b.Zeros(t))
				return b.Select(b.Compare(direction, g.In[0], g.In[1]), g.Ct[0], tie)
			}
		}
		return side(left), side(right)
	}
}

// Unary applies an elementwise op of one operand by its name, such as "tanh".
func (b *Builder) Unary(name string, x Value) Value { return b.one(name, []Value{x}) }

// Negate returns -x.
func (b *Builder) Negate(x Value) Value { return b.one("negate", []Value{x}) }

// Exp returns e^x.
func (b *Builder) Exp(x Value) Value { return b.one("exponential", []Value{x}) }

// Log returns the natural logarithm of x.
func (b *Builder) Log(x Value) Value { return b.one("log", []Value{x}) }

// Sqrt returns the square root of x.
func (b *Builder) Sqrt(x Value) Value { return b.one("sqrt", []Value{x}) }

// Add returns x + y; both have the same type.
func (b *Builder) Add(x, y Value) Value { return b.one("add", []Value{x, y}) }

// Sub returns x - y; both have the same type.
func (b *Builder) Sub(x, y Value) Value { return b.one("subtract", []Value{x, y}) }

// Mul returns x * y, element by element; both have the same type.
func (b *Builder) Mul(x, y Value) Value { return b.one("multiply", []Value{x, y}) }

// Div returns x / y; both have the same type.
func (b *Builder) Div(x, y Value) Value { return b.one("divide", []Value{x, y}) }

// Max returns the larger of x and y (rule 4); both have the same type.
func (b *Builder) Max(x, y Value) Value { return b.one("maximum", []Value{x, y}) }

// Min returns the smaller of x and y (rule 4); both have the same type.
func (b *Builder) Min(x, y Value) Value { return b.one("minimum", []Value{x, y}) }

// And returns the bitwise or logical and; both have the same type.
func (b *Builder) And(x, y Value) Value { return b.one("and", []Value{x, y}) }

// FMA returns x * y + z with one rounding; all have the same type.
func (b *Builder) FMA(x, y, z Value) Value { return b.one("fma", []Value{x, y, z}) }

// Or returns the bitwise or logical or; both have the same type.
func (b *Builder) Or(x, y Value) Value { return b.one("or", []Value{x, y}) }

// Clamp brings x into lo to hi, which have its type or are scalars.
func (b *Builder) Clamp(lo, x, hi Value) Value { return b.one("clamp", []Value{lo, x, hi}) }

// Compare returns bools; direction is eq, ne, lt, le, gt or ge.
func (b *Builder) Compare(direction string, x, y Value) Value {
	return b.one("compare", []Value{x, y}, StringAttr("direction", direction))
}

// Select returns onTrue where p holds, else onFalse.
func (b *Builder) Select(p, onTrue, onFalse Value) Value {
	return b.one("select", []Value{p, onTrue, onFalse})
}

// Scale returns x * s for a host scalar s, rounded to the dtype of x.
func (b *Builder) Scale(x Value, s float64) Value { return b.Mul(x, b.Full(b.Type(x), s)) }
