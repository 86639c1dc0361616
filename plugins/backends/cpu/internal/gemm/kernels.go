package gemm

// kernels is one path's inner loops. They work on slices and are given what they need and no more; assembly is entered only after
// its operands' bounds were checked against the slices.
type kernels struct {
	mr, nr int // rows and columns of the micro-kernel

	tile func(t *tileArgs)
	// packRows copies n rows of nr adjacent elements, step apart.
	packRows func(dst, src []float32, step, n int)
	// transpose writes element i of column j, at src[j*step+i], to dst[i*dstStep+j] for i < n and j < nr. If it can it fetches what lies ahead
	// elements further on, unless that is 0.
	transpose func(dst []float32, dstStep int, src []float32, step, n, ahead int)
	// stream adds x[0]*row 0, x[1]*row 1, ... to acc, in that order; row r is b[r*step:][:len(acc)].
	stream func(acc, x, b []float32, step int)
}

// tileArgs says what a micro-kernel does: for each of a number of row panels, of rows <= mr each, C = (first ? +0 : S) + A B over k
// steps, at most a chunk.
type tileArgs struct {
	rows, k, panels int
	a               []float32 // element (i, k) of panel p is a[p*aPanel + i*aRow + k]
	aRow, aPanel    int
	b               []float32 // element (k, j) is b[k*nr + j]
	s               []float32 // element (i, j) of panel p is s[(p*rows+i)*sRow + j]; unused if first
	sRow            int
	c               []float32 // element (i, j) of panel p is c[(p*rows+i)*cRow + j]
	cRow            int
	first           bool

	// What kernels that can fetch into the caches meanwhile: while at a panel of A the next one, and while at the last aNext, as far
	// from row to row, unless that is nil; and bNext, unless that is nil, bFetch more every fetchEvery k.
	aNext, bNext []float32
	bFetch       int
}

const fetchEvery = 8 // k

// check panics, as any index out of range does, unless all elements that t names are in its slices.
func (t *tileArgs) check(mr, nr int) {
	if t.rows < 1 || t.rows > mr || t.k < 1 || t.panels < 1 || t.aRow < 0 || t.aPanel < 0 || t.sRow < 0 || t.cRow < 0 {
		panic("gemm: micro-kernel arguments out of range")
	}
	_ = t.a[(t.panels-1)*t.aPanel+(t.rows-1)*t.aRow+t.k-1]
	_ = t.b[t.k*nr-1]
	if !t.first {
		_ = t.s[(t.panels*t.rows-1)*t.sRow+nr-1]
	}
	_ = t.c[(t.panels*t.rows-1)*t.cRow+nr-1]
}
