package main

import (
	"math"

	"github.com/mmcloughlin/avo/operand"
)

// A rounded function is evaluated in float64 with an error below a stated bound; lo and hi are its value with
// that bound taken off and put on, each rounded to float32. Where they agree the result is correctly rounded (Ziv, "Fast
// evaluation of elementary mathematical functions with correctly rounded last bit", 1991). Where they differ, or are NaN,
// or the mask doubtful holds, the kernel stops and its caller asks package numerics.
type rounded struct {
	name, doc  string
	subtrahend bool // takes a float32 that is first subtracted from x
	body       func(e emitter, x vec) (lo, hi vec, doubtful []mask)
	withGrad   func(e emitter, x vec) (value, grad interval) // instead of body: a function and its derivative
}

// interval is what holds a function's exact value: its ends, rounded.
type interval struct{ lo, hi vec }

var roundedFunctions = []rounded{
	{name: "exp", doc: "e to the x", body: exp},
	{name: "expSub", doc: "e to the (x - s)", subtrahend: true, body: exp},
	{name: "expm1", doc: "e to the x, minus 1", body: expm1},
	{name: "log", doc: "the natural logarithm of x", body: log},
	{name: "log1p", doc: "the natural logarithm of 1 + x", body: log1p},
	{name: "tanh", doc: "the hyperbolic tangent of x", body: tanh},
	{name: "logistic", doc: "1 / (1 + exp(-x))", body: logistic},
	{name: "erf", doc: "the error function of x", body: erf},
	{name: "sin", doc: "the sine of x", body: func(e emitter, x vec) (vec, vec, []mask) { return circular(e, x, 0) }},
	{name: "cos", doc: "the cosine of x", body: func(e emitter, x vec) (vec, vec, []mask) { return circular(e, x, 1) }},
	{name: "sinpi", doc: "the sine of pi x", body: func(e emitter, x vec) (vec, vec, []mask) { return circularPi(e, x, 0) }},
	{name: "cospi", doc: "the cosine of pi x", body: func(e emitter, x vec) (vec, vec, []mask) { return circularPi(e, x, 1) }},
	{name: "gelu", doc: "gelu, erf form, of x", body: gelu},
	{name: "geluGrad", doc: "the derivative of gelu, erf form, at x", body: geluGrad},
	{name: "geluTanh", doc: "gelu, tanh form, of x", body: geluTanh},
	{name: "geluTanhGrad", doc: "the derivative of gelu, tanh form, at x", body: geluTanhGrad},
	{name: "silu", doc: "x * logistic(x)", body: silu},
	{name: "siluGrad", doc: "the derivative of silu at x", body: siluGrad},
	{name: "softplus", doc: "log(1 + exp(x))", body: softplus},
	{name: "geluWithGrad", doc: "gelu, erf form, and its derivative at x", withGrad: geluWithGrad},
	{name: "geluTanhWithGrad", doc: "gelu, tanh form, and its derivative at x", withGrad: geluTanhWithGrad},
	{name: "siluWithGrad", doc: "x * logistic(x) and its derivative at x", withGrad: siluWithGrad},
}

// Error bounds, relative unless a function says otherwise. They cover the polynomial's error (given with its
// coefficients), which dominates, and all roundings, with a factor of two or more to spare.
const (
	expBound   = 0x1p-39
	ratioBound = 0x1p-38
)

// between applies a relative bound to y.
func between(e emitter, y pair, bound float64) (lo, hi vec) {
	return e.narrow(e.mulpd(y, e.f64(1-bound))), e.narrow(e.mulpd(y, e.f64(1+bound)))
}

// around applies the absolute bound d, which it takes as already scaled.
func around(e emitter, y, d pair) (lo, hi vec) {
	return e.narrow(e.subpd(y, d)), e.narrow(e.addpd(y, d))
}

// clamp bounds x and keeps NaN.
func clamp(e emitter, x vec, low, high float32) vec {
	return atMost(e, atLeast(e, x, low), high)
}

func atLeast(e emitter, x vec, low float32) vec { return e.maxps(e.load(e.f32(low)), x) }
func atMost(e emitter, x vec, high float32) vec { return e.minps(e.load(e.f32(high)), x) }
func abs(e emitter, x vec) vec                  { return e.and(x, e.u32(0x7FFFFFFF)) }
func signed(e emitter, x, y vec) vec            { return e.or(y, e.and(x, e.u32(0x80000000))) }

