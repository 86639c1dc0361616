package gemm

import (
	"math/bits"

	"github.com/seedbed/seedbed/abi/numerics"
)

// limits bound a lane's buffers, in elements.
type limits struct {
	a, b     int // packed operands
	part     int // both together, where C is small
	partials int // one level of unfinished sums, where K is more than a super-chunk
}

var (
	sharedLimits = limits{a: 4 << 20, b: 4 << 20, part: 256 << 10, partials: 4 << 20}
	// A worker's own operands should stay in its second-level cache.
	serialLimits = limits{a: 128 << 10, b: 128 << 10, part: 64 << 10, partials: 64 << 10}
)

const (
	tileCols    = 256
	maxTileRows = 96
)

func (e *Engine) tileRows() int { return roundUp(maxTileRows, e.mr) }

// lane is a way to go through a product: its loops and its buffers. A product is cut into blocks of C whose operands fit in the
// buffers; for each super-chunk of K, or less of it where C is small and its operands are long, B and A are packed, and then every tile of
// the block is computed.
type lane struct {
	e      *Engine
	each   func(n int, body func(worker, i int)) error
	limits limits

	a, b     []float32   // packed panels of A and B
	partials [][]float32 // rule 9's tree over super-chunks as a binary counter: level i adds up 2^i of them

	packBody, tileBody              func(worker, i int) // bound once: a loop allocates nothing
	stripBody, chunkBody, addUpBody func(worker, i int)

	// The product.
	p       *Problem
	item    int
	off     Offsets
	a0, b0  []float32 // the item's A and B
	c0      []float32
	copiesA bool
	keepsA  bool   // one block holds all of A, so it is copied once
	aPanels panels // the operands of the block as micro-kernels read them
	bPanels panels

	// The block: rows [m0, m1) and columns [n0, n1) of C, and k0..k1 of K, at most kBlock of them, of super-chunk number slab.
	m0, m1, n0, n1, k0, k1, slab int
	kBlock                       int
	ends, last                   bool // k1 is the end of the super-chunk; of K
	packsB                       bool
	bPacking                     packing
	aCopying                     copying
	tileRows, tileCols, tileDown int

	// A stream.
	strip  int       // columns
	chunks int       // of K that workers share out
	sums   []float32 // of these chunks
}

// panels is a matrix as panels of rows (of A) or columns (of B), panel apart.
type panels struct {
	data       []float32
	panel      int
	row, chunk int // of A: to the next row within a panel, and to the next chunk of k
}

func newLane(e *Engine, each func(int, func(int, int)) error, l limits) *lane {
	x := &lane{e: e, each: each, limits: l}
	x.packBody, x.tileBody = x.pack, x.tile
	x.stripBody, x.chunkBody, x.addUpBody = x.streamStrip, x.streamPart, x.addUp
	return x
}

// run computes one item.
func (l *lane) run(p *Problem, item int) error {
	l.p, l.item, l.off = p, item, p.items()[item]
	l.c0 = p.C[l.off.C:]
	if p.K > 0 { // an empty operand may lie anywhere
		l.a0 = p.A.Data[l.off.A:]
		if p.PackedB == nil {
			l.b0 = p.B.Data[l.off.B:]
		}
	}
	defer func() { l.p, l.a0, l.b0, l.c0, l.aCopying.src, l.bPacking.src = nil, nil, nil, nil, nil, nil }()
	if l.streams() {
		return l.runStream()
	}
	// Kernels read A where it lies, unless its k are not adjacent or its panels reach too far.
	l.copiesA = p.K > 1 && p.A.ColStride != 1 || p.K > 0 && p.N >= minColsToCopyA && crowded(p.A.RowStride, min(p.M, 2*l.e.mr))

	l.kBlock = numerics.SuperChunkK
	if p.PackedB == nil && p.M*p.N <= smallC && p.K*(p.M+p.N) > l.limits.part {
		l.kBlock = min(l.kBlock, max(1, l.limits.part/(p.M+p.N)/numerics.ChunkK)*numerics.ChunkK)
	}
	depth := max(1, min(p.K, l.kBlock))
	nBlock := max(l.limits.b/depth/l.e.nr, 1) * l.e.nr
	if p.PackedB != nil {
		nBlock = p.N
	}
	mBlock := p.M
	if l.copiesA {
		mBlock = max(l.limits.a/depth/l.e.mr, 1) * l.e.mr
	}
	if p.K > numerics.SuperChunkK {
		nBlock = min(nBlock, max(l.limits.partials/8/l.e.nr, 1)*l.e.nr)
		mBlock = min(mBlock, max(l.limits.partials/min(nBlock, p.N)/l.e.mr, 1)*l.e.mr)
	}
	l.keepsA = mBlock >= p.M && p.K <= l.kBlock
	for l.n0 = 0; l.n0 < p.N; l.n0 = l.n1 {
		l.n1 = min(l.n0+nBlock, p.N)
		for l.m0 = 0; l.m0 < p.M; l.m0 = l.m1 {
			l.m1 = min(l.m0+mBlock, p.M)
			if err := l.block(); err != nil {
				return err
			}
		}
	}
	return nil
}

