package conformance

import (
	"fmt"
	"math"
	"testing"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/numerics"
	"github.com/seedbed/seedbed/core/grad"
	"github.com/seedbed/seedbed/plugins/backends/reference"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Each case builds a function of f64 parameters; its gradients must agree
// with central differences. Ops are exercised through the Builder, so that a
// case names just the op that it is about.
var gradientCases = map[string]struct {
	shapes [][]int
	lo, hi float64 // range of the inputs
	build  func(b *ir.Builder, x []ir.Value) ir.Value
}{
	"broadcast_in_dim": {[][]int{{1, 3}}, -1, 1, func(b *ir.Builder, x []ir.Value) ir.Value {
		return b.BroadcastInDim(x[0], []int{2, 4, 3}, []int{1, 2})
	}},
	"reshape":   {[][]int{{2, 3}}, -1, 1, func(b *ir.Builder, x []ir.Value) ir.Value { return b.Reshape(x[0], 3, 2) }},
	"transpose": {[][]int{{2, 3, 4}}, -1, 1, func(b *ir.Builder, x []ir.Value) ir.Value { return b.Transpose(x[0], 2, 0, 1) }},
	"slice": {[][]int{{7, 5}}, -1, 1, func(b *ir.Builder, x []ir.Value) ir.Value {
		return b.Slice(x[0], []int{1, 0}, []int{6, 4}, []int{2, 3})
	}},
	"empty slice": {[][]int{{4}}, -1, 1, func(b *ir.Builder, x []ir.Value) ir.Value { return b.SliceDim(x[0], 0, 2, 2) }},
	"concatenate": {[][]int{{2, 1}, {2, 3}}, -1, 1, func(b *ir.Builder, x []ir.Value) ir.Value { return b.Concatenate(1, x...) }},
	"pad": {[][]int{{3}, {}}, -1, 1, func(b *ir.Builder, x []ir.Value) ir.Value {
		return b.Pad(x[0], x[1], []int{2}, []int{1}, []int{2})
	}},
	"gather": {[][]int{{3, 4, 2}}, -1, 1, func(b *ir.Builder, x []ir.Value) ir.Value { return b.Gather(1, x[0], indices(b, 3, 0, 3)) }},
	"scatter": {[][]int{{4, 2}, {4, 2}}, -1, 1, func(b *ir.Builder, x []ir.Value) ir.Value {
		return b.Scatter("add", 0, x[0], indices(b, 1, 9, 1, -1), x[1])
	}},
	"convert": {[][]int{{3}}, -1, 1, func(b *ir.Builder, x []ir.Value) ir.Value { return b.Convert(x[0], ir.F64) }},
	"select": {[][]int{{4}, {4}}, -1, 1, func(b *ir.Builder, x []ir.Value) ir.Value {
		return b.Select(b.Compare("gt", x[0], x[1]), b.Mul(x[0], x[0]), x[1])
	}},
	"fma":      {[][]int{{4}, {4}, {4}}, -1, 1, func(b *ir.Builder, x []ir.Value) ir.Value { return b.FMA(x[0], x[1], x[2]) }},
	"add":      {[][]int{{4}, {4}}, -1, 1, func(b *ir.Builder, x []ir.Value) ir.Value { return b.Add(x[0], x[1]) }},
	"subtract": {[][]int{{4}, {4}}, -1, 1, func(b *ir.Builder, x []ir.Value) ir.Value { return b.Sub(x[0], x[1]) }},
	"multiply": {[][]int{{4}, {4}}, -1, 1, func(b *ir.Builder, x []ir.Value) ir.Value { return b.Mul(x[0], x[1]) }},
	"divide":   {[][]int{{4}, {4}}, 0.5, 2, func(b *ir.Builder, x []ir.Value) ir.Value { return b.Div(x[0], x[1]) }},
	"maximum":  {[][]int{{6}, {6}}, -1, 1, func(b *ir.Builder, x []ir.Value) ir.Value { return b.Max(x[0], x[1]) }},
	"minimum":  {[][]int{{6}, {6}}, -1, 1, func(b *ir.Builder, x []ir.Value) ir.Value { return b.Min(x[0], x[1]) }},
	"dot_general": {[][]int{{2, 3, 4, 5}, {4, 2, 6, 3}}, -1, 1, func(b *ir.Builder, x []ir.Value) ir.Value {
		// Contracting dimensions in an order that differs between the sides.
		return b.DotGeneral(x[0], x[1], ir.DotDims{LHSBatch: []int{0}, RHSBatch: []int{1}, LHSContract: []int{2, 1}, RHSContract: []int{0, 3}})
	}},
	"reduce_dot": {[][]int{{2, 3, 2}, {2, 3, 2}}, -1, 1, func(b *ir.Builder, x []ir.Value) ir.Value { return b.ReduceDot(x[0], x[1], 0, 2) }},
	"square":     {[][]int{{2, 3}}, -1, 1, func(b *ir.Builder, x []ir.Value) ir.Value { return b.ReduceDot(x[0], x[0], 1) }},
	"softmax":    {[][]int{{2, 3, 5}}, -2, 2, func(b *ir.Builder, x []ir.Value) ir.Value { return b.Softmax(x[0]) }},
	"layer_norm": {[][]int{{2, 3, 5}, {5}, {5}}, -1, 1, func(b *ir.Builder, x []ir.Value) ir.Value { return b.LayerNorm(x[0], x[1], x[2], 1e-5) }},
	"rms_norm":   {[][]int{{2, 3, 5}, {5}}, -1, 1, func(b *ir.Builder, x []ir.Value) ir.Value { return b.RMSNorm(x[0], x[1], 1e-6) }},
	"rotary_embedding": {[][]int{{2, 3, 2, 4}}, -1, 1, func(b *ir.Builder, x []ir.Value) ir.Value {
		angle := b.Iota(ir.T(ir.F64, 2, 3, 2), 1)
		return b.Rotary(x[0], b.Unary("cosine", angle), b.Unary("sine", angle))
	}},
	"dropout": {[][]int{{40}}, -1, 1, func(b *ir.Builder, x []ir.Value) ir.Value {
		return b.Dropout(x[0], b.Full(ir.T(ir.U32, 4), 3), 0.25)
	}},
	"scaled_dot_product_attention": {[][]int{{2, 3, 4, 2}, {2, 5, 2, 2}, {2, 5, 2, 3}}, -1, 1, func(b *ir.Builder, x []ir.Value) ir.Value {
		return b.Attention(x[0], x[1], x[2], false)
	}},
	"attention, causal": {[][]int{{1, 3, 2, 2}, {1, 4, 2, 2}, {1, 4, 2, 2}}, -1, 1, func(b *ir.Builder, x []ir.Value) ir.Value {
		return b.Attention(x[0], x[1], x[2], true)
	}},
	// The last query is in a segment that no key has: it sees nothing.
	"attention, segments": {[][]int{{1, 4, 2, 2}, {1, 4, 1, 2}, {1, 4, 1, 2}}, -1, 1, func(b *ir.Builder, x []ir.Value) ir.Value {
		queries, keys := b.Reshape(indices(b, 0, 0, 1, 2), 1, 4), b.Reshape(indices(b, 0, 0, 1, 1), 1, 4)
		return b.Attention(x[0], x[1], x[2], true, queries, keys)
	}},
	"linear_cross_entropy": {[][]int{{4, 3}, {5, 3}}, -1, 1, func(b *ir.Builder, x []ir.Value) ir.Value {
		return b.LinearCrossEntropy(x[0], x[1], indices(b, 4, -100, 0, 7), -100, 0)
	}},
	"cross-entropy, z-loss": {[][]int{{3, 3}, {5, 3}}, -1, 1, func(b *ir.Builder, x []ir.Value) ir.Value {
		return b.LinearCrossEntropy(x[0], x[1], indices(b, 2, 2, -100), -100, 0.25)
	}},
	"dynamic_slice": {[][]int{{4, 5}}, -1, 1, func(b *ir.Builder, x []ir.Value) ir.Value {
		return b.DynamicSlice(x[0], indices(b, 3, -1), 2, 3) // both starts are clamped
	}},
	"dynamic_update_slice": {[][]int{{4, 5}, {2, 3}}, -1, 1, func(b *ir.Builder, x []ir.Value) ir.Value {
		return b.DynamicUpdateSlice(x[0], x[1], indices(b, 1, 9))
	}},
	"reverse":   {[][]int{{2, 3, 4}}, -1, 1, func(b *ir.Builder, x []ir.Value) ir.Value { return b.Reverse(x[0], 0, 2) }},
	"remainder": {[][]int{{6}, {6}}, 1, 2, func(b *ir.Builder, x []ir.Value) ir.Value { return b.Op("remainder", x)[0] }},
	"clamp": {[][]int{{}, {9}, {}}, -1, 1, func(b *ir.Builder, x []ir.Value) ir.Value {
		return b.Clamp(b.Min(x[0], b.Const(ir.F64, -0.3)), x[1], b.Max(x[2], b.Const(ir.F64, 0.3)))
	}},
	"clamp, bounds":   {[][]int{{9}, {9}, {9}}, -1, 1, func(b *ir.Builder, x []ir.Value) ir.Value { return b.Clamp(x[0], x[1], x[2]) }},
	"cumsum":          {[][]int{{2, 4, 3}}, -1, 1, func(b *ir.Builder, x []ir.Value) ir.Value { return b.Cumsum(x[0], 1, false) }},
	"cumsum, reverse": {[][]int{{4}}, -1, 1, func(b *ir.Builder, x []ir.Value) ir.Value { return b.Cumsum(x[0], 0, true) }},
	"sort": {[][]int{{3, 4}, {3, 4}}, -1, 1, func(b *ir.Builder, x []ir.Value) ir.Value {
		k, v := b.SortPairs(x[0], x[1], 0, true)
		return b.Concatenate(0, k, v)
	}},
	"top_k": {[][]int{{2, 3, 5}}, -1, 1, func(b *ir.Builder, x []ir.Value) ir.Value {
		v, _ := b.TopK(x[0], 2)
		return v
	}},
	"reduce_window": {[][]int{{2, 7, 3}}, -1, 1, func(b *ir.Builder, x []ir.Value) ir.Value {
		return b.ReduceWindow("sum", x[0], ir.Window{
			Size: []int{1, 3, 2}, Stride: []int{1, 2, 1}, Low: []int{0, 1, -1}, High: []int{0, 3, 2},
			BaseDilation: []int{1, 2, 1}, Dilation: []int{1, 2, 1},
		})
	}},
	"max pool": {[][]int{{2, 7, 6, 2}}, -1, 1, func(b *ir.Builder, x []ir.Value) ir.Value { return b.MaxPool(x[0], pool(3, 2, 1)) }},
	"min pool": {[][]int{{2, 7, 6, 2}}, -1, 1, func(b *ir.Builder, x []ir.Value) ir.Value {
		return b.ReduceWindow("min", x[0], pool(2, 1, 0).Spatial())
	}},
	"average pool": {[][]int{{1, 5, 6, 2}}, -1, 1, func(b *ir.Builder, x []ir.Value) ir.Value { return b.AvgPool(x[0], pool(3, 2, 1), false) }},
	"convolution": {[][]int{{2, 5, 6, 3}, {3, 2, 3, 4}}, -1, 1, func(b *ir.Builder, x []ir.Value) ir.Value {
		return b.Convolution(x[0], x[1], ir.Window{
			Stride: []int{2, 1}, Low: []int{1, 0}, High: []int{2, 1}, BaseDilation: []int{1, 1}, Dilation: []int{1, 2},
		}, 1)
	}},
	// A transposed convolution in two groups that leaves out some of the operand.
	"convolution, dilated": {[][]int{{2, 5, 4}, {3, 2, 6}}, -1, 1, func(b *ir.Builder, x []ir.Value) ir.Value {
		return b.Convolution(x[0], x[1], ir.Window{
			Stride: []int{3}, Low: []int{-1}, High: []int{-2}, BaseDilation: []int{2}, Dilation: []int{2},
		}, 2)
	}},
	"convolution, 3d": {[][]int{{1, 3, 2, 3, 2}, {2, 1, 2, 1, 2}}, -1, 1, func(b *ir.Builder, x []ir.Value) ir.Value {
		w := ir.NewWindow(2, 1, 2)
		w.Low = []int{1, 0, 1}
		return b.Convolution(x[0], x[1], w, 2)
	}},
	"conv2d": {[][]int{{2, 5, 5, 2}, {3, 3, 2, 3}, {3}}, -1, 1, func(b *ir.Builder, x []ir.Value) ir.Value {
		return b.Conv2D(x[0], x[1], x[2], 2, 1, 1, 1)
	}},
	"batch_norm_training": {[][]int{{3, 2, 4}, {4}, {4}}, -1, 1, func(b *ir.Builder, x []ir.Value) ir.Value {
		y, _, _ := b.BatchNormTraining(x[0], x[1], x[2], 1e-3)
		return y
	}},
	"batch_norm_inference": {[][]int{{3, 4}, {4}, {4}, {4}, {4}}, 0.5, 1, func(b *ir.Builder, x []ir.Value) ir.Value {
		return b.BatchNormInference(x[0], x[1], x[2], x[3], x[4], 1e-3)
	}},
	"gumbel_softmax": {[][]int{{2, 5}}, -1, 1, func(b *ir.Builder, x []ir.Value) ir.Value {
		return b.GumbelSoftmax(x[0], b.Full(ir.T(ir.U32, 4), 3), 0.7)
	}},
	"leaky_relu":  {[][]int{{9}}, -1, 1, func(b *ir.Builder, x []ir.Value) ir.Value { return b.LeakyReLU(x[0], 0.1) }},
	"elu":         {[][]int{{9}}, -1, 1, func(b *ir.Builder, x []ir.Value) ir.Value { return b.ELU(x[0], 0.7) }},
	"log_softmax": {[][]int{{3, 5}}, -1, 1, func(b *ir.Builder, x []ir.Value) ir.Value { return b.LogSoftmax(x[0]) }},
	"group_norm": {[][]int{{2, 3, 2, 6}, {6}, {6}}, -1, 1, func(b *ir.Builder, x []ir.Value) ir.Value {
		return b.GroupNorm(x[0], x[1], x[2], 3, 1e-3)
	}},
	"cross_entropy": {[][]int{{2, 2, 5}}, -1, 1, func(b *ir.Builder, x []ir.Value) ir.Value {
		return b.CrossEntropy(x[0], b.Reshape(indices(b, 4, -100, 0, 7), 2, 2), -100, 0)
	}},
	"cross-entropy, smoothed": {[][]int{{4, 5}}, -1, 1, func(b *ir.Builder, x []ir.Value) ir.Value {
		return b.CrossEntropy(x[0], indices(b, 4, -1, 0, 2), -1, 0.3)
	}},
	"sigmoid_cross_entropy": {[][]int{{9}, {9}}, -2, 2, func(b *ir.Builder, x []ir.Value) ir.Value { return b.SigmoidCrossEntropy(x[0], x[1]) }},
	"mean_squared_error":    {[][]int{{3, 4}, {3, 4}}, -1, 1, func(b *ir.Builder, x []ir.Value) ir.Value { return b.MeanSquaredError(x[0], x[1]) }},
	"info_nce": {[][]int{{4, 4}}, -1, 1, func(b *ir.Builder, x []ir.Value) ir.Value {
		return b.InfoNCE(x[0], indices(b, 2, 3, 0, 1), 0.5, true)
	}},
	"InfoNCE of two towers": {[][]int{{3, 4}}, -1, 1, func(b *ir.Builder, x []ir.Value) ir.Value {
		return b.InfoNCE(x[0], indices(b, 0, 1, 2), 0.1, false)
	}},
	"resize_bilinear": {[][]int{{1, 3, 4, 2}}, -1, 1, func(b *ir.Builder, x []ir.Value) ir.Value { return b.ResizeBilinear(x[0], 5, 2, false) }},
	"resize, corners": {[][]int{{1, 3, 4, 2}}, -1, 1, func(b *ir.Builder, x []ir.Value) ir.Value { return b.ResizeBilinear(x[0], 5, 1, true) }},
	"relative_position_bias": {[][]int{{8, 2}}, -1, 1, func(b *ir.Builder, x []ir.Value) ir.Value {
		return b.RelativePositionBias(x[0], 5, 9, true, 6)
	}},
	"biased_attention": {[][]int{{2, 3, 4, 2}, {2, 5, 2, 2}, {2, 5, 2, 3}, {1, 4, 3, 5}}, -1, 1, func(b *ir.Builder, x []ir.Value) ir.Value {
		return b.BiasedAttention(x[0], x[1], x[2], x[3], true, 1)
	}},
	"biased attention, padding": {[][]int{{2, 2, 2, 2}, {2, 3, 2, 2}, {2, 3, 2, 3}, {2, 2, 2, 3}}, -1, 1, func(b *ir.Builder, x []ir.Value) ir.Value {
		queries, keys := b.Full(ir.T(ir.I32, 2, 2), 1), b.Reshape(indices(b, 1, 1, 0, 0, 0, 0), 2, 3)
		return b.BiasedAttention(x[0], x[1], x[2], x[3], false, 0, queries, keys)
	}},
	"call": {[][]int{{3}, {3}}, -1, 1, func(b *ir.Builder, x []ir.Value) ir.Value {
		c := ir.NewBuilder("callee")
		p, q := c.Param("p", ir.T(ir.F64, 3)), c.Param("q", ir.T(ir.F64, 3))
		c.Return("y", c.Mul(p, c.Exp(q)))
		f, err := c.Func()
		if err != nil {
			return b.Fail("%v", err)
		}
		return b.Call(f, b.Call(f, x...)[0], x[0])[0]
	}},
	"reduce sum": {[][]int{{2, 3, 2}}, -1, 1, func(b *ir.Builder, x []ir.Value) ir.Value { return b.ReduceSum(x[0], 1) }},
	"reduce max": {[][]int{{3, 4}}, -1, 1, func(b *ir.Builder, x []ir.Value) ir.Value { return b.Reduce("max", x[0], 1) }},
	"reduce min": {[][]int{{3, 4}}, -1, 1, func(b *ir.Builder, x []ir.Value) ir.Value { return b.Reduce("min", x[0], 0) }},
}

// pool is a square window with padding on all sides.
func pool(size, stride, padding int) ir.Window {
	w := ir.NewWindow(size, size)
	w.Stride, w.Low, w.High = []int{stride, stride}, []int{padding, padding}, []int{padding, padding}
	return w
}

func indices(b *ir.Builder, v ...int32) ir.Value {
	var data []byte
	for _, i := range v {
		data = append(data, byte(i), byte(i>>8), byte(i>>16), byte(i>>24))
	}
	return b.Constant(ir.T(ir.I32, len(v)), data)
}

func init() {
	positive := map[string]bool{"sqrt": true, "rsqrt": true, "log": true, "log_plus_one": true}
	for _, d := range ir.OpDefs() {
		if d.Group != "elementwise" || len(d.Operands) != 1 || !d.IsDifferentiable() {
			continue
		}
		c := gradientCases["add"]
		c.shapes, c.lo, c.hi = [][]int{{9}}, -2, 2
		if positive[d.Name] {
			c.lo = 0.25
		}
		c.build = func(b *ir.Builder, x []ir.Value) ir.Value { return b.Unary(d.Name, x[0]) }
		gradientCases[d.Name] = c
	}
}

func TestGradientsAgreeWithFiniteDifferences(t *testing.T) {
	for name, c := range gradientCases {
		t.Run(name, func(t *testing.T) {
			b := ir.NewBuilder("f")
			var params []ir.Value
			var wrt []string
			var args []reference.Tensor
			stream := numerics.Stream{Seed: 7}
			at := uint64(0)
			for i, s := range c.shapes {
				wrt = append(wrt, fmt.Sprintf("x%d", i))
				params = append(params, b.Param(wrt[i], ir.T(ir.F64, s...)))
				a, err := reference.New(ir.T(ir.F64, s...))
				require.NoError(t, err)
				for k := range a.F64 {
					a.F64[k] = c.lo + (c.hi-c.lo)*float64(stream.UniformAt(at))
					at++
				}
				args = append(args, a)
			}
			// The loss weighs every element of the result differently.
			y := c.build(b, params)
			n := b.Type(y).Elements()
			weight := b.Add(b.Iota(ir.T(ir.F64, n), 0), b.Full(ir.T(ir.F64, n), 0.5))
			b.Return("loss", b.ReduceDot(b.Reshape(y, n), weight, 0))
			f, err := b.Func()
			require.NoError(t, err)
			g, err := grad.Reverse(f, "loss", wrt)
			require.NoError(t, err)
			require.NoError(t, g.Verify())
			got, err := reference.Eval(g, args)
			require.NoError(t, err)
			require.Len(t, got, 1+len(wrt))

			loss := func() float64 {
				out, err := reference.Eval(f, args)
				require.NoError(t, err)
				return out[0].F64[0]
			}
			assert.Equal(t, loss(), got[0].F64[0])
			// With h = 1e-5 and values of order 1, the truncation error of a central
			// difference is about h^2 = 1e-10 and its rounding error, for losses of
			// order 100, about 100 * 1e-16 / 1e-5 = 1e-9.
			const h, bound = 1e-5, 1e-7
			for i := range args {
				for k := range args[i].F64 {
					x := args[i].F64[k]
					args[i].F64[k] = x + h
					up := loss()
					args[i].F64[k] = x - h
					down := loss()
					args[i].F64[k] = x
					want := (up - down) / (2 * h)
					assert.InDelta(t, want, got[1+i].F64[k], bound*math.Max(1, math.Abs(want)), "parameter %d, element %d", i, k)
				}
			}
		})
	}
}

// Every op that claims a gradient has a case above.
func TestEveryGradientHasACase(t *testing.T) {
	for _, d := range ir.OpDefs() {
		if !d.IsDifferentiable() {
			continue
		}
		_, ok := gradientCases[d.Name]
		_, reduced := gradientCases[d.Name+" sum"]
		assert.True(t, ok || reduced, "op %s has a gradient but no case", d.Name)
	}
}

func TestReverseRefuses(t *testing.T) {
	b := ir.NewBuilder("f")
	x, i := b.Param("x", ir.T(ir.F32, 2)), b.Param("i", ir.T(ir.I32))
	b.Return("loss", b.ReduceSum(b.Unary("floor", x), 0))
	b.Return("vector", x)
	b.Return("i", i)
	f, err := b.Func()
	require.NoError(t, err)
	for want, c := range map[string]struct{ loss, wrt string }{
		`no result "lost"`:                        {"lost", "x"},
		`"vector" is f32[2], a gradient needs`:    {"vector", "x"},
		`no parameter "y"`:                        {"loss", "y"},
		`parameter "i" is i32[], a gradient`:      {"loss", "i"},
		"op 0 (floor): the op has no gradient; k": {"loss", "x"},
	} {
		_, err := grad.Reverse(f, c.loss, []string{c.wrt})
		assert.ErrorContains(t, err, want)
	}
}