// expCore overwrites t and returns s = 2^k and p = e^r - 1 with t = k ln 2 + r, |r| <= ln(2)/2, so that e^t = s + s*p.
// |t| must be below 700.
func expCore(e emitter, t pair) (s, p pair) {
	const round = 0x1.8p52 // adding it leaves the nearest integer in the low bits
	m := e.both1(e.f64(round))
	e.addMul(m, t, e.f64(1/math.Ln2))
	e.subMul(t, e.subpd(m, e.f64(round)), e.f64(math.Ln2))
	s = e.addq(e.shiftLeft(m, 52), e.f64(1))
	// (e^r - 1)/r, relative error 2^-41.2 (Remez, leading coefficient held at 1).
	q := e.polynomial(t, 1,
		0x1.fffffffffe167p-2, 0x1.55555555c9014p-3, 0x1.55555564ee96dp-5, 0x1.11110f68b9b5ep-7,
		0x1.6c1669b9cb999p-10, 0x1.a01fd6099c87ep-13, 0x1.a13dd450d6160p-16, 0x1.6c4be20b682d2p-19)
	return s, e.mulpd(q, t)
}

// expPair overwrites t and returns e^t.
func expPair(e emitter, t pair) pair {
	s, p := expCore(e, t)
	e.addMul(s, s, p)
	return s
}

// expm1Pair overwrites t and returns e^t - 1 without cancellation.
func expm1Pair(e emitter, t pair) pair {
	s, p := expCore(e, t)
	y := e.subpd(s, e.f64(1))
	e.addMul(y, s, p)
	return y
}

func exp(e emitter, x vec) (lo, hi vec, doubtful []mask) {
	lo, hi = between(e, expPair(e, e.widen(clamp(e, x, -104, 89))), expBound)
	return
}

func expm1(e emitter, x vec) (lo, hi vec, doubtful []mask) {
	lo, hi = between(e, expm1Pair(e, e.widen(clamp(e, x, -25, 89))), expBound)
	return signed(e, x, lo), signed(e, x, hi), nil
}

// tanh x = (e^2x - 1) / (e^2x + 1).
func tanh(e emitter, x vec) (lo, hi vec, doubtful []mask) {
	t := e.widen(clamp(e, x, -20, 20))
	y := expm1Pair(e, e.addpd(t, t))
	lo, hi = between(e, e.divpd(y, e.addpd(y, e.f64(2))), ratioBound)
	return signed(e, x, lo), signed(e, x, hi), nil
}

// onePlusExp overwrites t and returns 1 + e^t.
func onePlusExp(e emitter, t pair) pair { return e.addpd(expPair(e, t), e.f64(1)) }

func negate(e emitter, x vec) vec { return e.xor(x, e.u32(0x80000000)) }

func logistic(e emitter, x vec) (lo, hi vec, doubtful []mask) {
	d := onePlusExp(e, e.widen(negate(e, clamp(e, x, -120, 120))))
	lo, hi = between(e, e.divpd(e.both1(e.f64(1)), d), ratioBound)
	return
}

func silu(e emitter, x vec) (lo, hi vec, doubtful []mask) {
	low := atLeast(e, x, -120)
	d := onePlusExp(e, e.widen(negate(e, atMost(e, low, 120))))
	lo, hi = between(e, e.divpd(e.widen(low), d), ratioBound)
	return
}

// The derivative of x s(v(x)), with s the logistic function and v' = w, is s (1 + x w (1 - s)), and 1 - s = e^-v s.
// It passes through zero, so the bound is absolute: s (1 + |x w (1 - s)|).
func gatedGrad(e emitter, xw, minusV pair) (lo, hi vec) {
	ev, s := gate(e, minusV)
	return gatedGradOf(e, ev, s, xw)
}

// gate overwrites minusV and returns e^-v and s(v).
func gate(e emitter, minusV pair) (ev, s pair) {
	ev = expPair(e, minusV)
	return ev, e.divpd(e.both1(e.f64(1)), e.addpd(ev, e.f64(1)))
}

func gatedGradOf(e emitter, ev, s, xw pair) (lo, hi vec) {
	q := e.mulpd(e.mulpd(ev, s), xw)
	d := e.addpd(e.andpd(q, e.u64(1<<63-1)), e.f64(1))
	d = e.mulpd(e.mulpd(d, s), e.f64(ratioBound))
	return around(e, e.mulpd(e.addpd(q, e.f64(1)), s), d)
}

