package vec

import (
	"math"

	"github.com/seedbed/seedbed/abi/numerics"
)

// Elementwise arithmetic. Each operation rounds once; dst may be any of the operands.

// Add writes a + b.
func Add(dst, a, b []float32) {
	mustEqual(len(a), len(dst))
	mustEqual(len(b), len(dst))
	if active != nil {
		active.add(ptr(dst), ptr(a), ptr(b), len(dst))
		return
	}
	for i := range dst {
		dst[i] = a[i] + b[i]
	}
}

// Sub writes a - b.
func Sub(dst, a, b []float32) {
	mustEqual(len(a), len(dst))
	mustEqual(len(b), len(dst))
	if active != nil {
		active.sub(ptr(dst), ptr(a), ptr(b), len(dst))
		return
	}
	for i := range dst {
		dst[i] = a[i] - b[i]
	}
}

// Mul writes a * b.
func Mul(dst, a, b []float32) {
	mustEqual(len(a), len(dst))
	mustEqual(len(b), len(dst))
	if active != nil {
		active.mul(ptr(dst), ptr(a), ptr(b), len(dst))
		return
	}
	for i := range dst {
		dst[i] = a[i] * b[i]
	}
}

// Div writes a / b.
func Div(dst, a, b []float32) {
	mustEqual(len(a), len(dst))
	mustEqual(len(b), len(dst))
	if active != nil {
		active.div(ptr(dst), ptr(a), ptr(b), len(dst))
		return
	}
	for i := range dst {
		dst[i] = a[i] / b[i]
	}
}

// Max writes the maximum of a and b: NaN if either is NaN, and +0 is greater than -0.
func Max(dst, a, b []float32) {
	mustEqual(len(a), len(dst))
	mustEqual(len(b), len(dst))
	if active != nil {
		active.max(ptr(dst), ptr(a), ptr(b), len(dst))
		return
	}
	for i := range dst {
		dst[i] = numerics.Max(a[i], b[i])
	}
}

// Min writes the minimum of a and b: NaN if either is NaN, and -0 is less than +0.
func Min(dst, a, b []float32) {
	mustEqual(len(a), len(dst))
	mustEqual(len(b), len(dst))
	if active != nil {
		active.min(ptr(dst), ptr(a), ptr(b), len(dst))
		return
	}
	for i := range dst {
		dst[i] = numerics.Min(a[i], b[i])
	}
}

// AddScalar writes a + s.
func AddScalar(dst, a []float32, s float32) {
	mustEqual(len(a), len(dst))
	if active != nil {
		active.addScalar(ptr(dst), ptr(a), len(dst), s)
		return
	}
	for i, x := range a {
		dst[i] = x + s
	}
}

// SubScalar writes a - s.
func SubScalar(dst, a []float32, s float32) {
	mustEqual(len(a), len(dst))
	if active != nil {
		active.subScalar(ptr(dst), ptr(a), len(dst), s)
		return
	}
	for i, x := range a {
		dst[i] = x - s
	}
}

// ScalarSub writes s - a.
func ScalarSub(dst, a []float32, s float32) {
	mustEqual(len(a), len(dst))
	if active != nil {
		active.scalarSub(ptr(dst), ptr(a), len(dst), s)
		return
	}
	for i, x := range a {
		dst[i] = s - x
	}
}

// MulScalar writes a * s.
func MulScalar(dst, a []float32, s float32) {
	mustEqual(len(a), len(dst))
	if active != nil {
		active.mulScalar(ptr(dst), ptr(a), len(dst), s)
		return
	}
	for i, x := range a {
		dst[i] = x * s
	}
}

// DivScalar writes a / s.
func DivScalar(dst, a []float32, s float32) {
	mustEqual(len(a), len(dst))
	if active != nil {
		active.divScalar(ptr(dst), ptr(a), len(dst), s)
		return
	}
	for i, x := range a {
		dst[i] = x / s
	}
}

// ScalarDiv writes s / a.
func ScalarDiv(dst, a []float32, s float32) {
	mustEqual(len(a), len(dst))
	if active != nil {
		active.scalarDiv(ptr(dst), ptr(a), len(dst), s)
		return
	}
	for i, x := range a {
		dst[i] = s / x
	}
}

// MaxScalar writes the maximum of a and s, as Max does.
func MaxScalar(dst, a []float32, s float32) {
	mustEqual(len(a), len(dst))
	if active != nil {
		active.maxScalar(ptr(dst), ptr(a), len(dst), s)
		return
	}
	for i, x := range a {
		dst[i] = numerics.Max(x, s)
	}
}

