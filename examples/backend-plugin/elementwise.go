package main

import (
	"context"
	"math"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/numerics"
)

// exact makes a function of f32 of one of f64 that is exact, or that rounds so
// that rounding its result again changes nothing.
func exact(f func(float64) float64) func(float32) float32 {
	return func(x float32) float32 { return float32(f(float64(x))) }
}

var ofOneFloat = map[string]func(float32) float32{
	"negate": func(x float32) float32 { return -x },
	"abs":    exact(math.Abs),
	"sign": func(x float32) float32 {
		if x > 0 {
			return 1
		} else if x < 0 {
			return -1
		}
		return x // zeros keep their sign
	},
	"floor": exact(math.Floor), "ceil": exact(math.Ceil), "round_nearest_even": exact(math.RoundToEven),
	"sqrt": numerics.Sqrt, "rsqrt": numerics.Rsqrt,
	"exponential": numerics.Exp, "exponential_minus_one": numerics.Expm1, "log": numerics.Log, "log_plus_one": numerics.Log1p,
	"tanh": numerics.Tanh, "logistic": numerics.Logistic, "sine": numerics.Sin, "cosine": numerics.Cos, "erf": numerics.Erf,
	"relu": numerics.Relu, "gelu": numerics.Gelu, "gelu_derivative": numerics.GeluGrad,
	"gelu_tanh": numerics.GeluTanh, "gelu_tanh_derivative": numerics.GeluTanhGrad,
	"silu": numerics.Silu, "silu_derivative": numerics.SiluGrad, "softplus": numerics.Softplus,
}

var ofTwoFloats = map[string]func(x, y float32) float32{
	"add":      func(x, y float32) float32 { return x + y },
	"subtract": func(x, y float32) float32 { return x - y },
	"multiply": func(x, y float32) float32 { return x * y },
	"divide":   func(x, y float32) float32 { return x / y },
	"maximum":  numerics.Max,
	"minimum":  numerics.Min,
	// The remainder of two f32 values is one, and Mod is exact.
	"remainder": func(x, y float32) float32 { return float32(math.Mod(float64(x), float64(y))) },
}

// ofOneInteger and ofTwoIntegers are Go's own arithmetic, which wraps around.
func ofOneInteger[T integer](name string) func(word) word {
	f := map[string]func(T) T{
		"negate": func(x T) T { return -x },
		"not":    func(x T) T { return ^x },
		"abs":    func(x T) T { return max(x, -x) },
		"sign": func(x T) T {
			if x > 0 {
				return 1
			} else if x < 0 {
				return ^T(0)
			}
			return 0
		},
	}[name]
	return func(w word) word { return toWord(f(T(w))) }
}

func ofTwoIntegers[T integer](name string) func(x, y word) word {
	if name == "shift_right_logical" || name == "shift_left" {
		bits := word(8)
		for w := toWord(^T(0)) >> 8; w > 0; w >>= 8 {
			bits += 8
		}
		return func(x, n word) word {
			switch {
			case n >= bits: // negative ones, too
				return 0
			case name == "shift_left":
				return toWord(T(x << n))
			}
			return x >> n
		}
	}
	f := map[string]func(x, y T) T{
		"add":      func(x, y T) T { return x + y },
		"subtract": func(x, y T) T { return x - y },
		"multiply": func(x, y T) T { return x * y },
		"divide": func(x, y T) T {
			if y == 0 {
				return ^T(0)
			}
			return x / y
		},
		"remainder": func(x, y T) T {
			if y == 0 {
				return x
			}
			return x % y
		},
		"maximum":                func(x, y T) T { return max(x, y) },
		"minimum":                func(x, y T) T { return min(x, y) },
		"and":                    func(x, y T) T { return x & y },
		"or":                     func(x, y T) T { return x | y },
		"xor":                    func(x, y T) T { return x ^ y },
		"shift_right_arithmetic": func(x, n T) T { return x >> toWord(n) }, // Go fills up with the sign
	}[name]
	return func(x, y word) word { return toWord(f(T(x), T(y))) }
}

func oneInteger(d ir.DType, name string) func(word) word {
	f := byType(d, func() func(word) word { return ofOneInteger[int32](name) }, func() func(word) word { return ofOneInteger[int64](name) },
		func() func(word) word { return ofOneInteger[uint8](name) }, func() func(word) word { return ofOneInteger[uint32](name) },
		func() func(word) word { return ofOneInteger[uint64](name) })
	if d == ir.Bool {
		return func(w word) word { return f(w) & 1 }
	}
	return f
}

func twoIntegers(d ir.DType, name string) func(x, y word) word {
	type f = func(x, y word) word
	return byType(d, func() f { return ofTwoIntegers[int32](name) }, func() f { return ofTwoIntegers[int64](name) },
		func() f { return ofTwoIntegers[uint8](name) }, func() f { return ofTwoIntegers[uint32](name) }, func() f { return ofTwoIntegers[uint64](name) })
}

// map1, map2 and map3 make kernels of functions of words, element by element.
func map1(f func(word) word) kernel {
	return func(_ context.Context, in, out [][]word) error {
		for i, x := range in[0] {
			out[0][i] = f(x)
		}
		return nil
	}
}

func map2(f func(x, y word) word) kernel {
	return func(_ context.Context, in, out [][]word) error {
		for i, x := range in[0] {
			out[0][i] = f(x, in[1][i])
		}
		return nil
	}
}

