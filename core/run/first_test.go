package run

import (
	"encoding/binary"
	"math"
	"testing"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Floats of any kind begin a model with the same values.
func TestToF32(t *testing.T) {
	le := binary.LittleEndian
	for _, v := range []float64{0, 1, -2.5, 0.09375, 65504} {
		want := le.AppendUint32(nil, math.Float32bits(float32(v)))
		half := map[float64]uint16{0: 0, 1: 0x3c00, -2.5: 0xc100, 0.09375: 0x2e00, 65504: 0x7bff}[v]
		for d, data := range map[ir.DType][]byte{
			ir.F32: want, ir.F64: le.AppendUint64(nil, math.Float64bits(v)), ir.F16: le.AppendUint16(nil, half),
		} {
			got, err := toF32(d, data)
			require.NoError(t, err)
			assert.Equal(t, want, got, "%v %v", d, v)
		}
		if v != 65504 {
			got, err := toF32(ir.BF16, want[2:])
			require.NoError(t, err)
			assert.Equal(t, want, got, v)
		}
	}
	_, err := toF32(ir.I32, make([]byte, 4))
	assert.ErrorContains(t, err, "i32 are no values to begin with")
}
