package main

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

type (
	op = operand.Op
	// vec is a full vector register: 4 (NEON), 8 (AVX2) or 16 (AVX-512) float32, or half as many float64.
	vec = reg.VecVirtual
	// pair holds one float64 for every float32 lane of a vec: the low half of the lanes, then the high half.
	pair [2]vec
	// mask says which float32 lanes a comparison holds for: a vector of all-ones lanes, or an AVX-512 opmask.
	mask struct{ r reg.Register }
)

// header is what a kernel's function begins with.
type header struct{ name, signature, doc string }

// emitter writes the instructions of formulas, for one kind of vector. Its methods allocate their result, so that code reads as
// expressions; the exceptions, which overwrite their first operand as the FMA instructions do, say so. An op is a vec or a constant;
// operands of pair operations are a pair, or a vec or constant for both halves. Operand order is that of the formulas: sub(a, b) is a - b.
type emitter interface {
	f32(x float32) operand.Mem // constants, in all lanes
	u32(x uint32) operand.Mem
	f64(x float64) operand.Mem
	u64(x uint64) operand.Mem
	scalar(name string) vec // a parameter of four bytes, in all lanes
	load(m op) vec
	copy(v vec) vec
	zero() vec

	add(a vec, b op) vec
	sub(a vec, b op) vec
	mul(a vec, b op) vec
	div(a vec, b op) vec
	sqrt(a op) vec
	and(a vec, b op) vec
	or(a vec, b op) vec
	xor(a vec, b op) vec
	maximum(a, b vec) vec  // of IEEE-754-2019
	minimum(a, b vec) vec  //
	maxps(a vec, b op) vec // NaN where b is; of two zeros either
	minps(a vec, b op) vec //
	relu(x vec) vec        // x where it is not <= 0, so also NaN, else +0
	addTo(acc, a vec)      // overwrites acc with acc + a
	fma(acc, a vec, b op)  // overwrites acc with acc + a*b, rounded once
	fnma(acc, a vec, b op) // overwrites acc with acc - a*b, rounded once

	compare(predicate int, a vec, b op) mask
	below(a, b vec) mask // unsigned integers: a < b
	orMask(a, b mask) mask
	andMask(a, b mask) mask
	blend(m mask, a vec, b op) vec // b in the lanes of m and a in the others
	keep(m mask, v vec) vec        // v in the lanes of m and +0 in the others

	widen(v vec) pair  // float32 lanes to float64, exactly
	narrow(p pair) vec // rounded to float32
	both1(m operand.Mem) pair
	addpd(a pair, b any) pair
	subpd(a pair, b any) pair
	mulpd(a pair, b any) pair
	divpd(a pair, b any) pair
	andpd(a pair, b any) pair
	orpd(a pair, b any) pair
	xorpd(a pair, b any) pair
	addq(a pair, b any) pair
	subq(a pair, b any) pair
	shiftLeft(a pair, n int) pair
	shiftRight(a pair, n int) pair
	blendSign(s, a, b pair) pair                          // b where the sign bit of the float64 lane of s is set, a elsewhere
	blendEqual(a pair, n operand.Mem, other, b pair) pair // b where the integer lanes of a equal n, other elsewhere
	addMul(acc, a pair, b any)                            // overwrites acc with acc + a*b
	subMul(acc, a pair, b any)                            // overwrites acc with acc - a*b
	mulAdd(acc pair, b, c any) pair                       // acc*b + c; acc may be overwritten
	polynomial(x pair, c ...float64) pair                 // c[0] + c[1] x + ..., by Horner's scheme in x^2 over the pairs c[2i] + c[2i+1] x
}

// Predicates of VCMPPS: ordered ones are false for NaN, unordered ones true.
const (
	equal        = 0x00
	unordered    = 0x03
	notEqual     = 0x04
	ordered      = 0x07
	notLessEqual = 0x16
	notGreaterEq = 0x19 // less or unordered
	notGreater   = 0x1A
	greater      = 0x1E
)
