package numerics

import (
	"math"
	"math/big"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestPhiloxKnownAnswers are the philox4x32-10 lines of Random123's kat_vectors.
func TestPhiloxKnownAnswers(t *testing.T) {
	const all = math.MaxUint32
	assert.Equal(t, [4]uint32{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}, Philox4x32([4]uint32{}, [2]uint32{}))
	assert.Equal(t, [4]uint32{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}, Philox4x32([4]uint32{all, all, all, all}, [2]uint32{all, all}))
	assert.Equal(t, [4]uint32{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1},
		Philox4x32([4]uint32{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, [2]uint32{0xa4093822, 0x299f31d0}))
}

func TestStreamLayout(t *testing.T) {
	s := Stream{Seed: 0x299f31d0_a4093822, Stream: 0x13198a2e, Step: 0x03707344}
	block := uint64(0x05a308d3)<<32 | 0x243f6a88 // element = 4 * block must fit 64 bits
	want := Philox4x32([4]uint32{0x243f6a88, 0x05a308d3, 0x13198a2e, 0x03707344}, [2]uint32{0xa4093822, 0x299f31d0})
	for i, w := range want {
		assert.Equal(t, w, s.At(4*block+uint64(i)))
	}
}

func TestFillsMatchSingleElements(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := Stream{rapid.Uint64().Draw(t, "seed"), rapid.Uint32().Draw(t, "stream"), rapid.Uint32().Draw(t, "step")}
		first := rapid.Uint64Range(0, 1<<40).Draw(t, "first")
		n := rapid.IntRange(0, 40).Draw(t, "n")
		b, u, z := make([]uint32, n), make([]float32, n), make([]float32, n)
		s.FillBits(b, first)
		s.FillUniform(u, first)
		s.FillNormal(z, first)
		for i := range n {
			e := first + uint64(i)
			if b[i] != s.At(e) || u[i] != s.UniformAt(e) || z[i] != s.NormalAt(e) || u[i] != Uniform(b[i]) {
				t.Fatalf("element %d", e)
			}
		}
	})
}

func TestUniformEnds(t *testing.T) {
	assert.Equal(t, float32(0), Uniform(0xFF))
	assert.Equal(t, float32(0x1p-24), Uniform(0x100))
	assert.Equal(t, float32(1-0x1p-24), Uniform(math.MaxUint32))
}

func TestBernoulliThreshold(t *testing.T) {
	for p, want := range map[float64]uint32{0: 0, -1: 0, 0.5: 1 << 31, 0x1p-32: 1, 0.1: 429496730, 1: math.MaxUint32, 2: math.MaxUint32, 1.5 * 0x1p-32: 2, 2.5 * 0x1p-32: 2} {
		assert.Equalf(t, want, BernoulliThreshold(p), "p = %g", p)
	}
	assert.Zero(t, BernoulliThreshold(math.NaN()))
	assert.True(t, Bernoulli(9, 10))
	assert.False(t, Bernoulli(10, 10))
	hits, th := 0, BernoulliThreshold(0.1)
	for e := range uint64(100_000) {
		if Bernoulli((Stream{Seed: 3}).At(e), th) {
			hits++
		}
	}
	assert.InDelta(t, 10_000, hits, 5*95)
}

// TestNormalByParts recomputes the transform's parts with math/big.
func TestNormalByParts(t *testing.T) {
	check := func(w0, w1 uint32) {
		u1 := float64(w0>>8+1) * 0x1p-24
		log := float32(0)
		if u1 != 1 {
			log, _ = bigLog(bnum(u1)).Float32()
		}
		r := float32(math.Sqrt(float64(-2 * log)))
		sin, cos := bigSinCos(bnum(float64(w1>>8) * 0x1p-23).mul(bigPi.prec(bigPrec)))
		round := func(x num) float32 {
			if x.abs().f64() < 1e-60 { // a multiple of pi/2, up to the error of pi
				return 0
			}
			f, _ := x.Float32()
			return f
		}
		z0, z1 := Normal(w0, w1)
		require.Equal(t, r*round(cos), z0, "%#x %#x", w0, w1)
		require.Equal(t, r*round(sin), z1, "%#x %#x", w0, w1)
	}
	for _, w := range [][2]uint32{{0, 0}, {math.MaxUint32, 0}, {math.MaxUint32, 1 << 30}, {0, 1 << 30}, {0, 1 << 31}, {0, 3 << 30}, {0, math.MaxUint32}, {1 << 31, 1 << 29}} {
		check(w[0], w[1])
	}
	for e := range uint64(300) {
		w := Stream{Seed: 11}.Block(e)
		check(w[0], w[1])
	}
	z, _ := Normal(0, 0)
	assert.InDelta(t, math.Sqrt(48*math.Ln2), z, 1e-6, "the largest magnitude")
}

func TestNormalMoments(t *testing.T) {
	const n = 400_000
	var sum, square, cube, fourth float64
	for _, z := range normalData(n, 0) {
		v := float64(z)
		sum, square, cube, fourth = sum+v, square+v*v, cube+v*v*v, fourth+v*v*v*v
	}
	assert.InDelta(t, 0, sum/n, 5/math.Sqrt(n))
	assert.InDelta(t, 1, square/n, 5*math.Sqrt(2./n))
	assert.InDelta(t, 0, cube/n, 5*math.Sqrt(15./n))
	assert.InDelta(t, 3, fourth/n, 5*math.Sqrt(96./n))
}

