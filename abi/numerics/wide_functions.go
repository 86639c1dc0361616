package numerics

import (
	"math"
	"math/bits"
)

// The functions of rule 13 in 128-bit arithmetic. Relative errors are below 2^-110, except next to the three roots of the
// activation gradients (x near -0.75 and -1.28), where the error is 2^-110 of the terms that cancel; at the float32 and float64
// nearest to a root that still leaves more than 80 and 55 bits. Arguments may be zero or (as ±2^1024, see wideFromFloat64) infinite; NaN is
// dealt with by the callers.

var (
	widePi            = wide{exp: 2, hi: 0xc90fdaa22168c234, lo: 0xc4c6628b80dc1cd1}
	wideLn2           = wide{exp: 0, hi: 0xb17217f7d1cf79ab, lo: 0xc9e3b39803f2f6af}
	wideSqrtHalf      = wide{exp: 0, hi: 0xb504f333f9de6484, lo: 0x597d89b3754abe9f}  // sqrt(1/2)
	wideTwoOverSqrtPi = wide{exp: 1, hi: 0x906eba8214db688d, lo: 0x71d48a7f6bfec344}  // 2 / sqrt(pi)
	wideInvSqrt2Pi    = wide{exp: -1, hi: 0xcc42299ea1b28468, lo: 0x7e59e2805d5c7180} // 1 / sqrt(2 pi)
	wideGeluA         = wide{exp: 1, hi: 0xcc42299ea1b28468, lo: 0x7e59e2805d5c7180}  // 2 sqrt(2/pi)
	wideGeluB         = wide{exp: -3, hi: 0x922279526c5a57a4, lo: 0xdef1758b8e3e1a66} // 2 sqrt(2/pi) * 0.044715
)

// wideInvFactorial[n] is 1/n!.
var wideInvFactorial = func() (t [34]wide) {
	t[0] = wideOne
	for n := 1; n < len(t); n++ {
		t[n] = t[n-1].divSmall(uint64(n))
	}
	return t
}()

// expParts returns m and k with e^x = 2^k * (1 + m) and |m| < 0.42, m with full relative precision; x may be zero. k = 0 if
// |x| < 0.34. Beyond |x| = 2^20, where no caller sees a difference, it answers 2^±2^20.
func (a wide) expParts() (m wide, k int) {
	if a.exp > 20 {
		if a.neg {
			return wide{}, -1 << 20
		}
		return wide{}, 1 << 20
	}
	k = int(math.RoundToEven(a.float64() * (1 / math.Ln2)))
	r := a
	if k != 0 {
		r = a.sub(wideLn2.mul(wideFromInt(k)))
	}
	// expm1(r) = r + r^2/2! + ... for r/256 < 2^-9.5 to degree 13, then expm1(2r) = expm1(r) * (2 + expm1(r)) eight times.
	r = r.scale(-8)
	p := wideInvFactorial[13]
	for n := 12; n > 0; n-- {
		p = p.mul(r).add(wideInvFactorial[n])
	}
	m = r.mul(p)
	two := wideOne.scale(1)
	for range 8 {
		m = m.mul(two.add(m))
	}
	return m, k
}

func (a wide) exponential() wide {
	m, k := a.expParts()
	return wideOne.add(m).scale(k)
}

func (a wide) expm1() wide {
	if a.isZero() {
		return a
	}
	m, k := a.expParts()
	if k == 0 {
		return m
	}
	return wideOne.add(m).scale(k).sub(wideOne)
}

// log is the natural logarithm of a; a may be zero or negative.
func (a wide) log() wide {
	switch {
	case a.isZero():
		return wideInfinity.negate()
	case a.neg:
		return wideNaN
	case a.exp > 1024:
		return wideInfinity
	}
	if f := a.sub(wideOne); f.exp < -5 {
		return f.log1pSeries()
	}
	// One Newton step from a float64 logarithm y with an error below 2^-40: log a = y + log1p(t), t = a e^-y - 1.
	k := a.exp
	y := wideFromFloat64(math.FMA(float64(k), math.Ln2, logKernel(a.scale(-k).float64())))
	t := a.mul(y.negate().exponential()).sub(wideOne)
	p := wideOne.divSmall(3).mul(t).sub(wideOne.scale(-1)).mul(t).add(wideOne)
	return y.add(p.mul(t))
}

