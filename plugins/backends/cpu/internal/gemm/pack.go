package gemm

// packing is a matrix to be packed into panels, cut into units of some panels by some k for workers to share.
type packing struct {
	dst             []float32
	panel           int // from one panel of dst to the next
	part, partDepth int // from one part of dst to the next, which has the next so many k
	src             []float32
	kStride, stride int // of src: to the next k; to the next row of A or column of B
	n, depth, width int // rows of A or columns of B; k; rows or columns in a panel
	rowStep         int // if not 0, dst keeps rows of A as they are, that far apart
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
	p.unitDepth = min(max(packUnit/(p.unitPanels*p.width)/packDepth, 1)*packDepth, p.partDepth)
	for p.partDepth%p.unitDepth != 0 {
		p.unitDepth -= packDepth
	}
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
			src, n := p.src[k*p.kStride+at*p.stride:], min(p.width, p.n-at)
			dst, within := p.dst[k/p.partDepth*p.part+panel*p.panel:], k%p.partDepth
			if p.rowStep > 0 {
				copyRows(dst[within:], p.rowStep, src, p.stride, n, depth)
			} else {
				e.packPanel(dst[within*p.width:], src, p.kStride, p.stride, depth, n, p.width)
			}
		}
	}
}

// pack packs one unit of the block: of B, or of A.
func (l *lane) pack(_, i int) {
	if i < l.bPacking.units {
		l.bPacking.unit(l.e, i)
	} else {
		l.aPacking.unit(l.e, i-l.bPacking.units)
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
	l.aPacking.units = 0
	l.bPacking = packing{dst: to.data, panel: to.k * l.e.nr, part: l.e.depth * l.e.nr, partDepth: l.e.depth, src: b.Data, kStride: b.RowStride, stride: b.ColStride, n: to.n, depth: to.k, width: l.e.nr}
	l.bPacking.cut()
	defer func() { l.bPacking = packing{} }()
	return l.each(l.bPacking.units, l.packBody)
}
