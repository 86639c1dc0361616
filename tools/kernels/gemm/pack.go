package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
	"github.com/seedbed/seedbed/tools/kernels/internal/amd64"
)

// packRows emits a copy of n rows of nr adjacent elements, step bytes apart, to a dense array.
func packRows(e *emitter) {
	e.function("packRows", "func(dst, src *float32, step, n int)",
		fmt.Sprintf("copies n > 0 rows of %d adjacent elements, step bytes apart, to dst without gaps.", e.nr))
	dst, src, step, n := e.arg("dst"), e.arg("src"), e.arg("step"), e.arg("n")
	e.Label("row")
	for i := 0; i < e.nr; i += e.lanes {
		v := e.vec()
		e.VMOVUPS(at(src, 4*i), v)
		e.VMOVUPS(v, at(dst, 4*i))
	}
	e.ADDQ(step, src)
	e.ADDQ(operand.U32(4*e.nr), dst)
	e.DECQ(n)
	e.JNZ(operand.LabelRef("row"))
	e.end()
}

// transpose emits the packing of what lies the other way: 8 by 8 blocks are transposed in registers.
func transpose(e *emitter) {
	e.function("transpose", "func(dst *float32, dstStep int, src *float32, step, n, ahead int)",
		fmt.Sprintf("writes element i of column j, which is at src + j step bytes + 4i, to element j at dst + i dstStep bytes, for i < 8n and j < %d; n is positive. "+
			"It fetches what lies ahead bytes further on, unless that is 0.", e.nr))
	dst, dstStep, src, step, n := e.arg("dst"), e.arg("dstStep"), e.arg("src"), e.arg("step"), e.arg("n")
	step3, step5, step7 := e.GP64(), e.GP64(), e.GP64()
	e.LEAQ(indexed(step, step, 2), step3)
	e.LEAQ(indexed(step, step, 4), step5)
	e.LEAQ(indexed(step3, step, 4), step7)
	p, q, next := e.GP64(), e.GP64(), e.GP64()
	// A cache line of every column is 16 elements: both halves are read at once, before other columns, if these crowd its set, push it out.
	block := func(halves int) {
		e.MOVQ(src, p)
		for group := 0; group < e.nr; group += 8 {
			e.MOVQ(dst, q)
			columns := func(p reg.GPVirtual, disp int) []operand.Mem {
				in := []operand.Mem{at(p, 0), indexed(p, step, 1), indexed(p, step, 2), indexed(p, step3, 1),
					indexed(p, step, 4), indexed(p, step5, 1), indexed(p, step3, 2), indexed(p, step7, 1)}
				for i := range in {
					in[i].Disp = disp
				}
				return in
			}
			e.MOVQ(e.param("ahead"), next)
			e.TESTQ(next, next)
			near := fmt.Sprintf("near%d_%d", halves, group)
			e.JZ(operand.LabelRef(near))
			e.ADDQ(p, next)
			for _, m := range columns(next, 0) {
				e.PREFETCHT0(m)
			}
			e.Label(near)
			quarter := func(n int) [4]reg.VecVirtual {
				in := columns(p, 16*n)
				return amd64.FourOfEight(e.Context, func(i int) operand.Mem { return in[i] })
			}
			for half := range halves {
				first, second := quarter(2*half), quarter(2*half+1)
				for _, v := range append(first[:], second[:]...) {
					e.VMOVUPS(v, at(q, 4*group))
					e.ADDQ(dstStep, q)
				}
			}
			e.LEAQ(indexed(p, step, 8), p)
		}
		e.ADDQ(operand.U8(32*halves), src)
		e.MOVQ(q, dst)
	}
	e.SUBQ(operand.U8(2), n)
	e.JLT(operand.LabelRef("odd"))
	e.Label("line")
	block(2)
	e.SUBQ(operand.U8(2), n)
	e.JGE(operand.LabelRef("line"))
	e.Label("odd")
	e.ADDQ(operand.U8(2), n)
	e.JZ(operand.LabelRef("done"))
	block(1)
	e.Label("done")
	e.end()
}
