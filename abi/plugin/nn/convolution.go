package nn

import (
	"math"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
)

// Layers of convolutional networks work on images [B,H,W,C], channels last, as
// the ops do; parameters have PyTorch's shapes, channels first.

// ChannelsLast turns [B,C,H,W] into [B,H,W,C].
func (n *Net) ChannelsLast(x ir.Value) ir.Value { return n.Transpose(x, 0, 2, 3, 1) }

// ChannelsFirst turns [B,H,W,C] into [B,C,H,W].
func (n *Net) ChannelsFirst(x ir.Value) ir.Value { return n.Transpose(x, 0, 3, 1, 2) }

// Conv is a convolution with a square kernel and padding that keeps the size
// at stride 1, with parameter name.weight [out,in,kernel,kernel].
func (n *Net) Conv(x ir.Value, name string, init plugin.Init, out, kernel, stride int) ir.Value {
	weight := n.Weight(name+".weight", init, out, n.Dim(x, 3), kernel, kernel)
	return n.Conv2D(x, n.Transpose(weight, 2, 3, 1, 0), ir.NoValue, stride, kernel/2, 1, 1)
}

// ConvBias is Conv with parameter name.bias [out].
func (n *Net) ConvBias(x ir.Value, name string, init, bias plugin.Init, out, kernel int) ir.Value {
	return n.AddLast(n.Conv(x, name, init, out, kernel, 1), n.Weight(name+".bias", bias, out))
}

// batchNormDecay is PyTorch's momentum of 0.1.
const batchNormDecay = 0.9

// BatchNorm is batch normalization of the last dimension with parameters
// name.weight and name.bias and buffers name.running_mean and
// name.running_var, the unbiased variance: those of the batch when training,
// the buffers when evaluating. As in PyTorch, but for its num_batches_tracked,
// which nothing depends on.
func (n *Net) BatchNorm(x ir.Value, name string) ir.Value { return n.ScaledBatchNorm(x, name, Ones()) }

// ScaledBatchNorm is BatchNorm whose weight begins as init.
func (n *Net) ScaledBatchNorm(x ir.Value, name string, init plugin.Init) ir.Value {
	width, rows := n.Dim(x, -1), n.Type(x).Elements()/max(n.Dim(x, -1), 1)
	weight, bias := n.Weight(name+".weight", init, width), n.Weight(name+".bias", Zeros(), width)
	var y, mean, variance ir.Value
	if !n.Evaluating {
		y, mean, variance = n.BatchNormTraining(x, weight, bias, n.Epsilon)
	}
	runningMean := n.Average(name+".running_mean", Zeros(), batchNormDecay, func() ir.Value { return mean }, width)
	runningVar := n.Average(name+".running_var", Ones(), batchNormDecay, func() ir.Value {
		return n.Scale(variance, float64(rows)/float64(max(rows-1, 1)))
	}, width)
	if n.Evaluating {
		return n.BatchNormInference(x, weight, bias, runningMean, runningVar, n.Epsilon)
	}
	return y
}

// AvgPool2D is the mean over squares of size by size pixels of x [B,H,W,C] that do
// not overlap.
func (n *Net) AvgPool2D(x ir.Value, size int) ir.Value {
	two := func(v int) []int { return []int{v, v} }
	w := ir.Window{Size: two(size), Stride: two(size), Low: two(0), High: two(0), BaseDilation: two(1), Dilation: two(1)}
	return n.Builder.AvgPool(x, w, true)
}

// MeanPool is the mean over height and width of x [B,H,W,C]: [B,C].
func (n *Net) MeanPool(x ir.Value) ir.Value {
	s := n.ReduceSum(x, 1, 2)
	return n.Div(s, n.Full(n.Type(s), float64(n.Dim(x, 1)*n.Dim(x, 2))))
}

// ProjectionHead maps features [N,E] to embeddings [N,out] of length 1 through
// hidden values, as many as features where that is 0 (Chen et al., arXiv
// 2002.05709): parameters projection.0.weight, those and the buffers of batch
// normalization projection.1, and projection.3.weight.
func (n *Net) ProjectionHead(features ir.Value, hidden, out int) ir.Value {
	width := n.Dim(features, 1)
	if hidden == 0 {
		hidden = width
	}
	y := n.BatchNorm(n.Project(features, "projection.0", FanIn(width), hidden), "projection.1")
	y = n.Project(n.Unary("relu", y), "projection.3", FanIn(hidden), out)
	return n.Normalize(y)
}

// He is the normal distribution of He et al. (arXiv 1502.01852) that keeps the
// size of activations if n is the number of inputs of an output, and that of
// gradients if it is the number of outputs of an input.
func He(n int) plugin.Init { return Normal(math.Sqrt(2 / float64(n))) }

// FanOut is He's distribution for a convolution into out channels, by outputs.
func FanOut(out, kernel int) plugin.Init { return He(out * kernel * kernel) }

// FanIn is PyTorch's default for linear maps and convolutions: uniform within
// 1/sqrt(the number of inputs of an output).
func FanIn(in int) plugin.Init { return Uniform(1 / math.Sqrt(float64(in))) }
