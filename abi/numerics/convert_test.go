package numerics

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// nearestEven is the definition of RNE over an ascending list of representable values: the nearest, in a tie the one with even index.
func nearestEven(values []float64, x float64) int {
	lo, hi := 0, len(values)-1
	for lo < hi {
		if mid := (lo + hi + 1) / 2; values[mid] <= x {
			lo = mid
		} else {
			hi = mid - 1
		}
	}
	if lo == len(values)-1 {
		return lo
	}
	d0, d1 := x-values[lo], values[lo+1]-x
	if d1 < d0 || d1 == d0 && lo%2 == 1 {
		return lo + 1
	}
	return lo
}

func TestHalfFormats(t *testing.T) {
	for _, c := range []struct {
		name    string
		narrow  func(float32) uint16
		widen   func(uint16) float32
		inf     uint16
		nan     uint16
		nextTop float64 // what the format would hold after its largest finite value
	}{
		{"bf16", BF16FromF32, F32FromBF16, 0x7F80, 0x7FC0, 0x1p128},
		{"f16", F16FromF32, F32FromF16, 0x7C00, 0x7E00, 0x1p16},
	} {
		t.Run(c.name, func(t *testing.T) {
			values := make([]float64, c.inf+1)
			for h := range values[:c.inf] {
				values[h] = float64(c.widen(uint16(h)))
			}
			values[c.inf] = c.nextTop
			for h := range values[1:] {
				require.Less(t, values[h], values[h+1])
			}
			check := func(x float32) {
				if a := math.Abs(float64(x)); a-a == 0 {
					want := uint16(nearestEven(values, a)) | uint16(math.Float32bits(x)>>16&0x8000)
					require.Equalf(t, want, c.narrow(x), "%g", x)
				}
			}
			for h := range c.inf { // every value, every tie and their neighbours
				v := c.widen(h)
				require.Equal(t, h, c.narrow(v))
				require.Equal(t, h|0x8000, c.narrow(c.widen(h|0x8000)))
				tie := math.Float32bits(float32((values[h] + values[h+1]) / 2))
				for d := range uint32(5) {
					check(f32(tie - 2 + d))
					check(-f32(tie - 2 + d))
				}
			}
			rng := rand.New(rand.NewPCG(2, 3))
			for range 100_000 {
				check(f32(rng.Uint32()))
			}
			check(math.MaxFloat32)
			check(f32(1))
			inf := float32(math.Inf(1))
			assert.Equal(t, c.inf, c.narrow(inf))
			assert.Equal(t, c.inf|0x8000, c.narrow(-inf))
			assert.Equal(t, inf, c.widen(c.inf))
			assert.Equal(t, c.nan, c.narrow(f32(0xFF800001)), "any NaN")
			for _, h := range []uint16{c.inf + 1, 0xFFFF} {
				assert.EqualValues(t, CanonicalNaN, math.Float32bits(c.widen(h)))
			}
		})
	}
}

func TestF16KnownValues(t *testing.T) {
	for x, want := range map[float32]uint16{1: 0x3C00, -2: 0xC000, 65504: 0x7BFF, 65519.996: 0x7BFF, 65520: 0x7C00, 0x1p-24: 1, 0x1p-25: 0, 0x1.000002p-25: 1, 0x1p-14: 0x0400, 1. / 3: 0x3555} {
		assert.Equalf(t, want, F16FromF32(x), "%g", x)
	}
}

func TestF32FromF64(t *testing.T) {
	assert.EqualValues(t, CanonicalNaN, math.Float32bits(F32FromF64(math.Float64frombits(0xFFF8000000000001))))
	assert.Equal(t, float32(1), F32FromF64(1+0x1p-24))
	assert.Equal(t, float32(1+0x1p-23), F32FromF64(1+0x1p-24+0x1p-50))
}

func TestIntegerConversions(t *testing.T) {
	type ints struct {
		i32 int32
		i64 int64
		u8  uint8
		u32 uint32
		u64 uint64
	}
	const maxI64, minI64, maxU64 = math.MaxInt64, math.MinInt64, math.MaxUint64
	inf, nan := math.Inf(1), math.NaN()
	for _, c := range []struct {
		name string
		x    float64
		want ints
	}{
		{"nan", nan, ints{}},
		{"+inf", inf, ints{math.MaxInt32, maxI64, 255, math.MaxUint32, maxU64}},
		{"-inf", -inf, ints{math.MinInt32, minI64, 0, 0, 0}},
		{"-0", math.Copysign(0, -1), ints{}},
		{"toward zero", 2.9, ints{2, 2, 2, 2, 2}},
		{"toward zero, negative", -2.9, ints{-2, -2, 0, 0, 0}},
		{"255.9", 255.9, ints{255, 255, 255, 255, 255}},
		{"256", 256, ints{256, 256, 255, 256, 256}},
		{"below 2^31", 2147483647.5, ints{math.MaxInt32, 2147483647, 255, 2147483647, 2147483647}},
		{"2^31", 0x1p31, ints{math.MaxInt32, 1 << 31, 255, 1 << 31, 1 << 31}},
		{"-2^31-0.5", -0x1p31 - 0.5, ints{math.MinInt32, -1 << 31, 0, 0, 0}},
		{"2^32", 0x1p32, ints{math.MaxInt32, 1 << 32, 255, math.MaxUint32, 1 << 32}},
		{"below 2^63", 0x1.fffffffffffffp62, ints{math.MaxInt32, 0x7FFFFFFFFFFFFC00, 255, math.MaxUint32, 0x7FFFFFFFFFFFFC00}},
		{"2^63", 0x1p63, ints{math.MaxInt32, maxI64, 255, math.MaxUint32, 1 << 63}},
		{"-2^63", -0x1p63, ints{math.MinInt32, minI64, 0, 0, 0}},
		{"below 2^64", 0x1.fffffffffffffp63, ints{math.MaxInt32, maxI64, 255, math.MaxUint32, 0xFFFFFFFFFFFFF800}},
		{"2^64", 0x1p64, ints{math.MaxInt32, maxI64, 255, math.MaxUint32, maxU64}},
	} {
		assert.Equal(t, c.want, ints{I32FromF64(c.x), I64FromF64(c.x), U8FromF64(c.x), U32FromF64(c.x), U64FromF64(c.x)}, c.name)
	}
	rng := rand.New(rand.NewPCG(9, 9))
	for range 20_000 {
		x := f32(rng.Uint32())
		if x-x != 0 {
			continue
		}
		exact, _ := big.NewFloat(float64(x)).Int(nil)
		clamp := func(lo, hi *big.Int) *big.Int {
			switch {
			case exact.Cmp(lo) < 0:
				return lo
			case exact.Cmp(hi) > 0:
				return hi
			}
			return exact
		}
		zero, u64 := big.NewInt(0), new(big.Int).SetUint64(maxU64)
		require.Equal(t, clamp(big.NewInt(math.MinInt32), big.NewInt(math.MaxInt32)).Int64(), int64(I32FromF32(x)), "%g", x)
		require.Equal(t, clamp(big.NewInt(minI64), big.NewInt(maxI64)).Int64(), I64FromF32(x), "%g", x)
		require.Equal(t, clamp(zero, big.NewInt(255)).Uint64(), uint64(U8FromF32(x)), "%g", x)
		require.Equal(t, clamp(zero, big.NewInt(math.MaxUint32)).Uint64(), uint64(U32FromF32(x)), "%g", x)
		require.Equal(t, clamp(zero, u64).Uint64(), U64FromF32(x), "%g", x)
	}
}
