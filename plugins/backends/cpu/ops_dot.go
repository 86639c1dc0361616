package cpu

import (
	"slices"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/plugins/backends/cpu/internal/gemm"
)

// matrices is an operand of dot_general seen as one matrix [rows, cols] for each item of the batch.
type matrices struct {
	ref                  int
	rowStride, colStride int
	items                []int // offsets
}

func dotGeneral(c *compiler, op *ir.Op) error {
	if d := op.Results[0].DType; d != ir.F32 {
		return unknown(d)
	}
	d := ir.DotDimsOf(op.Attrs)
	lt, rt := c.types[op.Operands[0]], c.types[op.Operands[1]]
	lf, rf := d.LHSFree(lt.Rank()), d.RHSFree(rt.Rank())
	m, n, k := product(pick(lt.Shape, lf)), product(pick(rt.Shape, rf)), product(pick(lt.Shape, d.LHSContract))
	l := c.matrices(op, 0, d.LHSBatch, lf, d.LHSContract)
	r := c.matrices(op, 1, d.RHSBatch, d.RHSContract, rf)
	out := c.out(op)
	var batch []gemm.Offsets
	if len(l.items) != 1 {
		for i := range l.items {
			batch = append(batch, gemm.Offsets{A: l.items[i], B: r.items[i], C: i * m * n})
		}
	}
	c.emit(func(x *run) error {
		if len(x.mem[out]) == 0 {
			return nil
		}
		return x.b.gemm.Run(&gemm.Problem{
			M: m, N: n, K: k, CRow: n, Batch: batch, C: x.f32(out),
			A: gemm.Operand{Data: x.f32(l.ref), RowStride: l.rowStride, ColStride: l.colStride},
			B: gemm.Operand{Data: x.f32(r.ref), RowStride: r.rowStride, ColStride: r.colStride},
		})
	})
	return nil
}

// matrices describes an operand by strides where its dimensions allow it, and otherwise copies it first.
func (c *compiler) matrices(op *ir.Op, i int, batch, rows, cols []int) matrices {
	t := c.types[op.Operands[i]]
	strides := t.Strides()
	x := matrices{ref: c.in(op, i)}
	var ok [2]bool
	x.rowStride, ok[0] = collapse(pick(t.Shape, rows), pick(strides, rows))
	x.colStride, ok[1] = collapse(pick(t.Shape, cols), pick(strides, cols))
	batchStrides := pick(strides, batch)
	if !ok[0] || !ok[1] {
		order := slices.Concat(batch, rows, cols)
		shape := pick(t.Shape, order)
		packed := ir.T(ir.F32, shape...).Strides()
		move := strided{shape: shape, dst: packed, src: pick(strides, order)}.copier(4)
		used, from := c.used[:len(c.used)-1], x.ref
		c.used = []int{from}
		to := c.temp(t.Bytes())
		c.emit(func(r *run) error { return move(r, r.mem[to], r.mem[from]) })
		c.used = append(used, to)
		x = matrices{ref: to, rowStride: product(pick(t.Shape, cols)), colStride: 1}
		batchStrides = packed[:len(batch)]
	}
	x.items = []int{0}
	for b, d := range batch {
		var next []int
		for _, at := range x.items {
			for j := range t.Shape[d] {
				next = append(next, at+j*batchStrides[b])
			}
		}
		x.items = next
	}
	return x
}

// collapse returns the one stride that steps through dimensions in row-major order, if there is one.
func collapse(sizes, strides []int) (stride int, ok bool) {
	stride, span := 1, 1 // for no dimensions: never stepped
	seen := false
	for i := len(sizes) - 1; i >= 0; i-- {
		switch {
		case sizes[i] == 1:
		case !seen:
			stride, span, seen = strides[i], strides[i]*sizes[i], true
		case strides[i] != span:
			return 0, false
		default:
			span *= sizes[i]
		}
	}
	return stride, true
}
