package numerics

import (
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// functions lists every float32 function of rule 13 under the name of its golden file.
var functions = []struct {
	name string
	f    func(float32) float32
	f64  func(float64) float64
}{
	{"exp", Exp, Exp64}, {"expm1", Expm1, Expm164}, {"log", Log, Log64}, {"log1p", Log1p, Log1p64},
	{"tanh", Tanh, Tanh64}, {"erf", Erf, Erf64}, {"logistic", Logistic, Logistic64},
	{"sin", Sin, Sin64}, {"cos", Cos, Cos64}, {"sinpi", SinPi, SinPi64}, {"cospi", CosPi, CosPi64},
	{"gelu_erf", Gelu, Gelu64}, {"gelu_erf_grad", GeluGrad, GeluGrad64},
	{"gelu_tanh", GeluTanh, GeluTanh64}, {"gelu_tanh_grad", GeluTanhGrad, GeluTanhGrad64},
	{"silu", Silu, Silu64}, {"silu_grad", SiluGrad, SiluGrad64}, {"softplus", Softplus, Softplus64},
}

// TestGolden compares every function with correctly rounded results of an independent 200-bit implementation.
func TestGolden(t *testing.T) {
	dir := filepath.Join("..", "..", "..", "shared", "golden", "functions")
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("the shared golden files are not here: %v", err)
	}
	for _, fn := range functions {
		t.Run(fn.name, func(t *testing.T) {
			if fn.name == "sinpi" || fn.name == "cospi" {
				t.Skip("no golden file: these two are checked against math/big")
			}
			data, err := os.ReadFile(filepath.Join(dir, fn.name+".bin"))
			require.NoError(t, err)
			require.Greater(t, len(data), 8*4000)
			for ; len(data) > 0; data = data[8:] {
				in, want := binary.LittleEndian.Uint32(data), binary.LittleEndian.Uint32(data[4:])
				x := math.Float32frombits(in)
				require.Equalf(t, want, math.Float32bits(fn.f(x)), "%s(%g = %#08x): want %g, got %g", fn.name, x, in, math.Float32frombits(want), fn.f(x))
			}
		})
	}
}
