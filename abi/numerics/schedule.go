package numerics

import "math"

// Host scalars (rule 16): the float64 quantities that the host computes once a step and hands to a backend as bits. Each formula
// is a fixed tree of float64 operations, every product converted so that no compiler fuses it.

// Pow returns x^n by repeated squaring, lowest bit of n first: r = 1; for each bit, r = r*x if it is set, then x = x*x. The relative
// error is below 2n * 2^-53 for results in the normal range.
func Pow(x float64, n uint64) float64 {
	r := 1.0
	for {
		if n&1 != 0 {
			r = float64(r * x)
		}
		if n >>= 1; n == 0 {
			return r
		}
		x = float64(x * x)
	}
}

// BiasCorrection returns Adam's 1 - beta^step, for step counted from 1.
func BiasCorrection(beta float64, step uint64) float64 { return 1 - Pow(beta, step) }

// ClipFactor returns the factor that scales a gradient of the given norm down to maxNorm: min(1, maxNorm / (norm + 1e-6)), PyTorch's
// clip_grad_norm_. A NaN norm gives NaN.
func ClipFactor(norm, maxNorm float64) float64 { return min(1, maxNorm/(norm+1e-6)) }

// Progress returns step/total limited to [0, 1], and 1 if total is 0.
func Progress(step, total uint64) float64 {
	if step >= total {
		return 1
	}
	return float64(step) / float64(total)
}

// LinearDecay goes from 1 at progress 0 to floor at progress 1 in a straight line: floor + (1 - floor) * (1 - progress).
func LinearDecay(progress, floor float64) float64 {
	return floor + float64((1-floor)*(1-progress))
}

// CosineDecay goes from 1 at progress 0 to floor at progress 1 along half a cosine: floor + (1 - floor) * (0.5 * (1 + cos(pi * progress))).
func CosineDecay(progress, floor float64) float64 {
	return floor + float64((1-floor)*float64(0.5*(1+CosPi64(progress))))
}

// InverseSqrtDecay goes from 1 at the end of warm-up as sqrt(warmup / step), the schedule of "Attention is all you need" (2017).
// Both count from 1.
func InverseSqrtDecay(step, warmup uint64) float64 {
	return math.Sqrt(float64(max(warmup, 1)) / float64(max(step, warmup, 1)))
}
