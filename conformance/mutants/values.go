package mutants

import (
	"math"

	"github.com/seedbed/seedbed/abi/ir"
)

// f32Ops are the elementwise ops whose result is f32, by what they can give.
var (
	unaryF32 = []string{
		"negate", "abs", "sign", "floor", "ceil", "round_nearest_even", "sqrt", "rsqrt", "exponential", "exponential_minus_one", "log", "log_plus_one",
		"tanh", "logistic", "sine", "cosine", "erf", "relu", "gelu", "gelu_tanh", "silu", "softplus", "gelu_derivative", "gelu_tanh_derivative", "silu_derivative",
	}
	rounded = unaryF32[6:]
	// negativeZeros can give -0, subnormals can give subnormal results.
	negativeZeros = []string{"negate", "sign", "floor", "ceil", "round_nearest_even", "sqrt", "exponential_minus_one", "log_plus_one", "tanh", "sine", "erf", "gelu", "gelu_tanh", "silu",
		"add", "subtract", "multiply", "divide", "maximum", "minimum", "fma", "select", "convert", "reduce", "gather", "scatter", "concatenate", "reshape", "transpose", "pad", "reverse", "broadcast_in_dim", "constant", "slice", "remainder", "clamp"}
	subnormals = []string{"negate", "abs", "exponential", "exponential_minus_one", "log_plus_one", "tanh", "logistic", "sine", "erf", "relu", "gelu", "gelu_tanh", "silu", "softplus",
		"add", "subtract", "multiply", "divide", "maximum", "minimum", "fma", "select", "convert", "reduce", "reduce_dot", "dot_general", "gather", "scatter", "concatenate", "pad"}
)

// eachF32 changes every element of the f32 results.
func eachF32(f func(op *ir.Op, in []tensor, i int, y float32) float32) fault {
	return fault{after: func(op *ir.Op, in, out []tensor) {
		for _, y := range out {
			if y.DType == ir.F32 {
				for i := range y.len() {
					y.setF32(i, f(op, in, i, y.f32(i)))
				}
			}
		}
	}}
}

// inputF32 changes every element of the f32 operands.
func inputF32(f func(x float32) float32) fault {
	return fault{before: func(_ *ir.Op, in []tensor) {
		for _, x := range in {
			if x.DType == ir.F32 {
				for i := range x.len() {
					x.setF32(i, f(x.f32(i)))
				}
			}
		}
	}}
}

func isSubnormal(x float32) bool { return x != 0 && math.Abs(float64(x)) < 0x1p-126 }

func flush(x float32) float32 {
	if isSubnormal(x) {
		return float32(math.Copysign(0, float64(x)))
	}
	return x
}

