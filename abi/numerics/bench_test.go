package numerics

import (
	"math"
	"math/rand/v2"
	"testing"
)

var (
	sink   float32
	sink64 float64
)

// BenchmarkFunctions times each function on activations drawn from a normal distribution of deviation 3 (log: their magnitudes), the
// 128-bit path that every undecided input takes, and the float64 functions.
func BenchmarkFunctions(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 2))
	x := make([]float32, 4096)
	for i := range x {
		x[i] = float32(3 * rng.NormFloat64())
	}
	for _, fn := range functions {
		in := x
		if fn.name == "log" || fn.name == "log1p" {
			in = make([]float32, len(x))
			for i := range x {
				in[i] = float32(math.Abs(float64(x[i])))
			}
		}
		b.Run(fn.name+"/fast", func(b *testing.B) {
			for i := range b.N {
				sink = fn.f(in[i%len(in)])
			}
		})
		b.Run(fn.name+"/wide", func(b *testing.B) {
			for i := range b.N {
				sink64 = fn.f64(float64(in[i%len(in)]))
			}
		})
	}
}

func BenchmarkFMA(b *testing.B) {
	s := float32(0)
	for i := range b.N {
		s = FMA(s, 0.999, float32(i&7))
	}
	sink = s
}

func BenchmarkDot(b *testing.B) {
	x := make([]float32, 4096)
	Stream{Seed: 1}.FillNormal(x, 0)
	b.SetBytes(4 * int64(len(x)))
	for range b.N {
		sink = Dot(x, x)
	}
}

func BenchmarkSum(b *testing.B) {
	x := make([]float32, 1<<16)
	Stream{Seed: 1}.FillNormal(x, 0)
	b.SetBytes(4 * int64(len(x)))
	for range b.N {
		sink = Sum(x)
	}
}

func BenchmarkFill(b *testing.B) {
	x := make([]float32, 4096)
	b.Run("uniform", func(b *testing.B) {
		b.SetBytes(4 * int64(len(x)))
		for range b.N {
			Stream{Seed: 1}.FillUniform(x, 0)
		}
	})
	b.Run("normal", func(b *testing.B) {
		b.SetBytes(4 * int64(len(x)))
		for range b.N {
			Stream{Seed: 1}.FillNormal(x, 0)
		}
	})
}

func BenchmarkPermute(b *testing.B) {
	for i := range b.N {
		sink64 = float64(Permute(1, 2, 1_000_000, uint64(i)%1_000_000))
	}
}
