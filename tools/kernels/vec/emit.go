package main

import (
	"fmt"
	"math"

	"github.com/mmcloughlin/avo/attr"
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

type (
	op = operand.Op
	// vec is a full vector register: 8 (AVX2) or 16 (AVX-512) float32, or half as many float64.
	vec = reg.VecVirtual
	// pair holds one float64 for every float32 lane of a vec: the low half of the lanes, then the high half.
	pair [2]vec
	// mask says which float32 lanes a comparison holds for: a vector of all-ones lanes, or an AVX-512 opmask.
	mask struct{ r reg.Register }
)

// emitter writes instructions for one vector width. Its methods allocate their result, so that code reads as
// expressions; the exceptions, which overwrite their first operand as the FMA instructions do, say so.
type emitter struct {
	*build.Context
	wide      bool // AVX-512
	narrow128 bool // 128-bit vectors, for the end of a fold
	constants map[string]operand.Mem
}

func (e *emitter) suffix() string {
	if e.wide {
		return "AVX512"
	}
	return "AVX2"
}

// lanes is the number of float32 in a vector.
func (e *emitter) lanes() int {
	if e.wide {
		return 16
	}
	return 8
}

func (e *emitter) bytes() int { return 4 * e.lanes() }

func (e *emitter) vec() vec {
	switch {
	case e.wide:
		return e.ZMM()
	case e.narrow128:
		return e.XMM()
	}
	return e.YMM()
}

// ymm and xmm return emitters of narrower vectors for the steps of a fold.
func (e *emitter) ymm() *emitter { return &emitter{Context: e.Context, constants: e.constants} }
func (e *emitter) xmm() *emitter {
	return &emitter{Context: e.Context, narrow128: true, constants: e.constants}
}

// half returns the view of the lower half of v.
func (e *emitter) half(v vec) reg.Register {
	if e.wide {
		return v.AsY()
	}
	return v.AsX()
}

// constant is a read-only vector of n-byte words, all equal to bits.
func (e *emitter) constant(bits uint64, n int) operand.Mem {
	name := fmt.Sprintf("f%d_%0*x_%s", 8*n, 2*n, bits, e.suffix())
	m, ok := e.constants[name]
	if !ok {
		m = e.StaticGlobal(name)
		e.DataAttributes(attr.RODATA | attr.NOPTR)
		for i := 0; i < e.bytes(); i += n {
			if n == 4 {
				e.AddDatum(i, operand.U32(bits))
			} else {
				e.AddDatum(i, operand.U64(bits))
			}
		}
		e.constants[name] = m
	}
	return m
}

func (e *emitter) f32(x float32) operand.Mem { return e.constant(uint64(math.Float32bits(x)), 4) }
func (e *emitter) u32(x uint32) operand.Mem  { return e.constant(uint64(x), 4) }
func (e *emitter) f64(x float64) operand.Mem { return e.constant(math.Float64bits(x), 8) }
func (e *emitter) u64(x uint64) operand.Mem  { return e.constant(x, 8) }

// window is a table of ones then zeros; reading it at byte offset 4*(lanes-n) gives a mask of the first n lanes.
func (e *emitter) window() operand.Mem {
	name := "window_" + e.suffix()
	m, ok := e.constants[name]
	if !ok {
		m = e.StaticGlobal(name)
		e.DataAttributes(attr.RODATA | attr.NOPTR)
		for i := range 2 * e.lanes() {
			x := uint32(0)
			if i < e.lanes() {
				x = 0xFFFFFFFF
			}
			e.AddDatum(4*i, operand.U32(x))
		}
		e.constants[name] = m
	}
	return m
}

// first returns the mask of the first n lanes, 0 <= n < lanes.
func (e *emitter) first(n reg.Register) mask {
	if e.wide {
		bits, k := e.GP32(), e.K()
		all := e.GP32()
		e.MOVL(operand.I32(-1), all)
		e.BZHIL(n.(reg.GPVirtual).As32(), all, bits)
		e.KMOVW(bits, k)
		return mask{k}
	}
	at, base, m := e.GP64(), e.GP64(), e.YMM()
	e.MOVQ(operand.U32(8), at)
	e.SUBQ(n, at)
	e.LEAQ(e.window(), base)
	e.VMOVDQU(operand.Mem{Base: base, Index: at, Scale: 4}, m)
	return mask{m}
}

func (e *emitter) load(m op) vec { d := e.vec(); e.VMOVUPS(m, d); return d }

// loadMasked reads the lanes of k and leaves zero in the others, which it does not touch.
func (e *emitter) loadMasked(m op, k mask, d vec) {
	if e.wide {
		e.VMOVUPS_Z(m, k.r, d)
	} else {
		e.VMASKMOVPS(m, k.r, d)
	}
}

func (e *emitter) storeMasked(v vec, k mask, m op) {
	if e.wide {
		e.VMOVUPS(v, k.r, m)
	} else {
		e.VMASKMOVPS(v, k.r, m)
	}
}

func (e *emitter) storeFull(v vec, m op) { e.VMOVUPS(v, m) }

// broadcast fills a vector with the float32 at m.
func (e *emitter) broadcast(m op) vec { d := e.vec(); e.VBROADCASTSS(m, d); return d }

func (e *emitter) param(name string) op {
	b, err := e.Param(name).Resolve()
	if err != nil {
		panic(err)
	}
	return b.Addr
}

func (e *emitter) zero() vec {
	d := e.vec()
	if e.wide {
		e.VPXORD(d, d, d)
	} else {
		e.VXORPS(d, d, d)
	}
	return d
}

func (e *emitter) copy(v vec) vec { d := e.vec(); e.VMOVAPS(v, d); return d }

// Operand order is that of the formulas: sub(a, b) is a - b.
func (e *emitter) binary(f func(...op), a vec, b op) vec { d := e.vec(); f(b, a, d); return d }

func (e *emitter) add(a vec, b op) vec { return e.binary(e.VADDPS, a, b) }
func (e *emitter) sub(a vec, b op) vec { return e.binary(e.VSUBPS, a, b) }
func (e *emitter) mul(a vec, b op) vec { return e.binary(e.VMULPS, a, b) }
func (e *emitter) div(a vec, b op) vec { return e.binary(e.VDIVPS, a, b) }
func (e *emitter) sqrt(a op) vec       { d := e.vec(); e.VSQRTPS(a, d); return d }

// minps and maxps are the instructions: for NaN or two zeros they return b.
func (e *emitter) minps(a vec, b op) vec { return e.binary(e.VMINPS, a, b) }
func (e *emitter) maxps(a vec, b op) vec { return e.binary(e.VMAXPS, a, b) }

func (e *emitter) and(a vec, b op) vec {
	if e.wide {
		return e.binary(e.VPANDD, a, b)
	}
	return e.binary(three(e.VPAND), a, b)
}

func (e *emitter) or(a vec, b op) vec {
	if e.wide {
		return e.binary(e.VPORD, a, b)
	}
	return e.binary(three(e.VPOR), a, b)
}

func (e *emitter) xor(a vec, b op) vec {
	if e.wide {
		return e.binary(e.VPXORD, a, b)
	}
	return e.binary(three(e.VPXOR), a, b)
}

// fma overwrites acc with acc + a*b, rounded once.
func (e *emitter) fma(acc, a vec, b op) { e.VFMADD231PS(b, a, acc) }

// Predicates of VCMPPS: ordered ones are false for NaN, unordered ones true.
const (
	equal        = 0x00
	less         = 0x11
	lessEqual    = 0x12
	unordered    = 0x03
	notEqual     = 0x04
	greater      = 0x1E
	greaterEqual = 0x1D
	ordered      = 0x07
	notGreaterEq = 0x19 // less or unordered
)

func (e *emitter) compare(predicate int, a vec, b op) mask {
	var d reg.Register
	if e.wide {
		d = e.K()
	} else {
		d = e.vec()
	}
	e.VCMPPS(operand.U8(predicate), b, a, d)
	return mask{d}
}

// bits copies the mask to a general register, lane i to bit i.
func (e *emitter) bits(m mask) reg.GPVirtual {
	d := e.GP32()
	if e.wide {
		e.KMOVW(m.r, d)
	} else {
		e.VMOVMSKPS(m.r, d)
	}
	return d
}

func (e *emitter) orMask(a, b mask) mask  { return e.joinMasks(a, b, e.KORW, e.VPOR) }
func (e *emitter) andMask(a, b mask) mask { return e.joinMasks(a, b, e.KANDW, e.VPAND) }

func (e *emitter) joinMasks(a, b mask, masks, vectors func(a, b, d op)) mask {
	if e.wide {
		d := e.K()
		masks(a.r, b.r, d)
		return mask{d}
	}
	d := e.YMM()
	vectors(a.r, b.r, d)
	return mask{d}
}

// blend takes b in the lanes of m and a in the others.
func (e *emitter) blend(m mask, a vec, b op) vec {
	d := e.vec()
	if e.wide {
		e.VBLENDMPS(b, a, m.r, d)
	} else {
		e.VBLENDVPS(m.r, b, a, d)
	}
	return d
}

// upper returns the upper half of v in the lower half of a new register.
func (e *emitter) upper(v vec) vec {
	d := e.vec()
	if e.wide {
		e.VEXTRACTF64X4(operand.U8(1), v, d.AsY())
	} else {
		e.VEXTRACTF128(operand.U8(1), v, d.AsX())
	}
	return d
}

// widen converts float32 lanes to float64, exactly.
func (e *emitter) widen(v vec) pair {
	hi := e.upper(v)
	d := pair{e.vec(), e.vec()}
	e.VCVTPS2PD(e.half(v), d[0])
	e.VCVTPS2PD(e.half(hi), d[1])
	return d
}

// narrow rounds to float32.
func (e *emitter) narrow(p pair) vec {
	lo, hi, d := e.vec(), e.vec(), e.vec()
	if e.wide {
		e.VCVTPD2PS(p[0], lo.AsY())
		e.VCVTPD2PS(p[1], hi.AsY())
		e.VINSERTF64X4(operand.U8(1), hi.AsY(), lo, d)
	} else {
		e.VCVTPD2PSY(p[0], lo.AsX())
		e.VCVTPD2PSY(p[1], hi.AsX())
		e.VINSERTF128(operand.U8(1), hi.AsX(), lo, d)
	}
	return d
}

// operands of pair operations: a pair, or one memory operand for both halves.
func halves(b any) [2]op {
	switch b := b.(type) {
	case pair:
		return [2]op{b[0], b[1]}
	case operand.Mem:
		return [2]op{b, b}
	case vec:
		return [2]op{b, b}
	}
	panic(fmt.Sprintf("operand %T", b))
}

func (e *emitter) both(f func(...op), a pair, b any) pair {
	h := halves(b)
	return pair{e.binary(f, a[0], h[0]), e.binary(f, a[1], h[1])}
}

func (e *emitter) addpd(a pair, b any) pair { return e.both(e.VADDPD, a, b) }
func (e *emitter) subpd(a pair, b any) pair { return e.both(e.VSUBPD, a, b) }
func (e *emitter) mulpd(a pair, b any) pair { return e.both(e.VMULPD, a, b) }
func (e *emitter) divpd(a pair, b any) pair { return e.both(e.VDIVPD, a, b) }
func (e *emitter) minpd(a pair, b any) pair { return e.both(e.VMINPD, a, b) }
func (e *emitter) maxpd(a pair, b any) pair { return e.both(e.VMAXPD, a, b) }
func (e *emitter) addq(a pair, b any) pair  { return e.both(e.VPADDQ, a, b) }
func (e *emitter) subq(a pair, b any) pair  { return e.both(e.VPSUBQ, a, b) }

func (e *emitter) andpd(a pair, b any) pair {
	if e.wide {
		return e.both(e.VPANDQ, a, b)
	}
	return e.both(three(e.VPAND), a, b)
}

func (e *emitter) orpd(a pair, b any) pair {
	if e.wide {
		return e.both(e.VPORQ, a, b)
	}
	return e.both(three(e.VPOR), a, b)
}

func (e *emitter) xorpd(a pair, b any) pair {
	if e.wide {
		return e.both(e.VPXORQ, a, b)
	}
	return e.both(three(e.VPXOR), a, b)
}

func (e *emitter) shiftLeft(a pair, n int) pair {
	d := pair{e.vec(), e.vec()}
	for i := range a {
		e.VPSLLQ(operand.U8(n), a[i], d[i])
	}
	return d
}

func (e *emitter) shiftRight(a pair, n int) pair {
	d := pair{e.vec(), e.vec()}
	for i := range a {
		e.VPSRLQ(operand.U8(n), a[i], d[i])
	}
	return d
}

// blendSign takes b where the sign bit of the float64 lane of s is set, a elsewhere.
func (e *emitter) blendSign(s, a, b pair) pair {
	d := pair{e.vec(), e.vec()}
	for i := range a {
		if e.wide {
			k := e.K()
			e.VPMOVQ2M(s[i], k)
			e.VBLENDMPD(b[i], a[i], k, d[i])
		} else {
			e.VBLENDVPD(s[i], b[i], a[i], d[i])
		}
	}
	return d
}

func (e *emitter) both1(m operand.Mem) pair {
	d := e.load(m)
	return pair{d, e.copy(d)}
}

func (e *emitter) copypd(p pair) pair { return pair{e.copy(p[0]), e.copy(p[1])} }

// mulAdd overwrites acc with acc*b + c.
func (e *emitter) mulAdd(acc pair, b, c any) {
	x, y := halves(b), halves(c)
	for i := range acc {
		e.VFMADD213PD(y[i], x[i], acc[i])
	}
}

// addMul overwrites acc with acc + a*b.
func (e *emitter) addMul(acc, a pair, b any) {
	x := halves(b)
	for i := range acc {
		e.VFMADD231PD(x[i], a[i], acc[i])
	}
}

// subMul overwrites acc with acc - a*b.
func (e *emitter) subMul(acc, a pair, b any) {
	x := halves(b)
	for i := range acc {
		e.VFNMADD231PD(x[i], a[i], acc[i])
	}
}

// polynomial evaluates c[0] + c[1] x + ..., by Horner's scheme in x^2 over the pairs c[2i] + c[2i+1] x: half the latency of the
// plain scheme for one more multiplication.
func (e *emitter) polynomial(x pair, c ...float64) pair {
	linear := func(i int) pair {
		if i+1 == len(c) {
			return e.both1(e.f64(c[i]))
		}
		p := e.both1(e.f64(c[i+1]))
		e.mulAdd(p, x, e.f64(c[i]))
		return p
	}
	square := e.mulpd(x, x)
	i := (len(c) - 1) &^ 1
	acc := linear(i)
	for i -= 2; i >= 0; i -= 2 {
		e.mulAdd(acc, square, linear(i))
	}
	return acc
}

// blendEqual takes b where the integer lanes of a equal n, other elsewhere.
func (e *emitter) blendEqual(a pair, n operand.Mem, other, b pair) pair {
	d := pair{e.vec(), e.vec()}
	for i := range a {
		if e.wide {
			k := e.K()
			e.VPCMPEQQ(n, a[i], k)
			e.VBLENDMPD(b[i], other[i], k, d[i])
		} else {
			m := e.vec()
			e.VPCMPEQQ(n, a[i], m)
			e.VBLENDVPD(m, b[i], other[i], d[i])
		}
	}
	return d
}

// function starts an assembly function that calls nothing and keeps no pointer.
func (e *emitter) function(name, signature, doc string) {
	e.Function(name + e.suffix())
	e.Attributes(attr.NOSPLIT)
	e.Pragma("noescape")
	e.Doc(name + e.suffix() + ": " + doc)
	e.SignatureExpr(signature)
}

// three adapts an instruction with no optional operands.
func three(f func(a, b, d op)) func(...op) { return func(o ...op) { f(o[0], o[1], o[2]) } }
