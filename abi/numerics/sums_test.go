package numerics

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func normalData(n int, stream uint32) []float32 {
	x := make([]float32, n)
	Stream{Seed: 7, Stream: stream}.FillNormal(x, 0)
	return x
}

func to64(x []float32) []float64 {
	y := make([]float64, len(x))
	for i, v := range x {
		y[i] = float64(v)
	}
	return y
}

// plainDot writes rule 5 down once more, recursively and with slices: the tree over super-chunks, chunks in order, chains of FMA.
func plainDot(a, b []float32) float32 {
	if n := (len(a) + SuperChunkK - 1) / SuperChunkK; n > 1 {
		left := 1
		for 2*left < n {
			left *= 2
		}
		return plainDot(a[:left*SuperChunkK], b[:left*SuperChunkK]) + plainDot(a[left*SuperChunkK:], b[left*SuperChunkK:])
	}
	s := float32(0)
	for k := 0; k < len(a); k += ChunkK {
		p := float32(0)
		for j := k; j < min(k+ChunkK, len(a)); j++ {
			p = FMA(a[j], b[j], p)
		}
		s += p
	}
	return s
}

var dotLengths = []int{0, 1, 2, 511, 512, 513, 1024, 8191, 8192, 8193, 8192 + 512, 2 * 8192, 3*8192 + 700, 4 * 8192, 5 * 8192, 7*8192 + 1, 11*8192 + 8000}

func TestDotFollowsRule5(t *testing.T) {
	a, b := normalData(100_000, 1), normalData(100_000, 2)
	for _, n := range dotLengths {
		want := plainDot(a[:n], b[:n])
		sameBits(t, want, Dot(a[:n], b), "Dot of %d", n)
		var acc DotAcc
		var acc64 DotAcc64
		for i := range n {
			if i == n/2 { // looking must not disturb
				sameBits(t, plainDot(a[:i], b[:i]), acc.Sum(), "DotAcc after %d of %d", i, n)
			}
			acc.Add(a[i], b[i])
			acc64.Add(float64(a[i]), float64(b[i]))
		}
		sameBits(t, want, acc.Sum(), "DotAcc of %d", n)
		require.Equal(t, Dot64(to64(a[:n]), to64(b[:n])), acc64.Sum())
		require.InDelta(t, float64(want), acc64.Sum(), 1e-3)
		acc.Reset()
		sameBits(t, 0, acc.Sum(), "after Reset")
	}
}

func TestOrdersMatter(t *testing.T) {
	// The chunk sums make a different number than one chain; if they did not, the tests above could not see the order.
	a, b := normalData(100_000, 1), normalData(100_000, 2)
	chain := float32(0)
	for i := range a {
		chain = FMA(a[i], b[i], chain)
	}
	assert.NotEqual(t, chain, Dot(a, b))
	straight := float32(0)
	for _, v := range a {
		straight += v
	}
	assert.NotEqual(t, straight, Sum(a))
}

func TestDotZeroPadding(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 3*SuperChunkK).Draw(t, "n")
		pad := rapid.IntRange(0, 2*SuperChunkK).Draw(t, "pad")
		small := rapid.Bool().Draw(t, "tiny") // products that underflow leave a chain at -0
		a, b := make([]float32, n+pad), make([]float32, n+pad)
		s := Stream{Seed: rapid.Uint64().Draw(t, "seed")}
		s.FillNormal(a[:n], 0)
		s.FillNormal(b[:n], uint64(n))
		if small {
			for i := range a {
				a[i] *= 0x1p-80
				b[i] *= 0x1p-80
			}
		}
		x, y := Dot(a[:n], b[:n]), Dot(a, b)
		if math.Float32bits(x) != math.Float32bits(y) {
			t.Fatalf("%g without padding, %g with", x, y)
		}
	})
}

// plainSum writes rule 7 down once more, lane by lane.
func plainSum(x []float32) float32 {
	var sums []float32
	for lo := 0; lo < len(x); lo += SumBlock {
		block := x[lo:min(lo+SumBlock, len(x))]
		lanes := make([]float32, SumLanes)
		for lane := range lanes {
			for i := lane; i < len(block); i += SumLanes {
				lanes[lane] += block[i]
			}
		}
		for _, w := range []int{16, 8, 4, 2, 1} {
			for j := range w {
				lanes[j] += lanes[j+w]
			}
		}
		sums = append(sums, lanes[0])
	}
	switch len(sums) {
	case 0:
		return 0
	case 1:
		return sums[0]
	}
	return plainSum(sums)
}

