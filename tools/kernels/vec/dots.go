package main

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/seedbed/seedbed/tools/kernels/internal/amd64"
)

const (
	dotColumns = 16 // of a panel of columnDots
	dotLines   = 5  // of a column, between the one that is used and the one that is fetched
)

// columnDotsHeader: sums[j] takes one chain of multiply-adds from +0 over x[k] b[j stride + k], k < 16 blocks, for 16 columns j. A line of 8
// columns is used up before the next 8, should they crowd a set of the cache. Some lines further on are fetched, and towards the end those that are
// next bytes further: the hardware's own prefetching starts anew with each column, and would be late every time.
var columnDotsHeader = header{"columnDots", "func(sums, x, b *float32, blocks, stride, next int)", "adds to 16 sums the products of x and a column each, in order."}

// columnDotsKernel runs chains side by side in the lanes, so it transposes blocks of 8 columns by 4 k in registers; 256-bit at either width.
func columnDotsKernel(e *x86) {
	e.function(columnDotsHeader)
	sums, x, b := e.Load(e.Param("sums"), e.GP64()), e.Load(e.Param("x"), e.GP64()), e.Load(e.Param("b"), e.GP64())
	blocks, stride, next := e.Load(e.Param("blocks"), e.GP64()), e.Load(e.Param("stride"), e.GP64()), e.Load(e.Param("next"), e.GP64())
	e.SHLQ(operand.U8(2), stride)
	ahead := e.GP64()
	e.MOVQ(operand.U32(dotLines*64), ahead)
	e.ADDQ(ahead, next)
	stride3, stride5, stride7, p := e.GP64(), e.GP64(), e.GP64(), e.GP64()
	e.LEAQ(operand.Mem{Base: stride, Index: stride, Scale: 2}, stride3)
	e.LEAQ(operand.Mem{Base: stride, Index: stride, Scale: 4}, stride5)
	e.LEAQ(operand.Mem{Base: stride3, Index: stride, Scale: 4}, stride7)
	column := func(base register, i, disp int) operand.Mem {
		m := operand.Mem{Base: base, Disp: disp}
		switch i {
		case 0:
		case 1, 2, 4:
			m.Index, m.Scale = stride, uint8(i)
		case 3, 6:
			m.Index, m.Scale = stride3, uint8(i/3)
		case 5:
			m.Index, m.Scale = stride5, 1
		case 7:
			m.Index, m.Scale = stride7, 1
		}
		return m
	}
	var acc [dotColumns / 8]vec
	for g := range acc {
		acc[g] = e.YMM()
		e.VXORPS(acc[g], acc[g], acc[g])
	}
	e.Label("loop")
	e.CMPQ(blocks, operand.U32(dotLines))
	e.CMOVQLE(next, ahead)
	for g := range acc {
		if g == 0 {
			e.MOVQ(b, p)
		} else {
			e.LEAQ(operand.Mem{Base: p, Index: stride, Scale: 8}, p)
		}
		for k := 0; k < 16; k += 4 {
			for i, v := range amd64.FourOfEight(e.Context, func(i int) operand.Mem { return column(p, i, 4*k) }) {
				s := e.YMM()
				e.VBROADCASTSS(operand.Mem{Base: x, Disp: 4 * (k + i)}, s)
				e.VFMADD231PS(v, s, acc[g])
			}
		}
		line := e.GP64()
		e.LEAQ(operand.Mem{Base: p, Index: ahead, Scale: 1}, line)
		for i := range 8 {
			e.PREFETCHT0(column(line, i, 0))
		}
	}
	e.ADDQ(operand.U32(64), x)
	e.ADDQ(operand.U32(64), b)
	e.DECQ(blocks)
	e.JNZ(operand.LabelRef("loop"))
	for g := range acc {
		m := operand.Mem{Base: sums, Disp: 32 * g}
		e.VADDPS(m, acc[g], acc[g])
		e.VMOVUPS(acc[g], m)
	}
	e.VZEROUPPER()
	e.RET()
}
