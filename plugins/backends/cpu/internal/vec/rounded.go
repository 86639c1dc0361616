package vec

import (
	"math/bits"

	"github.com/seedbed/seedbed/abi/numerics"
)

// The functions of rule 13, for every element x of src; each result is rounded once. dst may be src.

// Exp writes e^x.
func Exp(dst, src []float32) {
	apply(dst, src, numerics.Exp, func(k *kernels) rounded { return k.exp })
}

// Expm1 writes e^x - 1.
func Expm1(dst, src []float32) {
	apply(dst, src, numerics.Expm1, func(k *kernels) rounded { return k.expm1 })
}

// Log writes the natural logarithm of x.
func Log(dst, src []float32) {
	apply(dst, src, numerics.Log, func(k *kernels) rounded { return k.log })
}

// Log1p writes log(1 + x).
func Log1p(dst, src []float32) {
	apply(dst, src, numerics.Log1p, func(k *kernels) rounded { return k.log1p })
}

// Tanh writes the hyperbolic tangent of x.
func Tanh(dst, src []float32) {
	apply(dst, src, numerics.Tanh, func(k *kernels) rounded { return k.tanh })
}

// Logistic writes 1 / (1 + e^-x).
func Logistic(dst, src []float32) {
	apply(dst, src, numerics.Logistic, func(k *kernels) rounded { return k.logistic })
}

// Erf writes the error function of x.
func Erf(dst, src []float32) {
	apply(dst, src, numerics.Erf, func(k *kernels) rounded { return k.erf })
}

// Sin writes the sine of x.
func Sin(dst, src []float32) {
	apply(dst, src, numerics.Sin, func(k *kernels) rounded { return k.sin })
}

// Cos writes the cosine of x.
func Cos(dst, src []float32) {
	apply(dst, src, numerics.Cos, func(k *kernels) rounded { return k.cos })
}

// SinPi writes the sine of pi x.
func SinPi(dst, src []float32) {
	apply(dst, src, numerics.SinPi, func(k *kernels) rounded { return k.sinpi })
}

// CosPi writes the cosine of pi x.
func CosPi(dst, src []float32) {
	apply(dst, src, numerics.CosPi, func(k *kernels) rounded { return k.cospi })
}

// Gelu writes x/2 * (1 + erf(x/sqrt 2)).
func Gelu(dst, src []float32) {
	apply(dst, src, numerics.Gelu, func(k *kernels) rounded { return k.gelu })
}

// GeluGrad writes the derivative of Gelu.
func GeluGrad(dst, src []float32) {
	apply(dst, src, numerics.GeluGrad, func(k *kernels) rounded { return k.geluGrad })
}

// GeluTanh writes gelu in its tanh form.
func GeluTanh(dst, src []float32) {
	apply(dst, src, numerics.GeluTanh, func(k *kernels) rounded { return k.geluTanh })
}

// GeluTanhGrad writes the derivative of GeluTanh.
func GeluTanhGrad(dst, src []float32) {
	apply(dst, src, numerics.GeluTanhGrad, func(k *kernels) rounded { return k.geluTanhGrad })
}

// Silu writes x / (1 + e^-x).
func Silu(dst, src []float32) {
	apply(dst, src, numerics.Silu, func(k *kernels) rounded { return k.silu })
}

// SiluGrad writes the derivative of Silu.
func SiluGrad(dst, src []float32) {
	apply(dst, src, numerics.SiluGrad, func(k *kernels) rounded { return k.siluGrad })
}

// Softplus writes log(1 + e^x).
func Softplus(dst, src []float32) {
	apply(dst, src, numerics.Softplus, func(k *kernels) rounded { return k.softplus })
}

// GeluWithGrad writes Gelu to dst and GeluGrad to grad, either of which may be src; most of their work is the same.
func GeluWithGrad(dst, grad, src []float32) {
	applyWithGrad(dst, grad, src, numerics.Gelu, numerics.GeluGrad, func(k *kernels) roundedWithGrad { return k.geluWithGrad })
}

// GeluTanhWithGrad is GeluWithGrad for GeluTanh.
func GeluTanhWithGrad(dst, grad, src []float32) {
	applyWithGrad(dst, grad, src, numerics.GeluTanh, numerics.GeluTanhGrad, func(k *kernels) roundedWithGrad { return k.geluTanhWithGrad })
}

// SiluWithGrad is GeluWithGrad for Silu.
func SiluWithGrad(dst, grad, src []float32) {
	applyWithGrad(dst, grad, src, numerics.Silu, numerics.SiluGrad, func(k *kernels) roundedWithGrad { return k.siluWithGrad })
}

// ExpSub writes e^(x - s); the difference is rounded first. It returns nothing about the sum: see SoftmaxRow.
func ExpSub(dst, src []float32, s float32) {
	mustEqual(len(dst), len(src))
	if active == nil {
		for i, x := range src {
			dst[i] = numerics.Exp(x - s)
		}
		return
	}
	kernel, lanes := active.expSub, active.lanes
	for len(src) > 0 {
		at, doubtful := kernel(&dst[0], &src[0], len(src), s)
		dst, src = resume(dst, src, at, doubtful, lanes, numerics.Exp)
	}
}

func apply(dst, src []float32, scalar func(float32) float32, choose func(*kernels) rounded) {
	mustEqual(len(dst), len(src))
	if active == nil {
		for i, x := range src {
			dst[i] = scalar(x)
		}
		return
	}
	kernel, lanes := choose(active), active.lanes
	for len(src) > 0 {
		at, doubtful := kernel(&dst[0], &src[0], len(src))
		dst, src = resume(dst, src, at, doubtful, lanes, scalar)
	}
}

func applyWithGrad(dst, grad, src []float32, value, derivative func(float32) float32, choose func(*kernels) roundedWithGrad) {
	mustEqual(len(dst), len(src))
	mustEqual(len(grad), len(src))
	if active == nil {
		for i, x := range src {
			dst[i], grad[i] = value(x), derivative(x)
		}
		return
	}
	kernel, lanes := choose(active), active.lanes
	for len(src) > 0 {
		at, doubtful := kernel(&dst[0], &grad[0], &src[0], len(src))
		dst, _ = resume(dst, src, at, doubtful, lanes, value)
		grad, src = resume(grad, src, at, doubtful, lanes, derivative)
	}
}

// resume finishes the doubtful lanes of the vector at index at, where dst holds the arguments, and returns what is left to do.
func resume(dst, src []float32, at int, doubtful uint32, lanes int, scalar func(float32) float32) (d, s []float32) {
	for ; doubtful != 0; doubtful &= doubtful - 1 {
		i := at + bits.TrailingZeros32(doubtful)
		dst[i] = scalar(dst[i])
	}
	next := min(at+lanes, len(src))
	return dst[next:], src[next:]
}
