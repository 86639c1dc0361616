package cpu

import (
	"slices"

	"github.com/seedbed/seedbed/abi/numerics"
	"github.com/seedbed/seedbed/plugins/backends/cpu/internal/gemm"
)

// A convolution of an operand with empty positions between its elements, as the input's gradient of a strided one is, meets an element
// with few of its taps. Which ones is the same for all outputs of a phase: those whose coordinates leave the same remainders when divided
// by the base dilation. Each phase is a product with rows of its taps alone. Chunks of rule 5 stay those of all taps: what is left out of
// one adds nothing to its chain.

// phase is the outputs o = first + j * step of a convolution, by dimension, and the taps that meet elements there.
type phase struct {
	first, sizes []int
	outputs      int // for each n
	chunks       []phaseChunk
	deepest      int // of chunks
}

// phaseChunk is what is left of a chunk of rule 5.
type phaseChunk struct {
	pieces []phasePiece
	depth  int
}

// phasePiece is channels [from, to) of a tap.
type phasePiece struct {
	tap      []int
	number   int // of the tap
	from, to int
}

// phases returns those of a convolution, or nil where there is one alone or its sum is too long for chunks.
func (p *patches) phases() []phase {
	if p.taps*p.ci > numerics.SuperChunkK || product(p.w.BaseDilation) == 1 || p.ci == 0 {
		return nil
	}
	for d, s := range p.w.Stride {
		if s != 1 || p.w.BaseDilation[d] > p.out[d] {
			return nil
		}
	}
	var list []phase
	n := len(p.out)
	first := make([]int, n)
	for {
		x := phase{first: slices.Clone(first), sizes: make([]int, n)}
		for d := range n {
			x.sizes[d] = (p.out[d] - first[d] + p.w.BaseDilation[d] - 1) / p.w.BaseDilation[d]
		}
		x.outputs = product(x.sizes)
		x.chunks = make([]phaseChunk, (p.taps*p.ci+numerics.ChunkK-1)/numerics.ChunkK)
		tap := make([]int, n)
		for number := range p.taps {
			unflatten(tap, p.w.Size, number)
			meets := true
			for d := range n {
				meets = meets && mod(first[d]+tap[d]*p.w.Dilation[d]-p.w.Low[d], p.w.BaseDilation[d]) == 0
			}
			if !meets {
				continue
			}
			for from := 0; from < p.ci; {
				k := number*p.ci + from
				to := min(p.ci, from+numerics.ChunkK-k%numerics.ChunkK)
				c := &x.chunks[k/numerics.ChunkK]
				c.pieces = append(c.pieces, phasePiece{slices.Clone(tap), number, from, to})
				c.depth += to - from
				x.deepest = max(x.deepest, c.depth)
				from = to
			}
		}
		list = append(list, x)
		if !next(first, p.w.BaseDilation) {
			return list
		}
	}
}

func mod(a, n int) int { return ((a % n) + n) % n }

// phased runs a convolution by its phases. sums is scratch for block rows of the result, weights for the deepest chunk of rhs.
func (p *patches) phased(r *run, list []phase, block int, sums, weights, x, w, y []float32, channels, g, width int) error {
	images := p.rows / max(p.outputs, 1)
	for i := range list {
		f := &list[i]
		total := images * f.outputs
		for lo := 0; lo < total; lo += block {
			hi := min(lo+block, total)
			clear(sums[:(hi-lo)*width])
			begun := false
			for _, c := range f.chunks {
				if c.depth == 0 {
					continue
				}
				at := 0
				for _, piece := range c.pieces {
					for k := piece.from; k < piece.to; k++ {
						copy(weights[at*width:(at+1)*width], w[(piece.number*p.ci+k)*channels+g*width:])
						at++
					}
				}
				rows := func(dst []float32, step, row, rows, _, _ int) { // of a chunk all columns are asked for at once
					o := make([]int, len(f.sizes))
					for i := range rows {
						p.phaseRow(dst[i*step:][:c.depth], x, f, &c, lo+row+i, g*p.ci, o)
					}
				}
				err := r.b.gemm.Run(&gemm.Problem{
					M: hi - lo, N: width, K: c.depth, C: sums, CRow: width, Accumulate: begun,
					A: gemm.Operand{Fill: rows}, B: gemm.Operand{Data: weights, RowStride: width, ColStride: 1},
				})
				if err != nil {
					return err
				}
				begun = true
			}
			err := r.split(hi-lo, max(1, grain/max(1, width)), func(a, b int) {
				o := make([]int, len(f.sizes))
				for row := a; row < b; row++ {
					unflatten(o, f.sizes, (lo+row)%f.outputs)
					to := (lo + row) / f.outputs
					for d := range o {
						to = to*p.out[d] + f.first[d] + o[d]*p.w.BaseDilation[d]
					}
					copy(y[to*channels+g*width:][:width], sums[row*width:][:width])
				}
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// phaseRow writes a chunk of the patch of one output of a phase.
func (p *patches) phaseRow(dst, x []float32, f *phase, c *phaseChunk, row, first int, o []int) {
	unflatten(o, f.sizes, row%f.outputs)
	for d := range o {
		o[d] = f.first[d] + o[d]*p.w.BaseDilation[d]
	}
	base := row/f.outputs*p.image + first
	for i := range c.pieces {
		piece := &c.pieces[i]
		n := piece.to - piece.from
		if at, inside := tapAt(p.w, p.in, p.inStrides, o, piece.tap); inside {
			copy(dst[:n], x[base+piece.from+at:])
		} else {
			clear(dst[:n])
		}
		dst = dst[n:]
	}
}
