package reference

import (
	"fmt"
	"math"
	"math/bits"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/numerics"
)

type unaryOp struct {
	f32 func(float32) float32
	f64 func(float64) float64
	int func(d ir.DType, x int64) int64
}

func (u unaryOp) run(x, out Tensor) error {
	switch {
	case out.single() && u.f32 != nil:
		for i, v := range x.F32 {
			out.F32[i] = u.f32(v)
		}
	case out.Type.DType == ir.F64 && u.f64 != nil:
		for i, v := range x.F64 {
			out.F64[i] = u.f64(v)
		}
	case out.integral() && u.int != nil:
		for i, v := range x.Int {
			out.Int[i] = wrap(out.Type.DType, u.int(out.Type.DType, v))
		}
	default:
		return fmt.Errorf("the reference backend does not know it for dtype %v", out.Type.DType)
	}
	return nil
}

// via64 makes the f32 form of a function that is exact in f64.
func via64(f func(float64) float64) unaryOp {
	return unaryOp{f32: func(x float32) float32 { return float32(f(float64(x))) }, f64: f}
}

func sign64(x float64) float64 {
	switch {
	case x > 0:
		return 1
	case x < 0:
		return -1
	}
	return x
}

func relu64(x float64) float64 {
	if x > 0 || x != x {
		return x
	}
	return 0
}

var unaries = map[string]unaryOp{
	"negate":             {f32: func(x float32) float32 { return -x }, f64: func(x float64) float64 { return -x }, int: func(_ ir.DType, x int64) int64 { return -x }},
	"abs":                {f32: func(x float32) float32 { return float32(math.Abs(float64(x))) }, f64: math.Abs, int: func(_ ir.DType, x int64) int64 { return max(x, -x) }},
	"sign":               {f32: func(x float32) float32 { return float32(sign64(float64(x))) }, f64: sign64, int: func(_ ir.DType, x int64) int64 { return int64(sign64(float64(x))) }},
	"not":                {int: func(_ ir.DType, x int64) int64 { return ^x }},
	"floor":              via64(math.Floor),
	"ceil":               via64(math.Ceil),
	"round_nearest_even": via64(math.RoundToEven),
	// sqrt rounded to f64 and then to f32 equals the correctly rounded f32
	// square root, since 53 >= 2*24 + 2 (Figueroa 1995).
	"sqrt": via64(math.Sqrt),
	"rsqrt": {f32: numerics.Rsqrt, f64: func(x float64) float64 {
		return 1 / math.Sqrt(x)
	}},
	"exponential":           {f32: numerics.Exp, f64: numerics.Exp64},
	"exponential_minus_one": {f32: numerics.Expm1, f64: numerics.Expm164},
	"log":                   {f32: numerics.Log, f64: numerics.Log64},
	"log_plus_one":          {f32: numerics.Log1p, f64: numerics.Log1p64},
	"tanh":                  {f32: numerics.Tanh, f64: numerics.Tanh64},
	"logistic":              {f32: numerics.Logistic, f64: numerics.Logistic64},
	"sine":                  {f32: numerics.Sin, f64: numerics.Sin64},
	"cosine":                {f32: numerics.Cos, f64: numerics.Cos64},
	"erf":                   {f32: numerics.Erf, f64: numerics.Erf64},
	"relu":                  {f32: numerics.Relu, f64: relu64},
	"gelu":                  {f32: numerics.Gelu, f64: numerics.Gelu64},
	"gelu_derivative":       {f32: numerics.GeluGrad, f64: numerics.GeluGrad64},
	"gelu_tanh":             {f32: numerics.GeluTanh, f64: numerics.GeluTanh64},
	"gelu_tanh_derivative":  {f32: numerics.GeluTanhGrad, f64: numerics.GeluTanhGrad64},
	"silu":                  {f32: numerics.Silu, f64: numerics.Silu64},
	"silu_derivative":       {f32: numerics.SiluGrad, f64: numerics.SiluGrad64},
	"softplus":              {f32: numerics.Softplus, f64: numerics.Softplus64},
}

type binaryOp struct {
	f32 func(x, y float32) float32
	f64 func(x, y float64) float64
	int func(d ir.DType, x, y int64) int64
}

