package gemm

import (
	"math/bits"
	"sync/atomic"

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

	// Tiles of a few rows of C whose A is copied are as tall as the second-level cache has room for.
	tallRows = 128
	tallCols = 128
	maxTall  = 2 // below each other
)

func (e *Engine) tileRows() int { return roundUp(maxTileRows, e.mr) }
func (e *Engine) tallRows() int { return roundUp(tallRows, e.mr) }

// lane is a way to go through a product: its loops and its buffers. A product is cut into blocks of C whose operands fit in the
// buffers; for each super-chunk of K, or less of it where C is small and its operands are long, every tile of the block is computed.
// Operands are packed, piece by piece, by whoever needs a piece first.
type lane struct {
	e      *Engine
	each   func(n int, body func(worker, i int)) error
	limits limits

	a, b     []float32   // packed panels of A and B
	partials [][]float32 // rule 9's tree over super-chunks as a binary counter: level i adds up 2^i of them

	aPieces, bPieces piecesOf // by row tile, or column panel, and chunk

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
	aThere  bool   // an earlier block has copied it
	tall    bool   // tiles are tall: so few need a piece of B that each worker packs its own, which its cache keeps
	aPanels panels // the operands of the block as micro-kernels read them
	bPanels panels

	// The block: rows [m0, m1) and columns [n0, n1) of C, and k0..k1 of K, at most kBlock of them, of super-chunk number slab.
	m0, m1, n0, n1, k0, k1, slab int
	kBlock                       int
	ends, last                   bool // k1 is the end of the super-chunk; of K
	bPacking                     packing
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
		if p.A.Fill == nil {
			l.a0 = p.A.Data[l.off.A:]
		}
		if p.PackedB == nil && p.B.Fill == nil {
			l.b0 = p.B.Data[l.off.B:]
		}
	}
	defer func() { l.p, l.a0, l.b0, l.c0 = nil, nil, nil, nil }()
	if l.streams() {
		return l.runStream()
	}
	// Kernels read A where it lies, unless its k are not adjacent or its panels reach too far.
	l.copiesA = p.A.Fill == nil && (p.K > 1 && p.A.ColStride != 1 || p.K > 0 && p.N >= minColsToCopyA && crowded(p.A.RowStride, min(p.M, 2*l.e.mr)))

	l.kBlock = numerics.SuperChunkK
	if p.PackedB == nil && p.M*p.N <= smallC && p.K*(p.M+p.N) > l.limits.part {
		l.kBlock = min(l.kBlock, max(1, l.limits.part/(p.M+p.N)/numerics.ChunkK)*numerics.ChunkK)
	}
	depth := max(1, min(p.K, l.kBlock))
	nBlock := max(l.limits.b/depth/l.e.nr, 1) * l.e.nr
	l.tall = l.copiesA && p.PackedB == nil && p.M <= maxTall*l.e.tallRows()
	if l.tall || p.PackedB != nil {
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
		tiles := l.planTiles()
		l.operands()
		if !l.last {
			l.growPartials()
		}
		if err := l.each(tiles, l.tileBody); err != nil {
			return err
		}
		if l.last {
			return nil
		}
	}
}

// operands says where the block's operands lie, or will.
func (l *lane) operands() {
	depth := l.k1 - l.k0
	chunks := (depth + numerics.ChunkK - 1) / numerics.ChunkK
	if b := l.p.PackedB; b != nil {
		l.bPanels = panels{data: b.data[min(l.n0*b.k+(l.p.Row0+l.k0)*l.e.nr, len(b.data)):], panel: b.k * l.e.nr} // n0 begins a panel
	} else if !l.tall {
		l.b = grow(l.b, roundUp(l.n1-l.n0, l.e.nr)*depth)
		l.bPanels = panels{data: l.b, panel: depth * l.e.nr}
		if l.m0 == 0 || l.p.K > l.kBlock { // else the block above has packed it
			l.bPieces.reset((l.n1-l.n0+l.e.nr-1)/l.e.nr, chunks)
		}
	}
	row, col := l.p.A.RowStride, l.p.A.ColStride
	// Copied rows are an odd number of lines apart: each begins in another set of the caches.
	step := (roundUp(min(depth, numerics.ChunkK), perLine)/perLine | 1) * perLine
	switch {
	case l.p.A.Fill != nil:
		l.aPanels = panels{panel: step * l.e.mr, row: step}
	case l.copiesA:
		l.aPanels = panels{panel: step * l.e.mr, row: step, chunk: roundUp(l.m1-l.m0, l.e.mr) * step}
		l.a = grow(l.a, chunks*l.aPanels.chunk)
		l.aPanels.data = l.a
		if l.aThere = l.keepsA && l.n0 > 0; !l.aThere {
			l.aPieces.reset(l.tileDown, chunks)
		}
	case depth > 0:
		l.aPanels = panels{data: l.a0[min(l.m0*row+l.k0*col, len(l.a0)):], panel: l.e.mr * row, row: row, chunk: numerics.ChunkK}
	default: // A is empty and its strides mean nothing
		l.aPanels = panels{}
	}
}

