package conformance

import (
	"encoding/binary"
	"testing"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/core/device"
	"github.com/seedbed/seedbed/core/initial"
	"github.com/seedbed/seedbed/plugins/backends/reference"
	"github.com/stretchr/testify/require"
)

// A program draws the first values that the host draws.
func TestFirstValuesOfAProgram(t *testing.T) {
	const seed = 1<<40 + 7
	parameters := []plugin.Parameter{
		{Name: "zeros", Init: plugin.Init{Kind: plugin.InitZeros}}, {Name: "ones", Init: plugin.Init{Kind: plugin.InitOnes}},
		{Name: "normal", Init: plugin.Init{Kind: plugin.InitNormal, Scale: 0.02}},
		{Name: "about", Init: plugin.Init{Kind: plugin.InitNormal, Scale: 0.3, Mean: -1.1}},
		{Name: "uniform", Init: plugin.Init{Kind: plugin.InitUniform, Scale: 0.0123}},
	}
	for name, d := range map[string]device.Device{"reference": device.Local(reference.Backend{}), "cpu": device.Local(newCPU(t, "", 2))} {
		t.Run(name, func(t *testing.T) {
			b := ir.NewBuilder("first")
			state := b.Param("state", ir.T(ir.U32, 4))
			var want [][]float32
			for i, p := range parameters {
				p.Type = ir.T(ir.F32, 3, 5003)
				v, err := initial.Value(b, state, p, i)
				require.NoError(t, err)
				b.Return(p.Name, v)
				values, err := initial.Values(p, i, seed)
				require.NoError(t, err)
				want = append(want, values)
			}
			f, err := b.Func()
			require.NoError(t, err)
			x, err := device.NewFunction(t.Context(), d, f, func(string) plugin.Buffer { return nil })
			require.NoError(t, err)
			var data []byte
			for _, v := range []uint32{uint32(seed & 0xffffffff), uint32(seed >> 32), initial.Step, 0} {
				data = binary.LittleEndian.AppendUint32(data, v)
			}
			got, err := x.Run(t.Context(), map[string][]byte{"state": data})
			require.NoError(t, err)
			for i, p := range parameters {
				values := reference.Tensor{Type: ir.T(ir.F32, 3, 5003), F32: want[i]}
				bytes := make([]byte, 4*len(want[i]))
				require.NoError(t, values.Encode(bytes))
				require.Equal(t, bytes, got[p.Name], p.Name)
			}
		})
	}
	_, err := initial.Value(ir.NewBuilder("f"), 0, plugin.Parameter{Name: "w", Type: ir.T(ir.F32, 1), Init: plugin.Init{Kind: "other"}}, 0)
	require.ErrorContains(t, err, `parameter "w": unknown init "other"`)
}
