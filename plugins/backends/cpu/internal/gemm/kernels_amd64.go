package gemm

import (
	"unsafe"

	"github.com/seedbed/seedbed/abi/numerics"
	"github.com/seedbed/seedbed/plugins/backends/cpu/internal/isa"
)

func kernelsFor(p isa.Path) *kernels {
	switch p {
	case isa.AVX2:
		return &avx2
	case isa.AVX512:
		return &avx512
	}
	return &portable
}

var (
	avx2 = assembly(6, 16, 8,
		[]tileFunc{tile1_avx2, tile2_avx2, tile3_avx2, tile4_avx2, tile5_avx2, tile6_avx2},
		packRows_avx2, transpose_avx2, stream8_avx2, stream1_avx2)
	avx512 = assembly(14, 32, 16,
		[]tileFunc{
			tile1_avx512, tile2_avx512, tile3_avx512, tile4_avx512, tile5_avx512, tile6_avx512, tile7_avx512,
			tile8_avx512, tile9_avx512, tile10_avx512, tile11_avx512, tile12_avx512, tile13_avx512, tile14_avx512,
		},
		packRows_avx512, transpose_avx512, stream8_avx512, stream1_avx512)
)

// The signatures of the assembly: steps in bytes.
type (
	tileFunc      func(k, panels int, a, aNext *float32, aRow, aPanel int, b, bNext *float32, bFetch int, s *float32, sRow int, c *float32, cRow int, first bool)
	packFunc      func(dst, src *float32, step, n int)
	transposeFunc func(dst *float32, dstStep int, src *float32, step, n int)
	streamFunc    func(acc, x, b *float32, bRow, n int)
)

const size = 4 // bytes of a float32

// assembly wraps assembly so that it checks bounds and finishes what is less than a vector.
func assembly(mr, nr, lanes int, tiles []tileFunc, packRows packFunc, transpose transposeFunc, stream8, stream1 streamFunc) kernels {
	return kernels{
		mr: mr, nr: nr,
		tile: func(t *tileArgs) {
			t.check(mr, nr)
			tiles[t.rows-1](t.k, t.panels, &t.a[0], unsafe.SliceData(t.aNext), t.aRow*size, t.aPanel*size, &t.b[0], unsafe.SliceData(t.bNext), t.bFetch*size,
				unsafe.SliceData(t.s), t.sRow*size, &t.c[0], t.cRow*size, t.first)
		},
		packRows: func(dst, src []float32, step, n int) {
			if n < 1 || step < 0 {
				return
			}
			_, _ = dst[n*nr-1], src[(n-1)*step+nr-1]
			packRows(&dst[0], &src[0], step*size, n)
		},
		transpose: func(dst []float32, dstStep int, src []float32, step, n int) {
			if n < 1 || step < 0 || dstStep < 0 {
				return
			}
			_, _ = dst[(n-1)*dstStep+nr-1], src[(nr-1)*step+n-1]
			if n >= 8 {
				transpose(&dst[0], dstStep*size, &src[0], step*size, n/8)
			}
			transposeFrom(dst, dstStep, src, step, n&^7, n, nr)
		},
		stream: func(acc, x, b []float32, step int) {
			if len(acc) == 0 || len(x) == 0 {
				return
			}
			_ = b[(len(x)-1)*step+len(acc)-1]
			vectors := len(acc) / lanes
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
			for j := vectors * lanes; j < len(acc); j++ {
				for r, x := range x {
					acc[j] = numerics.FMA(x, b[r*step+j], acc[j])
				}
			}
		},
	}
}