// piecesOf is how far each piece of an operand is packed.
type piecesOf struct {
	chunks int
	state  []atomic.Uint32
}

const (
	free = iota
	taken
	ready
)

func (p *piecesOf) reset(rows, chunks int) {
	if p.chunks = chunks; len(p.state) < rows*chunks {
		p.state = make([]atomic.Uint32, rows*chunks)
	}
	for i := range p.state[:rows*chunks] {
		p.state[i].Store(free)
	}
}

func (p *piecesOf) at(row, k int) *atomic.Uint32 { return &p.state[row*p.chunks+k/numerics.ChunkK] }

// take says whether a piece is there, and if not whether the caller is to pack it, and then to mark it as ready. Else another worker is at
// it, and the caller packs its own: that takes microseconds, and waiting as long as the other may have lost its processor.
func (p *piecesOf) take(row, k int) (there, mine bool) {
	state := p.at(row, k)
	if state.Load() == ready {
		return true, false
	}
	return false, state.CompareAndSwap(free, taken)
}

// sourceOfB is where the chunk at k of a column panel is packed from.
func (l *lane) sourceOfB(panel, k int) []float32 {
	b := &l.p.B
	if b.Fill != nil {
		return b.From(b.row+l.k0+k, b.col+l.n0+panel*l.e.nr)
	}
	return l.b0[(l.k0+k)*b.RowStride+(l.n0+panel*l.e.nr)*b.ColStride:]
}

// chunkOfB returns the chunk at k of a column panel, packed.
func (l *lane) chunkOfB(w *scratch, panel, k, depth int) []float32 {
	if l.tall {
		l.pieceOfB(w.b, panel, k, depth)
		return w.b
	}
	b := l.bPanels.data[panel*l.bPanels.panel+k*l.e.nr:]
	if l.p.PackedB != nil {
		return b
	}
	there, mine := l.bPieces.take(panel, k)
	if there {
		return b
	}
	if !mine {
		b = w.b
	}
	l.pieceOfB(b, panel, k, depth)
	if mine {
		l.bPieces.at(panel, k).Store(ready)
	}
	return b
}

// pieceOfB packs the chunk at k of a column panel.
func (l *lane) pieceOfB(dst []float32, panel, k, depth int) {
	b, nr := &l.p.B, l.e.nr
	cols := min(nr, l.n1-l.n0-panel*nr)
	if b.Fill == nil {
		l.e.packPanel(dst, l.sourceOfB(panel, k), b.RowStride, b.ColStride, depth, cols)
		return
	}
	if cols < nr {
		clear(dst[:depth*nr])
	}
	b.Fill(dst, nr, b.row+l.k0+k, depth, b.col+l.n0+panel*nr, cols)
}

