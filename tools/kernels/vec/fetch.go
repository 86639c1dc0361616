package main

import "github.com/mmcloughlin/avo/operand"

// fetchKernel writes func fetch(a *float32, lines int): cache lines from that of a on come closer.
func fetchKernel(e *emitter) {
	const line = 64
	e.function("fetch", "func(a *float32, lines int)", "asks for cache lines that will be used.")
	a, lines := e.Load(e.Param("a"), e.GP64()), e.Load(e.Param("lines"), e.GP64())
	e.Label("loop")
	e.PREFETCHT0(operand.Mem{Base: a})
	e.ADDQ(operand.U8(line), a)
	e.DECQ(lines)
	e.JG(operand.LabelRef("loop"))
	e.RET()
}
