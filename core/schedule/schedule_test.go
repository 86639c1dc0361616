package schedule

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAt(t *testing.T) {
	for name, c := range map[string]struct {
		s    Schedule
		want map[uint64]float64
	}{
		"constant": {Schedule{Name: "constant", Peak: 2, Warmup: 4, Steps: 10}, map[uint64]float64{0: 0.5, 3: 2, 4: 2, 9: 2, 100: 2}},
		"linear":   {Schedule{Name: "linear", Peak: 2, Warmup: 2, Steps: 10, Floor: 0.5}, map[uint64]float64{0: 1, 1: 2, 2: 2, 6: 1.5, 10: 1, 11: 1}},
		"cosine":   {Schedule{Name: "cosine", Peak: 1, Warmup: 0, Steps: 8, Floor: 0.1}, map[uint64]float64{0: 1, 2: 0.1 + 0.45*(1+math.Sqrt2/2), 4: 0.55, 8: 0.1, 9: 0.1}},
		"no steps": {Schedule{Name: "cosine", Peak: 1, Floor: 0.25}, map[uint64]float64{0: 0.25}},
	} {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, c.s.Check())
			for step, want := range c.want {
				assert.InDelta(t, want, c.s.At(step), 1e-15, "step %d", step)
			}
		})
	}
}

func TestCheck(t *testing.T) {
	for want, s := range map[string]Schedule{
		`name "cosin": there are constant, linear and cosine`: {Name: "cosin"},
		`peak NaN: must be between 0 and 1e6`:                 {Name: "linear", Peak: math.NaN()},
		`floor 2: must be between 0 and 1`:                    {Name: "linear", Floor: 2},
		`warmup 5: must not be longer than the run's 4 steps`: {Name: "linear", Warmup: 5, Steps: 4},
	} {
		assert.EqualError(t, s.Check(), want)
	}
}
