package vec

import "github.com/seedbed/seedbed/abi/numerics"

// Norms over one row (rule 8). The mean and the variance divide by the number of elements.

// Moments returns the mean of x and 1 / sqrt(variance + eps), the variance by a second pass over x - mean.
func Moments(x []float32, eps float32) (mean, rstd float32) {
	n := float32(len(x))
	mean = Sum(x) / n
	return mean, numerics.Rsqrt(SumSquaresAbout(x, mean)/n + eps)
}

// LayerNormRow writes ((x - mean) * rstd) * gamma + beta, each operation rounded, and returns what Moments does.
func LayerNormRow(dst, x, gamma, beta []float32, eps float32) (mean, rstd float32) {
	mean, rstd = Moments(x, eps)
	ScaleShift(dst, x, gamma, beta, mean, rstd)
	return mean, rstd
}

// ScaleShift writes ((x - mean) * rstd) * gamma + beta, each operation rounded.
func ScaleShift(dst, x, gamma, beta []float32, mean, rstd float32) {
	mustEqual(len(x), len(dst))
	mustEqual(len(gamma), len(dst))
	mustEqual(len(beta), len(dst))
	if active != nil {
		active.layerNorm(ptr(dst), ptr(x), ptr(gamma), ptr(beta), len(dst), mean, rstd)
		return
	}
	for i := range dst {
		dst[i] = float32((x[i]-mean)*rstd*gamma[i]) + beta[i]
	}
}

// Center writes (x - mean) * rstd, both operations rounded.
func Center(dst, x []float32, mean, rstd float32) {
	mustEqual(len(x), len(dst))
	if active != nil {
		active.center(ptr(dst), ptr(x), len(dst), mean, rstd)
		return
	}
	for i, v := range x {
		dst[i] = (v - mean) * rstd
	}
}

// RMSNormRow writes (x * rstd) * gamma with rstd = 1 / sqrt(mean of x^2 + eps), which it returns.
func RMSNormRow(dst, x, gamma []float32, eps float32) (rstd float32) {
	mustEqual(len(x), len(dst))
	mustEqual(len(gamma), len(dst))
	rstd = numerics.Rsqrt(SumSquares(x)/float32(len(x)) + eps)
	if active != nil {
		active.rmsNorm(ptr(dst), ptr(x), ptr(gamma), len(dst), rstd)
		return rstd
	}
	for i := range dst {
		dst[i] = x[i] * rstd * gamma[i]
	}
	return rstd
}
