package train

import (
	"errors"
	"testing"
	"testing/synctest"

	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/core/step"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func evaluator(t *testing.T, c EvaluationConfig) *Evaluator {
	t.Helper()
	e, err := NewEvaluator(t.Context(), c)
	require.NoError(t, err)
	return e
}

func TestEvaluate(t *testing.T) {
	for name, v := range map[string]float32{step.Loss: 0.1, step.Weight: 2, "hits": 1} {
		hostValues[name] = v
		defer delete(hostValues, name)
	}
	synctest.Test(t, func(t *testing.T) {
		d := newFakeDevice(t)
		c, _ := fakeConfig(t, d)
		x := begin(t, c)
		defer x.Close()
		_, err := x.Next(t.Context(), 1)
		require.NoError(t, err)
		alive, before := d.alive, len(d.queued)

		_, binding := fakeConfig(t, d)
		fields := 0
		ec := EvaluationConfig{Module: c.Module, Binding: binding, Rows: fakeRows{n: 11}, Seed: 5, GrainRows: 2, Device: d,
			NewFields: countFields(&fields)}
		e := evaluator(t, ec)
		got, err := x.Evaluate(t.Context(), e)
		require.NoError(t, err)
		sum := 0.0
		for range 5 {
			sum += float64(float32(0.1))
		}
		assert.Equal(t, Evaluation{Rows: 10, LeftOut: 1, Loss: sum / 10, Weight: 10, Sums: map[string]float64{"hits": 5}}, got)
		assert.Len(t, d.queued, before+5)
		for n := range uint64(5) {
			assert.Equal(t, []int64{int64(2 * n), int64(2*n + 1)}, binding.rows[plugin.Position{Seed: 5, Step: plugin.EvaluationStep, Grain: n}])
		}
		again, err := x.Evaluate(t.Context(), e)
		require.NoError(t, err)
		assert.Equal(t, got, again)
		assert.Equal(t, alive, d.alive, "an evaluation leaves nothing on the device and takes nothing away")
		assert.Zero(t, fields)
		e.Close()

		// The rows that fill no grain are one of their own.
		restConfig, rest := fakeConfig(t, d)
		ec.RestModule, ec.RestBinding = restConfig.Module, rest
		e = evaluator(t, ec)
		got, err = x.Evaluate(t.Context(), e)
		require.NoError(t, err)
		sum += float64(float32(0.1))
		assert.Equal(t, Evaluation{Rows: 11, Loss: sum / 12, Weight: 12, Sums: map[string]float64{"hits": 6}}, got)
		assert.Equal(t, map[plugin.Position][]int64{{Seed: 5, Step: plugin.EvaluationStep, Grain: 5}: {10}}, rest.rows)
		assert.Zero(t, fields)
		compiled := d.programs
		e.Close()
		assert.Equal(t, 2, compiled-d.programs)

		ec.Rows = fakeRows{n: 10} // nothing is left for another program
		evaluator(t, ec).Close()
		assert.Equal(t, compiled-2, d.programs)

		m, err := x.Next(t.Context(), 2)
		require.NoError(t, err)
		assert.Zero(t, m.Idle, "the evaluation is nobody's idle time")
	})
}

func TestEvaluationErrors(t *testing.T) {
	for name, v := range map[string]float32{step.Loss: 0.1, step.Weight: 0, "hits": 1} {
		hostValues[name] = v
		defer delete(hostValues, name)
	}
	bad := errors.New("bad")
	for want, change := range map[string]func(c *EvaluationConfig, d *fakeDevice, b *fakeBinding){
		"evaluation: the rows have weight 0: nothing in them counts": func(*EvaluationConfig, *fakeDevice, *fakeBinding) {},
		"evaluation: grain 3: run: the fake failed":                  func(_ *EvaluationConfig, d *fakeDevice, _ *fakeBinding) { d.failRun = 2 },
		"evaluation: grain 4: queue: the fake failed":                func(_ *EvaluationConfig, d *fakeDevice, _ *fakeBinding) { d.failQueue = 3 },
		"evaluation: grain 2: objective: bad": func(_ *EvaluationConfig, _ *fakeDevice, b *fakeBinding) {
			b.fail = func(at plugin.Position) error {
				if at.Grain == 1 {
					return bad
				}
				return nil
			}
		},
	} {
		t.Run(want, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newFakeDevice(t)
				c, binding := fakeConfig(t, d)
				ec := EvaluationConfig{Module: c.Module, Binding: binding, Rows: c.Rows, GrainRows: 2, Device: d}
				change(&ec, d, binding)
				e := evaluator(t, ec)
				defer e.Close()
				w, err := d.Upload(t.Context(), c.Module.Parameters[0].Type, make([]byte, 8))
				require.NoError(t, err)
				_, err = e.Run(t.Context(), func(string) plugin.Buffer { return w })
				assert.EqualError(t, err, want)
				_, err = e.Run(t.Context(), func(string) plugin.Buffer { return nil })
				assert.EqualError(t, err, `evaluation: there is no parameter or buffer "w"`)
			})
		})
	}
	d := newFakeDevice(t)
	c, binding := fakeConfig(t, d)
	ec := EvaluationConfig{Module: c.Module, Binding: binding, Rows: fakeRows{n: 1}, GrainRows: 2, Device: c.Device}
	_, err := NewEvaluator(t.Context(), ec)
	assert.EqualError(t, err, "evaluation: there are 1 rows, and a grain has 2")
	ec.Rows, ec.RestBinding = fakeRows{n: 3}, binding
	ec.RestModule = &plugin.Module{}
	_, err = NewEvaluator(t.Context(), ec)
	assert.ErrorContains(t, err, "model: ")
	assert.Zero(t, d.programs)
	ec.Prefetch = -1
	_, err = NewEvaluator(t.Context(), ec)
	assert.ErrorContains(t, err, "prefetch -1")
}
