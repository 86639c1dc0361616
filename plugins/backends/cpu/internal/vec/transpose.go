package vec

// Transpose writes rows from to to of the transpose of src, a row-major matrix of rows by cols, to those of dst. dst and src must not overlap.
func Transpose(dst, src []float32, rows, cols, from, to int) {
	mustEqual(len(src), rows*cols)
	mustEqual(len(dst), rows*cols)
	wholeRows, wholeCols := 0, from
	if active != nil {
		wholeRows, wholeCols = rows&^7, from+(to-from)&^7
		// Tiles keep the lines of dst that neighbouring groups of eight rows share in the cache.
		const tile = 64
		for c := from; c < wholeCols; c += tile {
			n := min(tile, wholeCols-c)
			for r := 0; r < wholeRows; r += 8 {
				active.transpose8(&dst[c*rows+r], &src[r*cols+c], n/8, rows, cols)
			}
		}
	}
	for r := range rows {
		c := wholeCols
		if r >= wholeRows {
			c = from
		}
		for ; c < to; c++ {
			dst[c*rows+r] = src[r*cols+c]
		}
	}
}
