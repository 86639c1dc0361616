package mutants

import (
	"math"

	"github.com/seedbed/seedbed/abi/ir"
)

// eachInt changes every element of results of a dtype.
func eachInt(d ir.DType, f func(op *ir.Op, in []tensor, i int, y int64) int64) fault {
	return fault{after: func(op *ir.Op, in, out []tensor) {
		if y := out[0]; y.DType == d {
			for i := range y.len() {
				y.setBits(i, uint64(f(op, in, i, y.int(i))))
			}
		}
	}}
}

func saturate(v int64) int64 { return min(max(v, math.MinInt32), math.MaxInt32) }

// fromFloat changes what a conversion of f32 to a dtype gives.
func fromFloat(d ir.DType, f func(x float64, y int64) int64) fault {
	return eachInt(d, func(_ *ir.Op, in []tensor, i int, y int64) int64 {
		if in[0].DType != ir.F32 {
			return y
		}
		return f(float64(in[0].f32(i)), y)
	})
}

// compared changes what comparisons of f32 give.
func compared(f func(direction string, x, y float32, holds int64) int64) fault {
	return eachInt(ir.Bool, func(op *ir.Op, in []tensor, i int, y int64) int64 {
		if in[0].DType != ir.F32 {
			return y
		}
		return f(op.Attrs.Str("direction"), in[0].f32(i), in[1].f32(i), y)
	})
}

func truth(ok bool) int64 {
	if ok {
		return 1
	}
	return 0
}

