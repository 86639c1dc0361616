package main

import "github.com/mmcloughlin/avo/operand"

var fetchHeader = header{"fetch", "func(a *float32, lines int)", "asks for cache lines that will be used."}

const line = 64 // bytes of the cache's

func fetchKernel(e *x86) {
	e.function(fetchHeader)
	a, lines := e.Load(e.Param("a"), e.GP64()), e.Load(e.Param("lines"), e.GP64())
	e.Label("loop")
	e.PREFETCHT0(operand.Mem{Base: a})
	e.ADDQ(operand.U8(line), a)
	e.DECQ(lines)
	e.JG(operand.LabelRef("loop"))
	e.RET()
}