// MinScalar writes the minimum of a and s, as Min does.
func MinScalar(dst, a []float32, s float32) {
	mustEqual(len(a), len(dst))
	if active != nil {
		active.minScalar(ptr(dst), ptr(a), len(dst), s)
		return
	}
	for i, x := range a {
		dst[i] = numerics.Min(x, s)
	}
}

// Neg writes -a.
func Neg(dst, a []float32) {
	mustEqual(len(a), len(dst))
	if active != nil {
		active.neg(ptr(dst), ptr(a), len(dst))
		return
	}
	for i, x := range a {
		dst[i] = -x
	}
}

// Abs writes |a|.
func Abs(dst, a []float32) {
	mustEqual(len(a), len(dst))
	if active != nil {
		active.abs(ptr(dst), ptr(a), len(dst))
		return
	}
	for i, x := range a {
		dst[i] = math.Float32frombits(math.Float32bits(x) &^ (1 << 31))
	}
}

// Sqrt writes the square root of a.
func Sqrt(dst, a []float32) {
	mustEqual(len(a), len(dst))
	if active != nil {
		active.sqrt(ptr(dst), ptr(a), len(dst))
		return
	}
	for i, x := range a {
		dst[i] = numerics.Sqrt(x)
	}
}

// Rsqrt writes 1 / sqrt(a), two rounded operations.
func Rsqrt(dst, a []float32) {
	mustEqual(len(a), len(dst))
	if active != nil {
		active.rsqrt(ptr(dst), ptr(a), len(dst))
		return
	}
	for i, x := range a {
		dst[i] = numerics.Rsqrt(x)
	}
}

// Relu writes a where a > 0 or a is NaN, else +0.
func Relu(dst, a []float32) {
	mustEqual(len(a), len(dst))
	if active != nil {
		active.relu(ptr(dst), ptr(a), len(dst))
		return
	}
	for i, x := range a {
		dst[i] = numerics.Relu(x)
	}
}

// ReluGrad writes dy where x > 0, else +0.
func ReluGrad(dst, x, dy []float32) {
	mustEqual(len(x), len(dst))
	mustEqual(len(dy), len(dst))
	if active != nil {
		active.reluGrad(ptr(dst), ptr(x), ptr(dy), len(dst))
		return
	}
	for i := range dst {
		if x[i] > 0 {
			dst[i] = dy[i]
		} else {
			dst[i] = 0
		}
	}
}

// FMA writes a*b + c, rounded once.
func FMA(dst, a, b, c []float32) {
	mustEqual(len(a), len(dst))
	mustEqual(len(b), len(dst))
	mustEqual(len(c), len(dst))
	if active != nil {
		active.fma(ptr(dst), ptr(a), ptr(b), ptr(c), len(dst))
		return
	}
	for i := range dst {
		dst[i] = numerics.FMA(a[i], b[i], c[i])
	}
}

// FMAScalar writes a*s + c, rounded once.
func FMAScalar(dst, a []float32, s float32, c []float32) {
	mustEqual(len(a), len(dst))
	mustEqual(len(c), len(dst))
	if active != nil {
		active.fmaScalar(ptr(dst), ptr(a), ptr(c), len(dst), s)
		return
	}
	for i := range dst {
		dst[i] = numerics.FMA(a[i], s, c[i])
	}
}

// MulSubScalar writes (a - s) * b, both operations rounded: with b the output y of a softmax, a the gradient dy and s the sum of
// a*b over the row, this is the softmax's gradient.
func MulSubScalar(dst, a []float32, s float32, b []float32) {
	mustEqual(len(a), len(dst))
	mustEqual(len(b), len(dst))
	if active != nil {
		active.mulSubScalar(ptr(dst), ptr(a), ptr(b), len(dst), s)
		return
	}
	for i := range dst {
		dst[i] = (a[i] - s) * b[i]
	}
}

// AddInto adds a to dst.
func AddInto(dst, a []float32) { Add(dst, dst, a) }

// Fill sets every element of dst to s.
func Fill(dst []float32, s float32) {
	for i := range dst {
		dst[i] = s
	}
}

// Fetch has the caches fetch a, which will be read or written soon.
func Fetch(a []float32) {
	const perLine = 16
	if active != nil && len(a) > 0 {
		active.fetch(ptr(a), (len(a)+perLine-1)/perLine)
	}
}