func specialValues() (l []*Mutant) {
	for _, op := range negativeZeros {
		l = append(l, inOp("negative zero becomes positive", op, "f32", eachF32(func(_ *ir.Op, _ []tensor, _ int, y float32) float32 {
			if y == 0 {
				return 0
			}
			return y
		})))
	}
	for _, op := range subnormals {
		l = append(l, inOp("subnormal results are flushed", op, "f32", eachF32(func(_ *ir.Op, _ []tensor, _ int, y float32) float32 { return flush(y) })))
	}
	for _, op := range []string{"negate", "abs", "sign", "ceil", "floor", "sqrt", "rsqrt", "log", "tanh", "sine", "erf", "add", "multiply", "divide", "maximum", "fma", "compare", "reduce_dot", "argmax", "is_finite"} {
		m := inOp("subnormal inputs count as zero", op, "f32", inputF32(flush))
		if op == "floor" || op == "is_finite" {
			// floor(-subnormal) is -1, floor(+subnormal) is +0 either way.
			if op == "is_finite" {
				m.Survives = "a subnormal is as finite as a zero: the fault has no effect"
			}
		}
		l = append(l, m)
	}
	// A NaN that is dropped: the other operand, a zero or an ordinary number.
	for _, op := range []string{"maximum", "minimum", "clamp"} {
		l = append(l,
			inOp("NaN is dropped", op, "the other operand comes out", eachF32(func(_ *ir.Op, in []tensor, i int, y float32) float32 {
				if y != y && in[0].len() > i && in[1].len() > i {
					if a := in[0].f32(i); a == a {
						return a
					}
					return in[1].f32(i)
				}
				return y
			})),
			inOp("operand order decides", op, "the second operand comes out for a NaN in the first alone (x86 maxps)", eachF32(func(_ *ir.Op, in []tensor, i int, y float32) float32 {
				if a := in[0]; a.len() > i && in[1].len() > i && a.f32(i) != a.f32(i) {
					return in[1].f32(i)
				}
				return y
			})))
	}
	for _, op := range []string{"maximum", "minimum"} {
		l = append(l, inOp("operand order decides", op, "zeros of two signs give the second", eachF32(func(_ *ir.Op, in []tensor, i int, y float32) float32 {
			if in[0].f32(i) == 0 && in[1].f32(i) == 0 {
				return in[1].f32(i)
			}
			return y
		})))
	}
	for _, op := range []string{"relu", "sign", "abs", "floor", "exponential", "tanh", "logistic", "gelu", "sqrt", "log", "softplus", "add", "multiply", "fma"} {
		l = append(l, inOp("NaN is dropped", op, "a NaN becomes 0", eachF32(func(_ *ir.Op, _ []tensor, _ int, y float32) float32 {
			if y != y {
				return 0
			}
			return y
		})))
	}
	l = append(l, inOp("-0 relu", "relu", "relu(-0) = -0, as max(x, x*0)", eachF32(func(_ *ir.Op, in []tensor, i int, y float32) float32 {
		if x := in[0].f32(i); x == 0 {
			return x
		}
		return y
	})), inOp("-0 relu", "relu", "relu(x<0) = -0", eachF32(func(_ *ir.Op, in []tensor, i int, y float32) float32 {
		if in[0].f32(i) < 0 {
			return float32(math.Copysign(0, -1))
		}
		return y
	})))
	for _, op := range []string{"exponential", "exponential_minus_one", "multiply", "add", "divide", "fma", "reduce", "dot_general", "convert"} {
		l = append(l, inOp("overflow saturates", op, "f32", eachF32(func(_ *ir.Op, _ []tensor, _ int, y float32) float32 {
			if math.IsInf(float64(y), 0) {
				return float32(math.Copysign(math.MaxFloat32, float64(y)))
			}
			return y
		})))
	}
	l = append(l,
		inOp("wrong domain", "log", "log of a negative number is -Inf", eachF32(func(_ *ir.Op, in []tensor, i int, y float32) float32 {
			if in[0].f32(i) < 0 {
				return float32(math.Inf(-1))
			}
			return y
		})),
		inOp("wrong domain", "sqrt", "sqrt of a negative number is that of its size", inputF32(func(x float32) float32 { return float32(math.Abs(float64(x))) })),
		inOp("wrong domain", "sine", "large arguments give NaN", eachF32(func(_ *ir.Op, in []tensor, i int, y float32) float32 {
			if math.Abs(float64(in[0].f32(i))) > 1e5 {
				return float32(math.NaN())
			}
			return y
		})),
		inOp("wrong domain", "cosine", "large arguments are not reduced", eachF32(func(_ *ir.Op, in []tensor, i int, y float32) float32 {
			if x := float64(in[0].f32(i)); math.Abs(x) > 1e8 {
				return 1
			}
			return y
		})),
		inOp("wrong domain", "tanh", "saturates at 8", eachF32(func(_ *ir.Op, in []tensor, i int, y float32) float32 {
			if x := float64(in[0].f32(i)); math.Abs(x) > 8 {
				return float32(math.Copysign(1, x))
			}
			return y
		})),
		inOp("wrong domain", "rsqrt", "of -0 is +Inf", eachF32(func(_ *ir.Op, in []tensor, i int, y float32) float32 {
			if in[0].f32(i) == 0 {
				return float32(math.Inf(1))
			}
			return y
		})))
	return l
}

// ulp moves y by n units in the last place.
func ulp(y float32, n int32) float32 {
	if y == 0 || y != y || math.IsInf(float64(y), 0) {
		return y
	}
	return math.Float32frombits(uint32(int32(math.Float32bits(y)) + n))
}

