package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

const (
	unroll    = 4  // k steps in the main loop
	cacheLine = 64 // bytes
)

// tile emits the micro-kernel for that many rows and nr columns, run down a column of row panels. It computes one chunk of rule 5, or a
// part of one: the accumulators start from +0 or from where the part before left them, take k multiply-adds in order, and are then
// kept for the next part, or added to the sum of the chunks before or to +0.
//
// While it works on a panel it fetches the next panel of A into the first-level cache, and its share of the next panel of B into the
// second: the hardware's own prefetching starts anew with each panel, and would be late every time.
func tile(e *emitter, rows int) {
	e.function(fmt.Sprintf("tile%d", rows), "func(k, panels int, a *float32, aRow, aCol, aPanel, aFetch int, b, bNext *float32, bFetch int, s *float32, sRow int, c *float32, cRow int, partial *float32, first, resume, keep bool)",
		fmt.Sprintf("adds a chunk to panels of %d rows and %d columns: c = (first ? +0 : s) + a b. The sums begin with those in partial if "+
			"resume, and go there instead of to c if keep. Steps are in bytes; aFetch and bFetch are those of fetching ahead, every %d k; b is packed; k and "+
			"panels are positive.", rows, e.nr, unroll))
	acc := e.vecs(2 * rows)
	b, x := e.vecs(2), e.vecs(2)

	aCol, bNext := e.arg("aCol"), e.arg("bNext")
	row := newRows(e, rows)

	e.Label("panel")
	pa, pb, n, aNext := e.GP64(), e.GP64(), e.GP64(), e.GP64()
	e.MOVQ(e.param("a"), pa)
	e.MOVQ(pa, aNext)
	e.ADDQ(e.param("aPanel"), aNext)
	e.MOVQ(aNext, e.param("a"))
	row.start(pa)
	e.MOVQ(e.param("b"), pb)
	e.CMPB(e.param("resume"), operand.U8(0))
	e.JNE(operand.LabelRef("resume"))
	for _, v := range acc {
		e.zero(v)
	}
	e.JMP(operand.LabelRef("begin"))
	e.Label("resume")
	e.MOVQ(e.param("partial"), n)
	for i, v := range acc {
		e.VMOVUPS(at(n, 4*i*e.lanes), v)
	}
	e.Label("begin")
	step := func(u int) {
		for i := range b {
			e.VMOVUPS(at(pb, 4*(u*e.nr+i*e.lanes)), b[i])
		}
		for r := range rows {
			e.VBROADCASTSS(row.at(r), x[r%2])
			for i := range b {
				e.VFMADD231PS(x[r%2], b[i], acc[2*r+i])
			}
		}
		row.next(aCol)
	}
	loop := func(name string, count func(), steps int, fetch ...func()) {
		count()
		e.JZ(operand.LabelRef(name + "_end"))
		e.Label(name)
		for u := range steps {
			step(u)
			if u < len(fetch) {
				fetch[u]()
			}
		}
		e.ADDQ(operand.U32(4*steps*e.nr), pb)
		e.DECQ(n)
		e.JNZ(operand.LabelRef(name))
		e.Label(name + "_end")
	}
	loop("k4", func() { e.MOVQ(e.param("k"), n); e.SHRQ(operand.U8(2), n) }, unroll,
		func() { e.PREFETCHT0(at(aNext, 0)) },
		func() { e.PREFETCHT0(at(aNext, cacheLine)); e.ADDQ(e.param("aFetch"), aNext) },
		func() { e.PREFETCHT1(at(bNext, 0)); e.ADDQ(e.param("bFetch"), bNext) })
	loop("k1", func() { e.MOVQ(e.param("k"), n); e.ANDQ(operand.U8(unroll-1), n) }, 1)

	ps, pc := e.GP64(), e.GP64()
	e.MOVQ(e.param("c"), pc)
	e.CMPB(e.param("keep"), operand.U8(0))
	e.JNE(operand.LabelRef("keep"))
	e.CMPB(e.param("first"), operand.U8(0))
	e.JNE(operand.LabelRef("first"))
	e.MOVQ(e.param("s"), ps)
	for r := range rows {
		for i := range b {
			e.VADDPS(at(ps, 4*i*e.lanes), acc[2*r+i], acc[2*r+i])
			e.VMOVUPS(acc[2*r+i], at(pc, 4*i*e.lanes))
		}
		e.ADDQ(e.param("sRow"), ps)
		e.ADDQ(e.param("cRow"), pc)
	}
	e.MOVQ(ps, e.param("s"))
	e.JMP(operand.LabelRef("next"))

	e.Label("keep")
	e.MOVQ(e.param("partial"), n)
	for i, v := range acc {
		e.VMOVUPS(v, at(n, 4*i*e.lanes))
	}
	e.JMP(operand.LabelRef("next"))

	e.Label("first")
	e.zero(b[0])
	for r := range rows {
		for i := range b {
			e.VADDPS(b[0], acc[2*r+i], acc[2*r+i])
			e.VMOVUPS(acc[2*r+i], at(pc, 4*i*e.lanes))
		}
		e.ADDQ(e.param("cRow"), pc)
	}

	e.Label("next")
	e.MOVQ(pc, e.param("c"))
	e.ADDQ(operand.U32(4*rows*e.nr), e.param("partial"))
	e.DECQ(e.param("panels"))
	e.JNZ(operand.LabelRef("panel"))
	e.end()
}

// rowAddresses reaches up to 14 rows of A, any distance apart, with two pointers and the distance times 1, 3 and 5.
type rowAddresses struct {
	e       *emitter
	p       []reg.GPVirtual // to rows 0 and 7
	x       map[int]reg.GPVirtual
	seventh reg.GPVirtual
}

const rowsPerPointer = 7

func newRows(e *emitter, rows int) *rowAddresses {
	row := &rowAddresses{e: e, x: map[int]reg.GPVirtual{1: e.arg("aRow")}}
	for _, n := range []int{3, 5} {
		if rows > n {
			row.x[n] = e.GP64()
			e.LEAQ(indexed(row.x[1], row.x[1], uint8(n-1)), row.x[n])
		}
	}
	if rows > rowsPerPointer {
		row.seventh = e.GP64()
		e.LEAQ(indexed(row.x[1], row.x[3], 2), row.seventh)
	}
	return row
}

func (row *rowAddresses) start(a reg.GPVirtual) {
	row.p = []reg.GPVirtual{a}
	if row.seventh != nil {
		second := row.e.GP64()
		row.e.LEAQ(indexed(a, row.seventh, 1), second)
		row.p = append(row.p, second)
	}
}

func (row *rowAddresses) at(r int) operand.Mem {
	p, r := row.p[r/rowsPerPointer], r%rowsPerPointer
	switch {
	case r == 0:
		return at(p, 0)
	case r == 6:
		return indexed(p, row.x[3], 2)
	case r%2 == 1:
		return indexed(p, row.x[r], 1)
	}
	return indexed(p, row.x[1], uint8(r))
}

func (row *rowAddresses) next(aCol reg.GPVirtual) {
	for _, p := range row.p {
		row.e.ADDQ(aCol, p)
	}
}
