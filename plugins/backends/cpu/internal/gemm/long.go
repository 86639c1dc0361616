package gemm

import (
	"math/bits"

	"github.com/seedbed/seedbed/abi/numerics"
)

// A product with a small C and a long K, as the gradient of a filter is, has too few tiles for all workers. They share out its super-chunks
// instead, each for a part of C that is a tall tile or two, with operands of their own; the super-chunks' sums then meet in the tree of rule 9.

const (
	minLongCols = 64        // of a part
	maxLongC    = 256 << 10 // elements
	maxLongSums = 4 << 20
)

// long is the product that the workers share out so.
type long struct {
	e     *Engine
	p     *Problem
	parts []Problem // by worker

	slabs        int // super-chunks
	down, across int // parts of C, of so many rows and columns each
	rows, cols   int
	sums         []float32

	partBody, addBody func(worker, i int) // bound once
}

func (x *long) init(e *Engine) {
	x.e, x.parts = e, make([]Problem, e.pool.Workers())
	x.partBody, x.addBody = x.part, x.add
}

// slabsOf is the number of p's super-chunks.
func slabsOf(p *Problem) int { return (p.K-1)/numerics.SuperChunkK + 1 }

func (x *long) suits(p *Problem) bool {
	slabs := slabsOf(p)
	return slabs > 1 && x.e.pool.Workers() > 1 && p.M > maxStreamRows && p.M*p.N <= min(maxLongC, maxLongSums/slabs) && len(p.items()) == 1 && p.PackedB == nil
}

func (x *long) run(p *Problem) error {
	x.slabs = slabsOf(p)
	x.rows, x.cols = Even(p.M, tallRows, x.e.mr), tileCols
	x.down = (p.M + x.rows - 1) / x.rows
	for {
		x.across = (p.N + x.cols - 1) / x.cols
		if x.slabs*x.down*x.across > 3*x.e.pool.Workers() || x.cols < 2*minLongCols {
			break
		}
		x.cols /= 2
	}
	x.sums = grow(x.sums, x.slabs*p.M*p.N)
	x.p = p
	defer func() { x.p = nil; clear(x.parts) }()
	if err := x.e.share(x.slabs*x.down*x.across, x.partBody); err != nil {
		return err
	}
	return x.e.pool.For((p.M+x.e.mr-1)/x.e.mr, x.addBody)
}

// part computes the i'th part of C and K.
func (x *long) part(worker, i int) {
	p, off := x.p, x.p.items()[0]
	slab, row, col := i/(x.down*x.across), i/x.across%x.down*x.rows, i%x.across*x.cols
	k := slab * numerics.SuperChunkK
	x.parts[worker] = Problem{
		M: min(x.rows, p.M-row), N: min(x.cols, p.N-col), K: min(numerics.SuperChunkK, p.K-k),
		A: p.A.from(off.A, row, k), B: p.B.from(off.B, k, col), C: x.sums[(slab*p.M+row)*p.N+col:], CRow: p.N,
	}
	x.e.alone(worker, &x.parts[worker], 0)
}

// add adds up some rows and finishes them.
func (x *long) add(worker, i int) {
	p, off := x.p, x.p.items()[0]
	row0 := i * x.e.mr
	row1 := min(row0+x.e.mr, p.M)
	at := func(slab int) []float32 { return x.sums[(slab*p.M+row0)*p.N:][:(row1-row0)*p.N] }
	var tree func(first, n int)
	tree = func(first, n int) {
		if n > 1 {
			left := 1 << (bits.Len(uint(n-1)) - 1)
			tree(first, left)
			tree(first+left, n-left)
			addTo(at(first), at(first+left))
		}
	}
	tree(0, x.slabs)
	copyRows(p.C[off.C+row0*p.CRow:], p.CRow, at(0), p.N, row1-row0, p.N)
	if p.Epilogue != nil {
		p.Epilogue(Tile{Worker: worker, Row0: row0, Row1: row1, Col0: 0, Col1: p.N})
	}
}
