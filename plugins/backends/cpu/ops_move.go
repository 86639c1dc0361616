package cpu

import (
	"encoding/binary"
	"fmt"
	"math"
	"unsafe"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/numerics"
	"github.com/seedbed/seedbed/plugins/backends/cpu/internal/vec"
)

var le = binary.LittleEndian

// fillWith repeats one element of dst's size.
func fillWith(r *run, dst, element []byte) error {
	switch len(element) {
	case 1:
		return fill(r, dst, element[0])
	case 2:
		return fill(r, view[uint16](dst), le.Uint16(element))
	case 4:
		return fill(r, view[uint32](dst), le.Uint32(element))
	default:
		return fill(r, view[uint64](dst), le.Uint64(element))
	}
}

// indices appends a step that brings operand i, indices of any integer dtype, to int32. Those outside 0 to last are clamped to it, or
// become negative.
func (c *compiler) indices(op *ir.Op, i, last int, clamp bool) int {
	t := c.types[op.Operands[i]]
	used := c.used
	c.used = nil
	in := c.in(op, i)
	out := c.temp(4 * t.Elements())
	switch t.DType {
	case ir.I32:
		readIndices[int32](c, in, out, last, clamp)
	case ir.I64:
		readIndices[int64](c, in, out, last, clamp)
	case ir.U8:
		readIndices[uint8](c, in, out, last, clamp)
	case ir.U32:
		readIndices[uint32](c, in, out, last, clamp)
	default:
		readIndices[uint64](c, in, out, last, clamp)
	}
	c.used = append(used, out)
	return out
}

func readIndices[T integer](c *compiler, in, out, last int, clamp bool) {
	c.emit(func(r *run) error {
		x, y := view[T](r.mem[in]), view[int32](r.mem[out])
		return r.split(len(y), grain, func(lo, hi int) {
			for i := lo; i < hi; i++ {
				switch v := x[i]; {
				case v >= 0 && uint64(v) <= uint64(last):
					y[i] = int32(v)
				case !clamp:
					y[i] = -1
				case v < 0:
					y[i] = 0
				default:
					y[i] = int32(last)
				}
			}
		})
	})
}

// blockStart returns the offset of a block that begins at start, clamped so that it lies inside the whole.
func blockStart(start []int32, whole, block, strides []int) int {
	at := 0
	for d, s := range start {
		at += strides[d] * min(max(int(s), 0), whole[d]-block[d])
	}
	return at
}

func dynamicSlice(c *compiler, op *ir.Op) error {
	t, from := op.Results[0], c.types[op.Operands[0]]
	strides, size := from.Strides(), t.DType.Size()
	move := strided{shape: t.Shape, dst: t.Strides(), src: strides}.copier(size)
	in, start := c.in(op, 0), c.in(op, 1)
	out := c.out(op)
	c.emit(func(r *run) error {
		if len(r.mem[out]) == 0 {
			return nil
		}
		return move(r, r.mem[out], r.mem[in][size*blockStart(view[int32](r.mem[start]), from.Shape, t.Shape, strides):])
	})
	return nil
}

func dynamicUpdateSlice(c *compiler, op *ir.Op) error {
	t, u := op.Results[0], c.types[op.Operands[1]]
	strides, size := t.Strides(), t.DType.Size()
	move := strided{shape: u.Shape, dst: strides, src: u.Strides()}.copier(size)
	in, update, start := c.in(op, 0), c.in(op, 1), c.in(op, 2)
	out := c.out(op)
	c.emit(func(r *run) error {
		if unsafe.SliceData(r.mem[out]) != unsafe.SliceData(r.mem[in]) {
			copy(r.mem[out], r.mem[in])
		}
		if len(r.mem[update]) == 0 {
			return nil
		}
		return move(r, r.mem[out][size*blockStart(view[int32](r.mem[start]), t.Shape, u.Shape, strides):], r.mem[update])
	})
	c.steps[len(c.steps)-1].pairs = map[int]int{out: keepApart(in, update, start)}
	return nil
}

func reverse(c *compiler, op *ir.Op) error {
	t := op.Results[0]
	s := strided{shape: t.Shape, dst: t.Strides(), src: t.Strides()}
	for _, d := range op.Attrs.Ints("dimensions") {
		s.src0 += s.src[d] * (t.Shape[d] - 1)
		s.src[d] = -s.src[d]
	}
	c.rearrange(op, s)
	return nil
}

func bitcastConvert(c *compiler, op *ir.Op) error {
	switch c.types[op.Operands[0]].DType {
	case ir.F32:
		return mapOp(c, op, func(x float32) uint32 {
			if x != x {
				return numerics.CanonicalNaN
			}
			return math.Float32bits(x)
		})
	case ir.BF16:
		return mapOp(c, op, func(x uint16) uint16 { return numerics.BF16FromF32(numerics.F32FromBF16(x)) })
	case ir.F16:
		return mapOp(c, op, func(x uint16) uint16 { return numerics.F16FromF32(numerics.F32FromF16(x)) })
	}
	c.same(op)
	return nil
}

func isFinite(c *compiler, op *ir.Op) error {
	return mapOp(c, op, func(x float32) uint8 { return bit(x-x == 0) })
}

func cumsum(c *compiler, op *ir.Op) error {
	switch op.Results[0].DType {
	case ir.F32:
		accumulate[float32](c, op)
	case ir.I32, ir.U32: // sums wrap to the same bits
		accumulate[uint32](c, op)
	case ir.U8:
		accumulate[uint8](c, op)
	default:
		accumulate[uint64](c, op)
	}
	return nil
}

func accumulate[T element](c *compiler, op *ir.Op) {
	before, along, after := around(op.Results[0].Shape, op.Attrs.Int("dimension"))
	in := c.in(op, 0)
	out := c.out(op)
	first, step := 0, after
	if op.Attrs.Bool("reverse") {
		first, step = (along-1)*after, -after
	}
	c.emit(func(r *run) error {
		x, y := view[T](r.mem[in]), view[T](r.mem[out])
		if len(y) == 0 {
			return nil
		}
		return r.split(before, max(1, grain/(along*after)), func(lo, hi int) {
			for a := lo; a < hi; a++ {
				at := a*along*after + first
				for k := range along {
					row, to := x[at:at+after], y[at:at+after]
					for i, v := range row {
						if k == 0 {
							to[i] = 0 + v // -0 joins +0
						} else {
							to[i] = y[at-step+i] + v
						}
					}
					at += step
				}
			}
		})
	})
}

func randomNormal(c *compiler, op *ir.Op) error {
	number := uint32(op.Attrs.Int("stream"))
	state := c.in(op, 0)
	scratch := c.temp(4 * vec.NormalScratch * c.b.pool.Workers())
	out := c.out(op)
	c.emit(func(r *run) error {
		s, y := view[uint32](r.mem[state]), r.f32(out)
		stream := numerics.Stream{Seed: uint64(s[1])<<32 | uint64(s[0]), Stream: number, Step: s[2]}
		n := uint64(len(y))
		if part := uint64(s[3]); n > 0 && part > math.MaxUint64/n-1 {
			return fmt.Errorf("random_normal: part %d of %d elements overflows the counter", part, n)
		}
		first := uint64(s[3]) * n
		const part = grain / 4
		return r.b.pool.For((len(y)+part-1)/part, func(worker, i int) {
			lo, hi := i*part, min(len(y), (i+1)*part)
			vec.FillNormal(y[lo:hi], stream, first+uint64(lo), r.f32(scratch)[worker*vec.NormalScratch:][:vec.NormalScratch])
		})
	})
	return nil
}
