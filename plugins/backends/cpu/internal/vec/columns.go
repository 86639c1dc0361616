package vec

import "github.com/seedbed/seedbed/abi/numerics"

// ColumnTile is the number of columns summed together: their 32 lanes take 16 KiB.
const ColumnTile = 128

// ColumnScratch is the number of floats that SumColumns and SumColumnProducts need to work in.
const ColumnScratch = columnLevels * lanes * ColumnTile

// Level n+1 takes the sums of level n's full blocks: three levels hold 2^36 rows.
const columnLevels = 3

// SumColumns writes the sum (rule 7) of each column of a, a row-major matrix with len(dst) columns. scratch has at least
// ColumnScratch elements; its contents do not matter.
func SumColumns(dst, a []float32, scratch []float32) {
	SumColumnsFrom(dst, a, nil, 0, len(dst), scratch)
}

// SumColumnProducts writes the sum of a*b over each column, each product added by a fused multiply-add.
func SumColumnProducts(dst, a, b []float32, scratch []float32) {
	mustEqual(len(b), len(a))
	SumColumnsFrom(dst, a, b, 0, len(dst), scratch)
}

// SumColumnsFrom is SumColumns, or with b not nil SumColumnProducts, for columns first to first + len(dst) of a matrix of cols.
func SumColumnsFrom(dst, a, b []float32, first, cols int, scratch []float32) {
	if cols == 0 {
		mustEqual(len(a), 0)
		return
	}
	if first < 0 || first+len(dst) > cols {
		panic("vec: columns outside the matrix")
	}
	rows := len(a) / cols
	mustEqual(len(a), rows*cols)
	if b != nil {
		mustEqual(len(b), len(a))
	}
	s := columnSums{scratch: scratch[:ColumnScratch]}
	for c := 0; c < len(dst); c += ColumnTile {
		n := min(ColumnTile, len(dst)-c)
		s.reset()
		for r := 0; r < rows; r += block {
			s.open(0)
			count, at := min(block, rows-r), r*cols+first+c
			if b == nil {
				addColumns(s.level(0), a[at:], count, n, cols)
			} else {
				addColumnProducts(s.level(0), a[at:], b[at:], count, n, cols)
			}
			s.n[0] = count
		}
		copy(dst[c:c+n], s.sum())
	}
}

func addColumns(l, a []float32, rows, cols, stride int) {
	if active != nil {
		active.addColumns(ptr(l), ptr(a), rows, cols, stride)
		return
	}
	for r := range rows {
		lane := l[r%lanes*ColumnTile:]
		for c, x := range a[r*stride : r*stride+cols] {
			lane[c] += x
		}
	}
}

func addColumnProducts(l, a, b []float32, rows, cols, stride int) {
	if active != nil {
		active.addColumnProducts(ptr(l), ptr(a), ptr(b), rows, cols, stride)
		return
	}
	for r := range rows {
		lane := l[r%lanes*ColumnTile:]
		for c, x := range a[r*stride : r*stride+cols] {
			lane[c] = numerics.FMA(x, b[r*stride+c], lane[c])
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