func lastPlaces() (l []*Mutant) {
	for _, op := range rounded {
		l = append(l, inOp("one unit in the last place", op, "for one input in 32", eachF32(func(_ *ir.Op, in []tensor, i int, y float32) float32 {
			if in[0].bits(i)%32 == 7 {
				return ulp(y, 1)
			}
			return y
		})))
	}
	for _, op := range []string{"add", "subtract", "multiply", "divide", "fma", "reduce", "reduce_dot", "dot_general", "softmax", "layer_norm", "rms_norm"} {
		l = append(l, inOp("one unit in the last place", op, "for one result in 16", eachF32(func(_ *ir.Op, _ []tensor, _ int, y float32) float32 {
			if math.Float32bits(y)%16 == 5 {
				return ulp(y, -1)
			}
			return y
		})))
	}
	// Rounding toward zero, and through a narrower float.
	for _, op := range []string{"divide", "sqrt", "multiply", "add", "exponential", "tanh", "dot_general", "reduce", "softmax", "adamw", "layer_norm", "gelu"} {
		l = append(l, inOp("reduced precision", op, "results lose the last bit (truncation)", eachF32(func(_ *ir.Op, _ []tensor, _ int, y float32) float32 {
			return math.Float32frombits(math.Float32bits(y) &^ 1)
		})))
	}
	for _, op := range []string{"dot_general", "multiply", "scaled_dot_product_attention", "linear_cross_entropy", "convolution"} {
		l = append(l, inOp("reduced precision", op, "operands are rounded as TF32", inputF32(func(x float32) float32 {
			if x != x || math.IsInf(float64(x), 0) {
				return x
			}
			return math.Float32frombits((math.Float32bits(x) + 0xFFF + math.Float32bits(x)>>13&1) &^ 0x1FFF)
		})))
	}
	l = append(l,
		inOp("contracted fma", "fma", "the product is rounded first", fault{rewrite: func(b *ir.Builder, _ *ir.Op, in []ir.Value) []ir.Value {
			return []ir.Value{b.Add(b.Mul(in[0], in[1]), in[2])}
		}}),
		inOp("double rounding", "fma", "in float64, then to float32", fault{after: func(_ *ir.Op, in, out []tensor) {
			for i := range out[0].len() {
				if out[0].DType == ir.F32 {
					p := float64(float64(in[0].f32(i)) * float64(in[1].f32(i)))
					s := p + float64(in[2].f32(i))
					out[0].setF32(i, float32(s))
				}
			}
		}}),
		inOp("double rounding", "convert", "integers to f32 by way of f64", fault{after: func(_ *ir.Op, in, out []tensor) {
			if out[0].DType == ir.F32 && in[0].DType == ir.I64 {
				for i := range out[0].len() {
					out[0].setF32(i, float32(float64(in[0].int(i))))
				}
			}
		}}),
		inOp("double rounding", "convert", "u32 to f32 by way of i32", fault{after: func(_ *ir.Op, in, out []tensor) {
			if out[0].DType == ir.F32 && in[0].DType == ir.U32 {
				for i := range out[0].len() {
					out[0].setF32(i, float32(int32(in[0].int(i))))
				}
			}
		}}),
		inOp("contracted fma", "sgd", "the momentum is not fused", fault{rewrite: func(b *ir.Builder, op *ir.Op, in []ir.Value) []ir.Value {
			t := b.Type(in[0])
			wide := func(x ir.Value) ir.Value { return b.BroadcastInDim(x, t.Shape, nil) }
			g := b.Mul(b.Div(in[1], wide(in[3])), wide(in[4]))
			buffer := b.Add(b.Scale(in[2], op.Attrs.Float("momentum")), g)
			p := b.FMA(b.Negate(wide(in[5])), in[0], in[0])
			return []ir.Value{b.FMA(b.Negate(wide(in[6])), buffer, p), buffer}
		}}),
		inOp("contracted fma", "rotary_embedding", "x1*cos - x2*sin is fused", fault{rewrite: func(b *ir.Builder, _ *ir.Op, in []ir.Value) []ir.Value {
			s := b.Type(in[0]).Shape
			half := s[3] / 2
			x1, x2 := b.SliceDim(in[0], 3, 0, half), b.SliceDim(in[0], 3, half, s[3])
			heads := func(v ir.Value) ir.Value { return b.BroadcastInDim(v, []int{s[0], s[1], s[2], half}, []int{0, 1, 3}) }
			cos, sin := heads(in[1]), heads(in[2])
			return []ir.Value{b.Concatenate(3, b.FMA(x1, cos, b.Negate(b.Mul(x2, sin))), b.FMA(x2, cos, b.Mul(x1, sin)))}
		}}))
	return l
}
