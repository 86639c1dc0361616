package numerics

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func f32(b uint32) float32 { return math.Float32frombits(b) }

// sameBits compares to the bit, all NaNs equal.
func sameBits(t testing.TB, want, got float32, msg string, args ...any) {
	t.Helper()
	if want != want && got != got {
		return
	}
	require.Equalf(t, math.Float32bits(want), math.Float32bits(got), msg, args...)
}

// bigFMA is a*b + c rounded once, for finite operands.
func bigFMA(a, b, c float32) float32 {
	exact := func(x float32) *big.Float { return new(big.Float).SetPrec(1000).SetFloat64(float64(x)) }
	y := exact(a)
	y.Mul(y, exact(b)).Add(y, exact(c))
	if y.Sign() == 0 { // big.Float has its own rule for the sign of a zero sum; IEEE's is that of the operands
		return float32(float64(a)*float64(b) + float64(c))
	}
	f, _ := y.Float32()
	return f
}

func TestFMAAgainstBig(t *testing.T) {
	special := []float32{0, f32(1 << 31), 1, -1, f32(1), f32(0x80000001), f32(0x007FFFFF), f32(0x00800000), f32(0x80800000), f32(0x00800001),
		math.MaxFloat32, -math.MaxFloat32, 1 + 0x1p-23, 1 - 0x1p-24, 0x1p-12, 0x1p-75, 0x1p-74, 0x1p64, 0x1.fffffep63, 3, 0x1p-149 * 5}
	for _, a := range special {
		for _, b := range special {
			for _, c := range special {
				sameBits(t, bigFMA(a, b, c), FMA(a, b, c), "fma(%g, %g, %g)", a, b, c)
			}
		}
	}
	rng := rand.New(rand.NewPCG(5, 6))
	finite := func() float32 {
		for {
			if x := f32(rng.Uint32()); x-x == 0 {
				return x
			}
		}
	}
	near := func(e int) float32 { // 24 random bits at exponent e
		return float32(math.Ldexp(float64(rng.Uint32()>>8|1<<23), e-23)) * float32(1-2*int(rng.Uint32()&1))
	}
	for range 100_000 {
		a, b, c := finite(), finite(), finite()
		sameBits(t, bigFMA(a, b, c), FMA(a, b, c), "random fma(%g, %g, %g)", a, b, c)

		e := rng.IntN(60) - 30
		a, b, c = near(0), near(e), near(e+rng.IntN(60)-30)
		sameBits(t, bigFMA(a, b, c), FMA(a, b, c), "near fma(%g, %g, %g)", a, b, c)

		// Rounding the float64 sum again fails where a*b ends just beside half an ulp of c: a*b = 2^k (1 ± tiny).
		c = near(0)
		half := float32(0x1p-24) // half an ulp of c
		d := float32(rng.IntN(9)-4) * 0x1p-23
		a, b = half*(1+d), 1+float32(rng.IntN(9)-4)*0x1p-23
		sameBits(t, bigFMA(a, b, c), FMA(a, b, c), "tie fma(%g, %g, %g)", a, b, c)

		// The same at the bottom, where the float32 quantum is 2^-149.
		c = f32(rng.Uint32() & 0x807FFFFF)
		a, b = 0x1p-75*(1+d), 0x1p-75*b
		sameBits(t, bigFMA(a, b, c), FMA(a, b, c), "subnormal fma(%g, %g, %g)", a, b, c)
	}
}

func TestFMADiffersFromDoubleRounding(t *testing.T) {
	a, b, c := float32(1+0x1p-23), float32(0x1p-24*(1-0x1p-23)), float32(1) // a*b = 2^-24 (1 - 2^-46): below half an ulp of 1
	wrong := float32(math.FMA(float64(a), float64(b), float64(1+0x1p-23)))
	assert.Equal(t, float32(1), FMA(a, b, c))
	assert.Equal(t, float32(1+0x1p-22), wrong, "two roundings see a tie and go to even")
	assert.Equal(t, float32(1+0x1p-23), FMA(a, b, 1+0x1p-23))
}

