package gemm

import "github.com/seedbed/seedbed/abi/numerics"

var portable = kernels{
	mr: 4, nr: 8, depth: numerics.ChunkK,
	tile:       tilePortable,
	packA:      packRows(4),
	packB:      packRows(8),
	transposeB: transposePortable,
	stream:     streamPortable,
}

func tilePortable(t *tileArgs) {
	t.check(4, 8)
	for panel := range t.panels {
		for i := range t.rows {
			a := t.a[panel*t.aPanel+i*t.aRow:]
			var p [8]float32
			if t.resume {
				p = [8]float32(t.partial[8*(panel*t.rows+i):])
			}
			for k := range t.k {
				x, b := a[k*t.aCol], (*[8]float32)(t.b[8*k:])
				for j := range p {
					p[j] = numerics.FMA(x, b[j], p[j])
				}
			}
			if t.keep {
				copy(t.partial[8*(panel*t.rows+i):], p[:])
				continue
			}
			var s [8]float32
			if !t.first {
				s = [8]float32(t.s[(panel*t.rows+i)*t.sRow:])
			}
			c := (*[8]float32)(t.c[(panel*t.rows+i)*t.cRow:])
			for j := range p {
				c[j] = s[j] + p[j]
			}
		}
	}
}

func packRows(width int) func(dst, src []float32, step, n int) {
	return func(dst, src []float32, step, n int) {
		for i := range n {
			copy(dst[i*width:][:width], src[i*step:][:width])
		}
	}
}

func transposePortable(dst, src []float32, step, n int) { transposeFrom(dst, src, step, 0, n, 8) }

// transposeFrom does the elements [from, n) of the columns.
func transposeFrom(dst, src []float32, step, from, n, nr int) {
	for i := from; i < n; i++ {
		row := dst[i*nr:][:nr]
		for j := range row {
			row[j] = src[j*step+i]
		}
	}
}

func streamPortable(acc, x, b []float32, step int) {
	for r, x := range x {
		row := b[r*step:][:len(acc)]
		for j := range acc {
			acc[j] = numerics.FMA(x, row[j], acc[j])
		}
	}
}
