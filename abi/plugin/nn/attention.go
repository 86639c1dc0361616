package nn

import (
	"math"

	"github.com/seedbed/seedbed/abi/ir"
)

// Attention says what attention there is.
type Attention struct {
	Causal   bool
	Scale    float64    // of the scores; 0 is 1/sqrt(D)
	Bias     []ir.Value // of the scores: none, or f32[B,H,S,T] or [1,H,S,T]
	Segments []ir.Value // none, or i32[B,S] of queries and i32[B,T] of keys: a query sees those of its own
	Dropout  float64    // of the probabilities; training takes more memory with it
}

// Attend is multi-head attention of q [B,S,H,D] to k [B,T,G,D] and v [B,T,G,E],
// of which G divides H: [B,S,H,E].
func (n *Net) Attend(q, k, v ir.Value, a Attention) ir.Value {
	if a.Scale == 0 {
		a.Scale = 1 / math.Sqrt(float64(n.Dim(q, -1)))
	}
	bias := ir.NoValue
	if len(a.Bias) > 0 {
		bias = a.Bias[0]
	}
	if a.Dropout > 0 {
		n.draws, n.differs = true, true
		if !n.Evaluating {
			return n.DroppedAttention(q, k, v, bias, n.state, a.Causal, a.Scale, a.Dropout, a.Segments...)
		}
	}
	if bias != ir.NoValue {
		return n.BiasedAttention(q, k, v, bias, a.Causal, a.Scale, a.Segments...)
	}
	return n.Op("scaled_dot_product_attention", append([]ir.Value{q, k, v}, a.Segments...), ir.BoolAttr("causal", a.Causal), ir.FloatAttr("scale", a.Scale))[0]
}
