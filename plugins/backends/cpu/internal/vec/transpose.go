package vec

// Transpose writes the transpose of src, a row-major matrix of rows by cols. dst and src must not overlap.
func Transpose(dst, src []float32, rows, cols int) {
	mustEqual(len(src), rows*cols)
	mustEqual(len(dst), rows*cols)
	wholeRows, wholeCols := 0, 0
	if active != nil {
		wholeRows, wholeCols = rows&^7, cols&^7
		// Tiles keep the lines of dst that neighbouring groups of eight rows share in the cache.
		const tile = 64
		for c := 0; c < wholeCols; c += tile {
			n := min(tile, wholeCols-c)
			for r := 0; r < wholeRows; r += 8 {
				active.transpose8(&dst[c*rows+r], &src[r*cols+c], n/8, rows, cols)
			}
		}
	}
	for r := range rows {
		c := wholeCols
		if r >= wholeRows {
			c = 0
		}
		for ; c < cols; c++ {
			dst[c*rows+r] = src[r*cols+c]
		}
	}
}
