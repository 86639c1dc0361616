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

// LayerNormGradSums is what the gradient of a layer norm takes of a row before its own cotangent: with h = Center(x) it adds dy * h to dgamma, by a
// fused multiply-add, and dy to dbeta, and returns the sums of dy * gamma and of (dy * gamma) * h. Elements of dy and x from ahead on are fetched
// into the cache.
func LayerNormGradSums(dgamma, dbeta, dy, x, gamma []float32, mean, rstd float32, ahead int) (sum, along float32) {
	for _, row := range [][]float32{dgamma, dbeta, x, gamma} {
		mustEqual(len(row), len(dy))
	}
	if len(dy) <= block {
		return normGradBlock(dgamma, dbeta, dy, x, gamma, mean, rstd, ahead)
	}
	var s, a blockSums
	for at := 0; at < len(dy); at += block {
		end := min(at+block, len(dy))
		bs, ba := normGradBlock(dgamma[at:end], dbeta[at:end], dy[at:end], x[at:end], gamma[at:end], mean, rstd, ahead)
		s.add(bs)
		a.add(ba)
	}
	return s.sum(), a.sum()
}

func normGradBlock(dgamma, dbeta, dy, x, gamma []float32, mean, rstd float32, ahead int) (sum, along float32) {
	if active != nil {
		return active.layerNormGradSums(ptr(dgamma), ptr(dbeta), ptr(dy), ptr(x), ptr(gamma), len(dy), mean, rstd, 4*ahead)
	}
	var s, a [lanes]float32
	for i, g := range dy {
		h := float32(x[i]-mean) * rstd
		dgamma[i] = numerics.FMA(g, h, dgamma[i])
		dbeta[i] += g
		d := float32(g * gamma[i])
		s[i%lanes] += d
		a[i%lanes] = numerics.FMA(d, h, a[i%lanes])
	}
	return fold(&s), fold(&a)
}

// LayerNormGradRow writes ((dy * gamma - shift) - h * along) * rstd for h = Center(x), each operation rounded: the cotangent of x where shift and
// along are the means of what LayerNormGradSums adds up.
func LayerNormGradRow(dst, dy, gamma, x []float32, mean, rstd, shift, along float32) {
	for _, row := range [][]float32{dy, gamma, x} {
		mustEqual(len(row), len(dst))
	}
	if active != nil {
		active.layerNormGrad(ptr(dst), ptr(dy), ptr(gamma), ptr(x), len(dst), mean, rstd, shift, along)
		return
	}
	for i := range dst {
		h := float32(x[i]-mean) * rstd
		dst[i] = (float32(float32(dy[i]*gamma[i])-shift) - float32(h*along)) * rstd
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