// log1p is log(1 + a), for any a.
func (a wide) log1p() wide {
	if a.isZero() || a.exp < -5 {
		return a.log1pSeries()
	}
	return a.add(wideOne).log()
}

// log1pSeries is log(1 + a) = 2 atanh(s), s = a / (2 + a), for |a| < 2^-5 where |s| < 2^-5.9; a may be zero.
func (a wide) log1pSeries() wide {
	if a.isZero() {
		return a
	}
	s := a.div(a.add(wideOne.scale(1)))
	s2 := s.mul(s)
	p := wideOne.divSmall(23)
	for n := uint64(21); n < 22; n -= 2 {
		p = p.mul(s2).add(wideOne.divSmall(n))
	}
	return s.mul(p).scale(1)
}

// sinCosTaylor returns the sine and cosine of |a| <= pi/4.
func (a wide) sinCosTaylor() (sin, cos wide) {
	s := a.mul(a).negate()
	sin, cos = wideInvFactorial[33], wideInvFactorial[32]
	for n := 31; n > 0; n -= 2 {
		sin = sin.mul(s).add(wideInvFactorial[n])
		cos = cos.mul(s).add(wideInvFactorial[n-1])
	}
	return sin.mul(a), cos
}

// sinQuadrant returns sin(a + q pi/2).
func (a wide) sinQuadrant(q int) wide {
	s, c := a.sinCosTaylor()
	if q&1 != 0 {
		s = c
	}
	if q&2 != 0 {
		s = s.negate()
	}
	return s
}

// twoOverPi holds the first 1280 bits of 2/pi after the binary point.
var twoOverPi = [20]uint64{
	0xa2f9836e4e441529, 0xfc2757d1f534ddc0, 0xdb6295993c439041, 0xfe5163abdebbc561,
	0xb7246e3a424dd2e0, 0x06492eea09d1921c, 0xfe1deb1cb129a73e, 0xe88235f52ebb4484,
	0xe99c7026b45f7e41, 0x3991d639835339f4, 0x9c845f8bbdf9283b, 0x1ff897ffde05980f,
	0xef2f118b5a0a6d1f, 0x6d367ecf27cb09b7, 0x4f463f669e5fea2d, 0x7527bac7ebe5f17b,
	0x3d0739f78a5292ea, 0x6bfb5fb11f8d5d08, 0x56033046fc7b6bab, 0xf0cfbc209af4361d,
}

// reduceHalfPi returns q and r with x = r + q pi/2 (q modulo 4) and |r| <= pi/4, for any finite x (Payne and Hanek, "Radian reduction
// for trigonometric functions", 1983): of the product of x = m 2^e with 2/pi, bits worth 4 and more are never computed, and
// a window of 256 bits is kept, which leaves more than 110 bits of r even at the float64 nearest to a multiple of pi/2.
func reduceHalfPi(x float64) (r wide, q int) {
	if math.Abs(x) < 0.78 {
		return wideFromFloat64(x), 0
	}
	w := wideFromFloat64(x)
	m, e := w.hi>>11, w.exp-53 // |x| = m * 2^e, e >= -53
	// The window starts at bit `first` (0 is worth 1/2): its unit is 2^-(first+256).
	first := max(0, e-2)
	var p [5]uint64 // m * window, least significant word first
	for i := range 4 {
		word, off := first/64+3-i, first%64
		v := twoOverPi[word] << off
		if off > 0 {
			v |= twoOverPi[word+1] >> (64 - off)
		}
		h, l := bits.Mul64(m, v)
		var c uint64
		p[i], c = bits.Add64(p[i], l, 0)
		p[i+1] = h + c
	}
	f := first + 256 - e // bits of p after the binary point: 254 to 309
	top, off := f/64, f%64
	q = int(p[top] >> off & 3)
	if off > 62 && top < 4 {
		q = int((p[top]>>off | p[top+1]<<(64-off)) & 3)
	}
	p[top] &= 1<<off - 1
	for i := top + 1; i < 5; i++ {
		p[i] = 0
	}
	neg := false
	if half := f - 1; p[half/64]>>(half%64)&1 != 0 { // round q to nearest
		neg = true
		q++
		var c uint64
		for i := range p {
			p[i], c = bits.Sub64(0, p[i], c)
		}
		p[top] &= 1<<off - 1
		for i := top + 1; i < 5; i++ {
			p[i] = 0
		}
	}
	n := 4
	for n > 1 && p[n] == 0 {
		n--
	}
	r = wide{neg: neg, hi: p[n], lo: p[n-1], exp: 64*(n+1) - f}
	if s := bits.LeadingZeros64(r.hi); s > 0 && n > 1 {
		r = wide{neg: neg, hi: r.hi<<s | r.lo>>(64-s), lo: r.lo<<s | p[n-2]>>(64-s), exp: r.exp - s}
	}
	r = r.normalized().mul(widePi.scale(-1))
	if w.neg {
		r, q = r.negate(), -q
	}
	return r, q & 3
}

