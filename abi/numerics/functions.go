package numerics

// The functions of rule 13, correctly rounded to float32: the real value is rounded once, to nearest even, subnormals kept.
// Infinite inputs take the limit, a result that underflows keeps its sign, NaN gives CanonicalNaN.

// Exp returns e^x.
func Exp(x float32) float32 {
	if x != x {
		return canonicalNaN()
	}
	return wideFromFloat64(float64(x)).exponential().float32()
}

// Expm1 returns e^x - 1.
func Expm1(x float32) float32 {
	if x != x {
		return canonicalNaN()
	}
	return wideFromFloat64(float64(x)).expm1().float32()
}

// Log returns the natural logarithm of x: -Inf for ±0, NaN for x < 0.
func Log(x float32) float32 {
	if x != x {
		return canonicalNaN()
	}
	return wideFromFloat64(float64(x)).log().float32()
}

// Log1p returns log(1 + x): -Inf for -1, NaN for x < -1.
func Log1p(x float32) float32 {
	if x != x {
		return canonicalNaN()
	}
	return wideFromFloat64(float64(x)).log1p().float32()
}

// Tanh returns the hyperbolic tangent of x.
func Tanh(x float32) float32 {
	if x != x {
		return canonicalNaN()
	}
	return wideFromFloat64(float64(x)).tanh().float32()
}

// Erf returns the error function of x.
func Erf(x float32) float32 {
	if x != x {
		return canonicalNaN()
	}
	return wideFromFloat64(float64(x)).erf().float32()
}

// Logistic returns 1 / (1 + e^-x).
func Logistic(x float32) float32 {
	if x != x {
		return canonicalNaN()
	}
	s, _ := wideFromFloat64(float64(x)).logistic()
	return s.float32()
}

// Sin returns the sine of x radians; NaN for infinities.
func Sin(x float32) float32 {
	if x != x {
		return canonicalNaN()
	}
	return wideSin(float64(x)).float32()
}

// Cos returns the cosine of x radians; NaN for infinities.
func Cos(x float32) float32 {
	if x != x {
		return canonicalNaN()
	}
	return wideCos(float64(x)).float32()
}

// SinPi returns sin(pi x); an integer gives a zero of its own sign; NaN for infinities.
func SinPi(x float32) float32 {
	if x != x {
		return canonicalNaN()
	}
	return wideSinPi(float64(x)).float32()
}

// CosPi returns cos(pi x); an odd multiple of 1/2 gives +0; NaN for infinities.
func CosPi(x float32) float32 {
	if x != x {
		return canonicalNaN()
	}
	return wideCosPi(float64(x)).float32()
}

// Gelu returns x/2 * (1 + erf(x / sqrt 2)).
func Gelu(x float32) float32 {
	if x != x {
		return canonicalNaN()
	}
	return wideFromFloat64(float64(x)).gelu().float32()
}

// GeluGrad returns the derivative of Gelu.
func GeluGrad(x float32) float32 {
	if x != x {
		return canonicalNaN()
	}
	return wideFromFloat64(float64(x)).geluGrad().float32()
}

// GeluTanh returns x/2 * (1 + tanh(sqrt(2/pi) * (x + 0.044715 x^3))).
func GeluTanh(x float32) float32 {
	if x != x {
		return canonicalNaN()
	}
	return wideFromFloat64(float64(x)).geluTanh().float32()
}

// GeluTanhGrad returns the derivative of GeluTanh.
func GeluTanhGrad(x float32) float32 {
	if x != x {
		return canonicalNaN()
	}
	return wideFromFloat64(float64(x)).geluTanhGrad().float32()
}

// Silu returns x / (1 + e^-x).
func Silu(x float32) float32 {
	if x != x {
		return canonicalNaN()
	}
	return wideFromFloat64(float64(x)).silu().float32()
}

// SiluGrad returns the derivative of Silu.
func SiluGrad(x float32) float32 {
	if x != x {
		return canonicalNaN()
	}
	return wideFromFloat64(float64(x)).siluGrad().float32()
}

// Softplus returns log(1 + e^x); its derivative is Logistic.
func Softplus(x float32) float32 {
	if x != x {
		return canonicalNaN()
	}
	return wideFromFloat64(float64(x)).softplus().float32()
}
