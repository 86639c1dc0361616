package numerics

// The functions of rule 13 in float64, for references and gradient checks. They are evaluated with 128-bit significands and rounded
// once, so the error is below 0.5000001 ulp (next to the roots of the three activation gradients, below 1 ulp). NaN gives NaN; zeros,
// infinities and underflow follow the float32 functions. About 0.3 to 3 microseconds a call.

// Exp64 returns e^x.
func Exp64(x float64) float64 {
	if x != x {
		return x
	}
	return wideFromFloat64(x).exponential().float64()
}

// Expm164 returns e^x - 1.
func Expm164(x float64) float64 {
	if x != x {
		return x
	}
	return wideFromFloat64(x).expm1().float64()
}

// Log64 returns the natural logarithm of x: -Inf for ±0, NaN for x < 0.
func Log64(x float64) float64 {
	if x != x {
		return x
	}
	return wideFromFloat64(x).log().float64()
}

// Log1p64 returns log(1 + x): -Inf for -1, NaN for x < -1.
func Log1p64(x float64) float64 {
	if x != x {
		return x
	}
	return wideFromFloat64(x).log1p().float64()
}

// Tanh64 returns the hyperbolic tangent of x.
func Tanh64(x float64) float64 {
	if x != x {
		return x
	}
	return wideFromFloat64(x).tanh().float64()
}

// Erf64 returns the error function of x.
func Erf64(x float64) float64 {
	if x != x {
		return x
	}
	return wideFromFloat64(x).erf().float64()
}

// Logistic64 returns 1 / (1 + e^-x).
func Logistic64(x float64) float64 {
	if x != x {
		return x
	}
	s, _ := wideFromFloat64(x).logistic()
	return s.float64()
}

// Sin64 returns the sine of x radians; NaN for infinities.
func Sin64(x float64) float64 {
	if x != x {
		return x
	}
	return wideSin(x).float64()
}

// Cos64 returns the cosine of x radians; NaN for infinities.
func Cos64(x float64) float64 {
	if x != x {
		return x
	}
	return wideCos(x).float64()
}

// SinPi64 returns sin(pi x); an integer gives a zero of its own sign; NaN for infinities.
func SinPi64(x float64) float64 {
	if x != x {
		return x
	}
	return wideSinPi(x).float64()
}

// CosPi64 returns cos(pi x); an odd multiple of 1/2 gives +0; NaN for infinities.
func CosPi64(x float64) float64 {
	if x != x {
		return x
	}
	return wideCosPi(x).float64()
}

// Gelu64 returns x/2 * (1 + erf(x / sqrt 2)).
func Gelu64(x float64) float64 {
	if x != x {
		return x
	}
	return wideFromFloat64(x).gelu().float64()
}

// GeluGrad64 returns the derivative of Gelu.
func GeluGrad64(x float64) float64 {
	if x != x {
		return x
	}
	return wideFromFloat64(x).geluGrad().float64()
}

// GeluTanh64 returns x/2 * (1 + tanh(sqrt(2/pi) * (x + 0.044715 x^3))).
func GeluTanh64(x float64) float64 {
	if x != x {
		return x
	}
	return wideFromFloat64(x).geluTanh().float64()
}

// GeluTanhGrad64 returns the derivative of GeluTanh.
func GeluTanhGrad64(x float64) float64 {
	if x != x {
		return x
	}
	return wideFromFloat64(x).geluTanhGrad().float64()
}

// Silu64 returns x / (1 + e^-x).
func Silu64(x float64) float64 {
	if x != x {
		return x
	}
	return wideFromFloat64(x).silu().float64()
}

// SiluGrad64 returns the derivative of Silu.
func SiluGrad64(x float64) float64 {
	if x != x {
		return x
	}
	return wideFromFloat64(x).siluGrad().float64()
}

// Softplus64 returns log(1 + e^x); its derivative is Logistic64.
func Softplus64(x float64) float64 {
	if x != x {
		return x
	}
	return wideFromFloat64(x).softplus().float64()
}
