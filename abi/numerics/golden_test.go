package numerics

import (
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

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
