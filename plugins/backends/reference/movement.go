package reference

import (
	"math"
	"slices"

	"github.com/seedbed/seedbed/abi/ir"
)

// blockStart clamps the start of a block so that it lies inside the operand.
func blockStart(start Tensor, whole, block []int) []int {
	l := make([]int, len(whole))
	for i := range l {
		l[i] = int(clampIndex(ir.I32, start.Int[i], whole[i]-block[i]))
	}
	return l
}

func dynamicSlice(_ *ir.Op, in []Tensor, out Tensor) error {
	strides := in[0].Type.Strides()
	first := at(strides, blockStart(in[1], in[0].Type.Shape, out.Type.Shape))
	each(out.Type.Shape, func(n int, index []int) { out.copyElement(n, in[0], first+at(strides, index)) })
	return nil
}

func dynamicUpdateSlice(op *ir.Op, in []Tensor, out Tensor) error {
	strides := out.Type.Strides()
	first := at(strides, blockStart(in[2], out.Type.Shape, in[1].Type.Shape))
	_ = reshape(op, in, out)
	each(in[1].Type.Shape, func(n int, index []int) { out.copyElement(first+at(strides, index), in[1], n) })
	return nil
}

func reverse(op *ir.Op, in []Tensor, out Tensor) error {
	strides, shape, dims := in[0].Type.Strides(), in[0].Type.Shape, op.Attrs.Ints("dimensions")
	each(shape, func(n int, index []int) {
		o := 0
		for d, i := range index {
			if slices.Contains(dims, d) {
				i = shape[d] - 1 - i
			}
			o += strides[d] * i
		}
		out.copyElement(n, in[0], o)
	})
	return nil
}

func bitcastConvert(_ *ir.Op, in []Tensor, out Tensor) error {
	x := in[0]
	data := make([]byte, x.Type.Bytes())
	if err := x.canonical().Encode(data); err != nil {
		return err
	}
	y, err := Decode(out.Type, data)
	if err != nil {
		return err
	}
	return reshape(nil, []Tensor{y}, out)
}

// canonical returns x with every NaN as the one that programs can see.
func (x Tensor) canonical() Tensor {
	x.F32, x.F64 = slices.Clone(x.F32), slices.Clone(x.F64)
	for i, v := range x.F32 {
		if v != v {
			x.F32[i] = math.Float32frombits(0x7FC00000)
		}
	}
	for i, v := range x.F64 {
		if v != v {
			x.F64[i] = math.Float64frombits(0x7FF8000000000000)
		}
	}
	return x
}

func isFinite(_ *ir.Op, in []Tensor, out Tensor) error {
	for i, v := range in[0].F32 {
		if v-v == 0 {
			out.Int[i] = 1
		}
	}
	for i, v := range in[0].F64 {
		if v-v == 0 {
			out.Int[i] = 1
		}
	}
	return nil
}

func cumsum(op *ir.Op, in []Tensor, out Tensor) error {
	x, d := in[0], op.Attrs.Int("dimension")
	stride, along := x.Type.Strides()[d], x.Type.Shape[d]
	first := slices.Clone(x.Type.Shape)
	first[d] = min(along, 1)
	each(first, func(_ int, index []int) {
		o := at(x.Type.Strides(), index)
		var f32 float32
		var f64 float64
		var sum int64
		for i := range along {
			k := o + i*stride
			if op.Attrs.Bool("reverse") {
				k = o + (along-1-i)*stride
			}
			switch {
			case x.single():
				f32 += x.F32[k]
				out.F32[k] = f32
			case x.Type.DType == ir.F64:
				f64 += x.F64[k]
				out.F64[k] = f64
			default:
				sum = wrap(x.Type.DType, sum+x.Int[k])
				out.Int[k] = sum
			}
		}
	})
	return nil
}