// sin is the sine of a, which must hold a float64; so must the arguments of the three functions that follow.
func (a wide) sin() wide {
	x := a.float64()
	if a.isZero() {
		return a
	}
	if math.IsInf(x, 0) {
		return wideNaN
	}
	r, q := reduceHalfPi(x)
	return r.sinQuadrant(q)
}

func (a wide) cos() wide {
	x := a.float64()
	if math.IsInf(x, 0) {
		return wideNaN
	}
	r, q := reduceHalfPi(x)
	return r.sinQuadrant(q + 1)
}

// sinPi is sin(pi x); like IEEE-754-2019's sinPi, an integer gives a zero of its own sign.
func (a wide) sinPi() wide {
	x := a.float64()
	if math.IsInf(x, 0) {
		return wideNaN
	}
	r, q := sinPiReduce(x)
	if r == 0 && q&1 == 0 {
		return wide{neg: math.Signbit(x)}
	}
	return wideFromFloat64(r).mul(widePi).sinQuadrant(q)
}

// cosPi is cos(pi x); like IEEE-754-2019's cosPi, an odd multiple of 1/2 gives +0.
func (a wide) cosPi() wide {
	x := a.float64()
	if math.IsInf(x, 0) {
		return wideNaN
	}
	r, q := sinPiReduce(x)
	if r == 0 && q&1 != 0 {
		return wide{}
	}
	return wideFromFloat64(r).mul(widePi).sinQuadrant(q + 1)
}

// sinPiReduce returns q and r with pi x = pi r + q pi/2 and |r| <= 1/4, exactly.
func sinPiReduce(x float64) (r float64, q int) {
	if math.Abs(x) >= 0x1p53 {
		return 0, 0 // an even integer
	}
	n := math.RoundToEven(2 * x)
	return x - float64(0.5*n), int(int64(n) & 3)
}

// erfSeries returns sum (2 t2)^n / (2n+1)!!, so that erf(t) = 2/sqrt(pi) t e^-t2 erfSeries(t2), t2 = t^2 < 16. All terms are positive.
func erfSeries(t2 wide) wide {
	twice := t2.scale(1)
	sum, term := wideOne, wideOne
	for n := uint64(3); term.exp > sum.exp-126; n += 2 {
		term = term.mul(twice).divSmall(n)
		sum = sum.add(term)
	}
	return sum
}

