package datasets_test

import (
	"context"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/seedbed/seedbed/datasets"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// numbers is the dataset of 0 to n-1.
type numbers int64

func (n numbers) Schema() *arrow.Schema {
	return arrow.NewSchema([]arrow.Field{{Name: "n", Type: arrow.PrimitiveTypes.Int64}}, nil)
}
func (n numbers) Len() int64        { return int64(n) }
func (numbers) Fingerprint() string { return "numbers" }
func (numbers) Close() error        { return assert.AnError }
func (n numbers) Read(_ context.Context, rows []int64) (arrow.Record, error) {
	b := array.NewRecordBuilder(memory.DefaultAllocator, n.Schema())
	defer b.Release()
	b.Field(0).(*array.Int64Builder).AppendValues(rows, nil)
	return b.NewRecord(), nil
}

func values(t *testing.T, d datasets.Dataset, rows ...int64) []int64 {
	rec, err := d.Read(context.Background(), rows)
	require.NoError(t, err)
	defer rec.Release()
	return append([]int64(nil), rec.Column(0).(*array.Int64).Int64Values()...)
}

func TestSelect(t *testing.T) {
	d, err := datasets.Select(numbers(10), []int64{7, 7, 2})
	require.NoError(t, err)
	assert.Equal(t, int64(3), d.Len())
	assert.Equal(t, []int64{2, 7}, values(t, d, 2, 0))
	assert.NoError(t, d.Close(), "closes itself alone")
	_, err = d.Read(context.Background(), []int64{3})
	assert.ErrorContains(t, err, "row 3 is outside [0, 3)")
	_, err = datasets.Select(numbers(10), []int64{10})
	assert.ErrorContains(t, err, "row 10 is outside [0, 10)")
	_, err = datasets.Select(numbers(10), nil)
	assert.Error(t, err)

	prints := map[string]bool{}
	seen := map[int64]int{}
	for i := range int64(3) {
		s, err := datasets.Shard(numbers(10), i, 3)
		require.NoError(t, err)
		prints[s.Fingerprint()] = true
		for r := range s.Len() {
			seen[values(t, s, r)[0]]++
		}
	}
	assert.Len(t, prints, 3)
	assert.Len(t, seen, 10)
	for _, bad := range [][2]int64{{3, 3}, {-1, 3}, {0, 0}} {
		_, err := datasets.Shard(numbers(10), bad[0], bad[1])
		assert.Error(t, err)
	}
}

func TestOrderWithWindow(t *testing.T) {
	o := datasets.Order{Seed: 5, Len: 107, Shuffle: true, Window: 10}
	orders := map[[5]int64]bool{}
	for epoch := range int64(3) {
		seen := map[int64]bool{}
		for run := range int64(11) {
			var first [5]int64
			runs := map[int64]bool{}
			for i := range min(10, 107-run*10) {
				e, row := o.At(epoch*107 + run*10 + i)
				assert.Equal(t, epoch, e)
				assert.False(t, seen[row])
				seen[row] = true
				runs[row/10] = true
				if i < 5 {
					first[i] = row % 10
				}
			}
			assert.Len(t, runs, 1, "a run is visited as a whole")
			orders[first] = true
		}
		assert.Len(t, seen, 107)
	}
	assert.Greater(t, len(orders), 25, "each run has an order of its own")
	same := datasets.Order{Seed: 5, Len: 107, Shuffle: true}
	o.Window = 200
	for i := range int64(107) {
		_, a := o.At(i)
		_, b := same.At(i)
		assert.Equal(t, b, a)
	}
}
