package vec

import "math"

var negativeInfinity = float32(math.Inf(-1))

// SoftmaxRow writes exp(src - max) / sum (rule 8) and returns the row's maximum and the sum. dst may be src.
func SoftmaxRow(dst, src []float32) (max, sum float32) {
	max, sum = ExpSumRow(dst, src)
	DivScalar(dst, dst, sum)
	return max, sum
}

// ExpSumRow writes exp(src - max) and returns the row's maximum and the sum of what it wrote: softmax without its
// division, and all that cross-entropy needs: (max - x_target) + log(sum).
func ExpSumRow(dst, src []float32) (max, sum float32) {
	max = MaxOf(src)
	ExpSub(dst, src, max)
	return max, Sum(dst)
}

// SoftmaxPrefix is SoftmaxRow over the first n elements, with +0 written to the others: a row of causal attention.
func SoftmaxPrefix(dst, src []float32, n int) (max, sum float32) {
	mustEqual(len(src), len(dst))
	clear(dst[n:])
	return SoftmaxRow(dst[:n], src[:n])
}
