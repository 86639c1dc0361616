package vec

import (
	"math"
	"testing"

	"github.com/seedbed/seedbed/abi/numerics"
	"github.com/stretchr/testify/require"
)

func TestSoftmax(t *testing.T) {
	onEveryPath(t, func(t *testing.T) {
		for _, n := range append([]int{5000}, lengths[1:131]...) {
			src := finite(random(uint64(n)), make([]float32, n))
			for i := range src {
				src[i] *= 20
			}
			want := make([]float32, n)
			wantMax := negativeInfinity
			for _, v := range src {
				wantMax = numerics.Max(wantMax, v)
			}
			for i, v := range src {
				want[i] = numerics.Exp(v - wantMax)
			}
			wantSum := numerics.Sum(want)
			for i := range want {
				want[i] /= wantSum
			}
			dst, intact := guarded(n, n)
			m, s := SoftmaxRow(dst, src)
			requireSame(t, want, dst, "SoftmaxRow of %d", n)
			require.Equal(t, [2]float32{wantMax, wantSum}, [2]float32{m, s})
			require.True(t, intact())

			longer := append(append([]float32{}, src...), 1e9, 1e9, 1e9)
			got := finite(random(1), make([]float32, n+3))
			SoftmaxPrefix(got, longer, n)
			requireSame(t, append(want, 0, 0, 0), got, "SoftmaxPrefix of %d", n)
		}
	})
}

func TestNorms(t *testing.T) {
	onEveryPath(t, func(t *testing.T) {
		for _, n := range append([]int{768, 5000}, lengths[1:131]...) {
			r := random(uint64(n))
			x, gamma, beta := finite(r, make([]float32, n)), finite(r, make([]float32, n)), finite(r, make([]float32, n))
			const eps = 1e-5
			wantMean := numerics.Sum(x) / float32(n)
			var about numerics.SumAcc
			for _, v := range x {
				about.AddSquare(v - wantMean)
			}
			wantRstd := numerics.Rsqrt(about.Sum()/float32(n) + eps)
			want := make([]float32, n)
			for i, v := range x {
				want[i] = float32((v-wantMean)*wantRstd*gamma[i]) + beta[i]
			}
			dst, intact := guarded(n, n)
			mean, rstd := LayerNormRow(dst, x, gamma, beta, eps)
			require.Equal(t, [2]float32{wantMean, wantRstd}, [2]float32{mean, rstd})
			requireSame(t, want, dst, "LayerNormRow of %d", n)

			wantRstd = numerics.Rsqrt(numerics.SumSquares(x)/float32(n) + eps)
			for i, v := range x {
				y := v * wantRstd
				want[i] = y * gamma[i]
			}
			require.Equal(t, wantRstd, RMSNormRow(dst, x, gamma, eps))
			requireSame(t, want, dst, "RMSNormRow of %d", n)
			require.True(t, intact())
		}
	})
}

func TestLayerNormGrad(t *testing.T) {
	onEveryPath(t, func(t *testing.T) {
		for _, n := range append([]int{768, 4096, 4097, 9000}, lengths[1:131]...) {
			for _, rstd := range []float32{0.7, float32(math.Inf(1))} { // lanes past the end stay out of the sums even where they are not finite
				r := random(uint64(n))
				dy, x, gamma := finite(r, make([]float32, n)), finite(r, make([]float32, n)), finite(r, make([]float32, n))
				dgamma, dbeta := finite(r, make([]float32, n)), finite(r, make([]float32, n))
				wantGamma, wantBeta, want := make([]float32, n), make([]float32, n), make([]float32, n)
				const mean, shift, along = 0.3, -0.2, 1.1
				var sum, products numerics.SumAcc
				for i := range n {
					h := float32(x[i]-mean) * rstd
					d := float32(dy[i] * gamma[i])
					sum.Add(d)
					products.AddProduct(d, h)
					wantGamma[i], wantBeta[i] = numerics.FMA(dy[i], h, dgamma[i]), dbeta[i]+dy[i]
					want[i] = (float32(d-shift) - float32(h*along)) * rstd
				}
				toGamma, intactGamma := guarded(n, n)
				toBeta, intactBeta := guarded(n, n+3)
				copy(toGamma, dgamma)
				copy(toBeta, dbeta)
				gotSum, gotAlong := LayerNormGradSums(toGamma, toBeta, dy, x, gamma, mean, rstd, n)
				require.True(t, same(sum.Sum(), gotSum), "sum of %d", n)
				require.True(t, same(products.Sum(), gotAlong), "sum of products of %d: %v, want %v", n, gotAlong, products.Sum())
				requireSame(t, wantGamma, toGamma, "dgamma of %d", n)
				requireSame(t, wantBeta, toBeta, "dbeta of %d", n)
				dst, intact := guarded(n, n)
				LayerNormGradRow(dst, dy, gamma, x, mean, rstd, shift, along)
				requireSame(t, want, dst, "LayerNormGradRow of %d", n)
				require.True(t, intact() && intactGamma() && intactBeta())
			}
		}
	})
}

