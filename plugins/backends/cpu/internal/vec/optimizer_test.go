package vec

import (
	"testing"

	"github.com/seedbed/seedbed/abi/numerics"
	"github.com/stretchr/testify/require"
)

func TestAdamW(t *testing.T) {
	s := AdamWStep{Weight: 3, Clip: 0.7, OneMinusBeta1: 0.1, Beta2: 0.999, OneMinusBeta2: 0.001, Decay: 1e-4, StepSize: 3e-3, SqrtBiasCorrection2: 0.3, Epsilon: 1e-8}
	onEveryPath(t, func(t *testing.T) {
		for _, n := range lengths {
			r := random(uint64(n))
			p, g, m, v := fill(r, make([]float32, n)), fill(r, make([]float32, n)), finite(r, make([]float32, n)), finite(r, make([]float32, n))
			wantP, wantM, wantV := make([]float32, n), make([]float32, n), make([]float32, n)
			for i := range v {
				v[i] = abs(v[i])
				d := float32(g[i] / s.Weight * s.Clip)
				wantM[i] = numerics.FMA(s.OneMinusBeta1, d-m[i], m[i])
				square, kept := d*d, s.Beta2*v[i]
				wantV[i] = numerics.FMA(s.OneMinusBeta2, square, kept)
				denominator := numerics.Sqrt(wantV[i]) / s.SqrtBiasCorrection2
				denominator += s.Epsilon
				move := s.StepSize * wantM[i]
				move /= denominator
				wantP[i] = numerics.FMA(-s.Decay, p[i], p[i]) - move
			}
			AdamW(p, g, m, v, s)
			requireSame(t, wantM, m, "m")
			requireSame(t, wantV, v, "v")
			requireSame(t, wantP, p, "p")
		}
	})
}

func TestSGD(t *testing.T) {
	s := SGDStep{Weight: 3, Clip: 0.7, Momentum: 0.9, Decay: 1e-4, LearningRate: 0.1}
	onEveryPath(t, func(t *testing.T) {
		for _, n := range lengths {
			r := random(uint64(n))
			p, g, m := fill(r, make([]float32, n)), fill(r, make([]float32, n)), finite(r, make([]float32, n))
			wantP, wantM := make([]float32, n), make([]float32, n)
			for i := range p {
				d := g[i] / s.Weight
				d *= s.Clip
				wantM[i] = numerics.FMA(s.Momentum, m[i], d)
				wantP[i] = numerics.FMA(-s.LearningRate, wantM[i], numerics.FMA(-s.Decay, p[i], p[i]))
			}
			SGD(p, g, m, s)
			requireSame(t, wantM, m, "m")
			requireSame(t, wantP, p, "p")
		}
	})
}

func TestRandom(t *testing.T) {
	onEveryPath(t, func(t *testing.T) {
		for _, n := range lengths {
			for _, first := range []uint64{0, 1, 2, 3, 1000, 4<<32 - 7, 4<<32 - 200, 1<<63 + 5} {
				s := numerics.Stream{Seed: 0x123456789ABCDEF0, Stream: 7, Step: uint32(n)}
				got, want := make([]uint32, n), make([]uint32, n)
				FillBits(got, s, first)
				s.FillBits(want, first)
				require.Equal(t, want, got, "%d from %d", n, first)

				normal, intact := guarded(n, n)
				wantNormal := make([]float32, n)
				FillNormal(normal, s, first, make([]float32, NormalScratch))
				s.FillNormal(wantNormal, first)
				requireSame(t, wantNormal, normal, "normal values: %d from %d", n, first)
				require.True(t, intact())
			}
		}
	})
}

func TestDropout(t *testing.T) {
	onEveryPath(t, func(t *testing.T) {
		for _, n := range lengths {
			x, bits := fill(random(uint64(n)), make([]float32, n)), make([]uint32, n)
			numerics.Stream{Seed: 1}.FillBits(bits, 0)
			for _, threshold := range []uint32{0, 1, 1 << 30, 1<<31 - 1, 1 << 31, 3 << 30, 1<<32 - 1} {
				if n > 2 {
					bits[1], bits[2] = threshold, threshold-1
				}
				want := make([]float32, n)
				for i := range want {
					if bits[i] < threshold {
						want[i] = x[i] * 1.25
					}
				}
				dst, intact := guarded(n, n)
				Dropout(dst, x, bits, threshold, 1.25)
				requireSame(t, want, dst, "threshold %x", threshold)
				require.True(t, intact())
			}
		}
	})
}

func TestNothingIsAllocated(t *testing.T) {
	const n = 5000
	r := random(8)
	x, y, z, w := finite(r, make([]float32, n)), finite(r, make([]float32, n)), make([]float32, n), make([]float32, n)
	bits, scratch := make([]uint32, n), make([]float32, ColumnScratch)
	onEveryPath(t, func(t *testing.T) {
		require.Zero(t, testing.AllocsPerRun(3, func() {
			Exp(z, x)
			SoftmaxRow(z, x)
			LayerNormRow(z, x, y, y, 1e-5)
			Sum(x)
			SumColumns(z[:50], x, scratch)
			AdamW(x, y, z, w, AdamWStep{Weight: 1, SqrtBiasCorrection2: 1, Epsilon: 1})
			FillBits(bits, numerics.Stream{}, 3)
			FillNormal(z, numerics.Stream{}, 3, scratch)
			if CanDotColumns(16, 300) {
				DotColumns(z[:300], x[:16], y, 16)
			}
			Dropout(z, x, bits, 1<<31, 2)
			Transpose(z, x, 50, 100, 0, 100)
		}))
	})
}

func BenchmarkAdamW(b *testing.B) {
	const n = 1 << 22
	r := random(7)
	p, g, m, v := finite(r, make([]float32, n)), finite(r, make([]float32, n)), make([]float32, n), make([]float32, n)
	s := AdamWStep{Weight: 3, Clip: 0.7, OneMinusBeta1: 0.1, Beta2: 0.999, OneMinusBeta2: 0.001, Decay: 1e-4, StepSize: 3e-3, SqrtBiasCorrection2: 0.3, Epsilon: 1e-8}
	for b.Loop() {
		AdamW(p, g, m, v, s)
	}
	perElement(b, n)
	b.SetBytes(7 * 4 * n)
}

func BenchmarkDropout(b *testing.B) {
	const n = 4096
	x, bits, dst := finite(random(7), make([]float32, n)), make([]uint32, n), make([]float32, n)
	b.Run("FillBits", func(b *testing.B) {
		for b.Loop() {
			FillBits(bits, numerics.Stream{}, 0)
		}
		perElement(b, n)
	})
	b.Run("Dropout", func(b *testing.B) {
		for b.Loop() {
			Dropout(dst, x, bits, 3<<30, 1.25)
		}
		perElement(b, n)
	})
}
