package vec

import "github.com/seedbed/seedbed/abi/numerics"

const (
	// DotPanel is how many columns DotColumns takes side by side.
	DotPanel = 16
	dotDepth = 16 // k in a block
)

// CanDotColumns says whether DotColumns is fast for columns of k elements: there is assembly, and it need not care about what is left of
// panels and blocks.
func CanDotColumns(k, columns int) bool {
	return active != nil && k > 0 && k%dotDepth == 0 && k <= numerics.SuperChunkK && columns >= DotPanel
}

// DotColumns writes the products of x, by rule 5, with columns of len(x) adjacent elements, stride apart: that of column j begins at b[j*stride].
// It reads each column once, as fast as memory gives it. CanDotColumns must hold.
func DotColumns(dst, x, b []float32, stride int) {
	if !CanDotColumns(len(x), len(dst)) || stride < 0 {
		panic("vec: columns of a size that DotColumns does not know")
	}
	_ = b[(len(dst)-1)*stride+len(x)-1]
	for j := 0; j < len(dst); j += DotPanel {
		j := min(j, len(dst)-DotPanel) // the last panel may compute columns again
		sums := dst[j:][:DotPanel]
		clear(sums)
		for k := 0; k < len(x); k += numerics.ChunkK {
			n := min(numerics.ChunkK, len(x)-k)
			next := 0 // the column goes on; after its end comes the next panel
			if k+n == len(x) {
				next = DotPanel*stride - len(x)
			}
			active.columnDots(&sums[0], &x[k], &b[j*stride+k], n/dotDepth, stride, 4*next)
		}
	}
}
