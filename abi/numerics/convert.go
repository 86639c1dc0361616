package numerics

import "math"

// BF16FromF32 rounds x to bfloat16, to nearest even (rule 15). Every NaN becomes 0x7FC0.
func BF16FromF32(x float32) uint16 {
	if x != x {
		return CanonicalNaN >> 16
	}
	u := math.Float32bits(x)
	return uint16((u + 0x7FFF + u>>16&1) >> 16) // the carry of a round-up runs into the exponent, up to infinity
}

// F32FromBF16 widens a bfloat16 exactly. Every NaN becomes CanonicalNaN.
func F32FromBF16(h uint16) float32 {
	x := math.Float32frombits(uint32(h) << 16)
	if x != x {
		return canonicalNaN()
	}
	return x
}

// F16FromF32 rounds x to IEEE-754 binary16, to nearest even, with subnormals; values from 65520 on become infinity. Every NaN
// becomes 0x7E00.
func F16FromF32(x float32) uint16 {
	const smallestNormal = 0x1p-14
	u := math.Float32bits(x)
	sign := uint16(u >> 16 & 0x8000)
	a := u & 0x7FFFFFFF
	switch f := math.Float32frombits(a); {
	case f != f:
		return 0x7E00
	case f >= 65520:
		return sign | 0x7C00
	case f >= smallestNormal:
		a += 0xFFF + a>>13&1                // round the 13 dropped bits to nearest even
		return sign | uint16(a>>13-112<<10) // exponent bias 127 becomes 15
	default:
		// Adding 1/2 aligns the binary16 subnormal quantum 2^-24 with the last bit of a float32, whose own rounding does the work.
		return sign | uint16(math.Float32bits(f+0.5)-math.Float32bits(0.5))
	}
}

// F32FromF16 widens an IEEE-754 binary16 exactly. Every NaN becomes CanonicalNaN.
func F32FromF16(h uint16) float32 {
	sign, exp, frac := uint32(h&0x8000)<<16, uint32(h>>10&31), uint32(h&0x3FF)
	switch {
	case exp == 31 && frac != 0:
		return canonicalNaN()
	case exp == 31:
		return math.Float32frombits(sign | 0x7F800000)
	case exp == 0:
		return math.Float32frombits(sign | math.Float32bits(float32(frac)*0x1p-24))
	}
	return math.Float32frombits(sign | (exp+112)<<23 | frac<<13)
}

// F32FromF64 rounds x to float32, to nearest even. Every NaN becomes CanonicalNaN.
func F32FromF64(x float64) float32 {
	if x != x {
		return canonicalNaN()
	}
	return float32(x)
}

// The conversions to integers truncate toward zero and saturate: NaN becomes 0, a value out of range the nearest bound (rule 3).
// They take float64, which holds every float32, so that one function serves both types.

// I32FromF64 truncates x to int32; NaN becomes 0, out of range saturates.
func I32FromF64(x float64) int32 {
	switch {
	case x != x:
		return 0
	case x <= math.MinInt32:
		return math.MinInt32
	case x >= math.MaxInt32:
		return math.MaxInt32
	}
	return int32(x)
}

// I64FromF64 truncates x to int64; NaN becomes 0, out of range saturates.
func I64FromF64(x float64) int64 {
	switch {
	case x != x:
		return 0
	case x < -0x1p63:
		return math.MinInt64
	case x >= 0x1p63:
		return math.MaxInt64
	}
	return int64(x)
}

// U8FromF64 truncates x to uint8; NaN and negative values become 0, too large ones saturate.
func U8FromF64(x float64) uint8 {
	switch {
	case x >= math.MaxUint8:
		return math.MaxUint8
	case x > 0:
		return uint8(x)
	}
	return 0
}

// U32FromF64 truncates x to uint32; NaN and negative values become 0, too large ones saturate.
func U32FromF64(x float64) uint32 {
	switch {
	case x >= math.MaxUint32:
		return math.MaxUint32
	case x > 0:
		return uint32(x)
	}
	return 0
}

// U64FromF64 truncates x to uint64; NaN and negative values become 0, too large ones saturate.
func U64FromF64(x float64) uint64 {
	switch {
	case x >= 0x1p64:
		return math.MaxUint64
	case x >= 0x1p63:
		return uint64(int64(x-0x1p63)) + 1<<63
	case x > 0:
		return uint64(int64(x))
	}
	return 0
}

// I32FromF32 truncates x to int32; NaN becomes 0, out of range saturates.
func I32FromF32(x float32) int32 { return I32FromF64(float64(x)) }

// I64FromF32 truncates x to int64; NaN becomes 0, out of range saturates.
func I64FromF32(x float32) int64 { return I64FromF64(float64(x)) }

// U8FromF32 truncates x to uint8; NaN and negative values become 0, too large ones saturate.
func U8FromF32(x float32) uint8 { return U8FromF64(float64(x)) }

// U32FromF32 truncates x to uint32; NaN and negative values become 0, too large ones saturate.
func U32FromF32(x float32) uint32 { return U32FromF64(float64(x)) }

// U64FromF32 truncates x to uint64; NaN and negative values become 0, too large ones saturate.
func U64FromF32(x float32) uint64 { return U64FromF64(float64(x)) }
