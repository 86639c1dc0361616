package main

import "github.com/mmcloughlin/avo/operand"

// pickKernel writes func NAME(best *uint32, top, a *float32, n int, number uint32): where an element of a wins over the one of top it takes
// its place, and number that of best. A NaN wins over every number, and of equals the first.
func pickKernel(e *emitter, name, doc string, notBeyond int) {
	e.function(name, "func(best *uint32, top, a *float32, n int, number uint32)", "notes where elements of a are "+doc+" than those of top.")
	best, top, from := e.Load(e.Param("best"), e.GP64()), e.Load(e.Param("top"), e.GP64()), e.Load(e.Param("a"), e.GP64())
	left, number := e.Load(e.Param("n"), e.GP64()), e.broadcast(e.param("number"))
	pick := func(load func(from operand.Mem) vec, store func(v vec, to operand.Mem)) {
		b, t, x := operand.Mem{Base: best}, operand.Mem{Base: top}, operand.Mem{Base: from}
		old, v := load(t), load(x)
		wins := e.andMask(e.compare(notBeyond, v, old), e.compare(ordered, old, old))
		store(e.blend(wins, old, v), t)
		store(e.blend(wins, load(b), number), b)
	}
	e.Label("loop")
	e.CMPQ(left, operand.U32(e.lanes()))
	e.JLT(operand.LabelRef("partial"))
	pick(func(m operand.Mem) vec { return e.load(m) }, func(v vec, m operand.Mem) { e.storeFull(v, m) })
	for _, p := range []register{best, top, from} {
		e.ADDQ(operand.U32(e.bytes()), p)
	}
	e.SUBQ(operand.U32(e.lanes()), left)
	e.JMP(operand.LabelRef("loop"))
	e.Label("partial")
	e.TESTQ(left, left)
	e.JE(operand.LabelRef("done"))
	lanes := e.first(left)
	pick(func(m operand.Mem) vec { d := e.vec(); e.loadMasked(m, lanes, d); return d }, func(v vec, m operand.Mem) { e.storeMasked(v, lanes, m) })
	e.Label("done")
	e.VZEROUPPER()
	e.RET()
}
