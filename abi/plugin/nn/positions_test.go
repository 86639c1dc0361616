package nn

import (
	"encoding/binary"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Element (patch, k) is sin or cos of column or row divided by 10000^(i/Q), as
// in the released code's get_2d_sincos_pos_embed.
func TestPositions(t *testing.T) {
	const side, width, quarter = 5, 24, 6
	table := positions(side, width)
	require.Len(t, table, 4*side*side*width)
	for patch := range side * side {
		for k := range width {
			at := float64(patch % side)
			if k >= width/2 {
				at = float64(patch / side)
			}
			angle := at / math.Pow(10000, float64(k%quarter)/quarter)
			want := math.Sin(angle)
			if k/quarter%2 == 1 {
				want = math.Cos(angle)
			}
			got := math.Float32frombits(binary.LittleEndian.Uint32(table[4*(patch*width+k):]))
			assert.InDelta(t, want, float64(got), 0x1p-25, "patch %d, element %d", patch, k)
		}
	}
}
