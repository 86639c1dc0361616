package vec

import "github.com/seedbed/seedbed/abi/numerics"

// Rows taken from and added to a table: embeddings. A table is row-major with cols columns.

// GatherRows writes row index[i] of the table to row i of dst. An index outside the table is clamped to it (rule 10).
func GatherRows(dst, table []float32, index []int32, cols int) {
	mustEqual(len(dst), len(index)*cols)
	if len(dst) == 0 {
		return
	}
	last := len(table)/cols - 1
	mustEqual(len(table), (last+1)*cols)
	for i, r := range index {
		from := min(max(int(r), 0), last) * cols
		copy(dst[i*cols:(i+1)*cols], table[from:from+cols])
	}
}

// SortByRow groups updates by destination: after it, order[starts[r]:starts[r+1]] are the positions i, ascending, with
// index[i] = r. Indices outside the len(starts)-1 rows are dropped (rule 10), so only the first starts[len(starts)-1]
// elements of order are set; order has room for len(index).
func SortByRow(order, starts, index []int32) {
	order = order[:len(index)]
	rows := len(starts) - 1
	clear(starts)
	for _, r := range index {
		if 0 <= r && int(r) < rows {
			starts[r+1]++
		}
	}
	for r := range rows {
		starts[r+1] += starts[r]
	}
	// starts[r] moves to the end of its group, which is where the next group starts; shift back afterwards.
	for i, r := range index {
		if 0 <= r && int(r) < rows {
			order[starts[r]] = int32(i)
			starts[r]++
		}
	}
	copy(starts[1:], starts[:rows])
	starts[0] = 0
}

// ScatterAddRows adds rows of updates to rows first to last-1 of the table, as SortByRow has grouped them (rule 10): the updates of one
// row are added in ascending order from +0 in chunks of 512, the chunk sums in order, and the row itself last. Rows do not depend on
// each other, so callers may share them out. scratch holds at least 2*cols floats.
func ScatterAddRows(table, updates []float32, order, starts []int32, first, last, cols int, scratch []float32) {
	mustEqual(len(table), (len(starts)-1)*cols)
	chunk, total := scratch[:cols], scratch[cols:2*cols]
	for r := first; r < last; r++ {
		group := order[starts[r]:starts[r+1]]
		if len(group) == 0 {
			continue
		}
		row := table[r*cols : (r+1)*cols]
		if len(group) > numerics.SuperChunkK {
			scatterLong(row, updates, group)
			continue
		}
		clear(total)
		for len(group) > 0 {
			n := min(len(group), numerics.ChunkK)
			clear(chunk)
			for _, i := range group[:n] {
				AddInto(chunk, updates[int(i)*cols:(int(i)+1)*cols])
			}
			AddInto(total, chunk)
			group = group[n:]
		}
		AddInto(row, total)
	}
}

// scatterLong adds more updates to a row than a super-chunk holds. x + p and fma(x, 1, p) round alike.
func scatterLong(row, updates []float32, group []int32) {
	for c := range row {
		var sum numerics.DotAcc
		for _, i := range group {
			sum.Add(updates[int(i)*len(row)+c], 1)
		}
		row[c] += sum.Sum()
	}
}