// block takes a block of C through K.
func (l *lane) block() error {
	k := l.p.K
	for l.k0 = 0; ; l.k0 = l.k1 {
		l.slab = l.k0 / numerics.SuperChunkK
		end := min((l.slab+1)*numerics.SuperChunkK, k)
		l.k1 = min(l.k0+l.kBlock, end)
		l.ends, l.last = l.k1 == end, l.k1 == k
		l.packsB = l.p.PackedB == nil && (l.m0 == 0 || k > l.kBlock) // else the block above has packed it
		if err := l.operands(); err != nil {
			return err
		}
		if !l.last {
			l.growPartials()
		}
		if err := l.each(l.planTiles(), l.tileBody); err != nil {
			return err
		}
		if l.last {
			return nil
		}
	}
}

// operands packs what has to be packed.
func (l *lane) operands() error {
	depth := l.k1 - l.k0
	if b := l.p.PackedB; b != nil {
		l.bPanels = panels{data: b.data[min(l.n0*b.k+(l.p.Row0+l.k0)*l.e.nr, len(b.data)):], panel: b.k * l.e.nr} // n0 begins a panel
	} else {
		l.b = grow(l.b, roundUp(l.n1-l.n0, l.e.nr)*depth)
		l.bPanels = panels{data: l.b, panel: depth * l.e.nr}
	}
	l.aCopying.units, l.bPacking.units = 0, 0
	row, col := l.p.A.RowStride, l.p.A.ColStride
	switch {
	case l.copiesA:
		// An odd number of lines: each row begins in another set of the caches.
		step := (roundUp(min(depth, numerics.ChunkK), perLine)/perLine | 1) * perLine
		l.aPanels = panels{panel: step * l.e.mr, row: step, chunk: roundUp(l.m1-l.m0, l.e.mr) * step}
		l.a = grow(l.a, (depth+numerics.ChunkK-1)/numerics.ChunkK*l.aPanels.chunk)
		l.aPanels.data = l.a
		if l.n0 == 0 || !l.keepsA {
			l.aCopying = copying{dst: l.a, row: step, chunk: l.aPanels.chunk, src: l.a0[l.m0*row+l.k0*col:], rowStride: row, colStride: col,
				rows: l.m1 - l.m0, depth: depth}
			l.aCopying.cut()
		}
	case depth > 0:
		l.aPanels = panels{data: l.a0[min(l.m0*row+l.k0*col, len(l.a0)):], panel: l.e.mr * row, row: row, chunk: numerics.ChunkK}
	default: // A is empty and its strides mean nothing
		l.aPanels = panels{}
	}
	if l.packsB && depth > 0 {
		row, col := l.p.B.RowStride, l.p.B.ColStride
		l.bPacking = packing{dst: l.b, panel: l.bPanels.panel, src: l.b0[l.k0*row+l.n0*col:], kStride: row, stride: col,
			n: l.n1 - l.n0, depth: depth, width: l.e.nr}
		l.bPacking.cut()
	}
	if l.aCopying.units+l.bPacking.units == 0 {
		return nil
	}
	return l.each(l.aCopying.units+l.bPacking.units, l.packBody)
}

const (
	// Where C has at most so many elements, going over it for each part of K costs less than packed operands that have left the cache.
	smallC = 128 << 10

	// What this many columns gain by A's rows not crowding is more than copying them takes.
	minColsToCopyA = 128

	// The smallest first-level data cache of processors with AVX2: 32 KiB.
	l1Sets = 64
	l1Ways = 8
)

// crowded says whether so many rows, read side by side, need nearly all ways of a cache set.
func crowded(rowStride, rows int) bool {
	var ways [l1Sets]int
	for r := range rows {
		set := r * rowStride / perLine % l1Sets
		if ways[set]++; ways[set] >= l1Ways {
			return true
		}
	}
	return false
}

// planTiles cuts the block into tiles, enough of them to keep all workers busy to the end, and returns their number.
func (l *lane) planTiles() int {
	m, n := l.m1-l.m0, l.n1-l.n0
	l.tileRows, l.tileCols = l.e.tileRows(), roundUp(tileCols, l.e.nr)
	enough := 1
	if w := l.e.pool.Workers(); l == l.e.shared && w > 1 {
		enough = 32 * w
	}
	count := func() int {
		l.tileDown = (m + l.tileRows - 1) / l.tileRows
		return l.tileDown * ((n + l.tileCols - 1) / l.tileCols)
	}
	for count() < enough && l.tileRows >= 4*l.e.mr {
		l.tileRows = roundUp(l.tileRows/2, l.e.mr)
	}
	return count()
}