// chunkOfA returns the chunk at k of a tile's rows, row the first of them within the block, copied if A has to be.
func (l *lane) chunkOfA(w *scratch, row, rows, k, depth int) []float32 {
	if f := l.p.A.Fill; f != nil {
		w.a = grow(w.a, rows*l.aPanels.row)
		f(w.a, l.aPanels.row, l.p.A.row+l.m0+row, rows, l.p.A.col+l.k0+k, depth)
		return w.a
	}
	a := l.aPanels.data[min(row/l.e.mr*l.aPanels.panel+k/numerics.ChunkK*l.aPanels.chunk, len(l.aPanels.data)):]
	if !l.copiesA || l.aThere {
		return a
	}
	there, mine := l.aPieces.take(row/l.tileRows, k)
	if there {
		return a
	}
	if !mine {
		w.a = grow(w.a, rows*l.aPanels.row)
		a = w.a
	}
	l.copyA(a, row, rows, k, depth)
	if mine {
		l.aPieces.at(row/l.tileRows, k).Store(ready)
	}
	return a
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

// planTiles cuts the block into tiles, enough of them to keep all workers busy to the end, and returns their number. A smaller tile reads
// its column panels more often, and another worker's cache has packed more of them.
func (l *lane) planTiles() int {
	m, n := l.m1-l.m0, l.n1-l.n0
	l.tileRows, l.tileCols = l.e.tileRows(), roundUp(tileCols, l.e.nr)
	if l.tall {
		l.tileRows, l.tileCols = l.e.tallRows(), roundUp(tallCols, l.e.nr)
	}
	if m > l.tileRows {
		l.tileRows = Even(m, l.tileRows, l.e.mr)
	}
	enough := 1
	if w := l.e.pool.Workers(); l == l.e.shared && w > 1 {
		enough = 6 * w
	}
	count := func() int {
		l.tileDown = (m + l.tileRows - 1) / l.tileRows
		return l.tileDown * ((n + l.tileCols - 1) / l.tileCols)
	}
	for l.tall && count() < enough && l.tileCols >= 8*l.e.nr {
		l.tileCols = roundUp(l.tileCols/2, l.e.nr)
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
	depth := l.k1 - l.k0
	accumulate := p.Accumulate || l.k0%numerics.SuperChunkK != 0
	// Workers that are at the same columns begin at different panels: what one has packed is there when another comes to it.
	panels := (col1 - col0 + e.nr - 1) / e.nr
	start := worker * panels / e.pool.Workers()
	panel0 := (col0 - l.n0) / e.nr
	for k := 0; k < depth; k += numerics.ChunkK {
		end := min(k+numerics.ChunkK, depth)
		t.k = end - k
		t.first = k == 0 && !accumulate
		a := l.chunkOfA(w, row0-l.m0, rows, k, t.k)
		for i := range panels {
			panel := (start + i) % panels
			j := col0 + panel*e.nr
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
			t.a, t.b = a, l.chunkOfB(w, panel0+panel, k, t.k)
			if t.aNext = nil; i == 0 { // else it was read just now
				t.aNext = a
			}
			t.s, t.sRow, t.c, t.cRow = in.data, in.row, out.data, out.row
			t.bNext, t.bFetch = nil, 0
			fetching := full
			if next := panel0 + (panel+1)%panels; i+1 < panels {
				fetching = l.fetchB(t, next, k, full)
			} else if end < depth {
				fetching = l.fetchB(t, next, end, full)
			}
			e.column(t, full, rest, fetching)
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

// fetchB has kernels fetch the chunk at k of a column panel, and returns during how many of their full row panels: the packed chunk, or the
// rows of B that it will be packed from.
func (l *lane) fetchB(t *tileArgs, panel, k, full int) int {
	if l.p.PackedB != nil || !l.tall && l.bPieces.at(panel, k).Load() == ready {
		t.bNext, t.bFetch = l.bPanels.data[panel*l.bPanels.panel+k*l.e.nr:], l.e.nr*fetchEvery/max(full, 1)
		return full
	}
	if l.p.B.From == nil && l.p.B.ColStride != 1 { // columns, which the hardware fetches
		return full
	}
	t.bNext, t.bFetch = l.sourceOfB(panel, k), l.p.B.RowStride
	rows := min(numerics.ChunkK, l.k1-l.k0-k)
	return (rows*fetchEvery + t.k - 1) / t.k
}

// column multiplies full row panels, and one of rest rows, with a column panel, and fetches bNext during the first of them.
func (e *Engine) column(t *tileArgs, full, rest, fetching int) {
	a, s, c, next := t.a, t.s, t.c, t.aNext
	fetching = min(fetching, full)
	for _, part := range [...]struct{ first, panels, rows int }{
		{0, fetching, e.mr},
		{fetching, full - fetching, e.mr},
		{full, min(rest, 1), rest},
	} {
		if part.panels == 0 {
			continue
		}
		t.panels, t.rows = part.panels, part.rows
		t.a, t.s, t.c = a[part.first*t.aPanel:], s[min(part.first*e.mr*t.sRow, len(s)):], c[part.first*e.mr*t.cRow:]
		if t.aNext = next; next != nil && part.first+part.panels < full {
			t.aNext = a[(part.first+part.panels)*t.aPanel:]
		}
		e.tile(t)
		t.bNext, t.bFetch = nil, 0
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
