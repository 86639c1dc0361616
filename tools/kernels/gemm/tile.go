package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

const (
	perLine    = 16 // elements of a cache line
	fetchEvery = 8  // k between two lines of bNext
	short      = 8  // k steps in a loop whose instructions are short enough to come as fast as they can be taken
)

// tile emits the micro-kernel for that many rows and nr columns, run down a column of row panels. It computes one chunk of rule 5: the
// accumulators start from +0, take k multiply-adds in order, and are then added to the sum of the chunks before or to +0.
//
// While it works on a panel it fetches the next panel of A, if aNext is given, and the lines of C that it will write into the first-level
// cache, and its share of the next panel of B into the second: the hardware's own prefetching starts anew with each panel, and would be late
// every time. A panel of A that is in the second level already needs none: there fetching costs more than it spares, where a processor
// shares a core's loads with another.
func tile(e *emitter, rows int) {
	e.function(fmt.Sprintf("tile%d", rows), "func(k, panels int, a, aNext *float32, aRow, aPanel int, b, bNext *float32, bFetch int, s *float32, sRow int, c *float32, cRow int, first bool)",
		fmt.Sprintf("adds a chunk to panels of %d rows and %d columns: c = (first ? +0 : s) + a b. Steps are in bytes; bFetch is "+
			"that of fetching bNext, every %d k; aNext is what will be a next, or nil; rows of a are dense; b is packed; k and panels are positive.", rows, e.nr, fetchEvery))
	acc := e.vecs(2 * rows)
	b, x := e.vecs(2), e.vecs(2)

	bNext, bFetch, sRow, cRow := e.arg("bNext"), e.arg("bFetch"), e.arg("sRow"), e.arg("cRow")
	row := newRows(e, rows)
	next := *row

	e.Label("panel")
	pa, pb := reg.RSI, reg.RDI // instructions that load from them are a byte shorter than with R8 and above
	n, aNext := e.GP64(), e.GP64()
	e.MOVQ(e.param("a"), pa)
	e.MOVQ(pa, aNext)
	e.ADDQ(e.param("aPanel"), aNext)
	e.MOVQ(aNext, e.param("a"))
	e.CMPQ(e.param("panels"), operand.U8(1))
	e.CMOVQEQ(e.param("aNext"), aNext)
	if e.wide() { // fetches in any case: what is there, rather than what cannot be
		e.TESTQ(aNext, aNext)
		e.CMOVQEQ(pa, aNext)
	}
	line := e.GP64()
	e.MOVQ(e.param("c"), line)
	for r := range rows {
		if r > 0 {
			e.ADDQ(cRow, line)
		}
		for i := 0; i < e.nr; i += perLine {
			e.PREFETCHT0(at(line, 4*i))
		}
	}
	row.start(pa)
	next.start(aNext)
	e.MOVQ(e.param("b"), pb)
	for _, v := range acc {
		e.zero(v)
	}
	e.MOVQ(e.param("k"), n)
	// loop takes so many k steps at a time, as long as there are as many.
	loop := func(name string, steps int, fetch func(u int)) {
		e.SUBQ(operand.U8(steps), n)
		e.JLT(operand.LabelRef(name + "_end"))
		e.align(cacheLine)
		e.Label(name)
		for u := range steps {
			fetch(u)
			for i := range b {
				e.VMOVUPS(at(pb, 4*(u*e.nr+i*e.lanes)), b[i])
			}
			for r := range rows {
				e.VBROADCASTSS(row.at(r, 4*u), x[r%2])
				for i := range b {
					e.VFMADD231PS(x[r%2], b[i], acc[2*r+i])
				}
			}
		}
		row.advance(4 * steps)
		e.ADDQ(operand.U32(4*steps*e.nr), pb)
		e.SUBQ(operand.U8(steps), n)
		e.JGE(operand.LabelRef(name))
		e.Label(name + "_end")
		e.ADDQ(operand.U8(steps), n)
	}
	fetchB := func(u int) {
		if u%fetchEvery == fetchEvery-1 {
			e.PREFETCHT1(at(bNext, 0))
			e.ADDQ(bFetch, bNext)
		}
	}
	if !e.wide() { // whose wider tiles load less for each multiply-add
		e.CMPQ(e.param("aNext"), operand.U8(0))
		e.JEQ(operand.LabelRef("there"))
	}
	loop("cold", perLine, func(u int) {
		if u < rows { // apart from each other: a fetch takes the place of a load
			e.PREFETCHT0(next.at(u, 0))
		}
		fetchB(u)
		if u == perLine-1 {
			next.advance(4 * perLine)
		}
	})
	if !e.wide() {
		e.Label("there")
		loop("short", short, fetchB)
	}
	loop("single", 1, func(int) {})

	ps, pc := e.GP64(), e.GP64()
	e.MOVQ(e.param("c"), pc)
	e.CMPB(e.param("first"), operand.U8(0))
	e.JNE(operand.LabelRef("first"))
	e.MOVQ(e.param("s"), ps)
	for r := range rows {
		for i := range b {
			e.VADDPS(at(ps, 4*i*e.lanes), acc[2*r+i], acc[2*r+i])
			e.VMOVUPS(acc[2*r+i], at(pc, 4*i*e.lanes))
		}
		e.ADDQ(sRow, ps)
		e.ADDQ(cRow, pc)
	}
	e.MOVQ(ps, e.param("s"))
	e.JMP(operand.LabelRef("next"))

	e.Label("first")
	e.zero(b[0])
	for r := range rows {
		for i := range b {
			e.VADDPS(b[0], acc[2*r+i], acc[2*r+i])
			e.VMOVUPS(acc[2*r+i], at(pc, 4*i*e.lanes))
		}
		e.ADDQ(cRow, pc)
	}

	e.Label("next")
	e.MOVQ(pc, e.param("c"))
	e.DECQ(e.param("panels"))
	e.JNZ(operand.LabelRef("panel"))
	e.end()
}

// rowAddresses reaches up to 14 rows of A, any distance apart, with two pointers and the distance times 1, 3 and 5.
type rowAddresses struct {
	e       *emitter
	p       []reg.Register // to rows 0 and 7
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

func (row *rowAddresses) start(a reg.Register) {
	row.p = []reg.Register{a}
	if row.seventh != nil {
		second := row.e.GP64()
		row.e.LEAQ(indexed(a, row.seventh, 1), second)
		row.p = append(row.p, second)
	}
}

// at is disp bytes into a row.
func (row *rowAddresses) at(r, disp int) operand.Mem {
	p, r := row.p[r/rowsPerPointer], r%rowsPerPointer
	m := operand.Mem{Base: p}
	switch {
	case r == 0:
	case r == 6:
		m = indexed(p, row.x[3], 2)
	case r%2 == 1:
		m = indexed(p, row.x[r], 1)
	default:
		m = indexed(p, row.x[1], uint8(r))
	}
	m.Disp = disp
	return m
}

func (row *rowAddresses) advance(bytes int) {
	for _, p := range row.p {
		row.e.ADDQ(operand.U8(bytes), p)
	}
}