func TestSoftmaxGrad(t *testing.T) {
	onEveryPath(t, func(t *testing.T) {
		for _, n := range lengths {
			r := random(uint64(n))
			p, intactP := guarded(n, n)
			d, intactD := guarded(n, n+5)
			fill(r, p)
			fill(r, d)
			wantP, wantD := make([]float32, n), make([]float32, n)
			for i := range n {
				wantP[i] = p[i] / 3
				wantD[i] = float32(wantP[i]*float32(d[i]-0.4)) * 0.125
			}
			SoftmaxGrad(p, d, 3, 0.4, 0.125)
			requireSame(t, wantP, p, "probabilities of %d", n)
			requireSame(t, wantD, d, "cotangents of %d", n)
			require.True(t, intactP() && intactD())
		}
	})
}

func TestGatherRows(t *testing.T) {
	table := []float32{0, 1, 10, 11, 20, 21}
	dst := make([]float32, 10)
	GatherRows(dst, table, []int32{2, 0, -5, 9, 1}, 2)
	require.Equal(t, []float32{20, 21, 0, 1, 0, 1, 20, 21, 10, 11}, dst)
	GatherRows(nil, nil, nil, 4)
}

func TestScatterAddRows(t *testing.T) {
	onEveryPath(t, func(t *testing.T) {
		for _, c := range []struct{ rows, updates, cols int }{{1, 0, 3}, {1, 20_000, 5}, {3, 9000, 11}, {50, 700, 64}, {1000, 300, 9}} {
			r := random(uint64(c.rows))
			table, updates := finite(r, make([]float32, c.rows*c.cols)), finite(r, make([]float32, c.updates*c.cols))
			index := make([]int32, c.updates)
			for i := range index {
				index[i] = int32(r.IntN(c.rows+2) - 1) // some outside, dropped
			}
			want := append([]float32{}, table...)
			for row := range c.rows {
				for j := range c.cols {
					var s numerics.DotAcc
					for i, d := range index {
						if int(d) == row {
							s.Add(updates[i*c.cols+j], 1)
						}
					}
					want[row*c.cols+j] += s.Sum()
				}
			}
			order, starts, scratch := make([]int32, c.updates), make([]int32, c.rows+1), make([]float32, 2*c.cols)
			SortByRow(order, starts, index)
			middle := c.rows / 2
			ScatterAddRows(table, updates, order, starts, middle, c.rows, c.cols, scratch)
			ScatterAddRows(table, updates, order, starts, 0, middle, c.cols, scratch)
			requireSame(t, want, table, "%d updates of %d rows", c.updates, c.rows)
		}
	})
}

func TestTranspose(t *testing.T) {
	onEveryPath(t, func(t *testing.T) {
		for rows := range 35 {
			for cols := range 35 {
				checkTranspose(t, rows, cols)
			}
		}
		checkTranspose(t, 64, 200)
		checkTranspose(t, 130, 65)
	})
}

func checkTranspose(t *testing.T, rows, cols int) {
	src := finite(random(9), make([]float32, rows*cols))
	dst, intact := guarded(rows*cols, rows)
	middle := cols / 3
	Transpose(dst, src, rows, cols, 0, middle)
	Transpose(dst, src, rows, cols, middle, cols)
	for r := range rows {
		for c := range cols {
			require.Equal(t, src[r*cols+c], dst[c*rows+r], "row %d column %d of %d x %d", r, c, rows, cols)
		}
	}
	require.True(t, intact())
}

func BenchmarkRows(b *testing.B) {
	r := random(6)
	const n = 1024
	x, gamma, beta, dst := finite(r, make([]float32, n*n)), finite(r, make([]float32, n)), finite(r, make([]float32, n)), make([]float32, n*n)
	for _, f := range []struct {
		name string
		n    int
		run  func()
	}{
		{"SoftmaxRow", n, func() { SoftmaxRow(dst[:n], x[:n]) }},
		{"LayerNormRow", n, func() { LayerNormRow(dst[:n], x[:n], gamma, beta, 1e-5) }},
		{"RMSNormRow", n, func() { RMSNormRow(dst[:n], x[:n], gamma, 1e-5) }},
		{"Transpose", n * n, func() { Transpose(dst, x, n, n, 0, n) }},
	} {
		b.Run(f.name, func(b *testing.B) {
			for b.Loop() {
				f.run()
			}
			perElement(b, f.n)
		})
	}
}

func TestDotColumns(t *testing.T) {
	onEveryPath(t, func(t *testing.T) {
		for _, k := range []int{16, 48, 256, 272, 768, numerics.ChunkK * 3, 4096} {
			for _, columns := range []int{15, 16, 17, 40} {
				if !CanDotColumns(k, columns) {
					require.True(t, active == nil || columns < 16)
					continue
				}
				for _, stride := range []int{k, k + 3} {
					r := random(uint64(k + columns))
					x, b := finite(r, make([]float32, k)), finite(r, make([]float32, (columns-1)*stride+k))
					if columns == 17 {
						fill(r, b)
					}
					want := make([]float32, columns)
					for j := range want {
						var s numerics.DotAcc
						for i := range x {
							s.Add(x[i], b[j*stride+i])
						}
						want[j] = s.Sum()
					}
					dst, intact := guarded(columns, k)
					DotColumns(dst, x, b, stride)
					requireSame(t, want, dst, "%d columns of %d", columns, k)
					require.True(t, intact())
				}
			}
		}
	})
}
