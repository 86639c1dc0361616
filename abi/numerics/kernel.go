package numerics

import "math"

// logKernel returns k ln 2 + log(1 + f) for sqrt(1/2) <= 1 + f <= sqrt(2).
func logKernel(f, k float64) float64 {
	s := f / (2 + f)
	s2 := float64(s * s)
	p := 1.0 / 19
	for n := 17.0; n > 0; n -= 2 {
		p = math.FMA(p, s2, 1/n)
	}
	return math.FMA(k, math.Ln2, float64(2*s)*p)
}
