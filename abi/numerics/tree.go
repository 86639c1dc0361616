package numerics

import "math/bits"

// TreeAcc combines a stream of values by the tree of rule 9: the left subtree of n values holds the largest power of two
// smaller than n. It works like a binary counter and keeps at most log2(n)+1 partial values. T may be a tensor; add may then
// write its result into left and return it.
type TreeAcc[T any] struct {
	add      func(left, right T) T
	partials []T // one complete subtree for each set bit of count, largest first
	count    uint64
}

// NewTreeAcc returns an empty accumulator whose nodes are add(left, right).
func NewTreeAcc[T any](add func(left, right T) T) *TreeAcc[T] { return &TreeAcc[T]{add: add} }

// Push appends the next leaf.
func (t *TreeAcc[T]) Push(v T) {
	for range bits.TrailingZeros64(^t.count) {
		last := len(t.partials) - 1
		v = t.add(t.partials[last], v)
		t.partials = t.partials[:last]
	}
	t.partials = append(t.partials, v)
	t.count++
}

// Count returns the number of leaves pushed so far.
func (t *TreeAcc[T]) Count() uint64 { return t.count }

// Result combines what was pushed and empties the accumulator. ok is false if nothing was pushed.
func (t *TreeAcc[T]) Result() (sum T, ok bool) {
	last := len(t.partials) - 1
	if last < 0 {
		return sum, false
	}
	sum = t.partials[last]
	for i := last - 1; i >= 0; i-- {
		sum = t.add(t.partials[i], sum)
	}
	t.partials, t.count = t.partials[:0], 0
	return sum, true
}

// TreeSum returns the sum of x by the tree of rule 9, and +0 for no values.
func TreeSum(x []float32) float32 { return treeSum(x) }

// TreeSum64 is TreeSum in float64.
func TreeSum64(x []float64) float64 { return treeSum(x) }

func treeSum[F float](x []F) F {
	switch len(x) {
	case 0:
		return 0
	case 1:
		return x[0]
	}
	left := 1 << (bits.Len(uint(len(x)-1)) - 1)
	return treeSum(x[:left]) + treeSum(x[left:])
}

// TreeSumVectors adds parts element by element, each element by the tree of rule 9, into dst. All have the length of dst.
// dst must not overlap parts, except that it may be parts[0].
func TreeSumVectors(dst []float32, parts [][]float32) {
	t := TreeAcc[float32]{add: func(l, r float32) float32 { return l + r }}
	for i := range dst {
		for _, p := range parts {
			t.Push(p[i])
		}
		dst[i], _ = t.Result()
	}
}
