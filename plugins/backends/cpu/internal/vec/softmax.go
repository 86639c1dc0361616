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

// MulMax writes src * s and returns the maximum of that, as MaxOf does. dst may be src.
func MulMax(dst, src []float32, s float32) float32 {
	mustEqual(len(src), len(dst))
	if active != nil {
		return active.mulMax(ptr(dst), ptr(src), len(dst), s)
	}
	MulScalar(dst, src, s)
	return MaxOf(dst)
}

// SoftmaxGrad divides p, exponentials, by their sum, which makes them probabilities, and turns d, the cotangents of these, into those of what
// the exponentials are of before it was scaled: (p * (d - inner)) * scale, each operation rounded, where inner is the sum of probabilities times
// cotangents.
func SoftmaxGrad(p, d []float32, sum, inner, scale float32) {
	mustEqual(len(d), len(p))
	if active != nil {
		active.softmaxGrad(ptr(p), ptr(d), len(p), sum, inner, scale)
		return
	}
	for i := range p {
		p[i] /= sum
		d[i] = float32(p[i]*float32(d[i]-inner)) * scale
	}
}
