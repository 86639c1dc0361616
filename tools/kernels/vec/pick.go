package main

import "github.com/mmcloughlin/avo/operand"

// A pick notes where elements of a win over those of top: they take their places, and number those of best. A NaN wins over every number,
// and of equals the first.
type pick struct {
	name, doc string
	wins      int // how an element compares that wins over a number, or is NaN
}

var picks = []pick{{"pickLargest", "larger", notLessEqual}, {"pickSmallest", "smaller", notGreaterEq}}

func (k pick) header() header {
	return header{k.name, "func(best *uint32, top, a *float32, n int, number uint32)", "notes where elements of a are " + k.doc + " than those of top."}
}

// choose says where v wins over old.
func (k pick) choose(e emitter, old, v vec) mask {
	return e.andMask(e.compare(k.wins, v, old), e.compare(ordered, old, old))
}

func pickKernel(e *x86, k pick) {
	e.function(k.header())
	best, top, from := e.Load(e.Param("best"), e.GP64()), e.Load(e.Param("top"), e.GP64()), e.Load(e.Param("a"), e.GP64())
	left, number := e.Load(e.Param("n"), e.GP64()), e.scalar("number")
	pick := func(load func(from operand.Mem) vec, store func(v vec, to operand.Mem)) {
		b, t, x := operand.Mem{Base: best}, operand.Mem{Base: top}, operand.Mem{Base: from}
		old, v := load(t), load(x)
		wins := k.choose(e, old, v)
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