func TestSumFollowsRule7(t *testing.T) {
	x := normalData(200_000, 3)
	for _, n := range []int{0, 1, 31, 32, 33, 4095, 4096, 4097, 8192, 3*4096 + 17, 200_000} {
		want := plainSum(x[:n])
		sameBits(t, want, Sum(x[:n]), "Sum of %d", n)
		var acc SumAcc
		var acc64 SumAcc64
		for round := range 2 { // Sum empties the accumulator
			for _, v := range x[:n] {
				acc.Add(v)
				acc64.Add(float64(v))
			}
			sameBits(t, want, acc.Sum(), "SumAcc of %d, round %d", n, round)
			require.Equal(t, Sum64(to64(x[:n])), acc64.Sum())
		}
	}
	sameBits(t, 0, Sum([]float32{f32(1 << 31)}), "a lane starts at +0")
}

// TestSumThirdLevel needs more than 4096 blocks, so that the block sums themselves fill more than one block.
func TestSumThirdLevel(t *testing.T) {
	if testing.Short() {
		t.Skip("17 million elements")
	}
	const n = SumBlock*SumBlock + SumBlock + 5
	x := make([]float32, n)
	Stream{Seed: 1}.FillUniform(x, 0)
	want := plainSum(x)
	sameBits(t, want, Sum(x), "Sum")
	var acc SumAcc
	for _, v := range x {
		acc.Add(v)
	}
	sameBits(t, want, acc.Sum(), "SumAcc")
}

func TestSumProducts(t *testing.T) {
	x, y := normalData(5000, 4), normalData(5000, 5)
	plain := func(a, b []float32) float32 {
		sums := make([]float32, 0, 2)
		for lo := 0; lo < len(a); lo += SumBlock {
			var l [SumLanes]float32
			for i := lo; i < min(lo+SumBlock, len(a)); i++ {
				l[(i-lo)%SumLanes] = FMA(a[i], b[i], l[(i-lo)%SumLanes])
			}
			for w := 16; w > 0; w /= 2 {
				for j := range w {
					l[j] += l[j+w]
				}
			}
			sums = append(sums, l[0])
		}
		return plainSum(sums)
	}
	var products, squares SumAcc
	var products64, squares64 SumAcc64
	for i := range x {
		products.AddProduct(x[i], y[i])
		squares.AddSquare(x[i])
		products64.AddProduct(float64(x[i]), float64(y[i]))
		squares64.AddSquare(float64(x[i]))
	}
	sameBits(t, plain(x, y), products.Sum(), "products")
	want := plain(x, x)
	sameBits(t, want, squares.Sum(), "squares")
	sameBits(t, want, SumSquares(x), "SumSquares")
	require.InDelta(t, Dot64(to64(x), to64(y)), products64.Sum(), 1e-9)
	require.InDelta(t, Dot64(to64(x), to64(x)), squares64.Sum(), 1e-9)
}

func TestTreeShape(t *testing.T) {
	for n, want := range map[int]string{
		1: "0", 2: "(0 1)", 3: "((0 1) 2)", 4: "((0 1) (2 3))", 5: "(((0 1) (2 3)) 4)",
		6: "(((0 1) (2 3)) (4 5))", 7: "(((0 1) (2 3)) ((4 5) 6))", 9: "((((0 1) (2 3)) ((4 5) (6 7))) 8)",
	} {
		acc := NewTreeAcc(func(l, r string) string { return "(" + l + " " + r + ")" })
		for i := range n {
			acc.Push(string(rune('0' + i)))
		}
		assert.EqualValues(t, n, acc.Count())
		got, ok := acc.Result()
		assert.True(t, ok)
		assert.Equal(t, want, got)
	}
	_, ok := NewTreeAcc(func(l, r int) int { return l + r }).Result()
	assert.False(t, ok)
}

func TestTreeFormsAgree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 300).Draw(t, "n")
		x := make([]float32, n)
		Stream{Seed: rapid.Uint64().Draw(t, "seed")}.FillNormal(x, 0)
		acc := NewTreeAcc(func(l, r float32) float32 { return l + r })
		parts := make([][]float32, n)
		for i, v := range x {
			acc.Push(v)
			parts[i] = []float32{v, -v}
		}
		streamed, _ := acc.Result()
		dst := []float32{9, 9}
		TreeSumVectors(dst, parts)
		want := TreeSum(x)
		if want != streamed || dst[0] != want || dst[1] != -want {
			t.Fatalf("recursive %g, streamed %g, vectors %g", want, streamed, dst)
		}
	})
	assert.Equal(t, 6.0, TreeSum64([]float64{1, 2, 3}))
}
