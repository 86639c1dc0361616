package numerics

import "math"

// The fast path: each kernel evaluates its function in float64, without tables and almost without branches, so that a vector
// backend can transcribe it lane by lane. A kernel need not be reproduced to the bit: what matters is that its error stays
// below undecided; decide then either rounds correctly or refuses.
//
// Errors below are relative, u = 2^-53. All count polynomial error (coefficients_gen.go), rounding of coefficients and of
// operations, and were compared with 128-bit arithmetic over all float32 inputs (see exhaustive_test.go).

// undecided bounds the relative error of every kernel, or the error as a part of the scale that a kernel returns beside its
// value. It is generous: 2^-17 of all inputs fall to the 128-bit path, which costs 10 to 50 picoseconds on average.
const undecided = 0x1p-42

// decide rounds y to float32 if every real number within the error bound rounds to the same value (Ziv, "Fast evaluation of
// elementary mathematical functions with correctly rounded last bit", 1991). It refuses NaN.
func decide(y float64) (r float32, ok bool) {
	r = float32(y * (1 - undecided))
	return r, r == float32(y*(1+undecided))
}

// decideScaled is decide for an error bound of undecided * scale, where y is a difference of terms whose magnitudes sum to scale.
func decideScaled(y, scale float64) (r float32, ok bool) {
	e := float64(scale * undecided)
	r = float32(y - e)
	return r, r == float32(y+e) && math.Signbit(y-e) == math.Signbit(y+e)
}

const (
	roundMagic = 0x1.8p52 // adding it rounds a float64 below 2^51 to an integer, held in the low bits
	log2E      = 0x1.71547652b82fep+0
	ln2Hi      = 0x1.62e42fefa39efp-1 // ln 2 rounded to float64, and the rest
	ln2Lo      = 0x1.abc9e3b39803fp-56
)

// expReduce returns q and s with e^x = s (1 + q), s a power of two and |q| < 0.42, for |x| <= 250; s = 1 if |x| < 0.34. The error of q
// is 2^-48.
//
//	n = round(x log2 e), s = 2^n, r = x - n ln2Hi - n ln2Lo, |r| <= ln(2)/2
//	q = r + r^2 (degree 8 in r)
func expReduce(x float64) (q, s float64) {
	t := math.FMA(x, log2E, roundMagic)
	n := t - roundMagic
	s = math.Float64frombits((math.Float64bits(t) + 1023) << 52)
	r := math.FMA(-n, ln2Lo, math.FMA(-n, ln2Hi, x))
	c := &expCoef
	r2 := float64(r * r)
	even := math.FMA(math.FMA(math.FMA(math.FMA(c[8], r2, c[6]), r2, c[4]), r2, c[2]), r2, c[0])
	odd := math.FMA(math.FMA(math.FMA(c[7], r2, c[5]), r2, c[3]), r2, c[1])
	return math.FMA(math.FMA(odd, r, even), r2, r), s
}

// expKernel is e^x for |x| <= 250: error 2^-47.9.
func expKernel(x float64) float64 {
	q, s := expReduce(x)
	return math.FMA(s, q, s)
}

// expm1Kernel is e^x - 1 for |x| <= 250: error 2^-47; +0 for -0.
func expm1Kernel(x float64) float64 {
	q, s := expReduce(x)
	return math.FMA(s, q, s-1)
}

// logCore is k ln 2 + log(1 + f) for sqrt(1/2) - 1 <= f <= sqrt(2) - 1: error 2^-49, also when k = 0 and f is small.
//
//	s = f / (2 + f), log(1 + f) = 2 atanh(s) = 2s + s^3 (degree 5 in s^2), |s| < 0.172
func logCore(f, k float64) float64 {
	s := f / (2 + f)
	c := &logCoef
	z := float64(s * s)
	z2 := float64(z * z)
	even := math.FMA(math.FMA(c[4], z2, c[2]), z2, c[0])
	odd := math.FMA(math.FMA(c[5], z2, c[3]), z2, c[1])
	p := math.FMA(math.FMA(odd, z, even), z, 2)
	return math.FMA(k, ln2Hi, float64(s*p))
}

// logReduce returns k and d = 2^-k with sqrt(1/2) <= d x < sqrt(2), for a normal x > 0.
func logReduce(x float64) (k, d float64) {
	const sqrtHalf = 0x3FE6A09E667F3BCD // bits of sqrt(1/2)
	n := (int64(math.Float64bits(x)) - sqrtHalf) >> 52
	return float64(n), math.Float64frombits(uint64(1023-n) << 52)
}