// tail returns Q(a) = erfc(a / sqrt 2) / 2, the upper tail of the standard normal distribution, and the density e^(-a^2/2) / sqrt(2 pi),
// for a >= 0. Up to a = 4.25, Q = 1/2 - (a density) erfSeries loses at most 17 bits; beyond, the continued fraction
// Q = density / (a + 1/(a + 2/(a + 3/(a + ...)))) is evaluated by its recurrence of positive terms (Abramowitz and Stegun 26.2.14).
func (a wide) tail() (q, density wide) {
	if a.isZero() {
		return wideOne.scale(-1), wideInvSqrt2Pi
	}
	t2 := a.mul(a).scale(-1)
	density = t2.negate().exponential().mul(wideInvSqrt2Pi)
	x := a.float64()
	if x < 4.25 {
		return wideOne.scale(-1).sub(a.mul(density).mul(erfSeries(t2))), density
	}
	// The error after n terms falls like exp(-2 a sqrt(n)); see the test that compares with math/big.
	need := 41 / x
	terms := 12 + int(need*need)
	num0, num := wideOne, a
	den0, den := wide{}, wideOne
	for n := 1; n <= terms; n++ {
		w := wideFromInt(n)
		num0, num = num, a.mul(num).add(w.mul(num0))
		den0, den = den, a.mul(den).add(w.mul(den0))
	}
	return density.mul(den).div(num), density
}

// erf is the error function of a; beyond |a| = 16 it is ±1.
func (a wide) erf() wide {
	switch {
	case a.exp > 4:
		return wide{neg: a.neg, hi: wideOne.hi, exp: wideOne.exp}
	case a.isZero():
		return a
	case a.exp > 1: // |a| >= 2
		q, _ := a.abs().div(wideSqrtHalf).tail()
		r := wideOne.sub(q.scale(1))
		r.neg = a.neg
		return r
	}
	t2 := a.mul(a)
	return wideTwoOverSqrtPi.mul(a).mul(t2.negate().exponential()).mul(erfSeries(t2))
}

func (a wide) tanh() wide {
	if a.isZero() {
		return a
	}
	m := a.scale(1).expm1()
	return m.div(m.add(wideOne.scale(1)))
}

func (a wide) logistic() wide {
	s, _ := a.logistics()
	return s
}

// logistics returns 1/(1 + e^-a) and 1/(1 + e^a), both with full relative precision.
func (a wide) logistics() (s, complement wide) {
	e := a.abs().negate().exponential()
	r := wideOne.add(e).reciprocal()
	if a.neg {
		return e.mul(r), r
	}
	return r, e.mul(r)
}

// timesHalf is a (1/2 + t) for a t of the sign of a that is too small to matter except to break a tie; a may be zero.
func (a wide) timesHalf() wide {
	if a.isZero() {
		return a
	}
	return a.scale(-1).add(a.abs().scale(-120))
}

func (a wide) silu() wide {
	if a.exp < -100 || a.isZero() {
		return a.timesHalf()
	}
	return a.mul(a.logistic())
}

func (a wide) siluGrad() wide {
	s, c := a.logistics()
	return s.add(a.mul(s).mul(c))
}

func (a wide) softplus() wide {
	r := a.abs().negate().exponential().log1p()
	if a.neg {
		return r
	}
	return a.add(r)
}

func (a wide) gelu() wide {
	if a.exp < -100 || a.isZero() {
		return a.timesHalf()
	}
	q, _ := a.abs().tail()
	if !a.neg {
		q = wideOne.sub(q)
	}
	return a.mul(q)
}

func (a wide) geluGrad() wide {
	q, density := a.abs().tail()
	if !a.neg {
		q = wideOne.sub(q)
	}
	return q.add(a.mul(density))
}

// geluTanhInner returns v = 2 sqrt(2/pi) (a + 0.044715 a^3) and dv/da: gelu_tanh(a) = a logistic(v).
func (a wide) geluTanhInner() (v, dv wide) {
	b := a.mul(a).mul(wideGeluB)
	return a.mul(wideGeluA.add(b)), wideGeluA.add(b.scale(1).add(b))
}

func (a wide) geluTanh() wide {
	if a.exp < -100 || a.isZero() {
		return a.timesHalf()
	}
	v, _ := a.geluTanhInner()
	return a.mul(v.logistic())
}

func (a wide) geluTanhGrad() wide {
	v, dv := a.geluTanhInner()
	s, c := v.logistics()
	return s.add(a.mul(s).mul(c).mul(dv))
}
