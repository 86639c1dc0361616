package gemm

// kernels is one path's inner loops. They work on slices and are given what they need and no more; assembly is entered only after
// its operands' bounds were checked against the slices.
type kernels struct {
	mr, nr int // rows and columns of the micro-kernel
	depth  int // k that a micro-kernel takes at a time, so that a panel of B stays in the first-level cache; a chunk at most

	tile func(t *tileArgs)
	// packA copies n rows of mr adjacent elements, step apart; packB the same for nr.
	packA, packB func(dst, src []float32, step, n int)
	// transposeB writes element i of column j, at src[j*step+i], to dst[i*nr+j] for i < n and j < nr.
	transposeB func(dst, src []float32, step, n int)
	// stream adds x[0]*row 0, x[1]*row 1, ... to acc, in that order; row r is b[r*step:][:len(acc)].
	stream func(acc, x, b []float32, step int)
}

// tileArgs says what a micro-kernel does: for each of a number of row panels, of rows <= mr each, C = (first ? +0 : S) + A B over k
// steps, at most a chunk. A chunk may come in parts: all but the last keep their sums in partial, all but the first resume from it.
type tileArgs struct {
	rows, k, panels    int
	a                  []float32 // element (i, k) of panel p is a[p*aPanel + i*aRow + k*aCol]
	aRow, aCol, aPanel int
	b                  []float32 // element (k, j) is b[k*nr + j]
	s                  []float32 // element (i, j) of panel p is s[(p*rows+i)*sRow + j]; unused if first or keep
	sRow               int
	c                  []float32 // element (i, j) of panel p is c[(p*rows+i)*cRow + j]; unused if keep
	cRow               int
	first              bool
	partial            []float32 // panels of rows by nr
	resume, keep       bool

	// To be fetched into the cache meanwhile, by kernels that can: bNext, which may be empty, and the panel of A that follows, which
	// lies in one piece. Both steps are those after fetchEvery k.
	bNext          []float32
	aFetch, bFetch int
}

const fetchEvery = 4 // k

// check panics, as any index out of range does, unless all elements that t names are in its slices.
func (t *tileArgs) check(mr, nr int) {
	if t.rows < 1 || t.rows > mr || t.k < 1 || t.panels < 1 || t.aRow < 0 || t.aCol < 0 || t.aPanel < 0 || t.sRow < 0 || t.cRow < 0 {
		panic("gemm: micro-kernel arguments out of range")
	}
	_ = t.a[(t.panels-1)*t.aPanel+(t.rows-1)*t.aRow+(t.k-1)*t.aCol]
	_ = t.b[t.k*nr-1]
	if t.resume || t.keep {
		_ = t.partial[t.panels*t.rows*nr-1]
	}
	if t.keep {
		return
	}
	if !t.first {
		_ = t.s[(t.panels*t.rows-1)*t.sRow+nr-1]
	}
	_ = t.c[(t.panels*t.rows-1)*t.cRow+nr-1]
}
