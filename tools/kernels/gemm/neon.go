package main

import (
	"fmt"

	"github.com/seedbed/seedbed/tools/kernels/internal/arm64"
)

// The shape of the NEON micro-kernel: 6 rows by 4 vectors fill 24 of the 32 registers; 6 hold 4 k of each row of A, whose elements
// multiply-adds take by index, and 2 what is read of B. Per k that is 24 multiply-adds for 5.5 loads: within one load for two multiply-adds
// on every processor with up to four multiply-add units.
const (
	neonRows    = 6
	neonCols    = 16
	neonVectors = neonCols / 4
	neonA       = neonRows * neonVectors // first register of A
	neonB       = neonA + neonRows       // and of B
)

// neon writes the kernels for arm64.
type neon struct{ *arm64.Text }

func neonFiles() map[string][]byte {
	n := neon{arm64.New("gemm")}
	for rows := 1; rows <= neonRows; rows++ {
		n.tile(rows)
	}
	n.packRows()
	n.transpose()
	n.stream(streamRows)
	n.stream(1)
	return n.Files()
}

func (n neon) function(name, doc, signature string) {
	n.Function(name, " "+doc, arm64.NewFrame(signature))
}

// tile emits the micro-kernel that tile.go describes.
func (n neon) tile(rows int) {
	n.function(fmt.Sprintf("tile%d", rows),
		fmt.Sprintf("adds a chunk to panels of %d rows and %d columns: c = (first ? +0 : s) + a b. Steps are in bytes; bFetch is that of fetching bNext, every %d k; "+
			"aNext is what will be a next, or nil; rows of a are dense; b is packed; k and panels are positive.", rows, neonCols, fetchEvery),
		"(k int, panels int, a *float32, aNext *float32, aRow int, aPanel int, b *float32, bNext *float32, bFetch int, s *float32, sRow int, c *float32, cRow int, first bool)")
	// The parameters are in R0 to R13.
	const (
		k, panels, a, aNext, aRow, aPanel, b, bNext, bFetch, s, sRow, c, cRow, first = 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13
		count, pb, next, at                                                          = 22, 21, 23, 24
	)
	row := []int{14, 15, 16, 17, 19, 20}[:rows]

	n.Label("panel")
	n.Op("MOVD R%d, R%d", a, row[0])
	for r := 1; r < rows; r++ {
		n.Op("ADD R%d, R%d, R%d", aRow, row[r-1], row[r])
	}
	n.Op("ADD R%d, R%d", aPanel, a)
	n.Op("CMP $1, R%d", panels)
	n.Op("CSEL EQ, R%d, R%d, R%d", aNext, a, next)
	n.Op("CMP $0, R%d", next)
	n.Op("CSEL EQ, R%d, R%d, R%d", row[0], next, next) // what is there, rather than what cannot be
	n.Op("MOVD R%d, R%d", c, at)
	for r := range rows {
		if r > 0 {
			n.Op("ADD R%d, R%d", cRow, at)
		}
		n.Op("PRFM (R%d), PSTL1KEEP", at)
	}
	n.Op("MOVD R%d, R%d", b, pb)
	for v := range rows * neonVectors {
		n.Op("VEOR V%d.B16, V%d.B16, V%d.B16", v, v, v)
	}

	// step multiplies the u'th k of those that A's registers hold, from B's row at offset.
	step := func(u, offset int) {
		for half := range neonVectors / 2 {
			n.Op("FLDPQ %d(R%d), (F%d, F%d)", offset+32*half, pb, neonB, neonB+1)
			for r := range rows {
				for i := range 2 {
					n.Fmla(r*neonVectors+2*half+i, neonB+i, neonA+r, u)
				}
			}
		}
	}
	n.Op("LSR $3, R%d, R%d", k, count)
	n.Op("CBZ R%d, rest", count)
	n.Label("eight")
	n.Op("MOVD R%d, R%d", next, at)
	for r := range rows {
		if r > 0 {
			n.Op("ADD R%d, R%d", aRow, at)
		}
		n.Op("PRFM (R%d), PLDL1KEEP", at)
	}
	n.Op("ADD $%d, R%d", 4*fetchEvery, next)
	n.Op("PRFM (R%d), PLDL2KEEP", bNext)
	n.Op("ADD R%d, R%d", bFetch, bNext)
	for group := 0; group < fetchEvery; group += 4 {
		for r := range rows {
			n.Op("FMOVQ.P 16(R%d), F%d", row[r], neonA+r)
		}
		for u := range 4 {
			step(u, 4*neonCols*(group+u))
		}
	}
	n.Op("ADD $%d, R%d", 4*neonCols*fetchEvery, pb)
	n.Op("SUBS $1, R%d", count)
	n.Op("BNE eight")
	n.Label("rest")
	n.Op("ANDS $%d, R%d, R%d", fetchEvery-1, k, count)
	n.Op("BEQ sum")
	n.Label("one")
	for r := range rows {
		n.Op("FMOVS.P 4(R%d), F%d", row[r], neonA+r)
	}
	step(0, 0)
	n.Op("ADD $%d, R%d", 4*neonCols, pb)
	n.Op("SUBS $1, R%d", count)
	n.Op("BNE one")

	n.Label("sum")
	n.Op("VEOR V%d.B16, V%d.B16, V%d.B16", neonA, neonA, neonA)
	n.Op("CBNZ R%d, first", first)
	for _, begin := range []bool{false, true} {
		if begin {
			n.Label("first")
		}
		for r := range rows {
			for half := range neonVectors / 2 {
				v := r*neonVectors + 2*half
				if begin {
					n.Vector(arm64.FADD, v, v, neonA)
					n.Vector(arm64.FADD, v+1, v+1, neonA)
				} else {
					n.Op("FLDPQ %d(R%d), (F%d, F%d)", 32*half, s, neonB, neonB+1)
					n.Vector(arm64.FADD, v, v, neonB)
					n.Vector(arm64.FADD, v+1, v+1, neonB+1)
				}
				n.Op("FSTPQ (F%d, F%d), %d(R%d)", v, v+1, 32*half, c)
			}
			if !begin {
				n.Op("ADD R%d, R%d", sRow, s)
			}
			n.Op("ADD R%d, R%d", cRow, c)
		}
		n.Op("SUBS $1, R%d", panels)
		n.Op("BNE panel")
		n.Op("RET")
	}
}

