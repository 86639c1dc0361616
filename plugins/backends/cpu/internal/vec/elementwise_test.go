package vec

import (
	"math"
	"testing"

	"github.com/seedbed/seedbed/abi/numerics"
	"github.com/stretchr/testify/require"
)

var binaries = map[string]struct {
	vector func(dst, a, b []float32)
	scalar func(a, b float32) float32
}{
	"Add": {Add, func(a, b float32) float32 { return a + b }},
	"Sub": {Sub, func(a, b float32) float32 { return a - b }},
	"Mul": {Mul, func(a, b float32) float32 { return a * b }},
	"Div": {Div, func(a, b float32) float32 { return a / b }},
	"Max": {Max, numerics.Max},
	"Min": {Min, numerics.Min},
	"ReluGrad": {ReluGrad, func(a, b float32) float32 {
		if a > 0 {
			return b
		}
		return 0
	}},
}

var withScalars = map[string]struct {
	vector func(dst, a []float32, s float32)
	scalar func(a, s float32) float32
}{
	"AddScalar": {AddScalar, func(a, s float32) float32 { return a + s }},
	"SubScalar": {SubScalar, func(a, s float32) float32 { return a - s }},
	"ScalarSub": {ScalarSub, func(a, s float32) float32 { return s - a }},
	"MulScalar": {MulScalar, func(a, s float32) float32 { return a * s }},
	"DivScalar": {DivScalar, func(a, s float32) float32 { return a / s }},
	"ScalarDiv": {ScalarDiv, func(a, s float32) float32 { return s / a }},
	"MaxScalar": {MaxScalar, numerics.Max},
	"MinScalar": {MinScalar, numerics.Min},
}

var unaries = map[string]struct {
	vector func(dst, a []float32)
	scalar func(a float32) float32
}{
	"Neg":   {Neg, func(a float32) float32 { return -a }},
	"Abs":   {Abs, func(a float32) float32 { return float32(math.Abs(float64(a))) }},
	"Sqrt":  {Sqrt, numerics.Sqrt},
	"Rsqrt": {Rsqrt, numerics.Rsqrt},
	"Relu":  {Relu, numerics.Relu},
}

func TestBinary(t *testing.T) {
	onEveryPath(t, func(t *testing.T) {
		for name, f := range binaries {
			for _, n := range lengths {
				r := random(uint64(n))
				a, b := fill(r, make([]float32, n+1))[1:], fill(r, make([]float32, n+3))[3:]
				want := make([]float32, n)
				for i := range want {
					want[i] = f.scalar(a[i], b[i])
				}
				dst, intact := guarded(n, n)
				f.vector(dst, a, b)
				requireSame(t, want, dst, "%s", name)
				require.True(t, intact(), "%s wrote outside %d elements", name, n)
				f.vector(b, a, b)
				requireSame(t, want, b, "%s over its second operand", name)
			}
			// Every pair of special values.
			for _, x := range specials {
				for i, y := range specials {
					dst := []float32{0}
					f.vector(dst, []float32{x}, specials[i:i+1])
					require.True(t, same(f.scalar(x, y), dst[0]), "%s(%v, %v) = %v", name, x, y, dst[0])
				}
			}
		}
	})
}

func TestWithScalar(t *testing.T) {
	onEveryPath(t, func(t *testing.T) {
		for name, f := range withScalars {
			for k, n := range lengths {
				r := random(uint64(n))
				a, s := fill(r, make([]float32, n+1))[1:], float32(1.7)
				if k%3 == 0 {
					s = specials[k/3%len(specials)]
				}
				want := make([]float32, n)
				for i := range want {
					want[i] = f.scalar(a[i], s)
				}
				dst, intact := guarded(n, n)
				f.vector(dst, a, s)
				requireSame(t, want, dst, "%s with %v", name, s)
				require.True(t, intact(), "%s wrote outside %d elements", name, n)
			}
		}
	})
}

