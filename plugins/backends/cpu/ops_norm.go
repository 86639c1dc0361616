package cpu

import (
	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/numerics"
	"github.com/seedbed/seedbed/plugins/backends/cpu/internal/vec"
)

// Gradients of norms need each row once: for its own cotangent, and for the sums over rows that are those of weight and bias. By
// rule 7 row i of a block of 4096 adds to lane i mod 32, so workers take lanes, each with all of its rows.

const lanes = 32

// rowSums accumulates sums over the rows of matrices with cols columns, kinds of them at once.
type rowSums struct {
	cols, kinds     int
	partial, blocks int // refs: the lanes of a block; the sums of blocks
	scratch         int
}

func (c *compiler) rowSums(rows, cols, kinds int) rowSums {
	s := rowSums{cols: cols, kinds: kinds}
	s.partial = c.temp(4 * kinds * lanes * cols)
	s.blocks = c.temp(4 * kinds * max(1, (rows+numerics.SumBlock-1)/numerics.SumBlock) * cols)
	s.scratch = c.temp(4 * vec.ColumnScratch)
	return s
}

// sum calls row for each of rows, in order within a lane, with the lane of each kind to add to, and writes the sums to out.
func (s *rowSums) sum(r *run, rows int, row func(i int, to [][]float32), out ...[]float32) error {
	partial, blocks := r.f32(s.partial), r.f32(s.blocks)
	n := max(1, (rows+numerics.SumBlock-1)/numerics.SumBlock)
	for b := range n {
		first, last := b*numerics.SumBlock, min(rows, (b+1)*numerics.SumBlock)
		err := r.b.pool.For(lanes, func(_, lane int) {
			to := make([][]float32, s.kinds)
			for k := range to {
				to[k] = partial[(k*lanes+lane)*s.cols:][:s.cols]
				clear(to[k])
			}
			for i := first + lane; i < last; i += lanes {
				row(i, to)
			}
		})
		if err != nil {
			return err
		}
		for k := range s.kinds {
			l := partial[k*lanes*s.cols : (k+1)*lanes*s.cols]
			for w := lanes / 2 * s.cols; w >= s.cols && w > 0; w /= 2 {
				vec.AddInto(l[:w], l[w:2*w])
			}
			copy(blocks[(k*n+b)*s.cols:][:s.cols], l)
		}
	}
	for k := range s.kinds {
		sums := blocks[k*n*s.cols : (k+1)*n*s.cols]
		if n == 1 {
			copy(out[k], sums)
		} else {
			vec.SumColumns(out[k], sums, r.f32(s.scratch))
		}
	}
	return nil
}

func layerNormGrad(c *compiler, op *ir.Op) error {
	t := op.Results[0]
	if t.DType != ir.F32 {
		return unknown(t.DType)
	}
	cols := t.Shape[t.Rank()-1]
	rows := product(t.Shape[:t.Rank()-1])
	in := [5]int{c.in(op, 0), c.in(op, 1), c.in(op, 2), c.in(op, 3), c.in(op, 4)}
	sums := c.rowSums(rows, cols, 2)
	out := c.outs(op)
	c.emit(func(r *run) error {
		dy, x, weight, mean, rstd, dx := r.f32(in[0]), r.f32(in[1]), r.f32(in[2]), r.f32(in[3]), r.f32(in[4]), r.f32(out[0])
		n := float32(cols)
		err := sums.sum(r, rows, func(i int, to [][]float32) {
			g, x, dx := dy[i*cols:(i+1)*cols], x[i*cols:(i+1)*cols], dx[i*cols:(i+1)*cols]
			sum, along := vec.LayerNormGradSums(to[0], to[1], g, x, weight, mean[i], rstd[i], lanes*cols)
			vec.LayerNormGradRow(dx, g, weight, x, mean[i], rstd[i], sum/n, along/n)
		}, r.f32(out[1]), r.f32(out[2]))
		if t.Rank() == 1 {
			// A sum over no dimensions is no sum: it keeps the sign of zero.
			copy(r.f32(out[2]), dy)
		}
		return err
	})
	return nil
}
