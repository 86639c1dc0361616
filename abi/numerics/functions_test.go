package numerics

import (
	"flag"
	"math"
	"math/big"
	"math/rand/v2"
	"sort"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// functions lists every float32 function of rule 13 under the name of its golden file, with its float64 form, its 128-bit form, and
// its kernel, whose error is stated relative to scale.
var functions = []struct {
	name   string
	f      func(float32) float32
	f64    func(float64) float64
	wide   func(wide) wide
	kernel func(x float64) (y, scale float64)
}{
	{"exp", Exp, Exp64, wide.exponential, own(expKernel)},
	{"expm1", Expm1, Expm164, wide.expm1, own(expm1Kernel)},
	{"log", Log, Log64, wide.log, own(logKernel)},
	{"log1p", Log1p, Log1p64, wide.log1p, own(log1pKernel)},
	{"tanh", Tanh, Tanh64, wide.tanh, own(func(x float64) float64 { return math.Copysign(tanhKernel(x), x) })},
	{"erf", Erf, Erf64, wide.erf, own(func(x float64) float64 { return math.Copysign(erfKernel(x), x) })},
	{"logistic", Logistic, Logistic64, wide.logistic, own(logisticKernel)},
	{"sin", Sin, Sin64, wide.sin, own(func(x float64) float64 { return sinQuadrantKernel(reduceKernel(x)) })},
	{"cos", Cos, Cos64, wide.cos, own(func(x float64) float64 { r, q := reduceKernel(x); return sinQuadrantKernel(r, q+1) })},
	{"sinpi", SinPi, SinPi64, wide.sinPi, own(func(x float64) float64 { r, q := sinPiReduce(x); return sinQuadrantKernel(r*math.Pi, q) })},
	{"cospi", CosPi, CosPi64, wide.cosPi, own(func(x float64) float64 { r, q := sinPiReduce(x); return sinQuadrantKernel(r*math.Pi, q+1) })},
	{"gelu_erf", Gelu, Gelu64, wide.gelu, own(geluKernel)},
	{"gelu_erf_grad", GeluGrad, GeluGrad64, wide.geluGrad, geluGradKernel},
	{"gelu_tanh", GeluTanh, GeluTanh64, wide.geluTanh, own(geluTanhKernel)},
	{"gelu_tanh_grad", GeluTanhGrad, GeluTanhGrad64, wide.geluTanhGrad, geluTanhGradKernel},
	{"silu", Silu, Silu64, wide.silu, own(siluKernel)},
	{"silu_grad", SiluGrad, SiluGrad64, wide.siluGrad, siluGradKernel},
	{"softplus", Softplus, Softplus64, wide.softplus, own(softplusKernel)},
}

// own makes the kernel's own value the scale of its error.
func own(kernel func(float64) float64) func(float64) (y, scale float64) {
	return func(x float64) (float64, float64) {
		y := kernel(x)
		return y, math.Abs(y)
	}
}

// thresholds are where some function overflows, underflows, saturates, crosses zero, changes its formula or its octave.
var thresholds = []float32{88.72283, 88.72284, -87.33654, -103.97208, -103.2789, 9.010913, 3.8325068, 3.95, 4, 10, 12, 15, 16.63553, 17.32868, -17.32868, -13, -14.16,
	-13.19, 5.4, 10.05, 0.5, 1, -1, 2, 0.34657359, -0.34657359, 0.70710678, 1.41421356, 0.41421356, -0.29289322, math.Pi, math.Pi / 2, math.Pi / 4, 3 * math.Pi / 4, 1e10, 1e20,
	1e38, 0.75179, -0.7517916, -0.7524614, -1.278465, 2.3994, 0x1p-12, 0x1p-23, 0x1p-24, 0x1p-25, 0x1p-26, 0x1p-60, 0x1p-64, 0x1p-100, 0x1p-101, 0x1p-126, 0x1p17, 0x1p23, 0x1p24, 0x1p-6, 0x1p-5}

// testInputs draws inputs over all exponents and around 1, the thresholds with their neighbours and the special values.
func testInputs(n int, seed uint64) []float32 {
	rng := rand.New(rand.NewPCG(seed, 1))
	x := []float32{0, f32(1 << 31), f32(1), f32(0x80000001), f32(3), f32(0x80000003), f32(5), f32(0x80000005), f32(0x007FFFFF), f32(0x807FFFFF), f32(0x00800000),
		f32(0x80800000), f32(0x00800001), f32(0x80800001), math.MaxFloat32, -math.MaxFloat32, 0.25, 0.75, -0.25, 1.5, 2.5, 1e6 + 0.5}
	for _, t := range thresholds {
		for d := range uint32(7) {
			u := math.Float32bits(t) - 3 + d
			x = append(x, f32(u), -f32(u))
		}
	}
	for len(x) < n {
		if v := f32(rng.Uint32()); v-v == 0 {
			x = append(x, v)
		}
		x = append(x, float32(rng.NormFloat64()*math.Exp2(float64(rng.IntN(13)-6))))
	}
	return x
}

// hardest returns the n of the given inputs whose real result lies nearest to the middle between two float32 numbers.
func hardest(x []float32, n int, f func(wide) wide) []float32 {
	distance := func(v float32) float64 {
		w := f(wideFromFloat64(float64(v)))
		rest := float64(w.hi<<24>>1) * 0x1p-63 // fraction of an ulp in the normal range
		return math.Abs(rest - 0.5)
	}
	type ranked struct {
		x float32
		d float64
	}
	all := make([]ranked, len(x))
	for i, v := range x {
		all[i] = ranked{v, distance(v)}
	}
	sort.Slice(all, func(i, j int) bool { return all[i].d < all[j].d })
	out := make([]float32, n)
	for i := range out {
		out[i] = all[i].x
	}
	return out
}

// bigAnswer is the correctly rounded value for a finite x != 0, from 400-bit arithmetic; ok is false outside the domain and where a
// result is exactly zero or overflows the formula.
func bigAnswer(name string, x float32) (y num, ok bool) {
	v := float64(x)
	switch name {
	case "log":
		ok = v > 0 && v != 1
	case "log1p":
		ok = v > -1
	case "sinpi":
		ok = v != math.Trunc(v)
	case "cospi":
		ok = math.Abs(v) < 0x1p23 && math.Abs(v)-math.Trunc(math.Abs(v)) != 0.5
	case "exp", "expm1", "sin", "cos":
		ok = name == "sin" || name == "cos" || math.Abs(v) < 200
	case "tanh", "logistic", "softplus", "silu", "silu_grad":
		ok = math.Abs(v) < 200
	default:
		ok = math.Abs(v) < 16
	}
	if !ok {
		return y, false
	}
	return bigFunctions[name](bnum(v)), true
}

// TestFunctionsAgainstBig compares every function, on random and on hard inputs, with formulas in 400-bit arithmetic that share
// nothing with the package.
func TestFunctionsAgainstBig(t *testing.T) {
	n, hard := 1200, 100
	if testing.Short() {
		n, hard = 900, 20
	}
	for _, fn := range functions {
		t.Run(fn.name, func(t *testing.T) {
			x := testInputs(n, 1)
			var pool []float32
			for _, v := range testInputs(6000, 2) {
				if _, s := fn.kernel(float64(v)); s == s && math.Abs(float64(v)) < 12 && (!strings.HasPrefix(fn.name, "log") || v > 0) {
					pool = append(pool, v)
				}
			}
			x = append(x, hardest(pool, hard, fn.wide)...)
			checked := 0
			for _, v := range x {
				want, ok := bigAnswer(fn.name, v)
				if v == 0 || !ok {
					continue
				}
				checked++
				w32, _ := want.Float32()
				sameBits(t, w32, fn.f(v), "%s(%g = %#08x), exactly %.30g", fn.name, v, math.Float32bits(v), want.Float)
				if w64, _ := want.Float64(); w64 != 0 {
					got := fn.f64(float64(v))
					ulp := new(big.Float).Sub(want.Float, big.NewFloat(got))
					e, _ := ulp.Quo(ulp, big.NewFloat(math.Nextafter(math.Abs(w64), math.Inf(1))-math.Abs(w64))).Float64()
					require.Lessf(t, math.Abs(e), 0.50001, "%s64(%g) is off by %g ulp", fn.name, v, e)
				}
			}
			require.Greater(t, checked, 300)
		})
	}
}

// TestFloat64Inputs gives the float64 functions arguments with 53 bits and beyond float32's range.
func TestFloat64Inputs(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 8))
	for _, fn := range functions {
		t.Run(fn.name, func(t *testing.T) {
			worst, n := 0.0, 0
			for range 150 {
				x := rng.NormFloat64() * math.Exp2(float64(rng.IntN(9)-5))
				if fn.name == "log" {
					x = math.Abs(x)
				}
				want, ok := bigAnswer(fn.name, float32(x))
				if !ok {
					continue
				}
				want = bigFunctions[fn.name](bnum(x))
				w, _ := want.Float64()
				e := new(big.Float).Sub(want.Float, big.NewFloat(fn.f64(x)))
				d, _ := e.Quo(e, big.NewFloat(math.Nextafter(math.Abs(w), math.Inf(1))-math.Abs(w))).Float64()
				worst = max(worst, math.Abs(d))
				n++
			}
			require.Greater(t, n, 60)
			require.Less(t, worst, 0.50001)
		})
	}
	for _, x := range []float64{1e22, 0x1.6ac5b262ca1ffp+849 /* the float64 nearest to a multiple of pi/2 (Muller) */, 6381956970095103 * 0x1p797, math.MaxFloat64, 0.7853981633974484, 100} {
		sin, cos := bigSinCos(bnum(x))
		assert.Equal(t, sin.f64(), Sin64(x), "sin %g", x)
		assert.Equal(t, cos.f64(), Cos64(x), "cos %g", x)
		assert.Equal(t, -sin.f64(), Sin64(-x), "sin %g", -x)
	}
	assert.Equal(t, math.Inf(1), Exp64(710))
	assert.Equal(t, 5e-324, Exp64(-745))
	assert.Zero(t, Exp64(-746))
	assert.Equal(t, 1e-300, Log1p64(1e-300))
	assert.Equal(t, -690.7755278982137, Log64(1e-300))
	assert.Equal(t, 1e-320, Sin64(1e-320))
	assert.Equal(t, math.Inf(1), Softplus64(math.Inf(1)))
	assert.True(t, math.IsNaN(Gelu64(math.NaN())))
}

