package reference

import (
	"fmt"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/numerics"
)

// Tensor is a dense row-major tensor. Exactly one of the slices holds its
// elements: F32 for f32, bf16 and f16, whose values are f32 values too, F64
// for f64, Int for integers and bools (0, 1); a u64 is kept as the int64 of
// its bits.
type Tensor struct {
	Type ir.Type
	F32  []float32
	F64  []float64
	Int  []int64
}

// New returns a tensor of zeros.
func New(t ir.Type) (Tensor, error) {
	x := Tensor{Type: t}
	n := t.Elements()
	switch t.DType {
	case ir.F32, ir.BF16, ir.F16:
		x.F32 = make([]float32, n)
	case ir.F64:
		x.F64 = make([]float64, n)
	case ir.I32, ir.I64, ir.U8, ir.U32, ir.U64, ir.Bool:
		x.Int = make([]int64, n)
	default:
		return x, fmt.Errorf("the reference backend does not know dtype %v", t.DType)
	}
	return x, nil
}

// check reports whether the elements fit the type.
func (x Tensor) check() error {
	n, f32, f64, ints := x.Type.Elements(), 0, 0, 0
	switch x.Type.DType {
	case ir.F32, ir.BF16, ir.F16:
		f32 = n
	case ir.F64:
		f64 = n
	default:
		ints = n
	}
	if len(x.F32) != f32 || len(x.F64) != f64 || len(x.Int) != ints {
		return fmt.Errorf("%v holds %d f32, %d f64 and %d integer elements", x.Type, len(x.F32), len(x.F64), len(x.Int))
	}
	return nil
}

// wrap reduces v modulo 2^n into the range of an integer dtype.
func wrap(d ir.DType, v int64) int64 {
	switch d {
	case ir.I32:
		return int64(int32(v))
	case ir.U8:
		return int64(uint8(v))
	case ir.U32:
		return int64(uint32(v))
	case ir.Bool:
		return v & 1
	}
	return v
}

// copyElement copies element j of y to element i of x; both have one dtype.
func (x Tensor) copyElement(i int, y Tensor, j int) {
	switch {
	case x.single():
		x.F32[i] = y.F32[j]
	case x.Type.DType == ir.F64:
		x.F64[i] = y.F64[j]
	default:
		x.Int[i] = y.Int[j]
	}
}

// each calls visit with every index of a shape in row-major order, and with
// the number of the visit. The index is reused between calls.
func each(shape []int, visit func(n int, index []int)) {
	total := 1
	for _, d := range shape {
		total *= d
	}
	index := make([]int, len(shape))
	for n := range total {
		visit(n, index)
		for d := len(shape) - 1; d >= 0; d-- {
			if index[d]++; index[d] < shape[d] {
				break
			}
			index[d] = 0
		}
	}
}

// at returns the offset of an index.
func at(strides, index []int) int {
	o := 0
	for i, s := range strides {
		o += s * index[i]
	}
	return o
}

// integral reports whether the elements are integers or bools.
func (x Tensor) integral() bool { return !x.Type.DType.IsFloat() }

// single reports whether the elements are f32 values: f32, bf16 or f16.
func (x Tensor) single() bool { return x.Type.DType == ir.F32 || x.Type.DType.IsHalf() }

// store rounds the elements to bf16 or f16, as every op does when it stores
// its result (rule 15).
func (x Tensor) store() {
	switch x.Type.DType {
	case ir.BF16:
		for i, v := range x.F32 {
			x.F32[i] = numerics.F32FromBF16(numerics.BF16FromF32(v))
		}
	case ir.F16:
		for i, v := range x.F32 {
			x.F32[i] = numerics.F32FromF16(numerics.F16FromF32(v))
		}
	}
}

// less orders integers of a dtype.
func less(d ir.DType, x, y int64) bool {
	if d == ir.U64 {
		return uint64(x) < uint64(y)
	}
	return x < y
}
