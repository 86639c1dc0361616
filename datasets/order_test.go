package datasets_test

import (
	"testing"

	"github.com/seedbed/seedbed/datasets"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestOrderVisitsEveryRowOnceAnEpoch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := datasets.Order{
			Seed:    rapid.Uint64().Draw(t, "seed"),
			Len:     rapid.Int64Range(1, 500).Draw(t, "len"),
			Shuffle: rapid.Bool().Draw(t, "shuffle"),
		}
		epoch := rapid.Int64Range(0, 1<<40).Draw(t, "epoch")
		seen := make([]bool, o.Len)
		for i := range o.Len {
			e, row := o.At(epoch*o.Len + i)
			require.Equal(t, epoch, e)
			require.False(t, seen[row], "row %d twice", row)
			seen[row] = true
		}
	})
}

func TestOrderDependsOnSeedAndEpoch(t *testing.T) {
	rows := func(o datasets.Order, epoch int64) (r []int64) {
		for i := range o.Len {
			_, row := o.At(epoch*o.Len + i)
			r = append(r, row)
		}
		return r
	}
	o := datasets.Order{Seed: 1, Len: 100, Shuffle: true}
	again := rows(o, 3)
	assert.Equal(t, again, rows(o, 3))
	assert.NotEqual(t, rows(o, 3), rows(o, 4))
	other := o
	other.Seed = 2
	assert.NotEqual(t, rows(o, 3), rows(other, 3))
	o.Shuffle = false
	for i, row := range rows(o, 7) {
		assert.EqualValues(t, i, row)
	}
}

func TestOrderRefusesNonsense(t *testing.T) {
	assert.Panics(t, func() { datasets.Order{Len: 0}.At(0) })
	assert.Panics(t, func() { datasets.Order{Len: 3}.At(-1) })
}