func siluGrad(e emitter, x vec) (lo, hi vec, doubtful []mask) {
	c := clamp(e, x, -120, 120)
	lo, hi = gatedGrad(e, e.widen(c), e.widen(negate(e, c)))
	return
}

// gatedWithGrad is x s(v), by what low is of x, and its derivative.
func gatedWithGrad(e emitter, low vec, xw, minusV pair) (value, grad interval) {
	ev, s := gate(e, minusV)
	value.lo, value.hi = between(e, e.mulpd(e.widen(low), s), ratioBound)
	grad.lo, grad.hi = gatedGradOf(e, ev, s, xw)
	return
}

func siluWithGrad(e emitter, x vec) (value, grad interval) {
	low := atLeast(e, x, -120)
	c := atMost(e, low, 120)
	return gatedWithGrad(e, low, e.widen(c), e.widen(negate(e, c)))
}

// gelu, tanh form, is x s(2u) with u = sqrt(2/pi) (x + 0.044715 x^3).
var (
	geluLinear = 2 * math.Sqrt(2/math.Pi)
	geluCubic  = geluLinear * 0.044715
)

func geluTanh(e emitter, x vec) (lo, hi vec, doubtful []mask) {
	low := atLeast(e, x, -13)
	c := e.widen(atMost(e, low, 13))
	v := e.both1(e.f64(-geluLinear))
	e.addMul(v, e.mulpd(c, c), e.f64(-geluCubic))
	d := onePlusExp(e, e.mulpd(v, c))
	lo, hi = between(e, e.divpd(e.widen(low), d), ratioBound)
	return
}

func geluTanhGrad(e emitter, x vec) (lo, hi vec, doubtful []mask) {
	xw, minusV := geluTanhInner(e, e.widen(clamp(e, x, -13, 13)))
	lo, hi = gatedGrad(e, xw, minusV)
	return
}

// geluTanhInner returns c times the derivative of 2u at c, and -2u.
func geluTanhInner(e emitter, c pair) (xw, minusV pair) {
	square := e.mulpd(c, c)
	w := e.both1(e.f64(geluLinear))
	e.addMul(w, square, e.f64(3*geluCubic))
	v := e.both1(e.f64(-geluLinear))
	e.addMul(v, square, e.f64(-geluCubic))
	return e.mulpd(w, c), e.mulpd(v, c)
}

func geluTanhWithGrad(e emitter, x vec) (value, grad interval) {
	low := atLeast(e, x, -13)
	xw, minusV := geluTanhInner(e, e.widen(atMost(e, low, 13)))
	return gatedWithGrad(e, low, xw, minusV)
}

// normalTail overwrites a, 0 <= a <= 15, and returns g = e^(-a^2/2) and q, the standard normal distribution's mass beyond a.
func normalTail(e emitter, a pair) (g, q pair) {
	g = expPair(e, e.mulpd(e.mulpd(a, a), e.f64(-0.5)))
	w := e.divpd(e.both1(e.f64(1)), e.addpd(a, e.f64(5)))
	u := e.both1(e.f64(1))
	e.addMul(u, w, e.f64(-10)) // (a - 5) / (a + 5)
	gw := e.mulpd(w, g)
	// (a + 5) q / g, relative error 2^-40.0 (Remez).
	q = e.polynomial(u,
		0x1.89d3abe1fa768p-1, -0x1.54ad03f267e84p-1, 0x1.fb3165366d45ep-2, -0x1.410ed6043661ep-2, 0x1.51f6332ef929ap-3,
		-0x1.1b1c210d82262p-4, 0x1.54b49ec1a3a59p-6, -0x1.885ed1f758498p-9, -0x1.a2302254dc6bbp-11, 0x1.1e2f7fb408a38p-11,
		-0x1.f42e336a9db07p-15, -0x1.b7441e2a98109p-15, 0x1.0382bdbcc5e6dp-16, 0x1.bb37a0bd0d6fep-18)
	return g, e.mulpd(q, gw)
}

// normal returns the standard normal distribution's density times sqrt(2 pi) and its mass below x; |x| <= 15 or NaN.
func normal(e emitter, x vec) (g, below pair) {
	g, q := normalTail(e, e.widen(abs(e, x)))
	return g, e.blendSign(e.widen(x), e.subpd(e.both1(e.f64(1)), q), q)
}

