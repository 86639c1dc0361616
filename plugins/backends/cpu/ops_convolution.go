package cpu

import (
	"slices"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/plugins/backends/cpu/internal/gemm"
)

// Convolutions as matrix products: the elements under each window become a row, padding as +0 (rule 6). The rows exist piece by piece,
// as the product comes to them.

// patches are the rows of a convolution's lhs: one an output, of (taps..., ci) elements.
type patches struct {
	w          ir.Window
	in, out    []int // spatial sizes
	inStrides  []int
	image      int // elements of lhs for each n
	outputs    int // for each n
	channels   int // of lhs
	ci         int // of them in a group
	taps, rows int
	whole      bool // lhs is the rows already
	// lines says that lhs are pictures of which taps of the last dimension lie side by side in memory, without empty positions.
	lines bool
}

func planPatches(w ir.Window, lhs ir.Type, taps, out []int, groups int) patches {
	n := len(taps)
	w.Size = taps
	p := patches{
		w: w, in: lhs.Shape[1 : n+1], out: out, inStrides: lhs.Strides()[1 : n+1], image: product(lhs.Shape[1:]), outputs: product(out),
		channels: lhs.Shape[n+1], ci: lhs.Shape[n+1] / groups, taps: product(taps), rows: lhs.Shape[0] * product(out),
	}
	p.whole = p.taps == 1 && p.outputs == product(p.in)
	p.lines = n == 2 && w.Dilation[1] == 1 && p.ci == p.channels && product(w.BaseDilation) == 1
	for d := range taps {
		p.whole = p.whole && w.Stride[d] == 1 && w.Low[d] == 0 && w.BaseDilation[d] == 1
	}
	return p
}

// fill writes columns col to col + cols of rows row to row + rows, of channels first to first + ci, to dst, where rows are step apart.
func (p *patches) fill(e *gemm.Engine, dst []float32, step int, x []float32, first, row, rows, col, cols int) {
	if p.lines {
		p.fillLines(e, dst, step, x, row, rows, col, cols)
		return
	}
	o, k := make([]int, len(p.out)), make([]int, len(p.out))
	for r := range rows {
		base := (row+r)/p.outputs*p.image + first
		unflatten(o, p.out, (row+r)%p.outputs)
		unflatten(k, p.w.Size, col/p.ci)
		to := dst[r*step:][:cols]
		for from := col % p.ci; len(to) > 0; from = 0 {
			n := min(p.ci-from, len(to))
			if at, inside := tapAt(p.w, p.in, p.inStrides, o, k); inside {
				copy(to[:n], x[base+from+at:])
			} else {
				clear(to[:n])
			}
			to = to[n:]
			next(k, p.w.Size)
		}
	}
}

// fillLines is fill where taps lie in lines: a piece of a line for a row of outputs at a time.
func (p *patches) fillLines(e *gemm.Engine, dst []float32, step int, x []float32, row, rows, col, cols int) {
	height, width := p.in[0], p.in[1]*p.ci // of a picture, in lines and elements
	line, stride := p.w.Size[1]*p.ci, p.w.Stride[1]*p.ci
	for rows > 0 {
		picture, oy, ox := row/p.outputs, row%p.outputs/p.out[1], row%p.out[1]
		side := min(rows, p.out[1]-ox)
		of, top := x[picture*p.image:], oy*p.w.Stride[0]-p.w.Low[0]
		for at := 0; at < cols; {
			i, from := (col+at)/line, (col+at)%line
			n := min(line-from, cols-at)
			d, y := dst[at:], top+i*p.w.Dilation[0]
			at += n
			left := ox*stride - p.w.Low[1]*p.ci + from // where the first output's piece begins
			// Of the outputs [0, side) those before a begin to the left of the picture, and those from b on end to the right of it.
			a, b := side, side
			if uint(y) < uint(height) {
				a = min(max(-left+stride-1, 0)/stride, side)
				b = max(min((width-n-left+stride)/stride, side), a)
			}
			partly := func(lo, hi int) {
				for j := lo; j < hi; j++ {
					to, begin := d[j*step:][:n], left+j*stride
					clear(to)
					if lo, hi := max(-begin, 0), min(n, width-begin); uint(y) < uint(height) && lo < hi {
						copy(to[lo:hi], of[y*width+begin+lo:])
					}
				}
			}
			partly(0, a)
			if a < b {
				e.CopyRows(d[a*step:], step, of[y*width+left+a*stride:], stride, b-a, n)
			}
			partly(b, side)
		}
		dst, row, rows = dst[min(side*step, len(dst)):], row+side, rows-side
	}
}

// phaseElements is the size of a block of a phase's result, which the cache holds until it is copied to its places. Tests make it smaller.
var phaseElements = 1 << 19