// TestFunctionLimits checks infinities, NaN, zeros and the ends of domains.
func TestFunctionLimits(t *testing.T) {
	inf, nan, neg0 := float32(math.Inf(1)), float32(math.NaN()), f32(1<<31)
	limits := map[string]struct{ plus, minus, zero, negZero float32 }{
		"exp": {inf, 0, 1, 1}, "expm1": {inf, -1, 0, neg0}, "log": {inf, nan, -inf, -inf}, "log1p": {inf, nan, 0, neg0},
		"tanh": {1, -1, 0, neg0}, "erf": {1, -1, 0, neg0}, "logistic": {1, 0, 0.5, 0.5},
		"sin": {nan, nan, 0, neg0}, "cos": {nan, nan, 1, 1}, "sinpi": {nan, nan, 0, neg0}, "cospi": {nan, nan, 1, 1},
		"gelu_erf": {inf, neg0, 0, neg0}, "gelu_erf_grad": {1, neg0, 0.5, 0.5}, "gelu_tanh": {inf, neg0, 0, neg0}, "gelu_tanh_grad": {1, neg0, 0.5, 0.5},
		"silu": {inf, neg0, 0, neg0}, "silu_grad": {1, neg0, 0.5, 0.5}, "softplus": {inf, 0, math.Ln2, math.Ln2},
	}
	for _, fn := range functions {
		want := limits[fn.name]
		sameBits(t, want.plus, fn.f(inf), "%s(+inf)", fn.name)
		sameBits(t, want.minus, fn.f(-inf), "%s(-inf)", fn.name)
		sameBits(t, want.zero, fn.f(0), "%s(+0)", fn.name)
		sameBits(t, want.negZero, fn.f(neg0), "%s(-0)", fn.name)
		assert.EqualValues(t, CanonicalNaN, math.Float32bits(fn.f(f32(0xFF800001))), fn.name)
		if fn.name != "sin" && fn.name != "cos" && fn.name != "sinpi" && fn.name != "cospi" && !strings.HasPrefix(fn.name, "log") {
			sameBits(t, fn.f(math.MaxFloat32), float32(fn.f64(math.MaxFloat32)), "%s(max)", fn.name)
			sameBits(t, want.minus, fn.f(-math.MaxFloat32), "%s(-max)", fn.name)
		}
	}
	sameBits(t, 0, Log(1), "log(1)")
	sameBits(t, -inf, Log1p(-1), "log1p(-1)")
	assert.EqualValues(t, CanonicalNaN, math.Float32bits(Log(-1)))
	assert.EqualValues(t, CanonicalNaN, math.Float32bits(Log1p(-1.0000001)))
	for _, c := range []struct{ x, sin, cos float32 }{
		{0.5, 1, 0}, {1, 0, -1}, {1.5, -1, 0}, {2, 0, 1}, {2.5, 1, 0}, {0x1p23 + 1, 0, -1}, {0x1p24, 0, 1}, {math.MaxFloat32, 0, 1},
	} {
		sameBits(t, c.sin, SinPi(c.x), "sinpi(%g)", c.x)
		sameBits(t, -c.sin, SinPi(-c.x), "sinpi(%g)", -c.x)
		sameBits(t, c.cos, CosPi(c.x), "cospi(%g)", c.x)
		sameBits(t, c.cos, CosPi(-c.x), "cospi(%g)", -c.x)
	}
}