func gelu(e emitter, x vec) (lo, hi vec, doubtful []mask) {
	_, below := normal(e, clamp(e, x, -15, 15))
	lo, hi = between(e, e.mulpd(e.widen(atLeast(e, x, -15)), below), ratioBound)
	return
}

func geluGrad(e emitter, x vec) (lo, hi vec, doubtful []mask) {
	c := clamp(e, x, -15, 15)
	g, below := normal(e, c)
	lo, hi = geluGradOf(e, c, g, below)
	return
}

func geluWithGrad(e emitter, x vec) (value, grad interval) {
	low := atLeast(e, x, -15)
	c := atMost(e, low, 15)
	g, below := normal(e, c)
	value.lo, value.hi = between(e, e.mulpd(e.widen(low), below), ratioBound)
	grad.lo, grad.hi = geluGradOf(e, c, g, below)
	return
}

// geluGradOf has an absolute bound because of the zero near -0.75.
func geluGradOf(e emitter, c vec, g, below pair) (lo, hi vec) {
	v := e.mulpd(e.mulpd(g, e.f64(1/math.Sqrt(2*math.Pi))), e.widen(c))
	d := e.mulpd(e.addpd(e.andpd(v, e.u64(1<<63-1)), below), e.f64(ratioBound))
	return around(e, e.addpd(v, below), d)
}

// erf x is a polynomial in x^2 times x below 1, and 1 - 2 q(x sqrt 2) from there on.
func erf(e emitter, x vec) (lo, hi vec, doubtful []mask) {
	a := atMost(e, abs(e, x), 5)
	_, q := normalTail(e, e.mulpd(e.widen(a), e.f64(math.Sqrt2)))
	far := e.both1(e.f64(1))
	e.addMul(far, q, e.f64(-2))
	t := e.widen(a)
	// erf(x)/x in x^2, relative error 2^-45.6 (Remez).
	near := e.polynomial(e.mulpd(t, t),
		0x1.20dd750429b0fp+0, -0x1.812746b025a8bp-2, 0x1.ce2f219723151p-4, -0x1.b82ce1440bdd0p-6, 0x1.565b9e555778fp-8,
		-0x1.c02840d5d3561p-11, 0x1.f93f71516f180p-14, -0x1.f05e482020541p-17, 0x1.9a940c5a4afefp-20, -0x1.c096a10c71f5fp-24)
	near = e.mulpd(near, t)
	lo, hi = between(e, e.blendSign(e.subpd(t, e.f64(1)), far, near), ratioBound)
	return signed(e, x, lo), signed(e, x, hi), nil
}

// logCore returns k and f with w = 2^k (1 + f), 1/sqrt 2 <= 1 + f < sqrt 2; w is positive and normal, |log2 w| < 1000.
// exponent is the integer 1024 + k of each lane.
func logReduce(e emitter, w pair) (k, f, exponent pair) {
	const bias, sqrtHalf = 1024 << 52, 0x3FE6A09E00000000
	shifted := e.addq(w, e.u64(bias-sqrtHalf))
	exponent = e.shiftRight(shifted, 52)
	scale := e.andpd(shifted, e.u64(0xFFF<<52))
	f = e.subpd(e.addq(e.subq(w, scale), e.u64(bias)), e.f64(1))
	k = e.subpd(e.orpd(exponent, e.f64(0x1p52)), e.f64(0x1p52+1024))
	return
}

// logSum returns k ln 2 + log(1 + f) by log((1+s)/(1-s)) with s = f/(2+f).
func logSum(e emitter, k, f pair) pair {
	s := e.divpd(f, e.addpd(f, e.f64(2)))
	z := e.mulpd(s, s)
	// (log((1+s)/(1-s)) - 2s) / s^3 in s^2; relative error of the whole 2^-44.9 (Remez).
	y := e.polynomial(z, 0x1.555555561e596p-1, 0x1.999996a91f237p-2, 0x1.249411ff82a0bp-2, 0x1.c62b0ec67ede2p-3, 0x1.9115e71907d0bp-3)
	y = e.mulAdd(y, z, e.both1(e.f64(2)))
	y = e.mulpd(y, s)
	e.addMul(y, k, e.f64(math.Ln2))
	return y
}