// packRows emits what pack.go describes.
func (n neon) packRows() {
	n.function("packRows", fmt.Sprintf("copies n > 0 rows of %d adjacent elements, step bytes apart, to dst without gaps.", neonCols),
		"(dst *float32, src *float32, step int, n int)")
	n.Label("row")
	n.Op("VLD1 (R1), [V0.S4, V1.S4, V2.S4, V3.S4]")
	n.Op("ADD R2, R1")
	n.Op("VST1.P [V0.S4, V1.S4, V2.S4, V3.S4], 64(R0)")
	n.Op("SUBS $1, R3")
	n.Op("BNE row")
	n.Op("RET")
}

// transpose emits what pack.go describes, with blocks of 4 by 4.
func (n neon) transpose() {
	n.function("transpose", fmt.Sprintf("writes element i of column j, which is at src + j step bytes + 4i, to element j at dst + i dstStep bytes, for i < 8n and j < %d; n is positive. It fetches nothing ahead.", neonCols),
		"(dst *float32, dstStep int, src *float32, step int, n int, ahead int)")
	n.Op("LSL $1, R4")
	n.Label("block")
	n.Op("MOVD R2, R5")
	for group := range neonCols / 4 {
		for v := range 4 {
			n.Op("FMOVQ (R5), F%d", v)
			n.Op("ADD R3, R5")
		}
		for v := range 2 { // pairs of columns
			n.Op("VTRN1 V%d.S4, V%d.S4, V%d.S4", 2*v+1, 2*v, 4+2*v)
			n.Op("VTRN2 V%d.S4, V%d.S4, V%d.S4", 2*v+1, 2*v, 5+2*v)
		}
		n.Op("VTRN1 V6.D2, V4.D2, V0.D2")
		n.Op("VTRN1 V7.D2, V5.D2, V1.D2")
		n.Op("VTRN2 V6.D2, V4.D2, V2.D2")
		n.Op("VTRN2 V7.D2, V5.D2, V3.D2")
		n.Op("MOVD R0, R6")
		for v := range 4 {
			n.Op("FMOVQ F%d, %d(R6)", v, 16*group)
			n.Op("ADD R1, R6")
		}
	}
	n.Op("MOVD R6, R0")
	n.Op("ADD $16, R2")
	n.Op("SUBS $1, R4")
	n.Op("BNE block")
	n.Op("RET")
}

// stream emits what stream.go describes, four vectors at a time: a chain of multiply-adds alone would wait for each of them.
func (n neon) stream(rows int) {
	n.function(fmt.Sprintf("stream%d", rows),
		fmt.Sprintf("adds x[0] b[0] to x[%d] b[%d], in that order, to acc for the %d n adjacent elements of rows of b, which are bRow bytes apart; n is positive.", rows-1, rows-1, neonCols),
		"(acc *float32, x *float32, b *float32, bRow int, n int)")
	const x, acc, row = 16, 0, 4 // registers; those of x are after V15
	pointer := []int{2, 5, 6, 7, 8, 9, 10, 11}[:rows]
	for r := range rows {
		n.Op("FMOVS %d(R1), F%d", 4*r, x+r)
		if r > 0 {
			n.Op("ADD R3, R%d, R%d", pointer[r-1], pointer[r])
		}
	}
	n.Label("vectors")
	n.Op("VLD1 (R0), [V0.S4, V1.S4, V2.S4, V3.S4]")
	for r := range rows {
		at := row + 4*(r%2)
		n.Op("VLD1.P 64(R%d), [V%d.S4, V%d.S4, V%d.S4, V%d.S4]", pointer[r], at, at+1, at+2, at+3)
		for i := range 4 {
			n.Fmla(acc+i, at+i, x+r, 0)
		}
	}
	n.Op("VST1.P [V0.S4, V1.S4, V2.S4, V3.S4], 64(R0)")
	n.Op("SUBS $1, R4")
	n.Op("BNE vectors")
	n.Op("RET")
}
