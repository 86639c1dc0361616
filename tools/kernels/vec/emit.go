package main

import (
	"fmt"
	"math"

	"github.com/mmcloughlin/avo/attr"
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// x86 writes AVX2 or AVX-512.
type x86 struct {
	*build.Context
	wide      bool // AVX-512
	narrow128 bool // 128-bit vectors, for the end of a fold
	constants map[string]operand.Mem
}

func (e *x86) suffix() string {
	if e.wide {
		return "AVX512"
	}
	return "AVX2"
}

// lanes is the number of float32 in a vector.
func (e *x86) lanes() int {
	if e.wide {
		return 16
	}
	return 8
}

func (e *x86) bytes() int { return 4 * e.lanes() }

func (e *x86) vec() vec {
	switch {
	case e.wide:
		return e.ZMM()
	case e.narrow128:
		return e.XMM()
	}
	return e.YMM()
}

// ymm and xmm return emitters of narrower vectors for the steps of a fold.
func (e *x86) ymm() *x86 { return &x86{Context: e.Context, constants: e.constants} }
func (e *x86) xmm() *x86 {
	return &x86{Context: e.Context, narrow128: true, constants: e.constants}
}

// half returns the view of the lower half of v.
func (e *x86) half(v vec) reg.Register {
	if e.wide {
		return v.AsY()
	}
	return v.AsX()
}

// constant is a read-only vector of n-byte words, all equal to bits.
func (e *x86) constant(bits uint64, n int) operand.Mem {
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

func (e *x86) f32(x float32) operand.Mem { return e.constant(uint64(math.Float32bits(x)), 4) }
func (e *x86) u32(x uint32) operand.Mem  { return e.constant(uint64(x), 4) }
func (e *x86) f64(x float64) operand.Mem { return e.constant(math.Float64bits(x), 8) }
func (e *x86) u64(x uint64) operand.Mem  { return e.constant(x, 8) }

// window is a table of ones then zeros; reading it at byte offset 4*(lanes-n) gives a mask of the first n lanes.
func (e *x86) window() operand.Mem {
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
func (e *x86) first(n reg.Register) mask {
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

func (e *x86) load(m op) vec { d := e.vec(); e.VMOVUPS(m, d); return d }

// loadMasked reads the lanes of k and leaves zero in the others, which it does not touch.
func (e *x86) loadMasked(m op, k mask, d vec) {
	if e.wide {
		e.VMOVUPS_Z(m, k.r, d)
	} else {
		e.VMASKMOVPS(m, k.r, d)
	}
}

func (e *x86) storeMasked(v vec, k mask, m op) {
	if e.wide {
		e.VMOVUPS(v, k.r, m)
	} else {
		e.VMASKMOVPS(v, k.r, m)
	}
}

func (e *x86) storeFull(v vec, m op) { e.VMOVUPS(v, m) }

func (e *x86) scalar(name string) vec { return e.broadcast(e.param(name)) }

// broadcast fills a vector with the float32 at m.
func (e *x86) broadcast(m op) vec { d := e.vec(); e.VBROADCASTSS(m, d); return d }

func (e *x86) param(name string) op {
	b, err := e.Param(name).Resolve()
	if err != nil {
		panic(err)
	}
	return b.Addr
}

func (e *x86) zero() vec {
	d := e.vec()
	if e.wide {
		e.VPXORD(d, d, d)
	} else {
		e.VXORPS(d, d, d)
	}
	return d
}

func (e *x86) copy(v vec) vec { d := e.vec(); e.VMOVAPS(v, d); return d }

func (e *x86) binary(f func(...op), a vec, b op) vec { d := e.vec(); f(b, a, d); return d }

func (e *x86) add(a vec, b op) vec { return e.binary(e.VADDPS, a, b) }
func (e *x86) sub(a vec, b op) vec { return e.binary(e.VSUBPS, a, b) }
func (e *x86) mul(a vec, b op) vec { return e.binary(e.VMULPS, a, b) }
func (e *x86) div(a vec, b op) vec { return e.binary(e.VDIVPS, a, b) }
func (e *x86) sqrt(a op) vec       { d := e.vec(); e.VSQRTPS(a, d); return d }

// minps and maxps are the instructions: for NaN or two zeros they return b.
func (e *x86) minps(a vec, b op) vec { return e.binary(e.VMINPS, a, b) }
func (e *x86) maxps(a vec, b op) vec { return e.binary(e.VMAXPS, a, b) }

func (e *x86) and(a vec, b op) vec {
	if e.wide {
		return e.binary(e.VPANDD, a, b)
	}
	return e.binary(three(e.VPAND), a, b)
}

func (e *x86) or(a vec, b op) vec {
	if e.wide {
		return e.binary(e.VPORD, a, b)
	}
	return e.binary(three(e.VPOR), a, b)
}

func (e *x86) xor(a vec, b op) vec {
	if e.wide {
		return e.binary(e.VPXORD, a, b)
	}
	return e.binary(three(e.VPXOR), a, b)
}

func (e *x86) addTo(acc, a vec)      { e.VADDPS(a, acc, acc) }
func (e *x86) fma(acc, a vec, b op)  { e.VFMADD231PS(b, a, acc) }
func (e *x86) fnma(acc, a vec, b op) { e.VFNMADD231PS(b, a, acc) }

// maximum: MAXPS returns its second operand for NaN and for two zeros: both orders agree but for
// zeros of unlike sign, which the AND makes +0, and NaN, which is put in last.
func (e *x86) maximum(a, b vec) vec {
	return e.blend(e.compare(unordered, a, b), e.and(e.maxps(a, b), e.maxps(b, a)), e.load(e.u32(canonicalNaN)))
}

func (e *x86) minimum(a, b vec) vec {
	return e.blend(e.compare(unordered, a, b), e.or(e.minps(a, b), e.minps(b, a)), e.load(e.u32(canonicalNaN)))
}

const canonicalNaN = 0x7FC00000

func (e *x86) relu(x vec) vec { return e.keep(e.compare(notLessEqual, x, e.f32(0)), x) }

func (e *x86) compare(predicate int, a vec, b op) mask {
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
func (e *x86) bits(m mask) reg.GPVirtual {
	d := e.GP32()
	if e.wide {
		e.KMOVW(m.r, d)
	} else {
		e.VMOVMSKPS(m.r, d)
	}
	return d
}

func (e *x86) orMask(a, b mask) mask  { return e.joinMasks(a, b, e.KORW, e.VPOR) }
func (e *x86) andMask(a, b mask) mask { return e.joinMasks(a, b, e.KANDW, e.VPAND) }

func (e *x86) joinMasks(a, b mask, masks, vectors func(a, b, d op)) mask {
	if e.wide {
		d := e.K()
		masks(a.r, b.r, d)
		return mask{d}
	}
	d := e.YMM()
	vectors(a.r, b.r, d)
	return mask{d}
}

func (e *x86) blend(m mask, a vec, b op) vec {
	d := e.vec()
	if e.wide {
		e.VBLENDMPS(b, a, m.r, d)
	} else {
		e.VBLENDVPS(m.r, b, a, d)
	}
	return d
}

// upper returns the upper half of v in the lower half of a new register.
func (e *x86) upper(v vec) vec {
	d := e.vec()
	if e.wide {
		e.VEXTRACTF64X4(operand.U8(1), v, d.AsY())
	} else {
		e.VEXTRACTF128(operand.U8(1), v, d.AsX())
	}
	return d
}

func (e *x86) widen(v vec) pair {
	hi := e.upper(v)
	d := pair{e.vec(), e.vec()}
	e.VCVTPS2PD(e.half(v), d[0])
	e.VCVTPS2PD(e.half(hi), d[1])
	return d
}

func (e *x86) narrow(p pair) vec {
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

func (e *x86) both(f func(...op), a pair, b any) pair {
	h := halves(b)
	return pair{e.binary(f, a[0], h[0]), e.binary(f, a[1], h[1])}
}

func (e *x86) addpd(a pair, b any) pair { return e.both(e.VADDPD, a, b) }
func (e *x86) subpd(a pair, b any) pair { return e.both(e.VSUBPD, a, b) }
func (e *x86) mulpd(a pair, b any) pair { return e.both(e.VMULPD, a, b) }
func (e *x86) divpd(a pair, b any) pair { return e.both(e.VDIVPD, a, b) }
func (e *x86) minpd(a pair, b any) pair { return e.both(e.VMINPD, a, b) }
func (e *x86) maxpd(a pair, b any) pair { return e.both(e.VMAXPD, a, b) }
func (e *x86) addq(a pair, b any) pair  { return e.both(e.VPADDQ, a, b) }
func (e *x86) subq(a pair, b any) pair  { return e.both(e.VPSUBQ, a, b) }

func (e *x86) andpd(a pair, b any) pair {
	if e.wide {
		return e.both(e.VPANDQ, a, b)
	}
	return e.both(three(e.VPAND), a, b)
}

func (e *x86) orpd(a pair, b any) pair {
	if e.wide {
		return e.both(e.VPORQ, a, b)
	}
	return e.both(three(e.VPOR), a, b)
}

func (e *x86) xorpd(a pair, b any) pair {
	if e.wide {
		return e.both(e.VPXORQ, a, b)
	}
	return e.both(three(e.VPXOR), a, b)
}

func (e *x86) shiftLeft(a pair, n int) pair {
	d := pair{e.vec(), e.vec()}
	for i := range a {
		e.VPSLLQ(operand.U8(n), a[i], d[i])
	}
	return d
}

func (e *x86) shiftRight(a pair, n int) pair {
	d := pair{e.vec(), e.vec()}
	for i := range a {
		e.VPSRLQ(operand.U8(n), a[i], d[i])
	}
	return d
}

func (e *x86) blendSign(s, a, b pair) pair {
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

func (e *x86) both1(m operand.Mem) pair {
	d := e.load(m)
	return pair{d, e.copy(d)}
}

func (e *x86) copypd(p pair) pair { return pair{e.copy(p[0]), e.copy(p[1])} }

func (e *x86) mulAdd(acc pair, b, c any) pair {
	x, y := halves(b), halves(c)
	for i := range acc {
		e.VFMADD213PD(y[i], x[i], acc[i])
	}
	return acc
}

func (e *x86) addMul(acc, a pair, b any) {
	x := halves(b)
	for i := range acc {
		e.VFMADD231PD(x[i], a[i], acc[i])
	}
}

func (e *x86) subMul(acc, a pair, b any) {
	x := halves(b)
	for i := range acc {
		e.VFNMADD231PD(x[i], a[i], acc[i])
	}
}

// polynomial evaluates c[0] + c[1] x + ..., by Horner's scheme in x^2 over the pairs c[2i] + c[2i+1] x: half the latency of the
// plain scheme for one more multiplication.
func (e *x86) polynomial(x pair, c ...float64) pair {
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

func (e *x86) blendEqual(a pair, n operand.Mem, other, b pair) pair {
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
func (e *x86) function(h header) {
	e.Function(h.name + e.suffix())
	e.Attributes(attr.NOSPLIT)
	e.Pragma("noescape")
	e.Doc(h.name + e.suffix() + ": " + h.doc)
	e.SignatureExpr(h.signature)
}

// three adapts an instruction with no optional operands.
func three(f func(a, b, d op)) func(...op) { return func(o ...op) { f(o[0], o[1], o[2]) } }
