package nn

import (
	"encoding/binary"
	"math"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/numerics"
)

// Place adds to patches x [B,N,E], of images of side*side patches, the
// positions of theirs, which are not trained. E is a multiple of 4.
func (n *Net) Place(x ir.Value, side int) ir.Value {
	width := n.Dim(x, 2)
	return n.AddLast(x, n.Constant(ir.T(ir.F32, side*side, width), positions(side, width)))
}

// positions returns the table of side*side rows of width elements, f32: sines
// and cosines of each patch's column and row (Vaswani et al., arXiv 1706.03762,
// section 3.5, in two dimensions). Half of the width is for the column, as in
// the released code; the class token, which comes before, has position 0.
func positions(side, width int) []byte {
	quarter := width / 4
	var table []byte
	add := func(v float64) { table = binary.LittleEndian.AppendUint32(table, math.Float32bits(float32(v))) }
	log := numerics.Log64(10000)
	frequency := make([]float64, quarter)
	for i := range frequency {
		frequency[i] = numerics.Exp64(-float64(i) / float64(quarter) * log)
	}
	waves := make([][]float64, side)
	for p := range waves {
		for _, wave := range []func(float64) float64{numerics.Sin64, numerics.Cos64} {
			for _, f := range frequency {
				waves[p] = append(waves[p], wave(float64(p)*f))
			}
		}
	}
	for row := range side {
		for column := range side {
			for _, v := range waves[column] {
				add(v)
			}
			for _, v := range waves[row] {
				add(v)
			}
		}
	}
	return table
}
