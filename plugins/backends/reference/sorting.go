package reference

import (
	"cmp"
	"slices"

	"github.com/seedbed/seedbed/abi/ir"
)

// severals are the primitives with more than one result.
var severals = map[string]func(op *ir.Op, in, out []Tensor) error{
	"sort":  sort,
	"top_k": topK,
}

// order compares two elements: a NaN comes after every number and equals
// another NaN.
func order(x Tensor, i, j int) int {
	switch {
	case x.integral() && less(x.Type.DType, x.Int[i], x.Int[j]):
		return -1
	case x.integral() && x.Int[i] == x.Int[j]:
		return 0
	case x.integral():
		return 1
	case x.single():
		return orderFloat(float64(x.F32[i]), float64(x.F32[j]))
	default:
		return orderFloat(x.F64[i], x.F64[j])
	}
}

// orderFloat is cmp.Compare with NaN after everything.
func orderFloat(x, y float64) int {
	switch {
	case x != x && y != y:
		return 0
	case x != x:
		return 1
	case y != y:
		return -1
	}
	return cmp.Compare(x, y)
}

// ranked sorts offsets stably by the elements of x.
func ranked(x Tensor, offsets []int, descending bool) []int {
	l := slices.Clone(offsets)
	slices.SortStableFunc(l, func(i, j int) int {
		if descending {
			return order(x, j, i)
		}
		return order(x, i, j)
	})
	return l
}

func sort(op *ir.Op, in, out []Tensor) error {
	groups(in[0].Type, []int{op.Attrs.Int("dimension")}, func(_ int, offsets []int) {
		for to, from := range ranked(in[0], offsets, op.Attrs.Bool("descending")) {
			for k := range in {
				out[k].copyElement(offsets[to], in[k], from)
			}
		}
	})
	return nil
}

func topK(op *ir.Op, in, out []Tensor) error {
	x, k := in[0], op.Attrs.Int("k")
	row := x.Type.Shape[x.Type.Rank()-1]
	groups(x.Type, []int{x.Type.Rank() - 1}, func(n int, offsets []int) {
		for i, from := range ranked(x, offsets, true)[:k] {
			out[0].copyElement(n*k+i, x, from)
			out[1].Int[n*k+i] = int64(from - n*row)
		}
	})
	return nil
}
