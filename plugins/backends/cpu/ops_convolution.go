package cpu

import (
	"cmp"
	"math/bits"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/numerics"
	"github.com/seedbed/seedbed/plugins/backends/cpu/internal/gemm"
	"github.com/seedbed/seedbed/plugins/backends/cpu/internal/vec"
)

// Convolutions as matrix products: the elements under each window become a row, padding as +0 (rule 6). The rows exist a block at a
// time, small enough to be still in the cache when the product reads them.

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

// fill writes a row's patch, of channels first to first + ci.
func (p *patches) fill(dst, x []float32, row, first int, o, k []int) {
	base := row/p.outputs*p.image + first
	unflatten(o, p.out, row%p.outputs)
	for range p.taps {
		at, inside := base, true
		for d := range k {
			i, ok := p.w.At(d, p.in[d], o[d], k[d])
			if !ok {
				inside = false
				break
			}
			at += i * p.inStrides[d]
		}
		if inside {
			copy(dst[:p.ci], x[at:])
		} else {
			clear(dst[:p.ci])
		}
		dst = dst[p.ci:]
		next(k, p.w.Size)
	}
}

// fillRows is fill for as many rows as dst holds, where taps lie in lines.
func (p *patches) fillRows(dst, x []float32, row int) {
	height, width := p.in[0], p.in[1]*p.ci // of a picture, in lines and elements
	line, lines := p.w.Size[1]*p.ci, p.w.Size[0]
	step, down := p.w.Stride[1]*p.ci, p.w.Dilation[0]
	picture, oy, ox := row/p.outputs, row%p.outputs/p.out[1], row%p.out[1]
	for len(dst) > 0 {
		of := x[picture*p.image:]
		top, left := oy*p.w.Stride[0]-p.w.Low[0], ox*step-p.w.Low[1]*p.ci
		a := min(max(-left, 0), line) // of a line elements [a, b) are in the picture
		b := max(min(line, width-left), a)
		for i, y := 0, top; i < lines; i, y = i+1, y+down {
			d := dst[:line]
			dst = dst[line:]
			switch {
			case uint(y) >= uint(height) || a == b:
				clear(d)
			case b-a == line:
				copy(d, of[y*width+left:])
			default:
				clear(d[:a])
				copy(d[a:b], of[y*width+left+a:])
				clear(d[b:])
			}
		}
		if ox++; ox == p.out[1] {
			ox = 0
			if oy++; oy == p.out[0] {
				oy, picture = 0, picture+1
			}
		}
	}
}

// gather writes the rows lo to hi.
func (p *patches) gather(r *run, dst, x []float32, lo, hi, first int) error {
	width := p.taps * p.ci
	return r.split(hi-lo, max(1, grain/max(1, width)), func(a, b int) {
		if p.lines {
			p.fillRows(dst[a*width:b*width], x, lo+a)
			return
		}
		o, k := make([]int, len(p.out)), make([]int, len(p.out))
		for i := a; i < b; i++ {
			p.fill(dst[i*width:(i+1)*width], x, lo+i, first, o, k)
		}
	})
}

// patchElements is the size of a block of patches: what the cache holds beside the other operand. Tests make it smaller.
var patchElements = 1 << 19

func convolution(c *compiler, op *ir.Op) error {
	lhs, rhs, out := c.types[op.Operands[0]], c.types[op.Operands[1]], op.Results[0]
	groups, n := op.Attrs.Int("feature_group_count"), lhs.Rank()-2
	p := planPatches(ir.WindowOf(op.Attrs), lhs, rhs.Shape[:n], out.Shape[1:n+1], groups)
	depth, channels := p.taps*p.ci, out.Shape[n+1]
	width := channels / groups
	block := min(max(patchElements/max(depth, 1), 1), p.rows)
	a, b := c.in(op, 0), c.in(op, 1)
	if list := p.phases(); list != nil {
		deepest := 1
		for _, f := range list {
			deepest = max(deepest, f.deepest)
		}
		block := min(max(patchElements/deepest, 1), max(p.rows, 1))
		rows, sums, weights := c.temp(4*block*deepest), c.temp(4*block*width), c.temp(4*deepest*width)
		result := c.out(op)
		c.emit(func(r *run) error {
			for g := range groups {
				if err := p.phased(r, list, block, r.f32(rows), r.f32(sums), r.f32(weights), r.f32(a), r.f32(b), r.f32(result), channels, g, width); err != nil {
					return err
				}
			}
			return nil
		})
		return nil
	}
	var rows int
	if !p.whole {
		rows = c.temp(4 * block * depth)
	}
	result := c.out(op)
	var packed *gemm.PackedB
	c.emit(func(r *run) error {
		x, w, y := r.f32(a), r.f32(b), r.f32(result)
		if len(y) == 0 {
			return nil
		}
		for g := range groups {
			q := gemm.Problem{M: p.rows, N: width, K: depth, CRow: channels, C: y[g*width:]}
			if depth > 0 {
				q.B = gemm.Operand{Data: w[g*width:], RowStride: channels, ColStride: 1}
			}
			if p.whole {
				if depth > 0 {
					q.A = gemm.Operand{Data: x[g*p.ci:], RowStride: p.channels, ColStride: 1}
				}
				if err := r.b.gemm.Run(&q); err != nil {
					return err
				}
				continue
			}
			if block < p.rows {
				var err error
				if packed, err = r.b.gemm.PackB(depth, width, q.B, packed); err != nil {
					return err
				}
				q.PackedB = packed
			}
			q.A = gemm.Operand{Data: r.f32(rows), RowStride: depth, ColStride: 1}
			for lo := 0; lo < p.rows; lo += block {
				hi := min(lo+block, p.rows)
				if err := p.gather(r, q.A.Data, x, lo, hi, g*p.ci); err != nil {
					return err
				}
				q.M, q.C = hi-lo, y[lo*channels+g*width:]
				if err := r.b.gemm.Run(&q); err != nil {
					return err
				}
			}
		}
		return nil
	})
	return nil
}

