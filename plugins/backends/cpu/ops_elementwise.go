package cpu

import (
	"cmp"
	"fmt"
	"math"
	"unsafe"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/plugins/backends/cpu/internal/vec"
)

// grain is the number of cheap elements that are worth a worker's while.
const grain = 1 << 14

// split calls body for parts of [0, n) that together cover it, on all workers if there is more than one part.
func (r *run) split(n, size int, body func(lo, hi int)) error {
	parts := (n + size - 1) / size
	if parts <= 1 || r.b.pool.Workers() == 1 {
		body(0, n)
		return nil
	}
	return r.b.pool.For(parts, func(_, i int) { body(i*size, min(n, (i+1)*size)) })
}

// each calls body for each i in [0, n) on all workers and returns the first worker's first error.
func (r *run) each(n int, body func(worker, i int) error) error {
	errs := make([]error, r.b.pool.Workers())
	err := r.b.pool.For(n, func(worker, i int) {
		if errs[worker] == nil {
			errs[worker] = body(worker, i)
		}
	})
	return cmp.Or(err, cmp.Or(errs...))
}

func fill[T any](r *run, dst []T, x T) error {
	return r.split(len(dst), grain, func(lo, hi int) {
		for i := range dst[lo:hi] {
			dst[lo+i] = x
		}
	})
}

type integer interface {
	int32 | int64 | uint8 | uint32 | uint64
}

type element interface {
	float32 | integer
}

func eachF32(f func(float32) float32) func(dst, src []float32) {
	return func(dst, src []float32) {
		for i, x := range src {
			dst[i] = f(x)
		}
	}
}

func sign(x float32) float32 {
	switch {
	case x > 0:
		return 1
	case x < 0:
		return -1
	}
	return x
}

// Rounding to an integer is exact in f64 and gives an f32 again.
func floor(x float32) float32     { return float32(math.Floor(float64(x))) }
func ceil(x float32) float32      { return float32(math.Ceil(float64(x))) }
func roundEven(x float32) float32 { return float32(math.RoundToEven(float64(x))) }

var unaryF32 = map[string]func(dst, src []float32){
	"negate": vec.Neg, "abs": vec.Abs, "sqrt": vec.Sqrt, "rsqrt": vec.Rsqrt, "relu": vec.Relu,
	"sign": eachF32(sign), "floor": eachF32(floor), "ceil": eachF32(ceil), "round_nearest_even": eachF32(roundEven),
	"exponential": vec.Exp, "exponential_minus_one": vec.Expm1, "log": vec.Log, "log_plus_one": vec.Log1p,
	"tanh": vec.Tanh, "logistic": vec.Logistic, "sine": vec.Sin, "cosine": vec.Cos, "erf": vec.Erf,
	"gelu": vec.Gelu, "gelu_derivative": vec.GeluGrad, "gelu_tanh": vec.GeluTanh, "gelu_tanh_derivative": vec.GeluTanhGrad,
	"silu": vec.Silu, "silu_derivative": vec.SiluGrad, "softplus": vec.Softplus,
}

// withDerivative are functions that are computed together with their derivatives in little more time than alone.
var withDerivative = map[string]struct {
	derivative string
	both       func(dst, grad, src []float32)
}{
	"gelu":      {"gelu_derivative", vec.GeluWithGrad},
	"gelu_tanh": {"gelu_tanh_derivative", vec.GeluTanhWithGrad},
	"silu":      {"silu_derivative", vec.SiluWithGrad},
}

func unaryInt[T integer](name string) func(T) T {
	switch name {
	case "negate":
		return func(x T) T { return -x }
	case "abs":
		return func(x T) T { return max(x, -x) }
	case "sign":
		return func(x T) T {
			switch {
			case x > 0:
				return 1
			case x == 0:
				return 0
			}
			return ^T(0) // -1: an unsigned x does not come here
		}
	case "not":
		return func(x T) T { return ^x }
	}
	return nil
}

func unary(c *compiler, op *ir.Op) error {
	switch op.Results[0].DType {
	case ir.F32:
		if f := unaryF32[op.Name]; f != nil {
			in := c.in(op, 0)
			out := c.out(op)
			c.emitInPlace(func(r *run) error {
				x, y := r.f32(in), r.f32(out)
				return r.split(len(y), grain/4, func(lo, hi int) { f(y[lo:hi], x[lo:hi]) })
			})
			return nil
		}
	case ir.I32:
		if f := unaryInt[int32](op.Name); f != nil {
			return mapOp(c, op, f)
		}
	case ir.I64:
		if f := unaryInt[int64](op.Name); f != nil {
			return mapOp(c, op, f)
		}
	case ir.U8:
		if f := unaryInt[uint8](op.Name); f != nil {
			return mapOp(c, op, f)
		}
	case ir.U32:
		if f := unaryInt[uint32](op.Name); f != nil {
			return mapOp(c, op, f)
		}
	case ir.U64:
		if f := unaryInt[uint64](op.Name); f != nil {
			return mapOp(c, op, f)
		}
	case ir.Bool:
		if op.Name == "not" {
			return mapOp(c, op, func(x uint8) uint8 { return x ^ 1 })
		}
	}
	return unknown(op.Results[0].DType)
}

