package cases

import (
	"crypto/sha256"
	"encoding/hex"
	"math"
	"testing"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// An op of the table without cases is an error here: whoever adds an op
// brings its generator.
func TestEveryOpHasCases(t *testing.T) {
	units, err := Units()
	require.NoError(t, err)
	have := map[string]bool{}
	for _, u := range units {
		have[u.Op.Name] = true
		for i := range 3 * len(u.cells) {
			c, err := u.Case(1, i)
			require.NoError(t, err)
			require.NoError(t, c.Func.Verify())
			require.Len(t, c.Args, len(c.Func.Params))
			for k, p := range c.Func.Params {
				require.Len(t, c.Args[k], p.Type.Bytes(), c.Name)
			}
		}
	}
	for _, d := range ir.OpDefs() {
		assert.True(t, have[d.Name], d.Name)
	}
}

// The values that every unit of floats must have met in a profile's cases.
func TestFloatCasesMeetTheSpecialValues(t *testing.T) {
	units, err := Units()
	require.NoError(t, err)
	for _, u := range units {
		if u.Op.Name != "add" || u.DType != ir.F32 {
			continue
		}
		seen := map[string]int{}
		for i := range 60 {
			c, err := u.Case(1, i)
			require.NoError(t, err)
			if len(c.Args[0]) == 0 {
				seen["empty"]++
			}
			for at := 0; at < len(c.Args[0]); at += 4 {
				bits := uint32(getBits(c.Args[0][at:], 4))
				v := math.Float32frombits(bits)
				switch {
				case v != v:
					seen["nan"]++
				case math.IsInf(float64(v), 0):
					seen["inf"]++
				case bits == 0x80000000:
					seen["-0"]++
				case bits == 0:
					seen["+0"]++
				case bits&0x7F800000 == 0:
					seen["subnormal"]++
				}
			}
		}
		for _, k := range []string{"empty", "nan", "inf", "-0", "+0", "subnormal"} {
			assert.NotZero(t, seen[k], k)
		}
	}
}

// Cases are the same on every machine and in every version, until a generator
// changes: the hash was printed by amd64.
func TestCasesAreReproducible(t *testing.T) {
	units, err := Units()
	require.NoError(t, err)
	h := sha256.New()
	for _, u := range units {
		if u.Op.Name != "dot_general" && u.Op.Name != "add" && u.Op.Name != "slice" || u.DType != ir.F32 {
			continue
		}
		for i := range 40 {
			c, err := u.Case(7, i)
			require.NoError(t, err)
			h.Write([]byte(c.Text()))
			for _, a := range c.Args {
				h.Write(a)
			}
		}
	}
	assert.Equal(t, "ec5574f1604e1d6d8fee304e36402b1d675e43bc84e0f5093a1bec644d8e52b8", hex.EncodeToString(h.Sum(nil)))
}

func TestCanonical(t *testing.T) {
	for d, in := range map[ir.DType]uint64{ir.F32: 0xFF800001, ir.BF16: 0xFF81, ir.F16: 0xFC01, ir.F64: 0xFFF0000000000001} {
		data := make([]byte, 2*d.Size())
		putBits(data, d.Size(), in)
		Canonical(d, data)
		assert.Equal(t, canonicalNaN(formats[d]), getBits(data, d.Size()), d)
		assert.Zero(t, getBits(data[d.Size():], d.Size()), d)
		putBits(data, d.Size(), in&^1)
		putBits(data[d.Size():], d.Size(), 3)
		Classes(d, data)
		assert.Equal(t, in&^1, getBits(data, d.Size()), "%v: an infinity", d)
		assert.Equal(t, scalarBits(d, 1), getBits(data[d.Size():], d.Size()), d)
	}
}