func map3(f func(x, y, z word) word) kernel {
	return func(_ context.Context, in, out [][]word) error {
		for i, x := range in[0] {
			out[0][i] = f(x, in[1][i], in[2][i])
		}
		return nil
	}
}

func ofOne(s site) kernel {
	d := s.in[0].DType
	if !d.IsFloat() {
		return map1(oneInteger(d, s.Name))
	}
	f, e := ofOneFloat[s.Name], floats(d)
	return map1(func(x word) word { return e.store(f(e.load(x))) })
}

func ofTwo(s site) kernel {
	d := s.in[0].DType
	if !d.IsFloat() {
		return map2(twoIntegers(d, s.Name))
	}
	f, e := ofTwoFloats[s.Name], floats(d)
	return map2(func(x, y word) word { return e.store(f(e.load(x), e.load(y))) })
}

func fma(s site) kernel {
	e := floats(s.in[0].DType)
	return map3(func(x, y, z word) word { return e.store(numerics.FMA(e.load(x), e.load(y), e.load(z))) })
}

// isFinite: what is neither infinite nor a NaN gives zero less itself.
func isFinite(s site) kernel {
	e := floats(s.in[0].DType)
	return map1(func(x word) word { v := e.load(x); return truth(v-v == 0) })
}

func truth(b bool) word {
	if b {
		return 1
	}
	return 0
}

// comparing returns a comparison in the order of a type.
func comparing[T integer | float32](direction string, load func(word) T) func(x, y word) word {
	f := map[string]func(x, y T) bool{
		"eq": func(x, y T) bool { return x == y }, "ne": func(x, y T) bool { return x != y },
		"lt": func(x, y T) bool { return x < y }, "le": func(x, y T) bool { return x <= y },
		"gt": func(x, y T) bool { return x > y }, "ge": func(x, y T) bool { return x >= y },
	}[direction]
	return func(x, y word) word { return truth(f(load(x), load(y))) }
}

func compare(s site) kernel {
	d, direction := s.in[0].DType, s.Attrs.Str("direction")
	switch {
	case d.IsFloat():
		return map2(comparing(direction, floats(d).load))
	case d == ir.I32 || d == ir.I64:
		return map2(comparing(direction, integers(d)))
	}
	return map2(comparing(direction, func(w word) uint64 { return w }))
}

func convert(s site) kernel {
	from, to := s.in[0].DType, s.out[0].DType
	switch {
	case to == ir.Bool && from.IsFloat():
		e := floats(from)
		return map1(func(x word) word { return truth(e.load(x) != 0) })
	case to == ir.Bool:
		return map1(func(x word) word { return truth(x != 0) })
	case from.IsFloat() && to.IsFloat():
		x, y := floats(from), floats(to)
		return map1(func(w word) word { return y.store(x.load(w)) })
	case from.IsFloat():
		e := floats(from)
		f := map[ir.DType]func(float32) word{
			ir.I32: func(x float32) word { return toWord(numerics.I32FromF32(x)) },
			ir.I64: func(x float32) word { return toWord(numerics.I64FromF32(x)) },
			ir.U8:  func(x float32) word { return toWord(numerics.U8FromF32(x)) },
			ir.U32: func(x float32) word { return toWord(numerics.U32FromF32(x)) },
			ir.U64: numerics.U64FromF32,
		}[to]
		return map1(func(x word) word { return f(e.load(x)) })
	case to.IsFloat():
		e := floats(to)
		if from == ir.U64 {
			return map1(func(x word) word { return e.store(float32(x)) })
		}
		load := integers(from)
		return map1(func(x word) word { return e.store(float32(load(x))) })
	case from == ir.U64:
		return map1(func(x word) word { return x & (math.MaxUint64 >> (64 - 8*to.Size())) })
	}
	load := integers(from)
	return map1(func(x word) word { return word(load(x)) & (math.MaxUint64 >> (64 - 8*to.Size())) })
}

// bitcast reads the bytes as those of another dtype; of NaNs, programs see one.
func bitcast(s site) kernel {
	from, to := s.in[0].DType, s.out[0].DType
	return func(_ context.Context, in, out [][]word) error {
		data := make([]byte, s.in[0].Bytes())
		words := in[0]
		if from.IsFloat() {
			e := floats(from)
			words = make([]word, len(in[0]))
			for i, w := range in[0] {
				if words[i] = w; e.load(w) != e.load(w) {
					words[i] = e.store(math.Float32frombits(0x7FC00000))
				}
			}
		}
		pack(from, data, words)
		copy(out[0], unpack(to, data))
		return nil
	}
}

func init() {
	add(map[string]func(s site) kernel{
		"fma": fma, "is_finite": isFinite, "compare": compare, "convert": convert, "bitcast_convert": bitcast,
		"select": func(site) kernel {
			return map3(func(p, x, y word) word {
				if p != 0 {
					return x
				}
				return y
			})
		},
		"not": ofOne, "and": ofTwo, "or": ofTwo, "xor": ofTwo,
		"shift_left": ofTwo, "shift_right_logical": ofTwo, "shift_right_arithmetic": ofTwo,
	})
	for name := range ofOneFloat {
		makers[name] = ofOne
	}
	for name := range ofTwoFloats {
		makers[name] = ofTwo
	}
}
