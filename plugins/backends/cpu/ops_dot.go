package cpu

import (
	"slices"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/plugins/backends/cpu/internal/gemm"
	"github.com/seedbed/seedbed/plugins/backends/cpu/internal/vec"
)

// matrices is an operand of dot_general seen as one matrix [rows, cols] for each item of the batch.
type matrices struct {
	ref                  int
	rowStride, colStride int
	items                []int // offsets
}

// contraction is a dot_general, of which operands that have no such form are copied first.
type contraction struct {
	m, n, k int
	l, r    matrices
	batch   []gemm.Offsets
}

func dotGeneral(c *compiler, op *ir.Op) error {
	if d := op.Results[0].DType; d != ir.F32 {
		return unknown(d)
	}
	x := c.contraction(op)
	out := c.out(op)
	c.emit(func(r *run) error { return x.run(r, out, nil) })
	return nil
}

func (c *compiler) contraction(op *ir.Op) *contraction {
	d := ir.DotDimsOf(op.Attrs)
	lt, rt := c.types[op.Operands[0]], c.types[op.Operands[1]]
	lf, rf := d.LHSFree(lt.Rank()), d.RHSFree(rt.Rank())
	x := &contraction{m: product(pick(lt.Shape, lf)), n: product(pick(rt.Shape, rf)), k: product(pick(lt.Shape, d.LHSContract))}
	x.l = c.matrices(op, 0, d.LHSBatch, lf, d.LHSContract)
	x.r = c.matrices(op, 1, d.RHSBatch, d.RHSContract, rf)
	if len(x.l.items) != 1 {
		for i := range x.l.items {
			x.batch = append(x.batch, gemm.Offsets{A: x.l.items[i], B: x.r.items[i], C: i * x.m * x.n})
		}
	}
	return x
}

// run writes the product to out and then runs a chain, if there is one, on each tile of it.
func (x *contraction) run(r *run, out int, then *chain) error {
	if len(r.mem[out]) == 0 {
		return nil
	}
	if x.columns() {
		return x.dotColumns(r, out, then)
	}
	p := &gemm.Problem{
		M: x.m, N: x.n, K: x.k, CRow: x.n, Batch: x.batch, C: r.f32(out),
		A: gemm.Operand{Data: r.f32(x.l.ref), RowStride: x.l.rowStride, ColStride: x.l.colStride},
		B: gemm.Operand{Data: r.f32(x.r.ref), RowStride: x.r.rowStride, ColStride: x.r.colStride},
	}
	if then != nil {
		p.Epilogue = func(t gemm.Tile) { then.onTile(r, t, x.n) }
	}
	return r.b.gemm.Run(p)
}

// columns says whether the product is of one row, as when a model generates, with columns whose elements are adjacent.
func (x *contraction) columns() bool {
	return x.m == 1 && len(x.batch) == 0 && x.l.colStride == 1 && x.r.rowStride == 1 && x.r.colStride >= x.k && vec.CanDotColumns(x.k, x.n)
}

// dotColumns is run for such a product, which takes as long as reading the columns.
func (x *contraction) dotColumns(r *run, out int, then *chain) error {
	const panel, most = vec.DotPanel, 256 // columns
	row, columns, y := r.f32(x.l.ref)[:x.k], r.f32(x.r.ref), r.f32(out)
	parts := max(1, x.n/min(most, max(panel, x.n/(4*r.b.pool.Workers()))))
	return r.b.pool.For(parts, func(worker, i int) {
		lo, hi := i*x.n/parts/panel*panel, (i+1)*x.n/parts/panel*panel
		if i == parts-1 {
			hi = x.n
		}
		vec.DotColumns(y[lo:hi], row, columns[lo*x.r.colStride:], x.r.colStride)
		if then != nil {
			then.run(r, worker, lo, hi)
		}
	})
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