func TestFMASpecial(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	for _, c := range []struct{ a, b, c, want float32 }{
		{inf, 1, 1, inf}, {inf, -1, 1, -inf}, {inf, 0, 1, nan}, {inf, 1, -inf, nan}, {1, 1, -inf, -inf},
		{nan, 1, 1, nan}, {1, 1, nan, nan}, {math.MaxFloat32, 2, 0, inf}, {math.MaxFloat32, 2, -math.MaxFloat32, math.MaxFloat32},
		{math.MaxFloat32, math.MaxFloat32, -inf, -inf}, {-1, 0, f32(1 << 31), f32(1 << 31)}, {1, 1, -1, 0},
	} {
		sameBits(t, c.want, FMA(c.a, c.b, c.c), "fma(%g, %g, %g)", c.a, c.b, c.c)
	}
}

func FuzzFMA(f *testing.F) {
	f.Add(uint32(0x3F800001), uint32(0x337FFFFE), uint32(0x3F800001))
	f.Add(uint32(1), uint32(0x3F000000), uint32(0x80000001))
	f.Fuzz(func(t *testing.T, a, b, c uint32) {
		x, y, z := f32(a), f32(b), f32(c)
		if x-x != 0 || y-y != 0 || z-z != 0 {
			t.Skip("not finite")
		}
		sameBits(t, bigFMA(x, y, z), FMA(x, y, z), "fma(%g, %g, %g)", x, y, z)
	})
}

func TestMaxMinRelu(t *testing.T) {
	negZero, nan, inf := f32(1<<31), f32(0xFFC00001), float32(math.Inf(1))
	for _, c := range []struct{ a, b, max, min float32 }{
		{1, 2, 2, 1}, {0, negZero, 0, negZero}, {negZero, 0, 0, negZero}, {negZero, negZero, negZero, negZero},
		{nan, 1, nan, nan}, {1, nan, nan, nan}, {-inf, inf, inf, -inf}, {nan, inf, nan, nan}, {f32(1), 0, f32(1), 0},
	} {
		sameBits(t, c.max, Max(c.a, c.b), "max(%g, %g)", c.a, c.b)
		sameBits(t, c.min, Min(c.a, c.b), "min(%g, %g)", c.a, c.b)
	}
	assert.EqualValues(t, CanonicalNaN, math.Float32bits(Max(nan, 1)))
	assert.EqualValues(t, CanonicalNaN, math.Float32bits(Min(1, nan)))
	sameBits(t, 0, Relu(negZero), "relu(-0)")
	sameBits(t, 0, Relu(-inf), "relu(-inf)")
	sameBits(t, f32(1), Relu(f32(1)), "relu of the smallest subnormal")
	assert.True(t, math.IsNaN(float64(Relu(nan))))
}

func TestSqrtAgainstBig(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for range 20_000 {
		x := f32(rng.Uint32() & 0x7FFFFFFF)
		if x-x != 0 || x == 0 {
			continue
		}
		want, _ := new(big.Float).SetPrec(200).Sqrt(new(big.Float).SetFloat64(float64(x))).Float32()
		sameBits(t, want, Sqrt(x), "sqrt(%g)", x)
		sameBits(t, 1/want, Rsqrt(x), "rsqrt(%g)", x)
	}
	inf := float32(math.Inf(1))
	sameBits(t, f32(1<<31), Sqrt(f32(1<<31)), "sqrt(-0)")
	sameBits(t, inf, Rsqrt(0), "rsqrt(0)")
	sameBits(t, -inf, Rsqrt(f32(1<<31)), "rsqrt(-0)")
	sameBits(t, 0, Rsqrt(inf), "rsqrt(inf)")
	assert.EqualValues(t, CanonicalNaN, math.Float32bits(Rsqrt(-1)))
	assert.EqualValues(t, CanonicalNaN, math.Float32bits(Sqrt(-1)))
}
