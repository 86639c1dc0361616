package gemm

import (
	"fmt"
	"math/bits"

	"github.com/seedbed/seedbed/abi/numerics"
)

// Operand is a matrix in a slice: element (i, j) is Data[i*RowStride + j*ColStride]. A transposed matrix has its strides swapped; a
// stride of zero repeats an element.
type Operand struct {
	Data                 []float32
	RowStride, ColStride int

	// Fill, if not nil, stands for Data: it writes rows by cols elements from (row, col) on to dst, where rows are step apart. Kernels work
	// on what it writes piece by piece, still in the cache; several workers call it at once, and for some elements more than once.
	Fill func(dst []float32, step, row, rows, col, cols int)

	// From, if not nil, returns where Fill will read a row from a column on, so that kernels can fetch what B is filled with. What rows below
	// it are filled with lies RowStride from there.
	From func(row, col int) []float32

	row, col int // where this part of an operand that Fill gives begins
}

// from returns what begins at (row, col) of an item.
func (o Operand) from(item, row, col int) Operand {
	if o.Fill != nil {
		o.row, o.col = o.row+row, o.col+col
	} else {
		o.Data = o.Data[item+row*o.RowStride+col*o.ColStride:]
	}
	return o
}

// Offsets says where the matrices of one item of a batch begin, in elements.
type Offsets struct{ A, B, C int }

// Problem is C = A B for A [M, K], B [K, N] and C [M, N], or a batch of such products.
type Problem struct {
	M, N, K int
	A       Operand
	B       Operand   // unused if PackedB is set
	PackedB *PackedB  // B as PackB of an engine with the same path left it: N of its columns and K of its rows; not with Batch
	Row0    int       // the first of those rows
	C       []float32 // C's element (i, j) is C[i*CRow + j]; nothing else is written
	CRow    int       // at least N, unless M <= 1
	Batch   []Offsets // one product for each; nil for a single one at offset 0. The C of different items must not overlap.

	// Accumulate adds to what C holds instead of +0: chunks of a longer contraction, given one after the other, make its chain. K is
	// at most a super-chunk, and so must be the whole contraction; all but the last are multiples of a chunk.
	Accumulate bool

	// Epilogue, if not nil, is called once for every tile of C, by whoever computed it, when the tile is final and in its
	// cache. The tiles partition C. It may change the tile in place. Nothing is called for an empty C.
	Epilogue func(Tile)
}

// Tile is a part of C: rows [Row0, Row1) and columns [Col0, Col1) of an item of the batch (0 without one).
type Tile struct {
	Worker                 int // in [0, workers): no two calls at once have the same
	Item                   int
	Row0, Row1, Col0, Col1 int
}

var single = []Offsets{{}}

func (p *Problem) items() []Offsets {
	if p.Batch == nil {
		return single
	}
	return p.Batch
}

// check returns an error unless all that the problem reads and writes lies in its slices.
func (p *Problem) check(e *Engine) error {
	if p.M < 0 || p.N < 0 || p.K < 0 {
		return fmt.Errorf("gemm: sizes M=%d N=%d K=%d; none may be negative", p.M, p.N, p.K)
	}
	if p.M == 0 || p.N == 0 {
		return nil
	}
	if p.Accumulate && p.K > numerics.SuperChunkK {
		return fmt.Errorf("gemm: K=%d is more than the %d that can be added to C at a time", p.K, numerics.SuperChunkK)
	}
	if p.M > 1 && p.CRow < p.N {
		return fmt.Errorf("gemm: rows of C are %d elements apart but N is %d; they would overlap", p.CRow, p.N)
	}
	if b := p.PackedB; b != nil {
		switch {
		case p.Batch != nil:
			return fmt.Errorf("gemm: a packed B serves single products; this is a batch of %d", len(p.Batch))
		case p.Row0 < 0 || p.Row0 > b.k || b.k-p.Row0 < p.K || b.n < p.N:
			return fmt.Errorf("gemm: B was packed as [%d, %d]; this product needs [%d, %d] from row %d", b.k, b.n, p.K, p.N, p.Row0)
		case b.path != e.path:
			return fmt.Errorf("gemm: B was packed for %s; this engine runs %s", b.path, e.path)
		}
	}
	for i, o := range p.items() {
		if err := p.A.inside("A", o.A, p.M, p.K); err != nil {
			return fmt.Errorf("%w (item %d)", err, i)
		}
		if p.PackedB == nil {
			if err := p.B.inside("B", o.B, p.K, p.N); err != nil {
				return fmt.Errorf("%w (item %d)", err, i)
			}
		}
		if err := inside("C", len(p.C), o.C, p.M, p.N, p.CRow, 1); err != nil {
			return fmt.Errorf("%w (item %d)", err, i)
		}
	}
	return nil
}

// inside checks an operand.
func (o Operand) inside(name string, offset, rows, cols int) error {
	switch {
	case o.Fill == nil:
		return inside(name, len(o.Data), offset, rows, cols, o.RowStride, o.ColStride)
	case offset != 0:
		return fmt.Errorf("gemm: %s has no slice for offset %d; one that is filled in serves single products", name, offset)
	}
	return nil
}

// inside checks a matrix against the slice that holds it.
func inside(name string, length, offset, rows, cols, rowStride, colStride int) error {
	if rowStride < 0 || colStride < 0 || offset < 0 {
		return fmt.Errorf("gemm: %s has offset %d, row stride %d, column stride %d; none may be negative", name, offset, rowStride, colStride)
	}
	if rows == 0 || cols == 0 {
		return nil
	}
	overRows, down := bits.Mul64(uint64(rows-1), uint64(rowStride))
	overCols, across := bits.Mul64(uint64(cols-1), uint64(colStride))
	last := down + across
	if overRows|overCols != 0 || last < down || last >= uint64(length) || uint64(offset) >= uint64(length)-last {
		return fmt.Errorf("gemm: %s is %dx%d at offset %d with strides %d and %d, which does not fit in its slice of %d elements",
			name, rows, cols, offset, rowStride, colStride, length)
	}
	return nil
}
