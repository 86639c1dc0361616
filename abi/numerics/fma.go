package numerics

import "math"

// CanonicalNaN is the bit pattern that hashing and checkpoints write for every float32 NaN (rule 3).
const CanonicalNaN = 0x7FC00000

func canonicalNaN() float32 { return math.Float32frombits(CanonicalNaN) }

const (
	// A float64 carries 29 more significand bits than a float32; a value lies half way between two float32 numbers of the
	// normal range exactly when these bits are 100...0.
	extraBits  = 1<<29 - 1
	extraTie   = 1 << 28
	subnormal2 = (1023 - 126) << 53 // twice the bits of 2^-126: below it float32 has fewer bits and ties lie elsewhere
)

// FMA returns a*b + c with one rounding to float32 (IEEE-754 fusedMultiplyAdd).
//
// The product of two float32 is exact in float64, so the sum s below has one rounding error. Rounding s again is wrong only
// if s sits on a tie between two float32 while the exact sum does not; fmaTie handles that case.
func FMA(a, b, c float32) float32 {
	p := float64(float64(a) * float64(b))
	s := p + float64(c)
	if u := math.Float64bits(s); u&extraBits == extraTie || u<<1 < subnormal2 {
		return fmaTie(p, float64(c), s)
	}
	return float32(s)
}

// fmaTie rounds p + c to odd in float64 and then to float32. Rounding to odd keeps one sticky bit, so the second rounding
// sees on which side of a tie the exact sum lies (Boldo and Melquiond, "Emulation of FMA and correctly rounded sums", 2008).
// s = p + c is finite here.
func fmaTie(p, c, s float64) float32 {
	// Knuth's TwoSum: p + c = s + e exactly.
	t := s - p
	e := (p - (s - t)) + (c - t)
	if u := math.Float64bits(s); e != 0 && u&1 == 0 {
		if (e > 0) == (s > 0) {
			u++
		} else {
			u--
		}
		s = math.Float64frombits(u)
	}
	return float32(s)
}
