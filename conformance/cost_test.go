package conformance

import (
	"fmt"
	"testing"

	"github.com/seedbed/seedbed/abi/cost"
	"github.com/seedbed/seedbed/core/device"
	"github.com/seedbed/seedbed/core/schedule"
	"github.com/seedbed/seedbed/core/step"
	"github.com/seedbed/seedbed/core/train"
	"github.com/seedbed/seedbed/plugins/backends/reference"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The contractions of a GPT's gradient, against the formula and against what
// torch.utils.flop_counter counts for the same model with attention fused:
// forward and backward of every linear map (2 and 4 FLOPs a weight and token),
// and of attention two products forward and five backward, of which one is
// scores computed again, each over all keys, masked or not.
func TestCostOfGPT(t *testing.T) {
	const layers, width, vocab, batch, sequence = 6, 384, 4096, 4, 256
	rows := memoryRows{columns: []string{"tokens"}, rows: []map[string][]int32{{"tokens": make([]int32, sequence+1)}}}
	c := golden(t, fmt.Sprintf(`{"vocab_size": %d, "n_positions": %d, "n_embd": %d, "n_layer": %d, "n_head": 6}`, vocab, sequence, width, layers), batch, sequence, rows)
	c.GrainRows, c.Grains, c.Device = batch, 1, device.Local(reference.Backend{})
	c.Optimizer = step.Optimizer{Name: "sgd"}
	c.Schedule = schedule.Schedule{Name: "constant", Steps: 1}
	x, err := train.New(t.Context(), c)
	require.NoError(t, err)
	defer x.Close()
	got, err := cost.Count(x.Gradients()[0])
	require.NoError(t, err)
	const tokens = batch * sequence
	const linear = 6 * tokens * (layers*12*width*width + vocab*width)
	const attention = 7 * 2 * layers * batch * sequence * sequence * width
	assert.EqualValues(t, linear+attention, got.Contractions)
	assert.EqualValues(t, 83349209088, got.Contractions, "PyTorch's count")
	assert.Less(t, got.Others, got.Contractions/100)
}
