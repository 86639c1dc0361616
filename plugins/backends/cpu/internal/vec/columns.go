package vec

import "github.com/seedbed/seedbed/abi/numerics"

// ColumnTile is the number of columns summed together: their 32 lanes take 16 KiB.
const ColumnTile = 128

// ColumnScratch is the number of floats that SumColumns and SumColumnProducts need to work in.
const ColumnScratch = columnLevels * lanes * ColumnTile

// Level n+1 takes the sums of level n's full blocks: three levels hold 2^36 rows.
const columnLevels = 3

// Terms are what is summed over columns: the elements of A, row-major like B; with B their products; with Mean, a row, the squares of
// A - Mean; with B, Mean and Rstd the products A * ((B - Mean) * Rstd). Products and squares are added by a fused multiply-add.
type Terms struct{ A, B, Mean, Rstd []float32 }

// SumColumns writes the sum (rule 7) of each column of a, a row-major matrix with len(dst) columns. scratch has at least
// ColumnScratch elements; its contents do not matter.
func SumColumns(dst, a []float32, scratch []float32) {
	SumTerms(dst, Terms{A: a}, 0, len(dst), scratch)
}

// SumTerms writes the sums of columns first to first + len(dst) of matrices of cols.
func SumTerms(dst []float32, t Terms, first, cols int, scratch []float32) {
	if cols == 0 {
		mustEqual(len(t.A), 0)
		return
	}
	if first < 0 || first+len(dst) > cols {
		panic("vec: columns outside the matrix")
	}
	rows := len(t.A) / cols
	mustEqual(len(t.A), rows*cols)
	if t.B != nil {
		mustEqual(len(t.B), len(t.A))
	}
	for _, row := range [][]float32{t.Mean, t.Rstd} {
		if row != nil {
			mustEqual(len(row), cols)
		}
	}
	s := columnSums{scratch: scratch[:ColumnScratch]}
	for c := 0; c < len(dst); c += ColumnTile {
		n := min(ColumnTile, len(dst)-c)
		s.reset()
		for r := 0; r < rows; r += block {
			s.open(0)
			s.n[0] = min(block, rows-r)
			t.from(r*cols, first+c).add(s.level(0), s.n[0], n, cols)
		}
		copy(dst[c:c+n], s.sum())
	}
}

// from cuts off what comes before a row and a column.
func (t Terms) from(row, col int) Terms {
	cut := func(x []float32, at int) []float32 {
		if x == nil {
			return nil
		}
		return x[at:]
	}
	return Terms{cut(t.A, row+col), cut(t.B, row+col), cut(t.Mean, col), cut(t.Rstd, col)}
}

// add adds rows to the lanes l.
func (t Terms) add(l []float32, rows, cols, stride int) {
	about, products := t.Mean != nil, t.B != nil
	if active != nil {
		switch {
		case about && products:
			active.addColumnProductsAbout(ptr(l), ptr(t.A), ptr(t.B), ptr(t.Mean), ptr(t.Rstd), rows, cols, stride)
		case about:
			active.addColumnSquaresAbout(ptr(l), ptr(t.A), ptr(t.Mean), rows, cols, stride)
		case products:
			active.addColumnProducts(ptr(l), ptr(t.A), ptr(t.B), rows, cols, stride)
		default:
			active.addColumns(ptr(l), ptr(t.A), rows, cols, stride)
		}
		return
	}
	for r := range rows {
		lane := l[r%lanes*ColumnTile:]
		for c, x := range t.A[r*stride : r*stride+cols] {
			switch {
			case about && products:
				lane[c] = numerics.FMA(x, float32(t.B[r*stride+c]-t.Mean[c])*t.Rstd[c], lane[c])
			case about:
				d := x - t.Mean[c]
				lane[c] = numerics.FMA(d, d, lane[c])
			case products:
				lane[c] = numerics.FMA(x, t.B[r*stride+c], lane[c])
			default:
				lane[c] += x
			}
		}
	}
}

// columnSums is blockSums for a tile of columns at once.
type columnSums struct {
	scratch []float32
	n       [columnLevels]int
}

func (s *columnSums) level(i int) []float32 {
	return s.scratch[i*lanes*ColumnTile : (i+1)*lanes*ColumnTile]
}

func (s *columnSums) reset() {
	clear(s.scratch)
	s.n = [columnLevels]int{}
}

// open makes room for another element (at level 0: another block) at a level.
func (s *columnSums) open(level int) {
	if s.n[level] == block {
		s.close(level)
	}
}

func (s *columnSums) close(level int) {
	v := foldColumns(s.level(level))
	s.open(level + 1)
	lane := s.n[level+1] % lanes * ColumnTile
	AddInto(s.level(level + 1)[lane:lane+ColumnTile], v)
	s.n[level+1]++
	clear(s.level(level))
	s.n[level] = 0
}

func (s *columnSums) sum() []float32 {
	top := columnLevels - 1
	for top > 0 && s.n[top] == 0 {
		top--
	}
	for level := range top {
		s.close(level)
	}
	return foldColumns(s.level(top))
}

func foldColumns(l []float32) []float32 {
	for w := lanes / 2 * ColumnTile; w >= ColumnTile; w /= 2 {
		AddInto(l[:w], l[w:2*w])
	}
	return l[:ColumnTile]
}
