package vec

import (
	"testing"

	"github.com/seedbed/seedbed/abi/numerics"
	"github.com/stretchr/testify/require"
)

// sumLengths adds to all short lengths some that need one and two levels of block sums.
var sumLengths = append(append([]int{}, lengths...), 4095, 4097, 3*4096, 33*4096+5, 100_003)

func TestSums(t *testing.T) {
	onEveryPath(t, func(t *testing.T) {
		for _, n := range sumLengths {
			r := random(uint64(n))
			a, b := finite(r, make([]float32, n+1))[1:], finite(r, make([]float32, n+2))[2:]
			require.True(t, same(numerics.Sum(a), Sum(a)), "Sum of %d", n)
			require.True(t, same(numerics.SumSquares(a), SumSquares(a)), "SumSquares of %d", n)
			var products, about numerics.SumAcc
			for i := range a {
				products.AddProduct(a[i], b[i])
				about.AddSquare(a[i] - 0.3)
			}
			require.True(t, same(products.Sum(), SumProducts(a, b)), "SumProducts of %d", n)
			require.True(t, same(about.Sum(), SumSquaresAbout(a, 0.3)), "SumSquaresAbout of %d", n)
		}
		for i, x := range specials {
			a := []float32{1, x, 2, -0.5}
			require.True(t, same(numerics.Sum(a), Sum(a)), "Sum with %v", x)
			require.True(t, same(numerics.Sum(specials[i:i+1]), Sum(specials[i:i+1])), "Sum of %v", x)
		}
	})
}

// Levels above the second need 2^24 elements: their arithmetic is that of blockSums, fed here without the elements.
func TestBlockSumsOverThreeLevels(t *testing.T) {
	const n = 4096*33 + 7
	r := random(5)
	var got blockSums
	var want numerics.SumAcc
	for range n {
		v := float32(r.NormFloat64())
		got.add(v)
		want.Add(v)
	}
	require.Equal(t, want.Sum(), got.sum())
}

func TestMaxOf(t *testing.T) {
	onEveryPath(t, func(t *testing.T) {
		for _, n := range lengths {
			r := random(uint64(n))
			for trial := range 3 {
				a := finite(r, make([]float32, n+1))[1:]
				for i := range a {
					a[i] -= 4 // mostly negative, so that zeros past the end would show
				}
				if n > 0 && trial > 0 {
					a[r.IntN(n)] = specials[r.IntN(len(specials))]
				}
				want := negativeInfinity
				for _, v := range a {
					want = numerics.Max(want, v)
				}
				got := MaxOf(a)
				require.True(t, same(want, got), "MaxOf %d: %v, want %v", n, got, want)

				scaled, intact := guarded(n, n)
				wantScaled := make([]float32, n)
				want = negativeInfinity
				for i, v := range a {
					wantScaled[i] = v * 0.3
					want = numerics.Max(want, wantScaled[i])
				}
				got = MulMax(scaled, a, 0.3)
				require.True(t, same(want, got), "MulMax %d: %v, want %v", n, got, want)
				requireSame(t, wantScaled, scaled, "MulMax of %d", n)
				require.True(t, intact())
			}
		}
		negativeZero := -specials[0]
		for n := 2; n < 40; n++ {
			zeros := make([]float32, n)
			for i := range zeros {
				zeros[i] = negativeZero
			}
			require.True(t, same(negativeZero, MaxOf(zeros)))
			for i := range zeros {
				zeros[i] = 0
				require.True(t, same(0, MaxOf(zeros)), "+0 at %d of %d", i, n)
				zeros[i] = negativeZero
			}
		}
	})
}

func TestSumColumns(t *testing.T) {
	scratch := make([]float32, ColumnScratch)
	for i := range scratch {
		scratch[i] = 99
	}
	onEveryPath(t, func(t *testing.T) {
		for _, c := range []struct{ rows, cols int }{{0, 3}, {1, 1}, {5, 7}, {31, 8}, {32, 16}, {33, 127}, {100, 128}, {64, 129}, {70, 300}, {4096, 9}, {4097, 9}, {4096*33 + 1, 2}} {
			r := random(uint64(c.rows))
			a, b := finite(r, make([]float32, c.rows*c.cols)), finite(r, make([]float32, c.rows*c.cols))
			mean, rstd := finite(r, make([]float32, c.cols)), finite(r, make([]float32, c.cols))
			for _, f := range []struct {
				name  string
				terms Terms
				add   func(s *numerics.SumAcc, x, y, mean, rstd float32)
			}{
				{"elements", Terms{A: a}, func(s *numerics.SumAcc, x, _, _, _ float32) { s.Add(x) }},
				{"products", Terms{A: a, B: b}, func(s *numerics.SumAcc, x, y, _, _ float32) { s.AddProduct(x, y) }},
				{"squares about a mean", Terms{A: a, Mean: mean}, func(s *numerics.SumAcc, x, _, mean, _ float32) { s.AddSquare(x - mean) }},
				{"products about a mean", Terms{A: a, B: b, Mean: mean, Rstd: rstd}, func(s *numerics.SumAcc, x, y, mean, rstd float32) {
					s.AddProduct(x, float32(y-mean)*rstd)
				}},
			} {
				want := make([]float32, c.cols)
				for j := range want {
					var s numerics.SumAcc
					for i := range c.rows {
						f.add(&s, a[i*c.cols+j], b[i*c.cols+j], mean[j], rstd[j])
					}
					want[j] = s.Sum()
				}
				dst, intact := guarded(c.cols, c.rows)
				SumTerms(dst, f.terms, 0, c.cols, scratch)
				requireSame(t, want, dst, "%s of %d x %d", f.name, c.rows, c.cols)
				if half := c.cols / 2; half > 0 {
					SumTerms(dst[:c.cols-half], f.terms, half, c.cols, scratch)
					requireSame(t, want[half:], dst[:c.cols-half], "%s of %d x %d from column %d", f.name, c.rows, c.cols, half)
				}
				require.True(t, intact())
			}
		}
	})
}

func BenchmarkSums(b *testing.B) {
	r := random(4)
	const n = 1 << 20
	x, y := finite(r, make([]float32, n)), finite(r, make([]float32, n))
	dst, scratch := make([]float32, 1024), make([]float32, ColumnScratch)
	for _, f := range []struct {
		name   string
		arrays int
		n      int
		run    func()
	}{
		{"Sum/row", 1, 1024, func() { Sum(x[:1024]) }}, {"Sum/large", 1, n, func() { Sum(x) }}, {"SumSquares/large", 1, n, func() { SumSquares(x) }},
		{"SumProducts/large", 2, n, func() { SumProducts(x, y) }}, {"MaxOf/row", 1, 1024, func() { MaxOf(x[:1024]) }},
		{"SumColumns/1024x1024", 1, n, func() { SumColumns(dst, x, scratch) }},
		{"SumTerms/products/1024x1024", 2, n, func() { SumTerms(dst, Terms{A: x, B: y}, 0, len(dst), scratch) }},
	} {
		b.Run(f.name, func(b *testing.B) {
			for b.Loop() {
				f.run()
			}
			perElement(b, f.n)
			b.SetBytes(int64(4 * f.arrays * f.n))
		})
	}
}
