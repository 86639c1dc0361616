package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/operand"
)

// streamRows rows of B are read side by side: enough that the accumulators' own loads and stores hardly count.
const streamRows = 8

// stream emits the loop for few rows of A: it walks along rows of B, which it reads in full, with accumulators in memory.
func stream(e *emitter, rows int) {
	e.function(fmt.Sprintf("stream%d", rows), "func(acc, x, b *float32, bRow, n int)",
		fmt.Sprintf("adds x[0] b[0] to x[%d] b[%d], in that order, to acc for the %d n adjacent elements of rows of b, which are bRow bytes apart; n is positive.",
			rows-1, rows-1, e.lanes))
	acc, x, b, bRow, n := e.arg("acc"), e.arg("x"), e.arg("b"), e.arg("bRow"), e.arg("n")
	s := e.vecs(rows)
	for i := range s {
		e.VBROADCASTSS(at(x, 4*i), s[i])
	}
	row := make([]operand.Mem, rows)
	row[0] = at(b, 0)
	if rows > 1 {
		bRow3, bRow5, bRow7 := e.GP64(), e.GP64(), e.GP64()
		e.LEAQ(indexed(bRow, bRow, 2), bRow3)
		e.LEAQ(indexed(bRow, bRow, 4), bRow5)
		e.LEAQ(indexed(bRow3, bRow, 4), bRow7)
		row = []operand.Mem{at(b, 0), indexed(b, bRow, 1), indexed(b, bRow, 2), indexed(b, bRow3, 1),
			indexed(b, bRow, 4), indexed(b, bRow5, 1), indexed(b, bRow3, 2), indexed(b, bRow7, 1)}
	}
	e.Label("vector")
	v := e.vec()
	e.VMOVUPS(at(acc, 0), v)
	for i := range s {
		e.VFMADD231PS(row[i], s[i], v)
	}
	e.VMOVUPS(v, at(acc, 0))
	e.ADDQ(operand.U8(4*e.lanes), acc)
	e.ADDQ(operand.U8(4*e.lanes), b)
	e.DECQ(n)
	e.JNZ(operand.LabelRef("vector"))
	e.end()
}