// tile computes the i'th tile of the block for one super-chunk and, after the last, finishes it.
func (l *lane) tile(worker, i int) {
	p, e, w := l.p, l.e, l.e.scratch[worker]
	row0 := l.m0 + i%l.tileDown*l.tileRows
	col0 := l.n0 + i/l.tileDown*l.tileCols
	row1, col1 := min(row0+l.tileRows, l.m1), min(col0+l.tileCols, l.n1)
	c := l.c0[row0*p.CRow+col0:]
	rows := row1 - row0
	if p.K == 0 && !p.Accumulate {
		for r := range rows {
			clear(c[r*p.CRow:][:col1-col0])
		}
	}
	t := &w.t
	*t = tileArgs{aRow: l.aPanels.row, aPanel: l.aPanels.panel}
	full, rest := rows/e.mr, rows%e.mr
	a := l.aPanels.data[min((row0-l.m0)/e.mr*t.aPanel, len(l.aPanels.data)):]
	depth := l.k1 - l.k0
	accumulate := p.Accumulate || l.k0%numerics.SuperChunkK != 0
	for k := 0; k < depth; k += numerics.ChunkK {
		end := min(k+numerics.ChunkK, depth)
		t.first = k == 0 && !accumulate
		for j := col0; j < col1; j += e.nr {
			b := l.bPanels.data[(j-l.n0)/e.nr*l.bPanels.panel:]
			cols := min(e.nr, col1-j)
			// Between chunks the sums of a panel lie in one piece: C's rows may be far apart, and crowd a set of the caches.
			sums := w.sums[(j-col0)*rows:]
			out := span{sums, e.nr}
			if end == depth {
				out = span{c[j-col0:], p.CRow}
				if cols < e.nr {
					out = span{w.edge, e.nr}
				}
			}
			in := span{sums, e.nr}
			if k == 0 && accumulate {
				if in = (span{c[j-col0:], p.CRow}); cols < e.nr {
					copyRows(w.edge, e.nr, in.data, in.row, rows, cols)
					in = span{w.edge, e.nr}
				}
			}
			t.k = end - k
			t.b, t.s, t.sRow, t.c, t.cRow = b[k*e.nr:], in.data, in.row, out.data, out.row
			if t.bNext = nil; l.bPanels.panel+k*e.nr < len(b) {
				t.bNext, t.bFetch = b[l.bPanels.panel+k*e.nr:], e.nr*fetchEvery/max(full, 1)
			}
			a := a[k/numerics.ChunkK*l.aPanels.chunk:]
			t.aNext = a
			if full > 0 {
				t.rows, t.panels, t.a = e.mr, full, a
				e.tile(t)
			}
			if rest > 0 {
				if done := full * e.mr; done > 0 {
					t.s, t.c = t.s[min(done*t.sRow, len(t.s)):], t.c[done*t.cRow:]
				}
				t.rows, t.panels, t.a = rest, 1, a[full*t.aPanel:]
				e.tile(t)
			}
			if cols < e.nr && end == depth {
				copyRows(c[j-col0:], p.CRow, w.edge, e.nr, rows, cols)
			}
		}
	}
	if p.K > numerics.SuperChunkK && l.ends {
		width := l.n1 - l.n0
		settle(c, p.CRow, rows, col1-col0, l.partials, (row0-l.m0)*width+col0-l.n0, width, l.slab, l.last)
	}
	if l.last && p.Epilogue != nil {
		p.Epilogue(Tile{Worker: worker, Item: l.item, Row0: row0, Row1: row1, Col0: col0, Col1: col1})
	}
}

// span is rows of a matrix, row apart.
type span struct {
	data []float32
	row  int
}

func copyRows(dst []float32, dstRow int, src []float32, srcRow, rows, cols int) {
	for r := range rows {
		copy(dst[r*dstRow:][:cols], src[r*srcRow:][:cols])
	}
}

// growPartials makes room for the sums that the block's super-chunks leave unfinished.
func (l *lane) growPartials() {
	for len(l.partials) < levels(l.p.K) {
		l.partials = append(l.partials, nil)
	}
	for i := range levels(l.p.K) {
		l.partials[i] = grow(l.partials[i], (l.m1-l.m0)*(l.n1-l.n0))
	}
}

// levels is the depth of the tree over k's super-chunks.
func levels(k int) int { return bits.Len(uint((k - 1) / numerics.SuperChunkK)) }

// settle carries the sum of super-chunk number slab, which c holds, into the tree of rule 9. Level i of partials is in use
// where bit i of slab is set. After the last super-chunk c holds the whole sum.
func settle(c []float32, cRow, rows, cols int, partials [][]float32, at, partialRow, slab int, last bool) {
	for level := 0; ; level++ {
		if slab>>level == 0 && last {
			return
		}
		full := slab>>level&1 != 0
		if !full && last {
			continue
		}
		for r := range rows {
			x, s := c[r*cRow:][:cols], partials[level][at+r*partialRow:][:cols]
			if !full {
				copy(s, x)
				continue
			}
			for j := range x {
				x[j] = s[j] + x[j]
			}
		}
		if !full {
			return
		}
	}
}
