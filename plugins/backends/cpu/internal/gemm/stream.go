package gemm

import "github.com/seedbed/seedbed/abi/numerics"

const (
	// With so few rows, as when a model generates, a product takes as long as reading B once: packing would double that.
	maxStreamRows = 4
	streamRows    = 8 // rows of B that the stream kernel reads side by side

	maxStrip = 1024 // columns; the accumulators stay in the first-level cache
	minStrip = 64
)

// streams says whether the product is better streamed.
func (l *lane) streams() bool {
	p := l.p
	return p.M <= maxStreamRows && p.PackedB == nil && p.K > 0 && p.A.Fill == nil && p.B.Fill == nil && (p.B.ColStride == 1 || p.B.RowStride == 1)
}

// runStream cuts C into strips of columns. Pieces of rows as wide as a strip are read the faster the wider they are; so if there are too few wide
// strips for all workers, these share out the chunks of K as well, and add the chunks' sums, in order, when all are there.
func (l *lane) runStream() error {
	p := l.p
	l.strip, l.chunks = min(roundUp(p.N, minStrip), maxStrip), 1
	strips := func() int { return (p.N + l.strip - 1) / l.strip }
	if workers := l.e.pool.Workers(); l == l.e.shared && workers > 1 {
		if p.B.ColStride == 1 && p.K <= numerics.SuperChunkK {
			l.chunks = (p.K + numerics.ChunkK - 1) / numerics.ChunkK
		}
		for strips()*l.chunks < 3*workers && l.strip > minStrip {
			l.strip = roundUp(l.strip/2, minStrip)
		}
	}
	if l.chunks == 1 {
		return l.each(strips(), l.stripBody)
	}
	l.sums = grow(l.sums, l.chunks*p.M*p.N)
	if err := l.each(strips()*l.chunks, l.chunkBody); err != nil {
		return err
	}
	return l.each(strips(), l.addUpBody)
}

// streamPart computes a chunk of a strip.
func (l *lane) streamPart(worker, i int) {
	p, w := l.p, l.e.scratch[worker]
	chunk, col0 := i%l.chunks, i/l.chunks*l.strip
	k := chunk * numerics.ChunkK
	n := min(numerics.ChunkK, p.K-k)
	l.gatherA(w, k, n)
	for r := range p.M {
		l.streamRow(l.chunkSum(chunk, r)[col0:min(col0+l.strip, p.N)], w.x[r*numerics.ChunkK:][:n], col0, k)
	}
}

// addUp adds up the chunks of a strip.
func (l *lane) addUp(worker, i int) {
	p := l.p
	col0 := i * l.strip
	col1 := min(col0+l.strip, p.N)
	for r := range p.M {
		into := l.c0[r*p.CRow:][col0:col1]
		if !p.Accumulate {
			clear(into)
		}
		for chunk := range l.chunks {
			addTo(into, l.chunkSum(chunk, r)[col0:col1])
		}
	}
	l.finishStrip(worker, col0, col1)
}

// finishStrip hands a strip that is final to the epilogue.
func (l *lane) finishStrip(worker, col0, col1 int) {
	if l.p.Epilogue != nil {
		l.p.Epilogue(Tile{Worker: worker, Item: l.item, Row0: 0, Row1: l.p.M, Col0: col0, Col1: col1})
	}
}

// chunkSum is where the sum of a chunk lies for a row of C.
func (l *lane) chunkSum(chunk, row int) []float32 {
	return l.sums[(chunk*l.p.M+row)*l.p.N:][:l.p.N]
}

func addTo(c, x []float32) {
	for j, s := range x {
		c[j] += s
	}
}

// streamStrip takes a strip through K.
func (l *lane) streamStrip(worker, i int) {
	p, w := l.p, l.e.scratch[worker]
	col0 := i * l.strip
	cols := min(l.strip, p.N-col0)
	c := l.c0[col0:]
	for k, slab := 0, 0; k < p.K; slab++ {
		end := min(k+numerics.SuperChunkK, p.K)
		for first := !p.Accumulate; k < end; first = false {
			n := min(numerics.ChunkK, end-k)
			l.gatherA(w, k, n)
			if p.B.ColStride == 1 {
				l.streamChunk(w, c, col0, cols, k, n, first)
			} else {
				l.transposeChunk(w, c, col0, cols, k, n, first)
			}
			k += n
		}
		if p.K > numerics.SuperChunkK {
			for len(w.partials) < levels(p.K) {
				w.partials = append(w.partials, aligned(maxStreamRows*maxStrip))
			}
			settle(c, p.CRow, p.M, cols, w.partials, 0, maxStrip, slab, k == p.K)
		}
	}
	l.finishStrip(worker, col0, col0+cols)
}

// stream is what a worker needs to stream.
type stream struct {
	x        []float32 // a chunk of A, rows by ChunkK
	acc      []float32
	b        []float32 // a chunk of a column panel, transposed
	partials [][]float32
}

func newStream(nr int) stream {
	return stream{
		x:   aligned(maxStreamRows * numerics.ChunkK),
		acc: aligned(maxStrip),
		b:   aligned(numerics.ChunkK * nr),
	}
}

func (l *lane) gatherA(w *scratch, k, n int) {
	a := l.p.A
	for r := range l.p.M {
		for i := range n {
			w.x[r*numerics.ChunkK+i] = l.a0[r*a.RowStride+(k+i)*a.ColStride]
		}
	}
}

// streamRow computes a chunk of a row of C where rows of B are contiguous.
func (l *lane) streamRow(sums, x []float32, col0, k int) {
	clear(sums)
	l.e.stream(sums, x, l.b0[k*l.p.B.RowStride+col0:], l.p.B.RowStride)
}

// streamChunk adds a chunk where rows of B are contiguous.
func (l *lane) streamChunk(w *scratch, c []float32, col0, cols, k, n int, first bool) {
	p := l.p
	for r := range p.M {
		acc := w.acc[:cols]
		l.streamRow(acc, w.x[r*numerics.ChunkK:][:n], col0, k)
		into := c[r*p.CRow:][:cols]
		if first {
			clear(into)
		}
		addTo(into, acc)
	}
}

// transposeChunk adds a chunk where columns of B are contiguous.
func (l *lane) transposeChunk(w *scratch, c []float32, col0, cols, k, n int, first bool) {
	p, e := l.p, l.e
	for j := 0; j < cols; j += e.nr {
		width := min(e.nr, cols-j)
		e.packPanel(w.b, l.b0[k+(col0+j)*p.B.ColStride:], 1, p.B.ColStride, n, width)
		t := &w.t
		*t = tileArgs{rows: p.M, k: n, panels: 1, a: w.x, aRow: numerics.ChunkK, b: w.b, c: c[j:], cRow: p.CRow, first: first}
		if width < e.nr {
			t.c, t.cRow = w.edge, e.nr
			if !first {
				copyRows(t.c, t.cRow, c[j:], p.CRow, p.M, width)
			}
		}
		t.s, t.sRow = t.c, t.cRow
		e.tile(t)
		if width < e.nr {
			copyRows(c[j:], p.CRow, t.c, t.cRow, p.M, width)
		}
	}
}
