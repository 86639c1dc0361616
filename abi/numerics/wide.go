package numerics

import (
	"math"
	"math/bits"
)

// wide is a floating-point number with a 128-bit significand: (-1)^neg * (hi*2^64 + lo) * 2^(exp-128), the top bit of hi set. It
// neither overflows nor underflows here, since exponents stay far inside int; infinity is merely a large number. Zero has hi = 0 and
// keeps a sign, which only float32 and float64 look at. Operations truncate; each has a relative error below 2^-125 unless its comment says otherwise (a difference: of its larger operand).
//
// It evaluates the cases the float64 fast path cannot decide and the float64 functions, see wide_functions.go.
type wide struct {
	hi, lo uint64
	exp    int
	neg    bool
}

var (
	wideOne      = wide{hi: 1 << 63, exp: 1}
	wideInfinity = wide{hi: 1 << 63, exp: 1 << 20}
	wideNaN      = wide{lo: 1} // only as the result of a function
)

func (a wide) isZero() bool { return a.hi == 0 }

// normalized shifts the significand up until its top bit is set.
func (a wide) normalized() wide {
	if a.hi == 0 {
		if a.lo == 0 {
			return wide{neg: a.neg}
		}
		a.hi, a.lo, a.exp = a.lo, 0, a.exp-64
	}
	n := bits.LeadingZeros64(a.hi)
	a.hi = a.hi<<n | a.lo>>(64-n)
	a.lo <<= n
	a.exp -= n
	return a
}

// wideFromFloat64 converts x exactly; an infinite x becomes ±2^1024.
func wideFromFloat64(x float64) wide {
	u := math.Float64bits(x)
	m, e := u&(1<<52-1), int(u>>52&0x7FF)
	if e == 0 {
		e = 1
	} else {
		m |= 1 << 52
	}
	return wide{neg: u>>63 != 0, hi: m << 11, exp: e - 1022}.normalized()
}

func wideFromInt(n int) wide {
	neg := n < 0
	if neg {
		n = -n
	}
	return wide{neg: neg, hi: uint64(n), exp: 64}.normalized()
}

func (a wide) negate() wide {
	a.neg = !a.neg
	return a
}

func (a wide) abs() wide {
	a.neg = false
	return a
}

// scale returns a * 2^n, exactly.
func (a wide) scale(n int) wide {
	if !a.isZero() {
		a.exp += n
	}
	return a
}

func (a wide) add(b wide) wide {
	if a.isZero() {
		return b
	}
	if b.isZero() {
		return a
	}
	if a.exp < b.exp || a.exp == b.exp && (a.hi < b.hi || a.hi == b.hi && a.lo < b.lo) {
		a, b = b, a
	}
	d := uint(a.exp - b.exp)
	switch {
	case d >= 128:
		return a
	case d >= 64:
		b.hi, b.lo = 0, b.hi>>(d-64)
	default:
		b.hi, b.lo = b.hi>>d, b.lo>>d|b.hi<<(64-d)
	}
	var c uint64
	if a.neg == b.neg {
		a.lo, c = bits.Add64(a.lo, b.lo, 0)
		a.hi, c = bits.Add64(a.hi, b.hi, c)
		if c != 0 {
			a.lo = a.lo>>1 | a.hi<<63
			a.hi = a.hi>>1 | 1<<63
			a.exp++
		}
		return a
	}
	a.lo, c = bits.Sub64(a.lo, b.lo, 0)
	a.hi, _ = bits.Sub64(a.hi, b.hi, c)
	return a.normalized()
}

func (a wide) sub(b wide) wide {
	b.neg = !b.neg
	return a.add(b)
}

func (a wide) mul(b wide) wide {
	if a.isZero() || b.isZero() {
		return wide{}
	}
	h, l := bits.Mul64(a.hi, b.hi)
	h1, l1 := bits.Mul64(a.hi, b.lo)
	h2, l2 := bits.Mul64(a.lo, b.hi)
	h3, _ := bits.Mul64(a.lo, b.lo)
	t, c1 := bits.Add64(l1, l2, 0)
	t, c2 := bits.Add64(t, h3, 0)
	l, c1 = bits.Add64(l, h1, c1)
	l, c2 = bits.Add64(l, h2, c2)
	h += c1 + c2
	e := a.exp + b.exp
	if h>>63 == 0 {
		h, l, e = h<<1|l>>63, l<<1|t>>63, e-1
	}
	return wide{neg: a.neg != b.neg, hi: h, lo: l, exp: e}
}

// divSmall returns a / n for 0 < n < 2^63.
func (a wide) divSmall(n uint64) wide {
	q0, r := bits.Div64(0, a.hi, n)
	q1, r := bits.Div64(r, a.lo, n)
	q2, _ := bits.Div64(r, 0, n)
	s := bits.LeadingZeros64(q0) // q0 > 0, because n < 2^63 <= hi
	return wide{neg: a.neg, hi: q0<<s | q1>>(64-s), lo: q1<<s | q2>>(64-s), exp: a.exp - s}
}

// reciprocal returns 1/a for a != 0 with a relative error below 2^-122: a float64 quotient and two Newton steps.
func (a wide) reciprocal() wide {
	e := a.exp
	neg := a.neg
	a.exp, a.neg = 0, false // now in [1/2, 1)
	r := wideFromFloat64(1 / (float64(a.hi) * 0x1p-64))
	two := wideOne.scale(1)
	r = r.mul(two.sub(a.mul(r)))
	r = r.mul(two.sub(a.mul(r)))
	r.exp -= e
	r.neg = neg
	return r
}

func (a wide) div(b wide) wide { return a.mul(b.reciprocal()) }

// round returns the multiple m * 2^q of the last place of a float with the given precision and least exponent that is nearest
// to |a|, to even in a tie.
func (a wide) round(precision, minQ int) (m uint64, q int) {
	q = max(a.exp-precision, minQ)
	drop := uint(q - a.exp + 128) // bits of the significand below 2^q; at least 64
	switch {
	case a.isZero() || drop > 128:
		return 0, q
	case drop == 128:
		m = 0
	default:
		m = a.hi >> (drop - 64)
	}
	half := uint64(1) << (drop - 65)
	rest := a.hi & (half<<1 - 1)
	if rest > half || rest == half && (a.lo != 0 || m&1 != 0) {
		m++
	}
	return m, q
}

// float32 rounds a once to float32; a zero result keeps the sign of a.
func (a wide) float32() float32 {
	if a == wideNaN {
		return canonicalNaN()
	}
	m, q := a.round(24, -149)
	return float32(a.signed(m, q, 128))
}

// float64 rounds a once to float64; a zero result keeps the sign of a.
func (a wide) float64() float64 {
	if a == wideNaN {
		return math.NaN()
	}
	m, q := a.round(53, -1074)
	return a.signed(m, q, 1024)
}

// signed returns ±m * 2^q, infinite from 2^overflow on. The value has at most 53 bits and no bit below 2^-1074, so all is exact.
func (a wide) signed(m uint64, q, overflow int) float64 {
	x := math.Inf(1)
	switch {
	case q+bits.Len64(m) > overflow:
	case q >= -1022:
		x = float64(m) * math.Float64frombits(uint64(q+1023)<<52)
	default:
		x = float64(m) * math.Float64frombits(1<<(q+1074))
	}
	if a.neg {
		return -x
	}
	return x
}