// TestTinyTies: x/2 is half way between two subnormals for an odd x, and the next term of the series decides.
func TestTinyTies(t *testing.T) {
	for _, f := range []func(float32) float32{Gelu, GeluTanh, Silu} {
		for k := uint32(1); k < 1<<23; k = k*3 + 2 {
			k |= 1
			sameBits(t, f32((k+1)/2), f(f32(k)), "up from %d quanta", k)
			sameBits(t, f32(1<<31|k/2), f(-f32(k)), "toward zero from -%d quanta", k)
		}
	}
}

// TestKernelErrors measures every kernel against 128-bit arithmetic; half of what decide allows is the most it may lose.
func TestKernelErrors(t *testing.T) {
	n := 12_000
	if testing.Short() {
		n = 3000
	}
	for _, fn := range functions {
		worst, at := 0.0, float32(0)
		for _, x := range testInputs(n, 3) {
			v := float64(x)
			switch { // what the function keeps from its kernel
			case fn.name == "exp" && math.Abs(v) > 110, fn.name == "expm1" && math.Abs(v) > 100, fn.name == "log" && v <= 0, fn.name == "log1p" && v <= -1,
				strings.HasSuffix(fn.name, "pi") && math.Abs(v) >= 0x1p24, v == 0:
				continue
			}
			y, scale := fn.kernel(v)
			want := fn.wide(wideFromFloat64(v))
			if m := math.Abs(want.float64()); m < 0x1p-152 || m > 0x1p128 || m > 1-2.4e-8 && m <= 1 {
				continue // rounds to 0, infinity or 1, where limited arguments make the error large and harmless
			}
			e := math.Abs(wideFromFloat64(y).sub(want).float64()) / scale
			if e > worst {
				worst, at = e, x
			}
		}
		t.Logf("%-15s 2^%.1f at %g", fn.name, math.Log2(worst), at)
		assert.Less(t, worst, undecided/2, "%s at %g", fn.name, at)
	}
}

