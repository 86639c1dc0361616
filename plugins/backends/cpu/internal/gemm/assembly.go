//go:build amd64 || arm64

package gemm

import (
	"unsafe"

	"github.com/seedbed/seedbed/abi/numerics"
)

// The signatures of the assembly: steps in bytes.
type (
	tileFunc      func(k, panels int, a, aNext *float32, aRow, aPanel int, b, bNext *float32, bFetch int, s *float32, sRow int, c *float32, cRow int, first bool)
	packFunc      func(dst, src *float32, step, n int)
	transposeFunc func(dst *float32, dstStep int, src *float32, step, n, ahead int)
	streamFunc    func(acc, x, b *float32, bRow, n int)
)

const size = 4 // bytes of a float32

// assembly wraps assembly so that it checks bounds and finishes what is less than the wide elements that streams take at a time.
func assembly(mr, nr, wide int, tiles []tileFunc, packRows packFunc, transpose transposeFunc, stream8, stream1 streamFunc) kernels {
	return kernels{
		mr: mr, nr: nr,
		tile: func(t *tileArgs) {
			t.check(mr, nr)
			bNext := unsafe.SliceData(t.bNext)
			if bNext == nil { // kernels fetch in any case: what is there costs least
				bNext = &t.b[0]
			}
			tiles[t.rows-1](t.k, t.panels, &t.a[0], unsafe.SliceData(t.aNext), t.aRow*size, t.aPanel*size, &t.b[0], bNext, t.bFetch*size,
				unsafe.SliceData(t.s), t.sRow*size, &t.c[0], t.cRow*size, t.first)
		},
		packRows: func(dst, src []float32, step, n int) {
			if n < 1 || step < 0 {
				return
			}
			_, _ = dst[n*nr-1], src[(n-1)*step+nr-1]
			packRows(&dst[0], &src[0], step*size, n)
		},
		transpose: func(dst []float32, dstStep int, src []float32, step, n, ahead int) {
			if n < 1 || step < 0 || dstStep < 0 {
				return
			}
			_, _ = dst[(n-1)*dstStep+nr-1], src[(nr-1)*step+n-1]
			if n >= 8 {
				transpose(&dst[0], dstStep*size, &src[0], step*size, n/8, ahead*size)
			}
			transposeFrom(dst, dstStep, src, step, n&^7, n, nr)
		},
		stream: func(acc, x, b []float32, step int) {
			if len(acc) == 0 || len(x) == 0 {
				return
			}
			_ = b[(len(x)-1)*step+len(acc)-1]
			vectors := len(acc) / wide
			for r := 0; r < len(x); {
				rows, f := 1, stream1
				if len(x)-r >= streamRows {
					rows, f = streamRows, stream8
				}
				if vectors > 0 {
					f(&acc[0], &x[r], &b[r*step], step*size, vectors)
				}
				r += rows
			}
			for j := vectors * wide; j < len(acc); j++ {
				for r, x := range x {
					acc[j] = numerics.FMA(x, b[r*step+j], acc[j])
				}
			}
		},
	}
}