func (u binaryOp) run(x, y, out Tensor) error {
	switch {
	case out.single() && u.f32 != nil:
		for i, v := range x.F32 {
			out.F32[i] = u.f32(v, y.F32[i])
		}
	case out.Type.DType == ir.F64 && u.f64 != nil:
		for i, v := range x.F64 {
			out.F64[i] = u.f64(v, y.F64[i])
		}
	case out.integral() && u.int != nil:
		d := out.Type.DType
		for i, v := range x.Int {
			out.Int[i] = wrap(d, u.int(d, v, y.Int[i]))
		}
	default:
		return fmt.Errorf("the reference backend does not know it for dtype %v", out.Type.DType)
	}
	return nil
}

func divideInt(d ir.DType, x, y int64) int64 {
	if y == 0 {
		return -1
	}
	if d == ir.U64 {
		return int64(uint64(x) / uint64(y))
	}
	if y == -1 {
		return -x
	}
	return x / y
}

func shift(apply func(x uint64, n int64) uint64) func(d ir.DType, x, n int64) int64 {
	return func(d ir.DType, x, n int64) int64 {
		width := int64(8 * d.Size())
		if n < 0 || n >= width { // a u64 above the largest int64 is negative here
			return 0
		}
		return int64(apply(uint64(x)&(math.MaxUint64>>(64-width)), n))
	}
}

// shiftArithmetic fills up with the sign.
func shiftArithmetic(d ir.DType, x, n int64) int64 {
	if width := int64(8 * d.Size()); n < 0 || n >= width {
		n = width - 1
		if !d.IsSigned() {
			return 0
		}
	}
	if d == ir.U64 {
		return int64(uint64(x) >> n)
	}
	return x >> n
}

func larger(d ir.DType, x, y int64) int64 {
	if less(d, x, y) {
		return y
	}
	return x
}

func smaller(d ir.DType, x, y int64) int64 {
	if less(d, x, y) {
		return x
	}
	return y
}

func remainderInt(d ir.DType, x, y int64) int64 {
	switch {
	case y == 0:
		return x
	case d == ir.U64:
		return int64(uint64(x) % uint64(y))
	case y == -1:
		return 0
	}
	return x % y
}

var binaries = map[string]binaryOp{
	"add":      {func(x, y float32) float32 { return x + y }, func(x, y float64) float64 { return x + y }, func(_ ir.DType, x, y int64) int64 { return x + y }},
	"subtract": {func(x, y float32) float32 { return x - y }, func(x, y float64) float64 { return x - y }, func(_ ir.DType, x, y int64) int64 { return x - y }},
	"multiply": {func(x, y float32) float32 { return x * y }, func(x, y float64) float64 { return x * y }, func(_ ir.DType, x, y int64) int64 {
		_, lo := bits.Mul64(uint64(x), uint64(y))
		return int64(lo)
	}},
	"divide": {func(x, y float32) float32 { return x / y }, func(x, y float64) float64 { return x / y }, divideInt},
	// Go's math.Max and math.Min are IEEE-754-2019 maximum and minimum but for
	// an infinity beside a NaN, where they return the infinity.
	"maximum": {numerics.Max, func(x, y float64) float64 {
		if x != x || y != y {
			return math.NaN()
		}
		return math.Max(x, y)
	}, larger},
	"minimum": {numerics.Min, func(x, y float64) float64 {
		if x != x || y != y {
			return math.NaN()
		}
		return math.Min(x, y)
	}, smaller},
	"and": {int: func(_ ir.DType, x, y int64) int64 { return x & y }},
	"or":  {int: func(_ ir.DType, x, y int64) int64 { return x | y }},
	"xor": {int: func(_ ir.DType, x, y int64) int64 { return x ^ y }},
	// math.Mod is exact, and the remainder of two f32 values is an f32 value.
	"remainder":              {func(x, y float32) float32 { return float32(math.Mod(float64(x), float64(y))) }, math.Mod, remainderInt},
	"shift_right_arithmetic": {int: shiftArithmetic},
	"shift_left":             {int: shift(func(x uint64, n int64) uint64 { return x << n })},
	"shift_right_logical":    {int: shift(func(x uint64, n int64) uint64 { return x >> n })},
}