func integersAndBools() (l []*Mutant) {
	for op, f := range ordered(map[string]func(x, y int64) int64{
		"add": func(x, y int64) int64 { return saturate(x + y) }, "subtract": func(x, y int64) int64 { return saturate(x - y) }, "multiply": func(x, y int64) int64 { return saturate(x * y) },
	}) {
		l = append(l, inOp("integers saturate", op, "i32", eachInt(ir.I32, func(_ *ir.Op, in []tensor, i int, _ int64) int64 { return f(in[0].int(i), in[1].int(i)) })))
	}
	for _, d := range []ir.DType{ir.I32, ir.U32} {
		l = append(l,
			inOp("integer division", "divide", d.String()+" by zero gives 0", eachInt(d, func(_ *ir.Op, in []tensor, i int, y int64) int64 {
				if in[1].int(i) == 0 {
					return 0
				}
				return y
			})),
			inOp("shift counts", "shift_left", d.String()+": the count is taken modulo the width", eachInt(d, func(_ *ir.Op, in []tensor, i int, _ int64) int64 {
				return int64(uint32(in[0].bits(i)) << (in[1].bits(i) % 32))
			})),
			inOp("shift counts", "shift_right_logical", d.String()+": the count is taken modulo the width", eachInt(d, func(_ *ir.Op, in []tensor, i int, _ int64) int64 {
				return int64(uint32(in[0].bits(i)) >> (in[1].bits(i) % 32))
			})))
	}
	l = append(l,
		inOp("integer division", "divide", "i32: the smallest by -1 saturates", eachInt(ir.I32, func(_ *ir.Op, in []tensor, i int, y int64) int64 {
			if in[0].int(i) == math.MinInt32 && in[1].int(i) == -1 {
				return math.MaxInt32
			}
			return y
		})),
		inOp("integer division", "divide", "i32: rounds down", eachInt(ir.I32, func(_ *ir.Op, in []tensor, i int, y int64) int64 {
			a, b := in[0].int(i), in[1].int(i)
			if b != 0 && a%b != 0 && (a < 0) != (b < 0) {
				return y - 1
			}
			return y
		})),
		inOp("signed as unsigned", "shift_right_logical", "i32: arithmetic", eachInt(ir.I32, func(_ *ir.Op, in []tensor, i int, y int64) int64 {
			if n := in[1].int(i); n >= 0 && n < 32 {
				return in[0].int(i) >> n
			}
			return y
		})),
		inOp("integers saturate", "negate", "i32", eachInt(ir.I32, func(_ *ir.Op, in []tensor, i int, y int64) int64 { return saturate(-in[0].int(i)) })),
		inOp("integers saturate", "abs", "i32", eachInt(ir.I32, func(_ *ir.Op, in []tensor, i int, y int64) int64 {
			return saturate(max(in[0].int(i), -in[0].int(i)))
		})),
		inOp("conversions", "convert", "NaN to i32 gives the smallest (x86)", fromFloat(ir.I32, func(x float64, y int64) int64 {
			if x != x {
				return math.MinInt32
			}
			return y
		})),
		inOp("conversions", "convert", "i32 out of range gives the smallest (x86)", fromFloat(ir.I32, func(x float64, y int64) int64 {
			if x >= 1<<31 || x < -1<<31 {
				return math.MinInt32
			}
			return y
		})),
		inOp("conversions", "convert", "f32 to i32 rounds", fromFloat(ir.I32, func(x float64, y int64) int64 {
			if math.Abs(x) < 1<<30 {
				return int64(math.RoundToEven(x))
			}
			return y
		})),
		inOp("conversions", "convert", "f32 to i32 rounds down", fromFloat(ir.I32, func(x float64, y int64) int64 {
			if math.Abs(x) < 1<<30 {
				return int64(math.Floor(x))
			}
			return y
		})),
		inOp("conversions", "convert", "negative f32 to u32 wraps", fromFloat(ir.U32, func(x float64, y int64) int64 {
			if x < 0 && x > -1<<31 {
				return int64(x)
			}
			return y
		})),
		inOp("conversions", "convert", "large f32 to u32 by way of i32", fromFloat(ir.U32, func(x float64, y int64) int64 {
			if x >= 1<<31 {
				return math.MaxInt32
			}
			return y
		})),
		inOp("conversions", "convert", "f32 to bool: truncated first", fromFloat(ir.Bool, func(x float64, _ int64) int64 { return truth(math.Abs(x) >= 1) })),
		inOp("conversions", "convert", "f32 to bool: NaN is false", fromFloat(ir.Bool, func(x float64, y int64) int64 {
			if x != x {
				return 0
			}
			return y
		})),
		inOp("conversions", "convert", "i32 to u8 saturates", eachInt(ir.U8, func(_ *ir.Op, in []tensor, i int, y int64) int64 {
			if in[0].DType == ir.I32 {
				return min(max(in[0].int(i), 0), 255)
			}
			return y
		})),
		inOp("conversions", "convert", "i64 to i32 saturates", eachInt(ir.I32, func(_ *ir.Op, in []tensor, i int, y int64) int64 {
			if in[0].DType == ir.I64 {
				return saturate(in[0].int(i))
			}
			return y
		})),
		inOp("conversions", "convert", "i32 to bool: the lowest bit", eachInt(ir.Bool, func(_ *ir.Op, in []tensor, i int, y int64) int64 {
			if in[0].DType == ir.I32 {
				return in[0].int(i) & 1
			}
			return y
		})),
		inOp("comparisons", "compare", "NaN equals NaN", compared(func(d string, x, y float32, h int64) int64 {
			if x != x && y != y && (d == "eq" || d == "le" || d == "ge") {
				return 1
			}
			return h
		})),
		inOp("comparisons", "compare", "ne is ordered", compared(func(d string, x, y float32, h int64) int64 {
			if d == "ne" && (x != x || y != y) {
				return 0
			}
			return h
		})),
		inOp("comparisons", "compare", "+0 is not -0", compared(func(d string, x, y float32, h int64) int64 {
			if d == "eq" {
				return truth(math.Float32bits(x) == math.Float32bits(y) && x == x)
			}
			return h
		})),
		inOp("comparisons", "compare", "le is lt", compared(func(d string, x, y float32, h int64) int64 {
			if d == "le" {
				return truth(x < y)
			}
			return h
		})),
		inOp("comparisons", "compare", "ge is not lt", compared(func(d string, x, y float32, h int64) int64 {
			if d == "ge" {
				return truth(!(x < y))
			}
			return h
		})),
		inOp("signed as unsigned", "compare", "u32 as i32", eachInt(ir.Bool, func(op *ir.Op, in []tensor, i int, y int64) int64 {
			if in[0].DType == ir.U32 && op.Attrs.Str("direction") == "lt" {
				return truth(int32(in[0].bits(i)) < int32(in[1].bits(i)))
			}
			return y
		})),
		inOp("signed as unsigned", "maximum", "u32 as i32", eachInt(ir.U32, func(_ *ir.Op, in []tensor, i int, _ int64) int64 {
			return int64(uint32(max(int32(in[0].bits(i)), int32(in[1].bits(i)))))
		})),
		inOp("signed as unsigned", "minimum", "i32 as u32", eachInt(ir.I32, func(_ *ir.Op, in []tensor, i int, _ int64) int64 {
			return int64(min(uint32(in[0].bits(i)), uint32(in[1].bits(i))))
		})),
		inOp("signed as unsigned", "divide", "u32 as i32", eachInt(ir.U32, func(_ *ir.Op, in []tensor, i int, y int64) int64 {
			if b := int32(in[1].bits(i)); b != 0 && b != -1 {
				return int64(uint32(int32(in[0].bits(i)) / b))
			}
			return y
		})),
		inOp("signed as unsigned", "argmax", "u32 as i32", fault{before: func(_ *ir.Op, in []tensor) {
			if in[0].DType == ir.U32 {
				for i := range in[0].len() {
					in[0].setBits(i, in[0].bits(i)^1<<31)
				}
			}
		}}),
		inOp("bits of bools", "not", "bool: the complement of all bits", eachInt(ir.Bool, func(_ *ir.Op, in []tensor, i int, _ int64) int64 { return int64(^in[0].bits(i) & 0xFF) })),
		inOp("bits of bools", "xor", "bool: as or", eachInt(ir.Bool, func(_ *ir.Op, in []tensor, i int, _ int64) int64 { return int64(in[0].bits(i) | in[1].bits(i)) })),
		inOp("bits of bools", "reduce", "and over nothing is false", eachInt(ir.Bool, func(op *ir.Op, in []tensor, _ int, y int64) int64 {
			if op.Attrs.Str("kind") == "and" && in[0].len() == 0 {
				return 0
			}
			return y
		})))
	return l
}