// log1pPair is log(1 + t) without cancellation for small t: there 1 + t is rounded, and f is t itself.
func log1pPair(e emitter, t pair) pair {
	k, f, exponent := logReduce(e, e.addpd(t, e.f64(1)))
	return logSum(e, k, e.blendEqual(exponent, e.u64(1024), f, t))
}

func log(e emitter, x vec) (lo, hi vec, doubtful []mask) {
	k, f, _ := logReduce(e, e.widen(x))
	lo, hi = between(e, logSum(e, k, f), expBound)
	return lo, hi, []mask{e.compare(notGreater, x, e.f32(0)), e.compare(equal, x, e.f32(float32(math.Inf(1))))}
}

func log1p(e emitter, x vec) (lo, hi vec, doubtful []mask) {
	lo, hi = between(e, log1pPair(e, e.widen(x)), expBound)
	return signed(e, x, lo), signed(e, x, hi), []mask{e.compare(notGreater, x, e.f32(-1)), e.compare(equal, x, e.f32(float32(math.Inf(1))))}
}

// log(1 + e^x) = max(x, 0) + log(1 + e^-|x|).
func softplus(e emitter, x vec) (lo, hi vec, doubtful []mask) {
	t := expPair(e, e.widen(e.or(atMost(e, abs(e, x), 120), e.u32(0x80000000))))
	positive := e.widen(e.maxps(e.zero(), x))
	lo, hi = between(e, e.addpd(log1pPair(e, t), positive), ratioBound)
	return
}

// circular is the sine of x + quarters pi/2. Beyond 2^20 the reduction's two constants no longer suffice.
func circular(e emitter, x vec, quarters uint64) (lo, hi vec, doubtful []mask) {
	const round = 0x1.8p52
	r := e.widen(x)
	n := e.both1(e.f64(round))
	e.addMul(n, r, e.f64(2/math.Pi))
	k := e.subpd(n, e.f64(round))
	e.subMul(r, k, e.f64(0x1.921fb54442d18p+0))
	e.subMul(r, k, e.f64(0x1.1a62633145c07p-54))
	lo, hi = quadrant(e, r, n, quarters)
	return lo, hi, []mask{e.compare(notLessEqual, abs(e, x), e.f32(0x1p20))}
}

// circularPi is the sine of pi (x + quarters/2). What it leaves of x is exact; a zero is doubtful, for its sign.
func circularPi(e emitter, x vec, quarters uint64) (lo, hi vec, doubtful []mask) {
	const round = 0x1.8p52
	r := e.widen(x)
	n := e.both1(e.f64(round))
	e.addMul(n, r, e.f64(2))
	e.subMul(r, e.subpd(n, e.f64(round)), e.f64(0.5))
	lo, hi = quadrant(e, e.mulpd(r, e.f64(math.Pi)), n, quarters)
	return lo, hi, []mask{e.orMask(e.compare(notLessEqual, abs(e, x), e.f32(0x1p20)), e.compare(equal, lo, e.f32(0)))}
}

// quadrant is the sine of r + (n + quarters) pi/2 for r within pi/4, where n are the low bits of a float64.
func quadrant(e emitter, r, n pair, quarters uint64) (lo, hi vec) {
	if quarters != 0 {
		n = e.addq(n, e.u64(quarters))
	}
	z := e.mulpd(r, r)
	// sin(r)/r, error 2^-47.5, and cos r, error 2^-53.7, in r^2 (Remez).
	s := e.polynomial(z, 1, -0x1.55555555523fcp-3, 0x1.1111110ca2bd0p-7, -0x1.a019f95ae74afp-13, 0x1.71d77d265ac8fp-19, -0x1.a966f19f85d5bp-26)
	s = e.mulpd(s, r)
	c := e.polynomial(z, 1, -0x1.fffffffffffa3p-2, 0x1.555555554f945p-5, -0x1.6c16c16489c01p-10, 0x1.a019f88350e3bp-16, -0x1.27df6bb292692p-22, 0x1.1b95e4d7996a0p-29)
	y := e.blendSign(e.shiftLeft(n, 63), s, c)
	y = e.xorpd(y, e.andpd(e.shiftLeft(n, 62), e.u64(1<<63)))
	return between(e, y, expBound)
}

