package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
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
			for half := range halves {
				in := columns(p, 32*half)
				for _, v := range e.transpose8(in) {
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

// transpose8 returns the columns of the 8 by 8 block whose rows are at in. Loading half rows and inserting the other halves from memory
// spares the four cross-lane permutations of the register-only form.
func (e *emitter) transpose8(in []operand.Mem) []reg.VecVirtual {
	load := func(i, half int) reg.VecVirtual { // rows i and i+4, that half of each
		lo, hi := in[i], in[i+4]
		lo.Disp += 16 * half
		hi.Disp += 16 * half
		x, y := e.YMM(), e.YMM()
		e.VMOVUPS(lo, x.AsX())
		e.VINSERTF128(operand.U8(1), hi, x, y)
		return y
	}
	var out []reg.VecVirtual
	for half := range 2 {
		r := []reg.VecVirtual{load(0, half), load(1, half), load(2, half), load(3, half)}
		t := make([]reg.VecVirtual, 4)
		for i := range t {
			t[i] = e.YMM()
		}
		e.VUNPCKLPS(r[1], r[0], t[0]) // 00 10 01 11
		e.VUNPCKHPS(r[1], r[0], t[1]) // 02 12 03 13
		e.VUNPCKLPS(r[3], r[2], t[2])
		e.VUNPCKHPS(r[3], r[2], t[3])
		for _, pick := range []struct{ mask, a, b int }{{0x44, 0, 2}, {0xEE, 0, 2}, {0x44, 1, 3}, {0xEE, 1, 3}} {
			v := e.YMM()
			e.VSHUFPS(operand.U8(pick.mask), t[pick.b], t[pick.a], v)
			out = append(out, v)
		}
	}
	return out
}
