package batch_test

import (
	"encoding/binary"
	"math"
	"testing"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/abi/plugin/batch"
	"github.com/seedbed/seedbed/abi/plugin/batch/batchtest"
	"github.com/seedbed/seedbed/abi/plugin/config"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestOpen(t *testing.T) {
	rows := batchtest.Record(t, batchtest.Column{Name: "a", Values: []int32{1, 2}})
	fields := []ir.Param{{Name: "x", Type: ir.T(ir.I32, 2)}}
	data := make([]byte, 8)
	b, err := batch.Open(rows, 2, fields, [][]byte{data})
	require.NoError(t, err)
	b.PutInt("x", 1, -2)
	b.PutInt("y", 7, 1) // a field that is not there
	assert.Equal(t, []byte{0, 0, 0, 0, 0xfe, 0xff, 0xff, 0xff}, data)
	for want, c := range map[string]struct {
		n       int
		buffers [][]byte
	}{
		"2 rows, the batch has 3":                       {3, [][]byte{data}},
		"0 buffers for 1 fields":                        {2, nil},
		`field "x" has a buffer of 7 bytes, needs 8`:    {2, [][]byte{data[:7]}},
		`field "x" has a buffer of 9 bytes, needs 8`:    {2, [][]byte{make([]byte, 9)}},
		"2 rows, the batch has 1":                       {1, [][]byte{data}},
		"2 buffers for 1 fields":                        {2, [][]byte{data, data}},
		`field "x" has a buffer of 0 bytes, needs 8`:    {2, [][]byte{nil}},
		`field "x" has a buffer of 1024 bytes, needs 8`: {2, [][]byte{make([]byte, 1024)}},
	} {
		_, err := batch.Open(rows, c.n, fields, c.buffers)
		assert.ErrorContains(t, err, want)
	}
}

func TestLists(t *testing.T) {
	whole := batchtest.Record(t, batchtest.Column{Name: "a", Length: 2, Values: []int32{1, 2, 3, 4, 5, 6}}, batchtest.Column{Name: "b", Length: 1, Values: []float32{1, 2, 3}})
	part := whole.NewSlice(1, 3)
	defer part.Release()
	got, err := batch.IntLists(part, 0, 2)
	require.NoError(t, err)
	assert.Equal(t, []int32{3, 4, 5, 6}, got)
	floats, err := batch.FloatLists(part, 1, 1)
	require.NoError(t, err)
	assert.Equal(t, []float32{2, 3}, floats)
	_, err = batch.IntLists(part, 1, 1)
	assert.ErrorContains(t, err, `column "b" holds float32, not int32`)
	_, err = batch.IntLists(part, 0, 3)
	assert.ErrorContains(t, err, "not lists of 3")
	_, err = batch.IntLists(part, 2, 3)
	assert.ErrorContains(t, err, "the rows have 2 columns")
}

// Choices are of different numbers, each as often as another; draws depend on
// the place of the row in the step, however it is cut.
func TestDraws(t *testing.T) {
	counts := make([]int, 6)
	d := batch.NewDraws(plugin.Position{Seed: 1}, 5, 1, 0)
	for range 3000 {
		seen := map[int]bool{}
		for _, k := range d.Choose(6, 2) {
			counts[k]++
			seen[k] = true
		}
		require.Len(t, seen, 2)
	}
	for _, n := range counts {
		assert.InDelta(t, 1000, n, 130) // 5 standard deviations
	}
	a := batch.NewDraws(plugin.Position{Seed: 1, Step: 3, Grain: 2}, 5, 4, 1)
	b := batch.NewDraws(plugin.Position{Seed: 1, Step: 3, Grain: 4}, 5, 2, 1)
	assert.Equal(t, a.Bits(), b.Bits())
	other := batch.NewDraws(plugin.Position{Seed: 1, Step: 3, Grain: 2}, 6, 4, 1)
	assert.NotEqual(t, a.Bits(), other.Bits())
	assert.True(t, a.Chance(1))
	assert.False(t, a.Chance(0))
}

// A crop sees parts of images, no smaller than is asked for; an evaluation sees
// them whole, but for views.
func TestCrops(t *testing.T) {
	const n, side = 64, 16
	ramp := make([]uint8, n*side*side)
	for i := range ramp {
		ramp[i] = uint8(i % side * 10) // brightness tells the column
	}
	column := batchtest.Column{Name: "image", Length: side * side, Values: ramp, Image: [3]int{side, side, 1}}
	views := false
	width := func(settings string, at plugin.Position) (least, most float64) {
		m := batch.Images{Views: views}
		require.NoError(t, config.Read([]byte(settings), nil, m.Fields("none", "crop", "crop_flip", "simclr")...))
		require.NoError(t, m.Bind(batchtest.Schema(column), ir.T(ir.F32, n, 1, side, side)))
		data := make([]byte, 4*n*side*side)
		require.NoError(t, m.Put(t.Context(), batchtest.Record(t, column), at, 0, data))
		least = side
		for r := range n {
			at := func(i int) float64 {
				return float64(math.Float32frombits(binary.LittleEndian.Uint32(data[4*(r*side*side+i):])))
			}
			w := math.Abs(at(side-1)-at(0)) * 127.5 / 10 // columns from the first to the last
			least, most = min(least, w), max(most, w)
		}
		return least, most
	}
	evaluated := plugin.Position{Step: plugin.EvaluationStep}
	least, most := width(`{"augment": "crop"}`, plugin.Position{})
	assert.Less(t, least, 8.0)
	assert.Greater(t, most, 10.0)
	least, _ = width(`{"augment": "crop", "crop_scale": 0.8}`, plugin.Position{})
	assert.Greater(t, least, 10.0)
	assert.Less(t, least, 15.0)
	for _, settings := range []string{`{"augment": "crop"}`, `{"augment": "crop_flip"}`} {
		least, most = width(settings, evaluated)
		assert.InDelta(t, 15, least, 0.1)
		assert.InDelta(t, 15, most, 0.1)
	}
	views = true
	least, _ = width(`{"augment": "crop"}`, evaluated)
	assert.Less(t, least, 14.0)
}
