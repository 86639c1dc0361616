package main

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/seedbed/seedbed/tools/kernels/internal/amd64"
)

// transposeHeader: eight rows of src and 8*blocks columns of it become 8*blocks rows of dst with eight columns.
var transposeHeader = header{"transpose8", "func(dst, src *float32, blocks, dstStride, srcStride int)", "8 by 8 blocks, transposed."}

// transposeKernel is 256-bit at either width: a 32-byte store is what eight rows give.
func transposeKernel(e *x86) {
	e.function(transposeHeader)
	dst, src := e.Load(e.Param("dst"), e.GP64()), e.Load(e.Param("src"), e.GP64())
	blocks, ds, ss := e.Load(e.Param("blocks"), e.GP64()), e.Load(e.Param("dstStride"), e.GP64()), e.Load(e.Param("srcStride"), e.GP64())
	e.SHLQ(operand.U8(2), ds)
	e.SHLQ(operand.U8(2), ss)
	// Rows are reached as base + {0,1,2} stride from rows 0, 3 and 6.
	src3, src6 := e.GP64(), e.GP64()
	e.LEAQ(operand.Mem{Base: ss, Index: ss, Scale: 2}, src3)
	e.LEAQ(operand.Mem{Base: src, Index: src3, Scale: 2}, src6)
	e.ADDQ(src, src3)
	row := func(i, column int) operand.Mem {
		m := operand.Mem{Base: []register{src, src3, src6}[i/3], Disp: 4 * column}
		if i%3 > 0 {
			m.Index, m.Scale = ss, uint8(i%3)
		}
		return m
	}
	e.Label("loop")
	e.TESTQ(blocks, blocks)
	e.JE(operand.LabelRef("done"))
	for _, column := range []int{0, 4} {
		for _, v := range amd64.FourOfEight(e.Context, func(i int) operand.Mem { return row(i, column) }) {
			e.VMOVUPS(v, operand.Mem{Base: dst})
			e.ADDQ(ds, dst)
		}
	}
	for _, p := range []register{src, src3, src6} {
		e.ADDQ(operand.U32(32), p)
	}
	e.DECQ(blocks)
	e.JMP(operand.LabelRef("loop"))
	e.Label("done")
	e.VZEROUPPER()
	e.RET()
}
