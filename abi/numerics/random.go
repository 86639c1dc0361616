package numerics

import (
	"math"
	"math/bits"
)

// Philox4x32 is Philox4x32-10 (Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011): a bijection of
// the counter for each key (rule 14).
func Philox4x32(counter [4]uint32, key [2]uint32) [4]uint32 {
	const (
		m0, m1 = 0xD2511F53, 0xCD9E8D57
		w0, w1 = 0x9E3779B9, 0xBB67AE85 // golden ratio and sqrt(3) - 1
	)
	c0, c1, c2, c3 := counter[0], counter[1], counter[2], counter[3]
	k0, k1 := key[0], key[1]
	for range 10 {
		hi0, lo0 := bits.Mul32(m0, c0)
		hi1, lo1 := bits.Mul32(m1, c2)
		c0, c1, c2, c3 = hi1^c1^k0, lo1, hi0^c3^k1, lo0
		k0 += w0
		k1 += w1
	}
	return [4]uint32{c0, c1, c2, c3}
}

// Stream is a sequence of random elements that can be read at any index (rule 14). The key is the seed (low word, high word); the
// counter words are element/4 (low, high), the stream and the step. Element e is output word e mod 4 of its block. Streams keep
// uses apart (one for each dropout layer, initialiser, ...); steps advance with training.
type Stream struct {
	Seed         uint64
	Stream, Step uint32
}

// Block returns the four words of elements 4*block to 4*block+3.
func (s Stream) Block(block uint64) [4]uint32 {
	return Philox4x32([4]uint32{uint32(block), uint32(block >> 32), s.Stream, s.Step}, [2]uint32{uint32(s.Seed), uint32(s.Seed >> 32)})
}

// At returns the 32 random bits of an element.
func (s Stream) At(element uint64) uint32 { return s.Block(element / 4)[element%4] }

// UniformAt returns Uniform of the bits of an element.
func (s Stream) UniformAt(element uint64) float32 { return Uniform(s.At(element)) }

// NormalAt returns the standard normal value of an element. Elements 0 and 1 of a block are Normal(w0, w1), elements 2 and 3
// are Normal(w2, w3), where w0..w3 are the block's words.
func (s Stream) NormalAt(element uint64) float32 {
	return normals(s.Block(element / 4))[element%4]
}

// FillBits writes the bits of elements first, first+1, ... into dst.
func (s Stream) FillBits(dst []uint32, first uint64) {
	fill(s, dst, first, func(w [4]uint32) [4]uint32 { return w })
}

// FillUniform writes the uniform values of elements first, first+1, ... into dst.
func (s Stream) FillUniform(dst []float32, first uint64) {
	fill(s, dst, first, func(w [4]uint32) [4]float32 {
		return [4]float32{Uniform(w[0]), Uniform(w[1]), Uniform(w[2]), Uniform(w[3])}
	})
}

// FillNormal writes the standard normal values of elements first, first+1, ... into dst.
func (s Stream) FillNormal(dst []float32, first uint64) { fill(s, dst, first, normals) }

// fill writes the elements that draw makes of each block.
func fill[T any](s Stream, dst []T, first uint64, draw func([4]uint32) [4]T) {
	for i := 0; i < len(dst); {
		e := first + uint64(i)
		v := draw(s.Block(e / 4))
		i += copy(dst[i:], v[e%4:])
	}
}

func normals(w [4]uint32) (z [4]float32) {
	z[0], z[1] = Normal(w[0], w[1])
	z[2], z[3] = Normal(w[2], w[3])
	return z
}

// Uniform maps random bits to [0, 1): (bits >> 8) * 2^-24, exact (rule 14).
func Uniform(bits uint32) float32 { return float32(float32(bits>>8) * 0x1p-24) }

// Bernoulli reports bits < threshold (rule 14).
func Bernoulli(bits, threshold uint32) bool { return bits < threshold }

// BernoulliThreshold returns the threshold for which Bernoulli is true with probability p: p * 2^32 rounded to nearest even. It
// saturates at 2^32 - 1, so p = 1 means probability 1 - 2^-32; a NaN or negative p means never.
func BernoulliThreshold(p float64) uint32 { return U32FromF64(math.RoundToEven(p * 0x1p32)) }

// Normal returns two independent standard normal values by Box and Muller's transform (rule 14):
//
//	u1 = ((w0 >> 8) + 1) * 2^-24          in (0, 1]
//	u2 = (w1 >> 8) * 2^-24                in [0, 1)
//	radius = sqrt(-2 * log(u1))           the product is exact
//	z0 = radius * cospi(2 * u2), z1 = radius * sinpi(2 * u2)
//
// each of log, sqrt, cospi, sinpi and the last product rounded once to float32. The largest magnitude is sqrt(48 ln 2) < 5.77.
func Normal(w0, w1 uint32) (z0, z1 float32) {
	u1 := float32(w0>>8+1) * 0x1p-24
	angle := float32(w1>>8) * 0x1p-23
	radius := Sqrt(-2 * Log(u1))
	return radius * CosPi(angle), radius * SinPi(angle)
}

// Sqrt returns the correctly rounded square root. Rounding the float64 root again is harmless: 53 >= 2*24 + 2 (Figueroa, "When is
// double rounding innocuous?", 1995).
func Sqrt(x float32) float32 { return F32FromF64(math.Sqrt(float64(x))) }

// Rsqrt returns 1 / sqrt(x) in two rounded operations (rule 13). Rsqrt(+0) is +Inf and Rsqrt(-0) is -Inf.
func Rsqrt(x float32) float32 {
	y := 1 / Sqrt(x)
	if y != y {
		return canonicalNaN()
	}
	return y
}
