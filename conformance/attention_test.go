package conformance_test

import (
	"testing"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin/nn"
	"github.com/seedbed/seedbed/plugins/backends/reference"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Attention that may drop out is written of primitives; where nothing is dropped
// it is the attention op, but for float32 roundings.
func TestAttentionDropout(t *testing.T) {
	inputs := []ir.Param{
		{Name: "x", Type: ir.T(ir.F32, 2, 3, 4, 5)}, {Name: "bias", Type: ir.T(ir.F32, 1, 4, 3, 3)},
		{Name: "queries", Type: ir.T(ir.I32, 2, 3)}, {Name: "keys", Type: ir.T(ir.I32, 2, 3)},
	}
	// The second query of the first row sees no key, with or without dropout.
	values := map[string][]int64{"queries": {0, 7, 1, 2, 2, 2}, "keys": {0, 0, 1, 2, 2, 2}}
	for _, biased := range []bool{false, true} {
		for _, causal := range []bool{false, true} {
			m, err := nn.Module("role", nil, inputs, func(n *nn.Net) {
				x := n.Input("x")
				var bias []ir.Value
				if biased {
					bias = []ir.Value{n.Input("bias")}
				}
				n.Return("y", n.Attend(x, x, x, nn.Attention{Causal: causal, Bias: bias, Segments: []ir.Value{n.Input("queries"), n.Input("keys")}, Dropout: 1e-12}))
			})
			require.NoError(t, err)
			var args []reference.Tensor
			for _, p := range m.Forward.Params {
				a, err := reference.New(p.Type)
				require.NoError(t, err)
				for i := range a.F32 {
					a.F32[i] = float32(i%11)/8 - 0.5
				}
				copy(a.Int, values[p.Name])
				args = append(args, a)
			}
			trained, err := reference.Eval(m.Forward, args)
			require.NoError(t, err)
			used, err := reference.Eval(m.Evaluate, args)
			require.NoError(t, err)
			for i, v := range used[0].F32 {
				assert.InDelta(t, v, trained[0].F32[i], 1.0/(1<<22), "a few units in the last place of 1")
			}
			assert.Equal(t, make([]float32, 20), trained[0].F32[20:40])
		}
	}
}
