package gemm

// pack packs one unit: some panels of B, or some of A.
func (l *lane) pack(_, i int) {
	if i < l.bUnits {
		b, first := l.p.B, i*l.bUnit
		for panel := first; panel < first+l.bUnit; panel++ {
			if col := l.n0 + panel*l.e.nr; col < l.n1 {
				src := l.b0[l.k0*b.RowStride+col*b.ColStride:]
				l.e.packPanel(l.b[panel*l.bPanels.panel:], src, b.RowStride, b.ColStride, l.k1-l.k0, min(l.e.nr, l.n1-col), l.e.nr)
			}
		}
		return
	}
	a, first := l.p.A, (i-l.bUnits)*l.aUnit
	for panel := first; panel < first+l.aUnit; panel++ {
		if row := l.m0 + panel*l.e.mr; row < l.m1 {
			src := l.a0[l.k0*a.ColStride+row*a.RowStride:]
			l.e.packPanel(l.a[panel*l.aPanels.panel:], src, a.ColStride, a.RowStride, l.k1-l.k0, min(l.e.mr, l.m1-row), l.e.mr)
		}
	}
}

// packPanel writes element (k, j), at src[k*kStride+j*stride], to dst[k*width+j] for k < depth and j < n, and zeros for n <= j < width
// (rule 6).
func (e *Engine) packPanel(dst, src []float32, kStride, stride, depth, n, width int) {
	switch {
	case depth == 0:
	case stride == 1 && n == width && width == e.nr:
		e.packB(dst, src, kStride, depth)
	case stride == 1 && n == width:
		e.packA(dst, src, kStride, depth)
	case kStride == 1 && n == width && width == e.nr:
		e.transposeB(dst, src, stride, depth)
	default:
		for k := range depth {
			row := dst[k*width:][:width]
			clear(row[n:])
			for j := range n {
				row[j] = src[k*kStride+j*stride]
			}
		}
	}
}

// packAll packs a whole B.
func (l *lane) packAll(to *PackedB, b Operand) error {
	nr := l.e.nr
	return l.each((to.n+nr-1)/nr, func(_, panel int) {
		col := panel * nr
		l.e.packPanel(to.data[panel*to.k*nr:], b.Data[col*b.ColStride:], b.RowStride, b.ColStride, to.k, min(nr, to.n-col), nr)
	})
}
