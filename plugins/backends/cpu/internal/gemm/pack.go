package gemm

// packing is a matrix B to be packed into panels, cut into units of some panels by some k for workers to share.
type packing struct {
	dst             []float32
	panel           int // from one panel of dst to the next
	src             []float32
	kStride, stride int // of src: to the next k; to the next column
	n, depth, width int // columns; k; columns in a panel
	unitPanels      int
	unitDepth       int
	unitsDown       int
	units           int
}

const (
	packUnit  = 16 << 10 // elements to pack at a time
	packCols  = 256      // of them side by side, where they are adjacent: enough for the hardware to fetch ahead,
	packDepth = 16       // with few enough rows at once to stay within the first-level cache and TLB
)

// cut fixes the units.
func (p *packing) cut() {
	p.unitPanels = 1
	if p.stride == 1 {
		p.unitPanels = max(1, packCols/p.width)
	}
	p.unitDepth = max(packUnit/(p.unitPanels*p.width)/packDepth, 1) * packDepth
	p.unitsDown = (p.depth + p.unitDepth - 1) / p.unitDepth
	perUnit := p.unitPanels * p.width
	p.units = p.unitsDown * ((p.n + perUnit - 1) / perUnit)
}

// unit packs the i'th unit.
func (p *packing) unit(e *Engine, i int) {
	first, k0 := i/p.unitsDown*p.unitPanels, i%p.unitsDown*p.unitDepth
	last := min(first+p.unitPanels, (p.n+p.width-1)/p.width)
	k1 := min(k0+p.unitDepth, p.depth)
	step := k1 - k0
	if p.unitPanels > 1 {
		step = packDepth
	}
	for k := k0; k < k1; k += step {
		depth := min(step, k1-k)
		for panel := first; panel < last; panel++ {
			at := panel * p.width
			e.packPanel(p.dst[panel*p.panel+k*p.width:], p.src[k*p.kStride+at*p.stride:], p.kStride, p.stride, depth, min(p.width, p.n-at))
		}
	}
}

// copyA copies that many rows of A from row of the block, and depth k of them from k, to dst: panels of rows in one piece, rows dense.
func (l *lane) copyA(dst []float32, row, rows, k, depth int) {
	step, rowStride, colStride := l.aPanels.row, l.p.A.RowStride, l.p.A.ColStride
	src := l.a0[(l.m0+row)*rowStride+(l.k0+k)*colStride:]
	if colStride == 1 {
		copyRows(dst, step, src, rowStride, rows, depth)
		return
	}
	nr := l.e.nr
	for k := 0; k < depth; k += nr {
		dst, src := dst[k:], src[k*colStride:]
		if rowStride == 1 && depth-k >= nr {
			l.e.transpose(dst, step, src, colStride, rows, nr*colStride)
			continue
		}
		for r := range rows {
			for i := range min(nr, depth-k) {
				dst[r*step+i] = src[r*rowStride+i*colStride]
			}
		}
	}
}

// packPanel writes element (k, j), at src[k*kStride+j*stride], to dst[k*nr+j] for k < depth and j < n, and zeros for n <= j < nr
// (rule 6).
func (e *Engine) packPanel(dst, src []float32, kStride, stride, depth, n int) {
	switch {
	case depth == 0:
	case stride == 1 && n == e.nr:
		e.packRows(dst, src, kStride, depth)
	case kStride == 1 && n == e.nr:
		e.transpose(dst, e.nr, src, stride, depth, 0)
	default:
		for k := range depth {
			row := dst[k*e.nr:][:e.nr]
			clear(row[n:])
			for j := range n {
				row[j] = src[k*kStride+j*stride]
			}
		}
	}
}

// pack packs one unit of a whole B.
func (l *lane) pack(_, i int) { l.bPacking.unit(l.e, i) }

// packAll packs a whole B.
func (l *lane) packAll(to *PackedB, b Operand) error {
	l.bPacking = packing{dst: to.data, panel: to.k * l.e.nr, src: b.Data, kStride: b.RowStride, stride: b.ColStride, n: to.n, depth: to.k, width: l.e.nr}
	l.bPacking.cut()
	defer func() { l.bPacking = packing{} }()
	return l.each(l.bPacking.units, l.packBody)
}

// CopyRows copies rows of cols elements, as a Fill does: fastest to where a panel of B is packed.
func (e *Engine) CopyRows(dst []float32, dstRow int, src []float32, srcRow, rows, cols int) {
	if cols == e.nr && dstRow == cols {
		e.packRows(dst, src, srcRow, rows)
		return
	}
	copyRows(dst, dstRow, src, srcRow, rows, cols)
}
