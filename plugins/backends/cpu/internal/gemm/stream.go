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
	return p.M <= maxStreamRows && p.PackedB == nil && p.K > 0 && (p.B.ColStride == 1 || p.B.RowStride == 1)
}

// runStream cuts C into strips of columns.
func (l *lane) runStream() error {
	workers := 1
	if l == l.e.shared {
		workers = l.e.pool.Workers()
	}
	l.strip = min(max(roundUp((l.p.N+2*workers-1)/(2*workers), minStrip), minStrip), maxStrip)
	return l.each((l.p.N+l.strip-1)/l.strip, l.streamBody)
}

// streamStrip computes a strip.
func (l *lane) streamStrip(worker, i int) {
	p, w := l.p, l.e.scratch[worker]
	col0 := i * l.strip
	col1 := min(col0+l.strip, p.N)
	c := l.c0[col0:]
	cols := col1 - col0
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
	if p.Epilogue != nil {
		p.Epilogue(Tile{Worker: worker, Item: l.item, Row0: 0, Row1: p.M, Col0: col0, Col1: col1})
	}
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

// streamChunk adds a chunk where rows of B are contiguous. All rows of A pass a group of B's rows while it is in cache.
func (l *lane) streamChunk(w *scratch, c []float32, col0, cols, k, n int, first bool) {
	p := l.p
	for r := range p.M {
		acc := w.acc[:cols]
		clear(acc)
		x := w.x[r*numerics.ChunkK:][:n]
		l.e.stream(acc, x, l.b0[k*p.B.RowStride+col0:], p.B.RowStride)
		into := c[r*p.CRow:][:cols]
		if first {
			clear(into)
		}
		for j, s := range acc {
			into[j] += s
		}
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
