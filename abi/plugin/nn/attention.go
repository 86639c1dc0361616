package nn

import "github.com/seedbed/seedbed/abi/ir"

// Attention says which keys a query sees and what is added to its scores.
type Attention struct {
	Scale  float64
	Bias   ir.Value // [H,S,T], or NoValue
	Causal bool     // query i sees keys up to i + T - S
	// Queries and Keys are segments, i32 [B,S] and [B,T]: a query sees the keys
	// of its own.
	Queries, Keys ir.Value
}

// unseen is the score of keys that a query does not see. It is so low that
// their probability is +0, and finite, so that a query that sees no key gives
// the values' mean and not NaN.
const unseen = -1e30

// Attend is attention with a bias, which scaled_dot_product_attention has not:
// q [B,S,H,D], k [B,T,H,D], v [B,T,H,E] give [B,S,H,E].
func (n *Net) Attend(q, k, v ir.Value, a Attention) ir.Value {
	heads := func(l, r int) ir.DotDims {
		return ir.DotDims{LHSBatch: []int{0, l}, RHSBatch: []int{0, 2}, LHSContract: []int{3}, RHSContract: []int{r}}
	}
	scores := n.DotGeneral(q, k, heads(2, 3)) // [B,H,S,T]
	if a.Scale != 1 {
		scores = n.Scale(scores, a.Scale)
	}
	if a.Bias != ir.NoValue {
		scores = n.AddLast(scores, a.Bias)
	}
	shape := n.Type(scores).Shape
	seen := n.Compare("eq", n.BroadcastInDim(a.Queries, shape, []int{0, 2}), n.BroadcastInDim(a.Keys, shape, []int{0, 3}))
	if a.Causal {
		t := ir.T(ir.I32, n.Dim(q, 1), n.Dim(k, 1))
		last := n.Add(n.Iota(t, 0), n.Full(t, float64(n.Dim(k, 1)-n.Dim(q, 1))))
		seen = n.And(seen, n.BroadcastTo(n.Compare("le", n.Iota(t, 1), last), shape...))
	}
	p := n.Softmax(n.Select(seen, scores, n.Full(n.Type(scores), unseen)))
	return n.Transpose(n.DotGeneral(p, v, heads(1, 1)), 0, 2, 1, 3)
}
