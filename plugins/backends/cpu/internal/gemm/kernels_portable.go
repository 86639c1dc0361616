package gemm

import "github.com/seedbed/seedbed/abi/numerics"

var portable = kernels{mr: 4, nr: 8, tile: tilePortable, packRows: packPortable, transpose: transposePortable, stream: streamPortable}

func tilePortable(t *tileArgs) {
	t.check(4, 8)
	for panel := range t.panels {
		for i := range t.rows {
			a := t.a[panel*t.aPanel+i*t.aRow:][:t.k]
			var p [8]float32
			for k, x := range a {
				b := (*[8]float32)(t.b[8*k:])
				for j := range p {
					p[j] = numerics.FMA(x, b[j], p[j])
				}
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

func packPortable(dst, src []float32, step, n int) { copyRows(dst, 8, src, step, n, 8) }

func transposePortable(dst []float32, dstStep int, src []float32, step, n, _ int) {
	transposeFrom(dst, dstStep, src, step, 0, n, 8)
}

// transposeFrom does the elements [from, n) of the columns.
func transposeFrom(dst []float32, dstStep int, src []float32, step, from, n, nr int) {
	for i := from; i < n; i++ {
		row := dst[i*dstStep:][:nr]
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