// logKernel is log(x) for a finite float32 x > 0, f = d x - 1 (exact): error 2^-49.
func logKernel(x float64) float64 {
	k, d := logReduce(x)
	return logCore(math.FMA(x, d, -1), k)
}

// log1pKernel is log(1 + x) for finite x > -1, f = d x + (d - 1): error 2^-49. x may have 53 bits if it is positive.
func log1pKernel(x float64) float64 {
	k, d := logReduce(1 + x)
	return logCore(math.FMA(x, d, d-1), k)
}

// softplusKernel is log(1 + e^x) for x <= 2^128: error 2^-47.
func softplusKernel(x float64) float64 {
	e := expKernel(-min(math.Abs(x), 150))
	return max(x, 0) + log1pKernel(e)
}

// tanhKernel is tanh(|x|): error 2^-46. Beyond 10 it stays at tanh(10), which rounds to 1.
func tanhKernel(x float64) float64 {
	m := expm1Kernel(2 * min(math.Abs(x), 10))
	return m / (m + 2)
}

const erfMax = 3.95

// erfKernel is erf(|x|) = 1 - e^(-x g(x)), g of degree 22: error 2^-45.5. Beyond 3.95 it stays at erf(3.95), which rounds to 1.
func erfKernel(x float64) float64 {
	a := min(math.Abs(x), erfMax)
	c := &erfCoef
	a2 := float64(a * a)
	a4 := float64(a2 * a2)
	p0 := math.FMA(math.FMA(math.FMA(math.FMA(math.FMA(c[20], a4, c[16]), a4, c[12]), a4, c[8]), a4, c[4]), a4, c[0])
	p1 := math.FMA(math.FMA(math.FMA(math.FMA(math.FMA(c[21], a4, c[17]), a4, c[13]), a4, c[9]), a4, c[5]), a4, c[1])
	p2 := math.FMA(math.FMA(math.FMA(math.FMA(math.FMA(c[22], a4, c[18]), a4, c[14]), a4, c[10]), a4, c[6]), a4, c[2])
	p3 := math.FMA(math.FMA(math.FMA(math.FMA(c[19], a4, c[15]), a4, c[11]), a4, c[7]), a4, c[3])
	g := math.FMA(math.FMA(p3, a, p2), a2, math.FMA(p1, a, p0))
	q, s := expReduce(-float64(a * g))
	return math.FMA(-s, q, 1-s)
}

// tailKernel returns h and e with Q(a) = e h, where Q is the upper tail of the standard normal distribution and e = e^(-a^2/2), for
// 0 <= a <= 15 with at most 24 bits: errors 2^-48 and 2^-47.9.
//
//	w = (a - 6) / (a + 6), h = (degree 17 in w) / (a + 6)
func tailKernel(a float64) (h, e float64) {
	r := 1 / (a + 6)
	w := float64((a - 6) * r)
	c := &tailCoef
	w2 := float64(w * w)
	w4 := float64(w2 * w2)
	p0 := math.FMA(math.FMA(math.FMA(math.FMA(c[16], w4, c[12]), w4, c[8]), w4, c[4]), w4, c[0])
	p1 := math.FMA(math.FMA(math.FMA(math.FMA(c[17], w4, c[13]), w4, c[9]), w4, c[5]), w4, c[1])
	p2 := math.FMA(math.FMA(math.FMA(c[14], w4, c[10]), w4, c[6]), w4, c[2])
	p3 := math.FMA(math.FMA(math.FMA(c[15], w4, c[11]), w4, c[7]), w4, c[3])
	p := math.FMA(math.FMA(p3, w, p2), w2, math.FMA(p1, w, p0))
	return float64(p * r), expKernel(float64(-0.5*a) * a)
}

// geluKernel is x Phi(x) = -a Q(a) for x < 0 and x (1 - Q(a)) otherwise, a = min(|x|, 15): error 2^-46.
func geluKernel(x float64) float64 {
	a := min(math.Abs(x), 15)
	h, e := tailKernel(a)
	q := float64(h * e)
	if x < 0 {
		return float64(-a * q)
	}
	return float64(x * (1 - q))
}

// geluGradKernel is Phi(x) + x phi(x) = d for x < 0 and 1 - d otherwise, d = e^(-a^2/2) (h - a / sqrt(2 pi)), a = min(|x|, 15):
// error 2^-46 of scale.
func geluGradKernel(x float64) (y, scale float64) {
	const c = 0x1.9884533d43651p-2 // 1 / sqrt(2 pi)
	a := min(math.Abs(x), 15)
	h, e := tailKernel(a)
	d := float64(e * math.FMA(-c, a, h))
	scale = float64(e * math.FMA(c, a, h))
	if x < 0 {
		return d, scale
	}
	return 1 - d, 1 + scale
}