func TestPermuteIsABijection(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seed, epoch := rapid.Uint64().Draw(t, "seed"), rapid.Uint64().Draw(t, "epoch")
		n := rapid.Uint64Range(1, 3000).Draw(t, "n")
		seen := make([]bool, n)
		for i := range n {
			j := Permute(seed, epoch, n, i)
			if j >= n || seen[j] || PermuteInverse(seed, epoch, n, j) != i {
				t.Fatalf("%d -> %d", i, j)
			}
			seen[j] = true
		}
	})
}

func FuzzPermute(f *testing.F) {
	f.Add(uint64(1), uint64(2), uint64(1_000_000), uint64(3))
	f.Add(uint64(1), uint64(2), uint64(math.MaxUint64), uint64(3))
	f.Add(uint64(0), uint64(0), uint64(0), uint64(0))
	f.Add(uint64(9), uint64(0), uint64(1)<<63+1, uint64(1)<<63)
	f.Fuzz(func(t *testing.T, seed, epoch, n, i uint64) {
		j := Permute(seed, epoch, n, i)
		require.Equal(t, i, PermuteInverse(seed, epoch, n, j))
		if i < n {
			require.Less(t, j, n)
		} else {
			require.Equal(t, i, j)
		}
	})
}

// TestPermuteSmallIsUniform counts all permutations of few elements over many epochs: chi-square below its 99.99 % quantile.
func TestPermuteSmallIsUniform(t *testing.T) {
	for _, c := range []struct {
		n, kinds uint64
		limit    float64
	}{{2, 2, 15.1}, {3, 6, 25.7}, {4, 24, 58.6}, {5, 120, 184}} {
		const epochs = 24_000
		counts := map[uint64]float64{}
		for epoch := range uint64(epochs) {
			code := uint64(0)
			for i := range c.n {
				code = code*c.n + Permute(5, epoch, c.n, i)
			}
			counts[code]++
		}
		want, chi := epochs/float64(c.kinds), 0.0
		for _, k := range counts {
			chi += (k - want) * (k - want) / want
		}
		assert.Len(t, counts, int(c.kinds))
		assert.Less(t, chi, c.limit, "n = %d", c.n)
	}
}

// TestPermuteSpreads checks where element 0 of a larger set goes, and that neighbours part, over many epochs.
func TestPermuteSpreads(t *testing.T) {
	const n, epochs = 100, 20_000
	var at [n]float64
	apart := 0
	for epoch := range uint64(epochs) {
		j := Permute(5, epoch, n, 0)
		at[j]++
		if k := Permute(5, epoch, n, 1); k == (j+1)%n {
			apart++
		}
	}
	chi := 0.0
	for _, k := range at {
		chi += (k - epochs/n) * (k - epochs/n) / (epochs / n)
	}
	assert.Less(t, chi, 160.0, "99 degrees of freedom, 99.99 %")
	assert.InDelta(t, epochs/(n-1.), apart, 75, "followers of element 0")
}

func TestPow(t *testing.T) {
	assert.Equal(t, 1.0, Pow(0, 0))
	assert.Equal(t, 0x1p-60, Pow(0.5, 60))
	for _, n := range []uint64{1, 2, 3, 10, 999, 1000, 123_456} {
		want := bnum(1)
		for bit := 20; bit >= 0; bit-- {
			want = want.mul(want)
			if n>>bit&1 != 0 {
				want = want.mul(bnum(0.999))
			}
		}
		assert.InEpsilon(t, want.f64(), Pow(0.999, n), 2*float64(n)*0x1p-53, "n = %d", n)
		exact, _ := new(big.Float).Sub(big.NewFloat(1), want.Float).Float64()
		assert.InEpsilon(t, exact, BiasCorrection(0.999, n), 1e-12)
	}
	assert.Zero(t, Pow(0.9, 1<<60), "underflow")
}

func TestSchedules(t *testing.T) {
	assert.Equal(t, 0.25, Progress(25, 100))
	assert.Equal(t, 1.0, Progress(101, 100))
	assert.Equal(t, 1.0, Progress(0, 0))
	assert.Equal(t, 1.0, LinearDecay(0, 0.1))
	assert.Equal(t, 0.1, LinearDecay(1, 0.1))
	assert.Equal(t, 1.0, CosineDecay(0, 0.1))
	assert.Equal(t, 0.1, CosineDecay(1, 0.1))
	assert.Equal(t, 0.55, CosineDecay(0.5, 0.1))
	assert.InDelta(t, 0.5*(1+math.Cos(math.Pi/3)), CosineDecay(1./3, 0), 1e-15)
	assert.Equal(t, 1.0, InverseSqrtDecay(5, 100))
	assert.Equal(t, 0.5, InverseSqrtDecay(400, 100))
	assert.Equal(t, 1.0, InverseSqrtDecay(0, 0))
	assert.Equal(t, 1.0, ClipFactor(0.5, 1))
	assert.Equal(t, 1/(4+1e-6), ClipFactor(4, 1))
	assert.True(t, math.IsNaN(ClipFactor(math.NaN(), 1)))
}
