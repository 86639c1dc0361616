package numerics

import "math"

// The functions of rule 13, correctly rounded to float32: the real value is rounded once, to nearest even, subnormals kept.
// Infinite inputs take the limit, a result that underflows keeps its sign, NaN gives CanonicalNaN.
//
// Each tries its kernel in float64 and, where the rounding cannot be told from that, evaluates with 128-bit significands.
// Arguments are limited to where the rounded result still changes.

func slow32(x float32, f func(wide) wide) float32 {
	if x != x {
		return canonicalNaN()
	}
	return f(wideFromFloat64(float64(x))).float32()
}

// Exp returns e^x.
func Exp(x float32) float32 {
	if r, ok := decide(expKernel(max(min(float64(x), 100), -110))); ok {
		return r
	}
	return slow32(x, wide.exponential)
}

// Expm1 returns e^x - 1.
func Expm1(x float32) float32 {
	if r, ok := decide(math.Copysign(expm1Kernel(max(min(float64(x), 100), -50)), float64(x))); ok {
		return r
	}
	return slow32(x, wide.expm1)
}

// Log returns the natural logarithm of x: -Inf for ±0, NaN for x < 0.
func Log(x float32) float32 {
	if x > 0 && x <= math.MaxFloat32 {
		if r, ok := decide(logKernel(float64(x))); ok {
			return r
		}
	}
	return slow32(x, wide.log)
}

// Log1p returns log(1 + x): -Inf for -1, NaN for x < -1.
func Log1p(x float32) float32 {
	if x > -1 && x <= math.MaxFloat32 {
		v := float64(x)
		if r, ok := decide(math.Copysign(log1pKernel(v), v)); ok {
			return r
		}
	}
	return slow32(x, wide.log1p)
}

// Tanh returns the hyperbolic tangent of x.
func Tanh(x float32) float32 {
	if r, ok := decide(math.Copysign(tanhKernel(float64(x)), float64(x))); ok {
		return r
	}
	return slow32(x, wide.tanh)
}

// Erf returns the error function of x.
func Erf(x float32) float32 {
	if r, ok := decide(math.Copysign(erfKernel(float64(x)), float64(x))); ok {
		return r
	}
	return slow32(x, wide.erf)
}

// Logistic returns 1 / (1 + e^-x).
func Logistic(x float32) float32 {
	if r, ok := decide(logisticKernel(float64(x))); ok {
		return r
	}
	return slow32(x, wide.logistic)
}

// Sin returns the sine of x radians; NaN for infinities.
func Sin(x float32) float32 {
	if math.Abs(float64(x)) <= math.MaxFloat32 {
		r, q := reduceKernel(float64(x))
		if r, ok := decide(sinQuadrantKernel(r, q)); ok {
			return r
		}
	}
	return slow32(x, wide.sin)
}

// Cos returns the cosine of x radians; NaN for infinities.
func Cos(x float32) float32 {
	if math.Abs(float64(x)) <= math.MaxFloat32 {
		r, q := reduceKernel(float64(x))
		if r, ok := decide(sinQuadrantKernel(r, q+1)); ok {
			return r
		}
	}
	return slow32(x, wide.cos)
}

// SinPi returns sin(pi x); an integer gives a zero of its own sign; NaN for infinities.
func SinPi(x float32) float32 {
	if math.Abs(float64(x)) < 0x1p24 {
		r, q := sinPiReduce(float64(x))
		y := sinQuadrantKernel(float64(r*math.Pi), q)
		if r, ok := decide(y); ok && y != 0 {
			return r
		}
	}
	return slow32(x, wide.sinPi)
}

// CosPi returns cos(pi x); an odd multiple of 1/2 gives +0; NaN for infinities.
func CosPi(x float32) float32 {
	if math.Abs(float64(x)) < 0x1p24 {
		r, q := sinPiReduce(float64(x))
		y := sinQuadrantKernel(float64(r*math.Pi), q+1)
		if r, ok := decide(y); ok && y != 0 {
			return r
		}
	}
	return slow32(x, wide.cosPi)
}

// Gelu returns x/2 * (1 + erf(x / sqrt 2)).
func Gelu(x float32) float32 {
	if r, ok := decide(geluKernel(float64(x))); ok {
		return r
	}
	return slow32(x, wide.gelu)
}

// GeluGrad returns the derivative of Gelu.
func GeluGrad(x float32) float32 {
	if r, ok := decideScaled(geluGradKernel(float64(x))); ok {
		return r
	}
	return slow32(x, wide.geluGrad)
}

// GeluTanh returns x/2 * (1 + tanh(sqrt(2/pi) * (x + 0.044715 x^3))).
func GeluTanh(x float32) float32 {
	if r, ok := decide(geluTanhKernel(float64(x))); ok {
		return r
	}
	return slow32(x, wide.geluTanh)
}

// GeluTanhGrad returns the derivative of GeluTanh.
func GeluTanhGrad(x float32) float32 {
	if r, ok := decideScaled(geluTanhGradKernel(float64(x))); ok {
		return r
	}
	return slow32(x, wide.geluTanhGrad)
}

// Silu returns x / (1 + e^-x).
func Silu(x float32) float32 {
	if r, ok := decide(siluKernel(float64(x))); ok {
		return r
	}
	return slow32(x, wide.silu)
}

// SiluGrad returns the derivative of Silu.
func SiluGrad(x float32) float32 {
	if r, ok := decideScaled(siluGradKernel(float64(x))); ok {
		return r
	}
	return slow32(x, wide.siluGrad)
}

// Softplus returns log(1 + e^x); its derivative is Logistic.
func Softplus(x float32) float32 {
	if r, ok := decide(softplusKernel(float64(x))); ok {
		return r
	}
	return slow32(x, wide.softplus)
}