// TestSlowPathAgreesWithFastPath puts inputs that the kernel decides through the 128-bit path as well.
func TestSlowPathAgreesWithFastPath(t *testing.T) {
	for _, fn := range functions {
		for _, x := range testInputs(6000, 4) {
			sameBits(t, slow32(x, fn.wide), fn.f(x), "%s(%g)", fn.name, x)
		}
	}
}

var exhaustive = flag.Bool("exhaustive", false, "put all 2^32 inputs through every function (about an hour)")

// TestExhaustive visits all 2^32 inputs of each function. Where the kernel decides, its error bound makes the result right; where
// it does not, the 128-bit value must be clear of a tie by more than its own error of 2^-100. It reports how many inputs the
// kernel left open and how near to a tie the hardest was.
//
//	go test -run 'TestExhaustive/exp$' -exhaustive -timeout 3h -v
func TestExhaustive(t *testing.T) {
	if !*exhaustive {
		t.Skip("run with -exhaustive")
	}
	for _, fn := range functions {
		t.Run(fn.name, func(t *testing.T) {
			open, nearest, at := 0, math.Inf(1), float32(0)
			for u := range uint64(1) << 32 {
				x := f32(uint32(u))
				if x-x != 0 || x == 0 {
					continue
				}
				y, scale := fn.kernel(float64(x))
				if _, ok := decideScaled(y, scale); ok {
					continue
				}
				w := fn.wide(wideFromFloat64(float64(x)))
				if w == wideNaN || w.isZero() || w.exp > 129 {
					continue
				}
				open++
				if d := w.tieDistance(); d < nearest {
					nearest, at = d, x
				}
			}
			t.Logf("%d inputs left open; nearest to a tie: 2^%.1f of the result at %g (%#08x)", open, math.Log2(nearest), at, math.Float32bits(at))
			require.Greater(t, nearest, 0x1p-96)
		})
	}
}

// tieDistance returns the distance of a from the nearest tie between two float32, relative to a.
func (a wide) tieDistance() float64 {
	q := max(a.exp-24, -149)
	grid := a.abs().scale(1 - q) // in halves of the last place: ties are the odd integers
	i := new(big.Int).SetUint64(grid.hi)
	i.Lsh(i, 64).Or(i, new(big.Int).SetUint64(grid.lo)) // grid = i * 2^(grid.exp-128)
	f := new(big.Float).SetPrec(256).SetMantExp(new(big.Float).SetInt(i), grid.exp-128)
	whole, _ := f.Int(nil)
	if whole.Bit(0) == 0 {
		whole.Add(whole, big.NewInt(1))
	}
	d := new(big.Float).Sub(f, new(big.Float).SetPrec(256).SetInt(whole))
	d.Quo(d.Abs(d), f)
	r, _ := d.Float64()
	return r
}

func FuzzFunctions(f *testing.F) {
	f.Add(uint32(0x3F800001))
	f.Add(uint32(0x80000001))
	f.Fuzz(func(t *testing.T, u uint32) {
		x := f32(u)
		for _, fn := range functions {
			sameBits(t, slow32(x, fn.wide), fn.f(x), "%s(%g)", fn.name, x)
		}
	})
}
