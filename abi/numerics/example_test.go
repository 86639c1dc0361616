package numerics_test

import (
	"fmt"
	"math"

	"github.com/seedbed/seedbed/abi/numerics"
)

// Rule 1: a fused multiply-add rounds once. Here a*b is just below half an ulp of c; rounded on its own, or in float64 first, it
// becomes a tie.
func Example_rule01_arithmetic() {
	a, b, c := float32(1+0x1p-23), float32(0x1p-24*(1-0x1p-23)), float32(1+0x1p-23)
	fmt.Printf("fma       %.7x\n", numerics.FMA(a, b, c))
	fmt.Printf("two steps %.7x\n", float32(a*b)+c)
	// Output:
	// fma       0x1.0000020p+00
	// two steps 0x1.0000040p+00
}

// Rule 2: formulas are explicit trees; a mean divides by N and never multiplies by 1/N.
func Example_rule02_expressions() {
	x := []float32{1, 2, 2}
	sum, n := numerics.Sum(x), float32(len(x))
	fmt.Println(sum/n, float32(sum*float32(1/n)))
	// Output: 1.6666666 1.6666667
}

// Rule 3: all NaNs are equal and written as one pattern; the sign of zero counts; conversions to integers saturate.
func Example_rule03_nanAndZero() {
	nan := float32(math.NaN())
	fmt.Printf("%#08x %#08x\n", math.Float32bits(numerics.Exp(nan)), math.Float32bits(numerics.Gelu(-1e30)))
	fmt.Println(numerics.I32FromF32(nan), numerics.I32FromF32(3e9), numerics.U8FromF32(-1), numerics.I32FromF32(-2.9))
	// Output:
	// 0x7fc00000 0x80000000
	// 0 2147483647 0 -2
}

// Rule 4: max and min pass NaN on and order the zeros.
func Example_rule04_maxAndMin() {
	negZero := float32(math.Copysign(0, -1))
	fmt.Println(numerics.Max(negZero, 0), numerics.Min(0, negZero), numerics.Max(1, float32(math.NaN())), numerics.Relu(negZero))
	// Output: 0 -0 NaN 0
}

// Rule 5: chunks of 512 are chains of fma; chunk sums add up in order; super-chunks of 8192 combine by a tree.
func Example_rule05_contraction() {
	x := make([]float32, 513)
	x[0] = 0x1p12
	for i := 1; i < len(x); i++ {
		x[i] = 1
	}
	x[512] = 1.5 // a chunk of its own: 2.25
	// 2^24 + 1 is a tie that rounds down, every time, so the first chunk stays at 2^24.
	fmt.Println(numerics.Dot(x[:512], x[:512]) == 0x1p24, numerics.Dot(x, x) == 0x1p24+2)
	// Output: true true
}

// Rule 6: zeros appended to a contraction change nothing, even where a chain ends in -0.
func Example_rule06_padding() {
	a, b := make([]float32, 10_000), make([]float32, 10_000)
	a[0], b[0] = -0x1p-100, 0x1p-100 // underflows to -0
	fmt.Println(numerics.Dot(a[:1], b[:1]), numerics.Dot(a, b))
	// Output: 0 0
}

// Rule 7: blocks of 4096, 32 lanes, folded in halves. Elements 0 and 32 share a lane; 0 and 16 meet in the first fold.
func Example_rule07_reductions() {
	x := make([]float32, 64)
	x[0], x[32], x[1] = 0x1p24, -0x1p24, 1
	fmt.Println(numerics.Sum(x)) // the large ones cancel in lane 0
	x[32], x[33] = 0, -0x1p24
	fmt.Println(numerics.Sum(x)) // lane 1 is 1 - 2^24, exactly
	x[33], x[2] = 0, -0x1p24
	x[18], x[1], x[17] = 1, 0, 0
	fmt.Println(numerics.Sum(x))
	var squares numerics.SumAcc
	for _, v := range []float32{1, 2, 3} {
		squares.AddSquare(v)
	}
	fmt.Println(squares.Sum())
	// Output:
	// 1
	// 1
	// 1
	// 14
}

// Rule 8: the variance is centred, rstd is 1 / sqrt(var + eps) in two steps; softmax subtracts the exact maximum and divides.
func Example_rule08_normsAndLosses() {
	x := []float32{1, 2, 4}
	n := float32(len(x))
	mean := numerics.Sum(x) / n
	var squares numerics.SumAcc
	for _, v := range x {
		squares.AddSquare(v - mean)
	}
	fmt.Println(mean, numerics.Rsqrt(squares.Sum()/n+1e-5))

	m, e := x[0], make([]float32, len(x))
	for _, v := range x {
		m = numerics.Max(m, v)
	}
	for i, v := range x {
		e[i] = numerics.Exp(v - m)
	}
	sum := numerics.Sum(e)
	fmt.Println(e[0]/sum, e[1]/sum, e[2]/sum)
	fmt.Println((m - x[1]) + numerics.Log(sum)) // cross-entropy of target 1
	// Output:
	// 2.3333333 0.80178106
	// 0.042010065 0.1141952 0.8437947
	// 2.169846
}

// Rule 9: partial results combine by a tree whose left subtree holds the largest power of two smaller than n.
func Example_rule09_batchAxisSums() {
	tree := numerics.NewTreeAcc(func(l, r string) string { return "(" + l + "+" + r + ")" })
	for _, grain := range []string{"a", "b", "c", "d", "e", "f", "g"} {
		tree.Push(grain)
	}
	s, _ := tree.Result()
	fmt.Println(s)
	// Output: (((a+b)+(c+d))+((e+f)+g))
}

