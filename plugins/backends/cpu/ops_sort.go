package cpu

import (
	"slices"

	"github.com/seedbed/seedbed/abi/ir"
)

// rank makes what sorts the indices of elements by keys of T, which lie stride apart; a NaN is larger than every number.
func rank[T element](descending bool) func(order []int32, keys []byte, first, stride int) {
	compare := func(x, y T) int {
		switch {
		case x < y:
			return -1
		case x > y:
			return 1
		case x == y:
			return 0
		case x == x: // y is a NaN
			return -1
		case y == y:
			return 1
		}
		return 0
	}
	return func(order []int32, keys []byte, first, stride int) {
		x := view[T](keys)[first:]
		for i := range order {
			order[i] = int32(i)
		}
		if descending {
			slices.SortStableFunc(order, func(i, j int32) int { return compare(x[int(j)*stride], x[int(i)*stride]) })
		} else {
			slices.SortStableFunc(order, func(i, j int32) int { return compare(x[int(i)*stride], x[int(j)*stride]) })
		}
	}
}

func ranking(d ir.DType, descending bool) func(order []int32, keys []byte, first, stride int) {
	switch d {
	case ir.F32:
		return rank[float32](descending)
	case ir.I32:
		return rank[int32](descending)
	case ir.I64:
		return rank[int64](descending)
	case ir.U8:
		return rank[uint8](descending)
	case ir.U32:
		return rank[uint32](descending)
	default:
		return rank[uint64](descending)
	}
}

// take copies elements of size bytes, which lie stride apart from first in src, in the order given, to dst, where they lie dstStride
// apart from dstFirst.
func take(dst []byte, dstFirst, dstStride int, src []byte, first, stride, size int, order []int32) {
	for to, from := range order {
		d, s := (dstFirst+to*dstStride)*size, (first+int(from)*stride)*size
		copy(dst[d:d+size], src[s:s+size])
	}
}

func sort(c *compiler, op *ir.Op) error {
	t := op.Results[0]
	before, along, after := around(t.Shape, op.Attrs.Int("dimension"))
	sortRow := ranking(t.DType, op.Attrs.Bool("descending"))
	var in []int
	for i := range op.Operands {
		in = append(in, c.in(op, i))
	}
	order := c.temp(4 * along * c.b.pool.Workers())
	out := c.outs(op)
	c.emit(func(r *run) error {
		if len(r.mem[out[0]]) == 0 {
			return nil
		}
		return r.b.pool.For(before*after, func(worker, n int) {
			order := view[int32](r.mem[order])[worker*along:][:along]
			first := n/after*along*after + n%after
			sortRow(order, r.mem[in[0]], first, after)
			for k := range in {
				take(r.mem[out[k]], first, after, r.mem[in[k]], first, after, op.Results[k].DType.Size(), order)
			}
		})
	})
	return nil
}

func topK(c *compiler, op *ir.Op) error {
	t, k := c.types[op.Operands[0]], op.Attrs.Int("k")
	before, along, _ := around(t.Shape, t.Rank()-1)
	sortRow := ranking(t.DType, true)
	in := c.in(op, 0)
	order := c.temp(4 * along * c.b.pool.Workers())
	out := c.outs(op)
	c.emit(func(r *run) error {
		if len(r.mem[out[0]]) == 0 {
			return nil
		}
		return r.b.pool.For(before, func(worker, n int) {
			order := view[int32](r.mem[order])[worker*along:][:along]
			sortRow(order, r.mem[in], n*along, 1)
			take(r.mem[out[0]], n*k, 1, r.mem[in], n*along, 1, t.DType.Size(), order[:k])
			copy(view[int32](r.mem[out[1]])[n*k:(n+1)*k], order)
		})
	})
	return nil
}
