package loss

import "github.com/seedbed/seedbed/abi/ir"

// LogSumExp is log(sum(exp(x))) over the last dimension: the maximum plus the
// log of the sum of exp(x - maximum).
func LogSumExp(b *ir.Builder, x ir.Value) ir.Value {
	t := b.Type(x)
	last := t.Rank() - 1
	top := b.Reduce("max", x, last)
	return b.Add(top, b.Log(b.ReduceSum(b.Exp(b.Sub(x, b.BroadcastFront(top, t.Shape...))), last)))
}

// SoftCrossEntropy is the cross-entropy of softmax(logits) [N,K] with target
// distributions [N,K], row by row: [N].
func SoftCrossEntropy(b *ir.Builder, logits, targets ir.Value) ir.Value {
	return b.Sub(LogSumExp(b, logits), b.ReduceDot(targets, logits, 1))
}

// DiagonalCrossEntropy is SoftCrossEntropy with row i's label i: logits [N,N].
func DiagonalCrossEntropy(b *ir.Builder, logits ir.Value) ir.Value {
	return SoftCrossEntropy(b, logits, Identity(b, b.Dim(logits, 0)))
}

// Identity is the unit matrix f32[n,n].
func Identity(b *ir.Builder, n int) ir.Value {
	t := ir.T(ir.I32, n, n)
	return b.Convert(b.Compare("eq", b.Iota(t, 0), b.Iota(t, 1)), ir.F32)
}

// Normalize divides rows of x [N,E] by their Euclidean length.
func Normalize(b *ir.Builder, x ir.Value) ir.Value {
	return b.Div(x, b.BroadcastFront(b.Sqrt(b.ReduceDot(x, x, 1)), b.Type(x).Shape...))
}