func TestUnary(t *testing.T) {
	onEveryPath(t, func(t *testing.T) {
		for name, f := range unaries {
			for _, n := range lengths {
				a := fill(random(uint64(n)), make([]float32, n+1))[1:]
				if n > len(specials) {
					copy(a, specials)
				}
				want := make([]float32, n)
				for i := range want {
					want[i] = f.scalar(a[i])
				}
				dst, intact := guarded(n, n)
				f.vector(dst, a)
				requireSame(t, want, dst, "%s", name)
				require.True(t, intact(), "%s wrote outside %d elements", name, n)
			}
		}
	})
}

func TestFused(t *testing.T) {
	onEveryPath(t, func(t *testing.T) {
		for _, n := range lengths {
			r := random(uint64(n))
			a, b, c := fill(r, make([]float32, n)), fill(r, make([]float32, n+1))[1:], fill(r, make([]float32, n))
			want := make([]float32, n)
			check := func(name string, call func(dst []float32), scalar func(i int) float32) {
				for i := range want {
					want[i] = scalar(i)
				}
				dst, intact := guarded(n, n)
				call(dst)
				requireSame(t, want, dst, "%s", name)
				require.True(t, intact(), "%s wrote outside %d elements", name, n)
			}
			check("FMA", func(dst []float32) { FMA(dst, a, b, c) }, func(i int) float32 { return numerics.FMA(a[i], b[i], c[i]) })
			check("FMAScalar", func(dst []float32) { FMAScalar(dst, a, 0.3, c) }, func(i int) float32 { return numerics.FMA(a[i], 0.3, c[i]) })
			check("MulSubScalar", func(dst []float32) { MulSubScalar(dst, a, 0.3, b) }, func(i int) float32 { return (a[i] - 0.3) * b[i] })
			check("Center", func(dst []float32) { Center(dst, a, 0.3, 1.1) }, func(i int) float32 { return (a[i] - 0.3) * 1.1 })
			check("ScaleShift", func(dst []float32) { ScaleShift(dst, a, b, c, 0.3, 1.1) }, func(i int) float32 {
				return float32((a[i]-0.3)*1.1*b[i]) + c[i]
			})
			check("Fill", func(dst []float32) { Fill(dst, 3) }, func(i int) float32 { return 3 })
		}
	})
}

func TestUnequalLengthsPanic(t *testing.T) {
	long, short := make([]float32, 9), make([]float32, 8)
	onEveryPath(t, func(t *testing.T) {
		require.PanicsWithValue(t, "vec: a slice has length 8 where 9 is needed", func() { Add(long, long, short) })
		require.Panics(t, func() { Exp(short, long) })
		require.Panics(t, func() { AdamW(long, short, long, long, AdamWStep{}) })
		require.Panics(t, func() { Transpose(long, short, 3, 3, 0, 3) })
		require.Panics(t, func() { SumColumns(short, long, make([]float32, ColumnScratch)) })
	})
}

func BenchmarkElementwise(b *testing.B) {
	for _, size := range []struct {
		name string
		n    int
	}{{"L1", 2048}, {"RAM", 1 << 23}} {
		r := random(3)
		x, y, dst := finite(r, make([]float32, size.n)), finite(r, make([]float32, size.n)), make([]float32, size.n)
		for _, f := range []struct {
			name   string
			arrays int
			run    func()
		}{
			{"Add", 3, func() { Add(dst, x, y) }}, {"AddInto", 3, func() { AddInto(dst, x) }}, {"Mul", 3, func() { Mul(dst, x, y) }},
			{"Div", 3, func() { Div(dst, x, y) }}, {"Max", 3, func() { Max(dst, x, y) }}, {"MulScalar", 2, func() { MulScalar(dst, x, 1.5) }},
			{"Relu", 2, func() { Relu(dst, x) }}, {"Sqrt", 2, func() { Sqrt(dst, x) }},
		} {
			b.Run(f.name+"/"+size.name, func(b *testing.B) {
				for b.Loop() {
					f.run()
				}
				perElement(b, size.n)
				b.SetBytes(int64(4 * f.arrays * size.n))
			})
		}
	}
}
