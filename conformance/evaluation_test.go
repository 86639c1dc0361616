package conformance

import (
	"testing"

	"github.com/seedbed/seedbed/core/device"
	"github.com/seedbed/seedbed/core/schedule"
	"github.com/seedbed/seedbed/core/step"
	"github.com/seedbed/seedbed/core/train"
	"github.com/seedbed/seedbed/plugins/backends/reference"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// An evaluation is the loss that a step without dropout would have, the same on
// every backend, and changes nothing of the run.
func TestEvaluation(t *testing.T) {
	const sequence = 6
	rows := memoryRows{columns: []string{"tokens"}}
	for r := range 4 {
		row := map[string][]int32{}
		for i := range sequence + 1 {
			row["tokens"] = append(row["tokens"], int32((5*r+i*i)%11))
		}
		rows.rows = append(rows.rows, row)
	}
	config := func(dropout string, d device.Device) train.Config {
		c := golden(t, `{"vocab_size": 11, "n_positions": 6, "n_embd": 8, "n_layer": 2, "n_head": 2, "resid_pdrop": `+dropout+`, "embd_pdrop": `+dropout+`}`, 2, sequence, rows)
		c.GrainRows, c.Grains, c.Device = 2, 2, d
		c.Optimizer = step.Optimizer{Name: "adamw", Beta1: 0.9, Beta2: 0.95, Epsilon: 1e-8}
		c.Schedule = schedule.Schedule{Name: "constant", Peak: 0.01, Steps: 10}
		return c
	}
	start := func(c train.Config) *train.Trainer {
		x, err := train.New(t.Context(), c)
		require.NoError(t, err)
		t.Cleanup(x.Close)
		require.NoError(t, x.Initialize(t.Context()))
		return x
	}
	evaluate := func(x *train.Trainer, c train.Config) train.Evaluation {
		e, err := train.NewEvaluator(t.Context(), train.EvaluationConfig{Module: c.Module, Binding: c.Binding, Rows: c.Rows, Seed: c.Seed, GrainRows: 2, Device: c.Device})
		require.NoError(t, err)
		defer e.Close()
		got, err := x.Evaluate(t.Context(), e)
		require.NoError(t, err)
		return got
	}
	c := config("0.3", device.Local(reference.Backend{}))
	x := start(c)
	want := evaluate(x, c)
	assert.EqualValues(t, 4, want.Rows)
	assert.EqualValues(t, 4*sequence, want.Weight)

	// The first epoch's first step sees the same rows, in another order.
	plain, err := start(config("0", c.Device)).Next(t.Context(), 1)
	require.NoError(t, err)
	assert.InDelta(t, want.Loss, plain.Loss, 4*0x1p-24*plain.Loss)
	dropped, err := x.Next(t.Context(), 1)
	require.NoError(t, err)
	assert.Greater(t, abs(dropped.Loss-want.Loss), 1e-4, "training has no dropout")

	after := evaluate(x, c)
	assert.Less(t, after.Loss, want.Loss)
	assert.Equal(t, after, evaluate(x, c))

	for _, path := range paths {
		t.Run(path, func(t *testing.T) {
			c := config("0.3", newQueueDevice(t, newCPU(t, path, 2)))
			x := start(c)
			assert.Equal(t, want, evaluate(x, c))
			_, err := x.Next(t.Context(), 1)
			require.NoError(t, err)
			assert.Equal(t, after, evaluate(x, c))
		})
	}
}

func abs(x float64) float64 { return max(x, -x) }