func convolutionFilterGrad(c *compiler, op *ir.Op) error {
	lhs, ct, out := c.types[op.Operands[0]], c.types[op.Operands[1]], op.Results[0]
	groups, n := op.Attrs.Int("feature_group_count"), lhs.Rank()-2
	p := planPatches(ir.WindowOf(op.Attrs), lhs, out.Shape[:n], ct.Shape[1:n+1], groups)
	channels := ct.Shape[n+1]
	width := channels / groups
	a, b := c.in(op, 0), c.in(op, 1)
	depth := p.taps * p.ci
	// Of the operands one is transposed to be read by the kernels and one is not, which takes less: the narrower is. The product is then
	// the transposed gradient, its terms the same; there must be many rows for that to be worth turning it.
	turned := depth > width && p.rows > 4*width
	m, n := depth, width
	if turned {
		m, n = width, depth
	}
	// finish writes a group's gradient [m, n] where it belongs.
	place := strided{shape: []int{depth, width}, dst: []int{channels, 1}, src: []int{n, 1}}
	if turned {
		place.src = []int{1, n}
	}
	finish := place.mover()
	if p.whole {
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
					l, r := gemm.Operand{Data: x[g*p.ci:], RowStride: p.channels, ColStride: 1}, gemm.Operand{Data: dy[g*width:], RowStride: channels, ColStride: 1}
					if turned {
						l, r = r, l
					}
					q.A, q.B = gemm.Operand{Data: l.Data, RowStride: 1, ColStride: l.RowStride}, r
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
	// The sum runs over the rows, a block at a time: chunks of rule 5, from which a super-chunk's sum is made in place. Those of several
	// super-chunks form the tree of rule 9.
	block := min(max(patchElements/max(depth, 1)/numerics.ChunkK, 1)*numerics.ChunkK, numerics.SuperChunkK)
	supers := max((p.rows+numerics.SuperChunkK-1)/numerics.SuperChunkK, 1)
	rows := c.temp(4 * min(block, p.rows) * depth)
	sums := c.temp(4 * bits.Len(uint(supers)) * depth * width)
	result := c.out(op)
	c.emit(func(r *run) error {
		x, dy, dw, partial := r.f32(a), r.f32(b), r.f32(result), r.f32(sums)
		if len(dw) == 0 {
			return nil
		}
		var free [][]float32
		for i := range bits.Len(uint(supers)) {
			free = append(free, partial[i*depth*width:][:depth*width])
		}
		for g := range groups {
			var failed error
			tree := numerics.NewTreeAcc(func(left, right []float32) []float32 {
				err := r.split(len(left), grain, func(lo, hi int) { vec.AddInto(left[lo:hi], right[lo:hi]) })
				failed = cmp.Or(failed, err)
				free = append(free, right)
				return left
			})
			for k := 0; k < p.rows || k == 0; k += numerics.SuperChunkK {
				sum := free[len(free)-1]
				free = free[:len(free)-1]
				if p.rows == 0 {
					clear(sum)
				}
				end := min(k+numerics.SuperChunkK, p.rows)
				for lo := k; lo < end; lo += block {
					hi := min(lo+block, end)
					if err := p.gather(r, r.f32(rows), x, lo, hi, g*p.ci); err != nil {
						return err
					}
					q := gemm.Problem{M: m, N: n, K: hi - lo, C: sum, CRow: n, Accumulate: lo > k}
					patches, cts := r.f32(rows), dy[lo*channels+g*width:]
					if turned {
						q.A, q.B = gemm.Operand{Data: cts, RowStride: 1, ColStride: channels}, gemm.Operand{Data: patches, RowStride: depth, ColStride: 1}
					} else {
						q.A, q.B = gemm.Operand{Data: patches, RowStride: 1, ColStride: depth}, gemm.Operand{Data: cts, RowStride: channels, ColStride: 1}
					}
					if err := r.b.gemm.Run(&q); err != nil {
						return err
					}
				}
				tree.Push(sum)
			}
			sum, _ := tree.Result()
			if failed != nil {
				return failed
			}
			free = append(free, sum)
			if err := finish(r, dw[g*width:], sum); err != nil {
				return err
			}
		}
		return nil
	})
	return nil
}
