package nn

import (
	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
)

// Linear is x W^T + b over the last dimension, with parameters name.weight
// [out,in], which begins as init, and name.bias [out], which begins with 0.
func (n *Net) Linear(x ir.Value, name string, init plugin.Init, out int) ir.Value {
	return n.AddLast(n.Project(x, name, init, out), n.Weight(name+".bias", Zeros(), out))
}

// Project is Linear without the bias.
func (n *Net) Project(x ir.Value, name string, init plugin.Init, out int) ir.Value {
	return n.Builder.Linear(x, n.Weight(name+".weight", init, out, n.Dim(x, -1)))
}

// AddLast adds b, which has x's last dimensions, to x.
func (n *Net) AddLast(x, b ir.Value) ir.Value { return n.Add(x, n.BroadcastTo(b, n.Type(x).Shape...)) }

// LayerNorm is layer normalization over the last dimension with parameters
// name.weight and name.bias.
func (n *Net) LayerNorm(x ir.Value, name string) ir.Value {
	width := n.Dim(x, -1)
	return n.Builder.LayerNorm(x, n.Weight(name+".weight", Ones(), width), n.Weight(name+".bias", Zeros(), width), n.Epsilon)
}

// RMSNorm is root-mean-square normalization over the last dimension with
// parameter name.weight.
func (n *Net) RMSNorm(x ir.Value, name string) ir.Value {
	return n.Builder.RMSNorm(x, n.Weight(name+".weight", Ones(), n.Dim(x, -1)), n.Epsilon)
}

// Drop is dropout at a rate that may be 0.
func (n *Net) Drop(x ir.Value, rate float64) ir.Value {
	if rate == 0 {
		return x
	}
	n.draws = true
	return n.Dropout(x, n.state, rate)
}

// Embedding looks ids up in parameter name.weight [rows,width].
func (n *Net) Embedding(ids ir.Value, name string, init plugin.Init, rows, width int) ir.Value {
	return n.Gather(0, n.Weight(name+".weight", init, rows, width), ids)
}

// Split turns [B,S,H*D] into H heads, [B,S,H,D].
func (n *Net) Split(x ir.Value, heads int) ir.Value {
	return n.Reshape(x, n.Dim(x, 0), n.Dim(x, 1), heads, n.Dim(x, 2)/max(heads, 1))
}

// Join undoes Split.
func (n *Net) Join(x ir.Value) ir.Value {
	return n.Reshape(x, n.Dim(x, 0), n.Dim(x, 1), n.Dim(x, 2)*n.Dim(x, 3))
}

// Normalize divides rows of x [N,E] by their Euclidean length, or by 1e-6 where
// that is less, as TensorFlow's l2_normalize does: a row of zeros stays one.
func (n *Net) Normalize(x ir.Value) ir.Value {
	squares := n.ReduceDot(x, x, 1)
	squares = n.Max(squares, n.Full(n.Type(squares), 1e-12))
	return n.Div(x, n.BroadcastFront(n.Sqrt(squares), n.Type(x).Shape...))
}
