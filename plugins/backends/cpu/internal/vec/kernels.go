package vec

import (
	"fmt"
	"slices"
	"unsafe"

	"github.com/seedbed/seedbed/plugins/backends/cpu/internal/isa"
)

// kernels is the assembly for one instruction set. A kernel takes pointers to the first elements and a count; it reads and writes
// exactly those elements, at any alignment, and an output may be the same slice as an input.
type kernels struct {
	lanes int // elements that functions and philox take at once: a vector, or two of NEON

	exp, expm1, log, log1p, tanh, logistic, erf, sin, cos            rounded
	gelu, geluGrad, geluTanh, geluTanhGrad, silu, siluGrad, softplus rounded
	sinpi, cospi                                                     rounded
	expSub                                                           func(dst, src *float32, n int, s float32) (at int, doubtful uint32)
	geluWithGrad, geluTanhWithGrad, siluWithGrad                     roundedWithGrad

	neg, abs, sqrt, rsqrt, relu                func(dst, a *float32, n int)
	add, sub, mul, div, max, min, reluGrad     func(dst, a, b *float32, n int)
	addScalar, subScalar, mulScalar, divScalar func(dst, a *float32, n int, s float32)
	scalarSub, scalarDiv, maxScalar, minScalar func(dst, a *float32, n int, s float32)
	fma                                        func(dst, a, b, c *float32, n int)
	fmaScalar                                  func(dst, a, c *float32, n int, s float32)
	mulSubScalar                               func(dst, a, b *float32, n int, s float32)
	sum, sumSquares                            func(a *float32, n int) float32
	sumSquaresAbout                            func(a *float32, n int, mean float32) float32
	sumProducts                                func(a, b *float32, n int) float32
	maxOf                                      func(a *float32, n int) float32
	mulMax                                     func(dst, a *float32, n int, s float32) float32
	addColumns                                 func(lanes, a *float32, rows, cols, stride int)
	addColumnProducts                          func(lanes, a, b *float32, rows, cols, stride int)
	addColumnSquaresAbout                      func(lanes, a, mean *float32, rows, cols, stride int)
	addColumnProductsAbout                     func(lanes, a, b, mean, rstd *float32, rows, cols, stride int)
	center                                     func(dst, a *float32, n int, mean, rstd float32)
	layerNorm                                  func(dst, a, gamma, beta *float32, n int, mean, rstd float32)
	layerNormGradSums                          func(dgamma, dbeta, dy, x, gamma *float32, n int, mean, rstd float32, ahead int) (sum, along float32)
	layerNormGrad                              func(dst, dy, gamma, x *float32, n int, mean, rstd, shift, along float32)
	softmaxGrad                                func(p, d *float32, n int, sum, inner, scale float32)
	rmsNorm                                    func(dst, a, gamma *float32, n int, rstd float32)
	adamw                                      func(p, m, v, g *float32, n int, weight, clip, omb1, b2, omb2, decay, step, sbc2, eps float32)
	sgd                                        func(p, m, g *float32, n int, weight, clip, momentum, decay, lr float32)
	dropout                                    func(dst, a, bits *float32, n int, threshold uint32, scale float32)
	philox                                     func(dst *uint32, blocks int, low, high, stream, step, key0, key1 uint32)
	pickLargest, pickSmallest                  func(best *uint32, top, a *float32, n int, number uint32)
	transpose8                                 func(dst, src *float32, blocks, dstStride, srcStride int)
	columnDots                                 func(sums, x, b *float32, blocks, stride, next int)
	fetch                                      func(a *float32, lines int)
}

// rounded is the kernel of a correctly rounded function. It returns n and no doubt, or the index of what it took at once and the doubtful
// lanes of that, which hold their arguments.
type rounded func(dst, src *float32, n int) (at int, doubtful uint32)

// roundedWithGrad is rounded for a function and its derivative: both keep their arguments where either is in doubt.
type roundedWithGrad func(dst, grad, src *float32, n int) (at int, doubtful uint32)

// active is the table in use, nil for plain Go.
var active = func() *kernels {
	for _, p := range slices.Backward(isa.Paths()) {
		if p.Supported() {
			return table(p)
		}
	}
	return nil
}()

// Use selects the kernels of a path; the best the machine supports are in use before the first call. All paths give the same
// bits. It must not run beside any other function of this package.
func Use(p isa.Path) error {
	if !p.Supported() {
		return fmt.Errorf("vec: this machine cannot run the %s kernels", p)
	}
	active = table(p)
	return nil
}

func mustEqual(got, want int) {
	if got != want {
		panic(fmt.Sprintf("vec: a slice has length %d where %d is needed", got, want))
	}
}

func ptr[T any](s []T) *T { return unsafe.SliceData(s) }