func unknown(d ir.DType) error {
	return fmt.Errorf("the cpu backend does not know it for dtype %v", d)
}

// mapOp applies f to each element.
func mapOp[A, B element | uint16](c *compiler, op *ir.Op, f func(A) B) error {
	in := c.in(op, 0)
	out := c.out(op)
	c.emitInPlace(func(r *run) error {
		x, y := view[A](r.mem[in]), view[B](r.mem[out])
		return r.split(len(y), grain, func(lo, hi int) {
			for i := lo; i < hi; i++ {
				y[i] = f(x[i])
			}
		})
	})
	return nil
}

// zipOp applies f to each pair of elements.
func zipOp[A, B element](c *compiler, op *ir.Op, f func(x, y A) B) error {
	a := c.in(op, 0)
	b := c.in(op, 1)
	out := c.out(op)
	c.emitInPlace(func(r *run) error {
		x, y, z := view[A](r.mem[a]), view[A](r.mem[b]), view[B](r.mem[out])
		return r.split(len(z), grain, func(lo, hi int) {
			for i := lo; i < hi; i++ {
				z[i] = f(x[i], y[i])
			}
		})
	})
	return nil
}

// binaryVec is an operation on slices, and with a scalar on its right or left (or nil).
type binaryVec struct {
	both  func(dst, a, b []float32)
	right func(dst, a []float32, s float32)
	left  func(dst, a []float32, s float32)
}

var binaryF32 = map[string]binaryVec{
	"add":      {vec.Add, vec.AddScalar, vec.AddScalar},
	"subtract": {vec.Sub, vec.SubScalar, vec.ScalarSub},
	"multiply": {vec.Mul, vec.MulScalar, vec.MulScalar},
	"divide":   {vec.Div, vec.DivScalar, vec.ScalarDiv},
	"maximum":  {vec.Max, vec.MaxScalar, vec.MaxScalar},
	"minimum":  {vec.Min, vec.MinScalar, vec.MinScalar},
}

func binaryInt[T integer](name string) func(x, y T) T {
	switch name {
	case "add":
		return func(x, y T) T { return x + y }
	case "subtract":
		return func(x, y T) T { return x - y }
	case "multiply":
		return func(x, y T) T { return x * y }
	case "divide":
		return func(x, y T) T {
			if y == 0 {
				return ^T(0)
			}
			return x / y // Go defines the lowest x / -1 as x
		}
	case "maximum":
		return func(x, y T) T { return max(x, y) }
	case "minimum":
		return func(x, y T) T { return min(x, y) }
	case "and":
		return func(x, y T) T { return x & y }
	case "or":
		return func(x, y T) T { return x | y }
	case "xor":
		return func(x, y T) T { return x ^ y }
	case "remainder":
		return func(x, y T) T {
			if y == 0 {
				return x
			}
			return x % y
		}
	case "shift_left":
		return func(x, n T) T { return x << amount(n) }
	case "shift_right_arithmetic":
		return func(x, n T) T { return x >> amount(n) }
	case "shift_right_logical":
		return logicalShift[T]()
	}
	return nil
}

// amount is how far to shift: a negative n, as unsigned, is beyond the width, where Go's shifts leave zeros or signs.
func amount[T integer](n T) uint64 { return uint64(n) }

// logicalShift brings in zeros.
func logicalShift[T integer]() func(x, n T) T {
	mask := ^uint64(0) >> (64 - 8*unsafe.Sizeof(T(0)))
	return func(x, n T) T { return T(uint64(x) & mask >> amount(n)) }
}

