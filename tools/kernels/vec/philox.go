package main

import (
	"github.com/mmcloughlin/avo/attr"
	"github.com/mmcloughlin/avo/operand"
	"github.com/seedbed/seedbed/tools/kernels/internal/amd64"
)

// philoxHeader is of the words of blocks counters (low + i, high, stream, step), a multiple of the vector's lanes; low + i must not wrap.
var philoxHeader = header{"philox", "func(dst *uint32, blocks int, low, high, stream, step, key0, key1 uint32)",
	"four words of Philox4x32-10 for each counter."}

// The constants of Philox4x32: its multipliers, and what its keys grow by.
const (
	philoxM0, philoxM1 = 0xD2511F53, 0xCD9E8D57
	philoxW0, philoxW1 = 0x9E3779B9, 0xBB67AE85
)

// philoxKernel: lane 4q+j computes counter (lanes/4)j+q, so that interleaving the four words within 128-bit quarters leaves the
// counters in order.
func philoxKernel(e *x86) {
	e.function(philoxHeader)
	quarters := e.lanes() / 4
	order := e.StaticGlobal("order_" + e.suffix())
	e.DataAttributes(attr.RODATA | attr.NOPTR)
	for lane := range e.lanes() {
		e.AddDatum(4*lane, operand.U32(quarters*(lane%4)+lane/4))
	}
	to, blocks := e.Load(e.Param("dst"), e.GP64()), e.Load(e.Param("blocks"), e.GP64())
	low := e.vec()
	e.VPADDD(order, e.scalar("low"), low)
	m0, m1 := e.u32(philoxM0), e.u32(philoxM1)
	// product returns the high and low halves of the 64-bit products of all lanes.
	product := func(a vec, m operand.Mem) (hi, lo vec) {
		up, p, q := e.vec(), e.vec(), e.vec()
		e.VPSRLQ(operand.U8(32), a, up)
		e.VPMULUDQ(m, a, p)
		e.VPMULUDQ(m, up, q)
		e.VPSRLQ(operand.U8(32), p, up)
		hi = e.or(up, e.and(q, e.u64(0xFFFFFFFF<<32)))
		e.VPSLLQ(operand.U8(32), q, q)
		lo = e.or(q, e.and(p, e.u64(0xFFFFFFFF)))
		return
	}
	e.Label("loop")
	e.TESTQ(blocks, blocks)
	e.JE(operand.LabelRef("done"))
	c := [4]vec{low, e.scalar("high"), e.scalar("stream"), e.scalar("step")}
	k0, k1 := e.scalar("key0"), e.scalar("key1")
	for round := range 10 {
		if round > 0 {
			e.VPADDD(e.u32(philoxW0), k0, k0)
			e.VPADDD(e.u32(philoxW1), k1, k1)
		}
		hi0, lo0 := product(c[0], m0)
		hi1, lo1 := product(c[2], m1)
		c = [4]vec{e.xor(e.xor(hi1, c[1]), k0), lo1, e.xor(e.xor(hi0, c[3]), k1), lo0}
	}
	for j, v := range amd64.Transposed(e.Context, c, e.vec) {
		e.storeFull(v, operand.Mem{Base: to, Disp: j * e.bytes()})
	}
	e.ADDQ(operand.U32(4*e.bytes()), to)
	e.VPADDD(e.u32(uint32(e.lanes())), low, low)
	e.SUBQ(operand.U32(e.lanes()), blocks)
	e.JMP(operand.LabelRef("loop"))
	e.Label("done")
	e.VZEROUPPER()
	e.RET()
}
