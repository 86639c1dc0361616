package vec

import (
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/seedbed/seedbed/abi/numerics"
	"github.com/stretchr/testify/require"
)

var functions = []struct {
	name, golden string // golden is empty for those that are compared with package numerics alone
	vector       func(dst, src []float32)
	scalar       func(float32) float32
}{
	{"Exp", "exp", Exp, numerics.Exp},
	{"Expm1", "expm1", Expm1, numerics.Expm1},
	{"Log", "log", Log, numerics.Log},
	{"Log1p", "log1p", Log1p, numerics.Log1p},
	{"Tanh", "tanh", Tanh, numerics.Tanh},
	{"Logistic", "logistic", Logistic, numerics.Logistic},
	{"Erf", "erf", Erf, numerics.Erf},
	{"Sin", "sin", Sin, numerics.Sin},
	{"Cos", "cos", Cos, numerics.Cos},
	{"SinPi", "", SinPi, numerics.SinPi},
	{"CosPi", "", CosPi, numerics.CosPi},
	{"Gelu", "gelu_erf", Gelu, numerics.Gelu},
	{"GeluGrad", "gelu_erf_grad", GeluGrad, numerics.GeluGrad},
	{"GeluTanh", "gelu_tanh", GeluTanh, numerics.GeluTanh},
	{"GeluTanhGrad", "gelu_tanh_grad", GeluTanhGrad, numerics.GeluTanhGrad},
	{"Silu", "silu", Silu, numerics.Silu},
	{"SiluGrad", "silu_grad", SiluGrad, numerics.SiluGrad},
	{"Softplus", "softplus", Softplus, numerics.Softplus},
	{"GeluWithGrad, value", "gelu_erf", valueOf(GeluWithGrad), numerics.Gelu},
	{"GeluWithGrad, derivative", "gelu_erf_grad", derivativeOf(GeluWithGrad), numerics.GeluGrad},
	{"GeluTanhWithGrad, value", "gelu_tanh", valueOf(GeluTanhWithGrad), numerics.GeluTanh},
	{"GeluTanhWithGrad, derivative", "gelu_tanh_grad", derivativeOf(GeluTanhWithGrad), numerics.GeluTanhGrad},
	{"SiluWithGrad, value", "silu", valueOf(SiluWithGrad), numerics.Silu},
	{"SiluWithGrad, derivative", "silu_grad", derivativeOf(SiluWithGrad), numerics.SiluGrad},
}

func valueOf(f func(dst, grad, src []float32)) func(dst, src []float32) {
	return func(dst, src []float32) { f(dst, make([]float32, len(src)), src) }
}

func derivativeOf(f func(dst, grad, src []float32)) func(dst, src []float32) {
	return func(dst, src []float32) { f(make([]float32, len(src)), dst, src) }
}

// Independent answers from 200-bit arithmetic, with the hardest cases of a large random sample.
func TestFunctionsAgainstGolden(t *testing.T) {
	dir := filepath.FromSlash("../../../../../../shared/golden/functions")
	if _, err := os.Stat(dir); err != nil {
		t.Skip("golden values are not here: ", err)
	}
	onEveryPath(t, func(t *testing.T) {
		for _, f := range functions {
			if f.golden == "" {
				continue
			}
			data, err := os.ReadFile(filepath.Join(dir, f.golden+".bin"))
			require.NoError(t, err)
			x, want := make([]float32, len(data)/8), make([]float32, len(data)/8)
			for i := range x {
				x[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[8*i:]))
				want[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[8*i+4:]))
			}
			got := make([]float32, len(x))
			f.vector(got, x)
			for i := range x {
				require.Truef(t, same(want[i], got[i]), "%s(%x) = %x, want %x", f.name, math.Float32bits(x[i]), math.Float32bits(got[i]), math.Float32bits(want[i]))
			}
		}
	})
}

// Every stride-th of all 2^32 inputs. SEEDBED_SWEEP_STRIDE=1 goes through all of them (hours); the strides are prime so that
// other runs meet other mantissas.
func TestFunctionsOverAllInputs(t *testing.T) {
	stride := uint64(10007)
	if s := os.Getenv("SEEDBED_SWEEP_STRIDE"); s != "" {
		n, err := strconv.ParseUint(s, 10, 32)
		require.NoError(t, err)
		require.NotZero(t, n)
		stride = n
	}
	if testing.Short() {
		stride = 200003
	}
	before := active
	defer func() { active = before }()
	paths := runnable()[1:] // the portable path is the scalar function itself
	x, want, got := make([]float32, 4096), make([]float32, 4096), make([]float32, 4096)
	for _, f := range functions {
		t.Run(f.name, func(t *testing.T) {
			for b := uint64(0); b < 1<<32; {
				n := 0
				for ; n < len(x) && b < 1<<32; n++ {
					x[n] = math.Float32frombits(uint32(b))
					want[n] = f.scalar(x[n])
					b += stride
				}
				for _, p := range paths {
					active = p.kernels
					f.vector(got[:n], x[:n])
					for i := range n {
						if !same(want[i], got[i]) {
							t.Fatalf("%s: %s(%x = %v) = %x, want %x", p.name, f.name, math.Float32bits(x[i]), x[i], math.Float32bits(got[i]), math.Float32bits(want[i]))
						}
					}
				}
			}
		})
	}
}

func TestFunctionsAtEveryLengthAndOffset(t *testing.T) {
	r := random(1)
	whole := fill(r, make([]float32, 20000))
	copy(whole[1:], specials)
	onEveryPath(t, func(t *testing.T) {
		for _, f := range functions {
			want := make([]float32, 300)
			for i := range want {
				want[i] = f.scalar(whole[i])
			}
			for n := range 131 {
				src := whole[n : 2*n]
				dst, intact := guarded(n, n)
				f.vector(dst, src)
				requireSame(t, want[n:2*n], dst, "%s", f.name)
				require.True(t, intact(), "%s wrote outside %d elements", f.name, n)
				copy(dst, src)
				f.vector(dst, dst)
				requireSame(t, want[n:2*n], dst, "%s in place", f.name)
			}
		}
		for n := range 131 {
			dst, intact := guarded(n, n)
			src := whole[n : 2*n]
			ExpSub(dst, src, 0.7)
			for i, x := range src {
				require.True(t, same(numerics.Exp(x-0.7), dst[i]), "ExpSub(%v)", x)
			}
			require.True(t, intact())
		}
	})
}

func BenchmarkFunctions(b *testing.B) {
	x := finite(random(2), make([]float32, 8192))
	for i := range x {
		x[i] *= 2
	}
	dst := make([]float32, len(x))
	for _, f := range functions {
		b.Run(f.name, func(b *testing.B) {
			src := x
			if f.name == "Log" || f.name == "Log1p" {
				src = make([]float32, len(x))
				for i := range x {
					src[i] = abs(x[i])
				}
			}
			for b.Loop() {
				f.vector(dst, src)
			}
			perElement(b, len(x))
		})
	}
}

func abs(x float32) float32 { return float32(math.Abs(float64(x))) }

func perElement(b *testing.B, n int) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/element")
}