// logisticKernel is 1 / (1 + e^-x): error 2^-47. Beyond ±150 it stays, below half the smallest float32 or at 1.
func logisticKernel(x float64) float64 { return 1 / (1 + expKernel(-max(min(x, 150), -150))) }

// siluKernel is x / (1 + e^-x): error 2^-47.
func siluKernel(x float64) float64 { return gateKernel(max(x, -150), x) }

// gateKernel is x / (1 + e^-v), v limited to ±150.
func gateKernel(x, v float64) float64 { return x / (1 + expKernel(-max(min(v, 150), -150))) }

// siluGradKernel is (1 + E (1 + x)) / (1 + E)^2, E = e^-x: error 2^-46 of scale.
func siluGradKernel(x float64) (y, scale float64) {
	x = max(min(x, 150), -150)
	return gateGradKernel(x, x, 1)
}

// gateGradKernel is the derivative of x / (1 + e^-v), where dv is v': (1 + E (1 + x dv)) / (1 + E)^2, E = e^-v, |v| <= 150.
func gateGradKernel(x, v, dv float64) (y, scale float64) {
	e := expKernel(-v)
	d := 1 + e
	r := 1 / float64(d*d)
	w := math.FMA(x, dv, 1)
	return float64(math.FMA(e, w, 1) * r), float64(math.FMA(e, math.FMA(math.Abs(x), dv, 1), 1) * r)
}

// geluTanhInner is v = x (A + B x^2) and dv/dx for |x| <= 12: error 3u, which the exponential multiplies by |v| <= 143.
//
//	A = 2 sqrt(2/pi), B = 0.044715 A
func geluTanhInner(x float64) (v, dv float64) {
	const (
		a  = 0x1.9884533d43651p+0
		b  = 0x1.2444f2a4d8b4bp-4
		b3 = 0x1.b6676bf7450f0p-3
	)
	x2 := float64(x * x)
	return float64(x * math.FMA(b, x2, a)), math.FMA(b3, x2, a)
}

// geluTanhKernel is x / (1 + e^-v): error 2^-44.
func geluTanhKernel(x float64) float64 {
	v, _ := geluTanhInner(max(min(x, 12), -12))
	return gateKernel(max(x, -12), v)
}

// geluTanhGradKernel: error 2^-42.5 of scale.
func geluTanhGradKernel(x float64) (y, scale float64) {
	x = max(min(x, 12), -12)
	v, dv := geluTanhInner(x)
	return gateGradKernel(x, v, dv)
}

// sinQuadrantKernel is sin(r + q pi/2) for |r| <= pi/4: error 2^-49.5.
//
//	sin(r) = r (1 + r^2 (degree 5 in r^2)), cos(r) = 1 - r^2/2 + r^4 (degree 4 in r^2)
func sinQuadrantKernel(r float64, q int) float64 {
	z := float64(r * r)
	z2 := float64(z * z)
	var y float64
	if q&1 == 0 {
		c := &sinCoef
		even := math.FMA(math.FMA(c[4], z2, c[2]), z2, c[0])
		odd := math.FMA(math.FMA(c[5], z2, c[3]), z2, c[1])
		y = float64(r * math.FMA(math.FMA(odd, z, even), z, 1))
	} else {
		c := &cosCoef
		even := math.FMA(math.FMA(c[4], z2, c[2]), z2, c[0])
		odd := math.FMA(c[3], z2, c[1])
		y = math.FMA(math.FMA(odd, z, even), z2, math.FMA(z, -0.5, 1))
	}
	if q&2 != 0 {
		return -y
	}
	return y
}

// reduceKernel returns q and r with x = r + q pi/2 and |r| <= pi/4: error of r 2^-51, also next to multiples of pi/2. Up to |x| = 2^17
// it subtracts n times pi/2 in three parts of 33, 33 and 53 bits, of which the first two products and differences are exact;
// beyond (and for lanes a vector kernel does not want) it multiplies by 2/pi in integers.
func reduceKernel(x float64) (r float64, q int) {
	if math.Abs(x) > 0x1p17 {
		w, q := reduceHalfPi(x)
		return w.float64(), q
	}
	const (
		twoOverPi64 = 0x1.45f306dc9c883p-1
		halfPi1     = 0x1.921fb544p+0
		halfPi2     = 0x1.0b4611a6p-34
		halfPi3     = 0x1.3198a2e037073p-69
	)
	t := math.FMA(x, twoOverPi64, roundMagic)
	n := t - roundMagic
	r = math.FMA(-n, halfPi3, math.FMA(-n, halfPi2, math.FMA(-n, halfPi1, x)))
	return r, int(math.Float64bits(t) & 3)
}