func pairwise(c *compiler, op *ir.Op) error {
	switch op.Results[0].DType {
	case ir.F32:
		if f, ok := binaryF32[op.Name]; ok {
			binaryFloat(c, op, f)
			return nil
		}
		if op.Name == "remainder" { // math.Mod is exact, and the remainder of two f32 values is one
			return zipOp(c, op, func(x, y float32) float32 { return float32(math.Mod(float64(x), float64(y))) })
		}
	case ir.I32:
		return zipOp(c, op, binaryInt[int32](op.Name))
	case ir.I64:
		return zipOp(c, op, binaryInt[int64](op.Name))
	case ir.U8:
		return zipOp(c, op, binaryInt[uint8](op.Name))
	case ir.U32:
		return zipOp(c, op, binaryInt[uint32](op.Name))
	case ir.U64:
		return zipOp(c, op, binaryInt[uint64](op.Name))
	case ir.Bool:
		switch op.Name {
		case "and":
			return zipOp(c, op, func(x, y uint8) uint8 { return x & y })
		case "or":
			return zipOp(c, op, func(x, y uint8) uint8 { return x | y })
		case "xor":
			return zipOp(c, op, func(x, y uint8) uint8 { return x ^ y })
		}
	}
	return unknown(op.Results[0].DType)
}

func binaryFloat(c *compiler, op *ir.Op, f binaryVec) {
	s, isRight := c.scalar(op.Operands[1])
	one, operand := f.right, 0
	if !isRight {
		var isLeft bool
		if s, isLeft = c.scalar(op.Operands[0]); isLeft {
			one, operand = f.left, 1
		} else {
			one = nil
		}
	}
	if one != nil {
		in := c.in(op, operand)
		out := c.out(op)
		c.emitInPlace(func(r *run) error {
			x, y := r.f32(in), r.f32(out)
			return r.split(len(y), grain, func(lo, hi int) { one(y[lo:hi], x[lo:hi], s) })
		})
		return
	}
	a := c.in(op, 0)
	b := c.in(op, 1)
	out := c.out(op)
	c.emitInPlace(func(r *run) error {
		x, y, z := r.f32(a), r.f32(b), r.f32(out)
		return r.split(len(z), grain, func(lo, hi int) { f.both(z[lo:hi], x[lo:hi], y[lo:hi]) })
	})
}

func fma(c *compiler, op *ir.Op) error {
	if op.Results[0].DType != ir.F32 {
		return unknown(op.Results[0].DType)
	}
	in := [3]int{c.in(op, 0), c.in(op, 1), c.in(op, 2)}
	out := c.out(op)
	c.emitInPlace(func(r *run) error {
		x, y, z, o := r.f32(in[0]), r.f32(in[1]), r.f32(in[2]), r.f32(out)
		return r.split(len(o), grain, func(lo, hi int) { vec.FMA(o[lo:hi], x[lo:hi], y[lo:hi], z[lo:hi]) })
	})
	return nil
}

func bit(b bool) uint8 {
	if b {
		return 1
	}
	return 0
}

func comparison[T element](direction string) func(x, y T) uint8 {
	switch direction {
	case "eq":
		return func(x, y T) uint8 { return bit(x == y) }
	case "ne":
		return func(x, y T) uint8 { return bit(x != y) }
	case "lt":
		return func(x, y T) uint8 { return bit(x < y) }
	case "le":
		return func(x, y T) uint8 { return bit(x <= y) }
	case "gt":
		return func(x, y T) uint8 { return bit(x > y) }
	default:
		return func(x, y T) uint8 { return bit(x >= y) }
	}
}

func compare(c *compiler, op *ir.Op) error {
	d := op.Attrs.Str("direction")
	switch c.types[op.Operands[0]].DType {
	case ir.F32:
		return zipOp(c, op, comparison[float32](d))
	case ir.I32:
		return zipOp(c, op, comparison[int32](d))
	case ir.I64:
		return zipOp(c, op, comparison[int64](d))
	case ir.U32:
		return zipOp(c, op, comparison[uint32](d))
	case ir.U64:
		return zipOp(c, op, comparison[uint64](d))
	default:
		return zipOp(c, op, comparison[uint8](d))
	}
}

func selectOp(c *compiler, op *ir.Op) error {
	switch op.Results[0].DType.Size() {
	case 1:
		selectElements[uint8](c, op)
	case 2:
		selectElements[uint16](c, op)
	case 4:
		selectElements[uint32](c, op)
	default:
		selectElements[uint64](c, op)
	}
	return nil
}

func selectElements[T uint8 | uint16 | uint32 | uint64](c *compiler, op *ir.Op) {
	in := [3]int{c.in(op, 0), c.in(op, 1), c.in(op, 2)}
	out := c.out(op)
	c.emitInPlace(func(r *run) error {
		p, x, y, o := r.mem[in[0]], view[T](r.mem[in[1]]), view[T](r.mem[in[2]]), view[T](r.mem[out])
		return r.split(len(o), grain, func(lo, hi int) {
			for i := lo; i < hi; i++ {
				v := y[i]
				if p[i] != 0 {
					v = x[i]
				}
				o[i] = v
			}
		})
	})
}
