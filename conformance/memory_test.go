package conformance

import (
	"testing"

	"github.com/seedbed/seedbed/core/device"
	"github.com/seedbed/seedbed/core/schedule"
	"github.com/seedbed/seedbed/core/step"
	"github.com/seedbed/seedbed/core/train"
	"github.com/seedbed/seedbed/plugins/backends/cpu"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What is predicted of a run's tensors is what the cpu backend takes in it, and
// what is known before anything is compiled is less.
func TestMemoryIsPredicted(t *testing.T) {
	const sequence = 32
	rows := memoryRows{columns: []string{"tokens"}}
	for range 8 {
		rows.rows = append(rows.rows, map[string][]int32{"tokens": make([]int32, sequence+1)})
	}
	for name, cut := range map[string]struct{ rows, grains, shards int }{
		"one grain": {8, 1, 1}, "a chain": {4, 2, 1}, "chains": {2, 4, 2}, "single rows": {1, 4, 4},
	} {
		t.Run(name, func(t *testing.T) {
			b, err := cpu.New(cpu.Options{Threads: 2})
			require.NoError(t, err)
			defer b.Close()
			d := device.Local(b)
			c := golden(t, `{"vocab_size": 512, "n_positions": 32, "n_embd": 64, "n_layer": 1, "n_head": 2}`, cut.rows, sequence, rows)
			c.GrainRows, c.Grains, c.Shards, c.Device = cut.rows, cut.grains, cut.shards, d
			c.Optimizer = step.Optimizer{Name: "adamw", Beta1: 0.9, Beta2: 0.95, Epsilon: 1e-8}
			c.Schedule = schedule.Schedule{Name: "constant", Peak: 0.01, Steps: 2}
			x, err := train.Prepare(c)
			require.NoError(t, err)
			defer x.Close()
			least, err := x.Memory()
			require.NoError(t, err)
			require.NoError(t, x.Compile(t.Context()))
			plan, err := x.Memory()
			require.NoError(t, err)
			e, err := train.NewEvaluator(t.Context(), train.EvaluationConfig{Module: c.Module, Binding: c.Binding, Rows: c.Rows, GrainRows: cut.rows, Device: d})
			require.NoError(t, err)
			defer e.Close()
			plan = plan.Beside(e.Memory())
			require.NoError(t, x.Initialize(t.Context()))
			for n := range uint64(2) {
				_, err := x.Next(t.Context(), n+1)
				require.NoError(t, err)
				_, err = x.Evaluate(t.Context(), e)
				require.NoError(t, err)
			}
			s, err := d.Stats(t.Context())
			require.NoError(t, err)
			of := func(p train.MemoryPlan) int64 { p.Batches = 0; return p.Total() }
			t.Logf("at least %d, predicted %d, taken %d", of(least), of(plan), s.PeakBytes)
			assert.LessOrEqual(t, of(least), s.PeakBytes)
			assert.Greater(t, of(least), s.PeakBytes/4)
			assert.LessOrEqual(t, s.PeakBytes, of(plan)+of(plan)/64, "blocks begin on cache lines")
			assert.LessOrEqual(t, of(plan), s.PeakBytes)
		})
	}
}