func convolution(c *compiler, op *ir.Op) error {
	lhs, rhs, out := c.types[op.Operands[0]], c.types[op.Operands[1]], op.Results[0]
	groups, n := op.Attrs.Int("feature_group_count"), lhs.Rank()-2
	p := planPatches(ir.WindowOf(op.Attrs), lhs, rhs.Shape[:n], out.Shape[1:n+1], groups)
	depth, channels := p.taps*p.ci, out.Shape[n+1]
	width := channels / groups
	a, b := c.in(op, 0), c.in(op, 1)
	if list := p.phases(); list != nil {
		deepest := 1
		for _, f := range list {
			deepest = max(deepest, f.deepest)
		}
		block := min(max(phaseElements/max(width, 1), 1), max(p.rows, 1))
		sums, weights := c.temp(4*block*width), c.temp(4*deepest*width)
		result := c.out(op)
		c.emit(func(r *run) error {
			for g := range groups {
				if err := p.phased(r, list, block, r.f32(sums), r.f32(weights), r.f32(a), r.f32(b), r.f32(result), channels, g, width); err != nil {
					return err
				}
			}
			return nil
		})
		return nil
	}
	result := c.out(op)
	c.emit(func(r *run) error {
		x, w, y := r.f32(a), r.f32(b), r.f32(result)
		if len(y) == 0 {
			return nil
		}
		for g := range groups {
			q := gemm.Problem{M: p.rows, N: width, K: depth, CRow: channels, C: y[g*width:]}
			if depth > 0 {
				q.A = p.operand(r.b.gemm, x, g*p.ci)
				q.B = gemm.Operand{Data: w[g*width:], RowStride: channels, ColStride: 1}
			}
			if err := r.b.gemm.Run(&q); err != nil {
				return err
			}
		}
		return nil
	})
	return nil
}

// operand is the rows of channels first to first + ci as a matrix.
func (p *patches) operand(e *gemm.Engine, x []float32, first int) gemm.Operand {
	if p.whole {
		return gemm.Operand{Data: x[first:], RowStride: p.channels, ColStride: 1}
	}
	o := gemm.Operand{
		Fill: func(dst []float32, step, row, rows, col, cols int) {
			p.fill(e, dst, step, x, first, row, rows, col, cols)
		},
	}
	if p.lines && slices.Equal(p.in, p.out) { // one row's elements lie as far from the next one's as pixels do
		line := p.w.Size[1] * p.ci
		o.RowStride = p.ci
		o.From = func(row, col int) []float32 {
			at := row*p.ci + (col/line*p.w.Dilation[0]-p.w.Low[0])*p.in[1]*p.ci + col%line - p.w.Low[1]*p.ci
			return x[min(max(at, 0), len(x)-1):]
		}
	}
	return o
}

func convolutionFilterGrad(c *compiler, op *ir.Op) error {
	lhs, ct, out := c.types[op.Operands[0]], c.types[op.Operands[1]], op.Results[0]
	groups, n := op.Attrs.Int("feature_group_count"), lhs.Rank()-2
	p := planPatches(ir.WindowOf(op.Attrs), lhs, out.Shape[:n], ct.Shape[1:n+1], groups)
	channels := ct.Shape[n+1]
	width := channels / groups
	a, b := c.in(op, 0), c.in(op, 1)
	depth := p.taps * p.ci
	// Of the operands one is transposed to be read by the kernels and one is not, which takes less: the narrower is, unless it is the rows
	// that exist piece by piece alone. The product is then the transposed gradient, its terms the same.
	turned := !p.whole || depth > width && p.rows > 4*width
	m, n := depth, width
	if turned {
		m, n = width, depth
	}
	// finish writes a group's gradient [m, n] where it belongs.
	finish := strided{shape: []int{depth, width}, dst: []int{channels, 1}, src: []int{1, n}}.mover()
	scratch := none
	if turned {
		scratch = c.temp(4 * m * n)
	}
	result := c.out(op)
	c.emit(func(r *run) error {
		x, dy, dw := r.f32(a), r.f32(b), r.f32(result)
		if len(dw) == 0 {
			return nil
		}
		for g := range groups {
			q := gemm.Problem{M: m, N: n, K: p.rows, CRow: channels, C: dw[g*width:]}
			if turned {
				q.CRow, q.C = n, r.f32(scratch)
			}
			if p.rows > 0 {
				q.A, q.B = p.operand(r.b.gemm, x, g*p.ci), gemm.Operand{Data: dy[g*width:], RowStride: channels, ColStride: 1}
				if turned {
					q.A, q.B = q.B, q.A
				}
				q.A.RowStride, q.A.ColStride = q.A.ColStride, q.A.RowStride
			}
			err := r.b.gemm.Run(&q)
			if err == nil && turned {
				err = finish(r, dw[g*width:], q.C)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	return nil
}
