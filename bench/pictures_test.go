package main

import (
	"encoding/binary"
	"math"
	"testing"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/stretchr/testify/assert"
)

// Of nine patches, mae sees two, a quarter rounded down; the picture must show
// these and no more.
func TestHiddenShowsWhatTheModelSees(t *testing.T) {
	k := &tensors{
		types: map[string]ir.Type{
			"pixel_values": ir.T(ir.F32, 1, 1, 6, 6), "prediction": ir.T(ir.F32, 1, 9, 4), "ids_restore": ir.T(ir.I32, 1, 9),
		},
		data: map[string][]byte{},
	}
	for range 36 {
		k.data["pixel_values"] = binary.LittleEndian.AppendUint32(k.data["pixel_values"], math.Float32bits(1))
		k.data["prediction"] = binary.LittleEndian.AppendUint32(k.data["prediction"], math.Float32bits(-1))
	}
	for i := range 9 {
		k.data["ids_restore"] = binary.LittleEndian.AppendUint32(k.data["ids_restore"], uint32(8-i))
	}
	g := hidden(k)
	corners := func(p planar) (v []float64) {
		for i := range 9 {
			v = append(v, p.v[i/3*12+i%3*2])
		}
		return v
	}
	assert.Equal(t, []float64{1, 1, 1, 1, 1, 1, 1, 1, 1}, corners(g[0][0]))
	assert.Equal(t, []float64{.5, .5, .5, .5, .5, .5, .5, 1, 1}, corners(g[1][0]))
	assert.Equal(t, []float64{0, 0, 0, 0, 0, 0, 0, 1, 1}, corners(g[2][0]))
}