// header is
//
//	func NAME(dst, src *float32, n int) (at int, doubtful uint32)
//
// which goes through src vector by vector until all n elements are done (at = n, doubtful = 0) or the vector at index
// at holds lanes it cannot vouch for. There dst keeps the argument itself (src, less the subtrahend), for the caller to finish.
// A function with its derivative has two dst, and keeps the argument in both.
func (f rounded) header() header {
	signature := "func(dst, src *float32, n int) (at int, doubtful uint32)"
	switch {
	case f.subtrahend:
		signature = "func(dst, src *float32, n int, s float32) (at int, doubtful uint32)"
	case f.withGrad != nil:
		signature = "func(dst, grad, src *float32, n int) (at int, doubtful uint32)"
	}
	return header{f.name, signature, f.doc + ", correctly rounded; stops at the first vector with doubtful lanes."}
}

func (f rounded) outputs() []string {
	if f.withGrad != nil {
		return []string{"dst", "grad"}
	}
	return []string{"dst"}
}

// evaluate returns the outputs where they are not doubtful, and where they are.
func (f rounded) evaluate(e emitter, x vec) (y []vec, bad mask) {
	if f.withGrad != nil {
		value, grad := f.withGrad(e, x)
		return []vec{value.lo, grad.lo}, e.orMask(e.compare(notEqual, value.lo, value.hi), e.compare(notEqual, grad.lo, grad.hi))
	}
	lo, hi, doubtful := f.body(e, x)
	bad = e.compare(notEqual, lo, hi)
	for _, m := range doubtful {
		bad = e.orMask(bad, m)
	}
	return []vec{lo}, bad
}

func roundedKernel(e *x86, f rounded) {
	w := e.lanes()
	e.function(f.header())
	outputs := f.outputs()
	to := make([]operand.Mem, len(outputs))
	for k, name := range outputs {
		to[k] = operand.Mem{Base: e.Load(e.Param(name), e.GP64()), Scale: 4}
	}
	src, n := e.Load(e.Param("src"), e.GP64()), e.Load(e.Param("n"), e.GP64())
	i, left := e.GP64(), e.GP64()
	e.XORQ(i, i)
	var s vec
	if f.subtrahend {
		s = e.scalar("s")
	}
	from := operand.Mem{Base: src, Index: i, Scale: 4}
	for k := range to {
		to[k].Index = i
	}

	x, tail := e.vec(), e.GP32()
	e.Label("loop")
	e.MOVQ(n, left)
	e.SUBQ(i, left)
	e.CMPQ(left, operand.U32(w))
	e.JLT(operand.LabelRef("partial"))
	e.MOVL(operand.I32(-1), tail)
	e.VMOVUPS(from, x)
	e.Label("body")
	if f.subtrahend {
		e.VSUBPS(s, x, x)
	}
	y, bad := f.evaluate(e, x)
	each := func(store func(y vec, to operand.Mem)) {
		for i := range y {
			store(y[i], to[i])
		}
	}
	whole := func(y vec, to operand.Mem) { e.VMOVUPS(y, to) }
	part := func(y vec, to operand.Mem) { e.storeMasked(y, e.first(left), to) }
	bits := e.bits(bad)
	e.ANDL(tail, bits)
	e.JNE(operand.LabelRef("doubt"))
	e.CMPQ(left, operand.U32(w))
	e.JLT(operand.LabelRef("last"))
	each(whole)
	e.ADDQ(operand.U32(w), i)
	e.JMP(operand.LabelRef("loop"))

	e.Label("partial")
	e.TESTQ(left, left)
	e.JE(operand.LabelRef("done"))
	e.MOVL(operand.I32(-1), tail)
	e.BZHIL(left.As32(), tail, tail)
	e.loadMasked(from, e.first(left), x)
	e.JMP(operand.LabelRef("body"))

	e.Label("last")
	each(part)
	e.Label("done")
	e.VZEROUPPER()
	e.Store(n, e.ReturnIndex(0))
	e.XORL(bits, bits)
	e.Store(bits, e.ReturnIndex(1))
	e.RET()

	e.Label("doubt")
	for i := range y {
		y[i] = e.blend(bad, y[i], x)
	}
	e.Store(i, e.ReturnIndex(0))
	e.Store(bits, e.ReturnIndex(1))
	e.CMPQ(left, operand.U32(w))
	e.JLT(operand.LabelRef("doubtLast"))
	each(whole)
	e.VZEROUPPER()
	e.RET()
	e.Label("doubtLast")
	each(part)
	e.VZEROUPPER()
	e.RET()
}
