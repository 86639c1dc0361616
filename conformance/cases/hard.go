package cases

import (
	"math"

	"github.com/seedbed/seedbed/abi/ir"
)

// hard are cells beside those of an op's shape, whose values random ones do not
// come upon: each is there because a wrong backend went unseen without it.
var hard = map[string][]cell{
	// The product lies halfway between two floats, and the addend, too small for a
	// format of twice the width, decides.
	"fma": {{name: "almost ties", dtypes: []ir.DType{ir.F32, ir.BF16, ir.F16}, make: func(r *source, d ir.DType) app {
		precision := formats[d].mantissa + 1
		lo, hi := math.Sqrt(math.Ldexp(1, precision)), math.Sqrt(math.Ldexp(1, precision+1))
		t, factor := ir.T(d, r.in(1, 40)), domain{odd, math.Floor(lo) + 1, math.Floor(hi) - 1}
		return app{operands: []operand{{t, factor}, {t, factor}, {t, domain{powers, float64(-14 - precision), -14}}}}
	}}},
	// Nothing but the sign of zero decides the largest.
	"reduce": {{name: "zeros", make: func(r *source, d ir.DType) app {
		return app{operands: one(d, []int{r.in(1, 5), r.in(1, 20)}, domain{kind: zeros, lo: pick(r, 1.0, -1.0)}), attrs: []ir.Attr{ir.IntsAttr("dimensions", 1)}}
	}}},
	"argmax": {zeroSearch},
	"argmin": {zeroSearch},
	// Dimensions of one size may be taken for each other.
	"transpose": {{name: "cube", make: func(r *source, d ir.DType) app {
		n := r.in(2, 5)
		return app{operands: one(d, []int{n, n, n}, anyValue), attrs: []ir.Attr{ir.IntsAttr("permutation", r.perm(3)...)}}
	}}},
	"dot_general": {{name: "cubes", make: func(r *source, d ir.DType) app {
		n := r.in(2, 5)
		lp, rp := r.perm(4), r.perm(4)
		dd := ir.DotDims{LHSBatch: lp[:1], RHSBatch: rp[:1], LHSContract: lp[1:3], RHSContract: rp[1:3]}
		return dot(d, []int{n, n, n, n}, nil, finite, dd, []int{n})
	}}},
	// More updates of one destination than two chunks hold.
	"scatter": {{name: "very crowded", make: func(r *source, d ir.DType) app {
		n := pick(r, 1024, 1025, 1540)
		return app{operands: []operand{{ir.T(d, 2, 1), finite}, {ir.T(ir.I32, n), between(0, 0)}, {ir.T(d, n, 1), finite}}, attrs: []ir.Attr{ir.IntAttr("axis", 0)}}
	}}},
}

var zeroSearch = cell{name: "zeros", make: func(r *source, d ir.DType) app {
	return app{operands: one(d, []int{r.in(1, 5), r.in(1, 20)}, domain{kind: zeros, lo: pick(r, 1.0, -1.0)}), attrs: []ir.Attr{ir.IntAttr("dimension", 1)}}
}}
