package numerics

// The functions of rule 13 in float64, for references and gradient checks: evaluated with 128-bit significands and rounded once, so
// the error is below 0.5000001 ulp (next to the roots of the three activation gradients, below 1 ulp). NaN gives NaN; zeros,
// infinities and underflow follow the float32 functions. A call takes 0.3 to 3 microseconds.

func slow64(x float64, f func(wide) wide) float64 {
	if x != x {
		return x
	}
	return f(wideFromFloat64(x)).float64()
}

// Exp64 is Exp in float64.
func Exp64(x float64) float64 { return slow64(x, wide.exponential) }

// Expm164 is Expm1 in float64.
func Expm164(x float64) float64 { return slow64(x, wide.expm1) }

// Log64 is Log in float64.
func Log64(x float64) float64 { return slow64(x, wide.log) }

// Log1p64 is Log1p in float64.
func Log1p64(x float64) float64 { return slow64(x, wide.log1p) }

// Tanh64 is Tanh in float64.
func Tanh64(x float64) float64 { return slow64(x, wide.tanh) }

// Erf64 is Erf in float64.
func Erf64(x float64) float64 { return slow64(x, wide.erf) }

// Logistic64 is Logistic in float64.
func Logistic64(x float64) float64 { return slow64(x, wide.logistic) }

// Sin64 is Sin in float64.
func Sin64(x float64) float64 { return slow64(x, wide.sin) }

// Cos64 is Cos in float64.
func Cos64(x float64) float64 { return slow64(x, wide.cos) }

// SinPi64 is SinPi in float64.
func SinPi64(x float64) float64 { return slow64(x, wide.sinPi) }

// CosPi64 is CosPi in float64.
func CosPi64(x float64) float64 { return slow64(x, wide.cosPi) }

// Gelu64 is Gelu in float64.
func Gelu64(x float64) float64 { return slow64(x, wide.gelu) }

// GeluGrad64 is GeluGrad in float64.
func GeluGrad64(x float64) float64 { return slow64(x, wide.geluGrad) }

// GeluTanh64 is GeluTanh in float64.
func GeluTanh64(x float64) float64 { return slow64(x, wide.geluTanh) }

// GeluTanhGrad64 is GeluTanhGrad in float64.
func GeluTanhGrad64(x float64) float64 { return slow64(x, wide.geluTanhGrad) }

// Silu64 is Silu in float64.
func Silu64(x float64) float64 { return slow64(x, wide.silu) }

// SiluGrad64 is SiluGrad in float64.
func SiluGrad64(x float64) float64 { return slow64(x, wide.siluGrad) }

// Softplus64 is Softplus in float64.
func Softplus64(x float64) float64 { return slow64(x, wide.softplus) }