// Rule 10: the updates of one destination add up in ascending order, in chunks like a contraction with ones.
func Example_rule10_scatterAdd() {
	destinations, updates := []int{1, 0, 1, 1}, []float32{0x1p24, 5, 1, 1}
	var sums [2]numerics.DotAcc
	for i, d := range destinations {
		sums[d].Add(updates[i], 1)
	}
	fmt.Println(sums[0].Sum(), sums[1].Sum() == 0x1p24)
	// Output: 5 true
}

// Rule 11: a convolution is a contraction over (kh, kw, ci); padded taps are skipped.
func Example_rule11_convolution() {
	input, kernel := []float32{1, 2, 3}, []float32{0.5, 1, 0.25} // one row, one channel, padding 1
	for o := range input {
		var acc numerics.DotAcc
		for k := range kernel {
			if i := o + k - 1; i >= 0 && i < len(input) {
				acc.Add(input[i], kernel[k])
			}
		}
		fmt.Print(acc.Sum(), " ")
	}
	// Output: 1.5 3.25 4
}

// Rule 12: attention sums exp(score - max) * v over the keys in ascending order and divides once at the end.
func Example_rule12_attention() {
	scores, values := []float32{0.5, 2, 1}, []float32{1, -1, 3}
	m := numerics.Max(numerics.Max(scores[0], scores[1]), scores[2])
	var weighted numerics.DotAcc
	var total numerics.SumAcc
	for i, s := range scores {
		p := numerics.Exp(s - m)
		weighted.Add(p, values[i])
		total.Add(p)
	}
	fmt.Println(weighted.Sum() / total.Sum())
	// Output: 0.20538437
}

// Rule 13: univariate functions are correctly rounded, whole activations with one rounding.
func Example_rule13_univariateFunctions() {
	x := float32(-1.5)
	fmt.Println(numerics.Silu(x), float32(x*numerics.Logistic(x))) // the product of two rounded steps may differ
	fmt.Println(numerics.Gelu(x), numerics.GeluTanh(x), numerics.Softplus(x))
	fmt.Println(numerics.Gelu(math.SmallestNonzeroFloat32) == math.SmallestNonzeroFloat32) // just above a tie
	// Output:
	// -0.27363828 -0.2736383
	// -0.1002108 -0.100428425 0.20141327
	// true
}

// Rule 14: random bits are a function of (seed, stream, step, element) alone.
func Example_rule14_randomBits() {
	dropout := numerics.Stream{Seed: 42, Stream: 3, Step: 1000}
	var z [3]float32
	dropout.FillNormal(z[:], 1<<40)
	fmt.Printf("%#08x %v\n", dropout.At(7), dropout.UniformAt(7))
	fmt.Println(numerics.Bernoulli(dropout.At(7), numerics.BernoulliThreshold(0.9)), z[2] == dropout.NormalAt(1<<40+2))
	// Output:
	// 0x39a372f0 0.22515023
	// true true
}

// Rule 15: bfloat16 values are rounded to nearest even when stored; arithmetic stays in float32.
func Example_rule15_bf16Storage() {
	x := numerics.F32FromBF16(numerics.BF16FromF32(1 + 0x1p-8)) // a tie
	y := numerics.F32FromBF16(numerics.BF16FromF32(1 + 3*0x1p-8))
	fmt.Println(x, y, numerics.FMA(x, y, 1))
	// Output: 1 1.015625 2.015625
}

// Rule 16: host scalars are float64 formulas of fixed order, handed to the backend as bits.
func Example_rule16_hostScalars() {
	warmup := numerics.Progress(300, 1000)
	rate := float64(6e-4 * numerics.CosineDecay(numerics.Progress(2000, 10_000), 0.1))
	fmt.Println(warmup, rate)
	fmt.Printf("%#08x\n", math.Float32bits(numerics.F32FromF64(1/numerics.BiasCorrection(0.95, 10))))
	// Output:
	// 0.3 0.0005484345884812357
	// 0x401f7f12
}

// Rule 17: workers that own aligned subtrees reproduce the tree of a single process; a ring does not.
func Example_rule17_collectives() {
	x := []float32{0x1p24, 1, 1, -0x1p24, 3, 0.5, 0x1p-20, 7}
	one := numerics.TreeSum(x)
	two := numerics.TreeSum(x[:4]) + numerics.TreeSum(x[4:])
	four := numerics.TreeSum([]float32{numerics.TreeSum(x[:2]), numerics.TreeSum(x[2:4]), numerics.TreeSum(x[4:6]), numerics.TreeSum(x[6:])})
	ring := float32(0)
	for _, v := range x {
		ring += v
	}
	fmt.Println(one == two, one == four, one == ring)
	// Output: true true false
}

// A shuffled order can be entered anywhere: position i of an epoch needs no other position.
func ExamplePermute() {
	var order []uint64
	for i := range uint64(10) {
		order = append(order, numerics.Permute(1, 0, 10, i))
	}
	fmt.Println(order)
	fmt.Println(numerics.PermuteInverse(1, 0, 10, numerics.Permute(1, 0, 10, 7)))
	// Output:
	// [8 5 9 3 4 2 1 7 0 6]
	// 7
}
