package cpu

import (
	"math/rand/v2"
	"testing"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Random graphs of elementwise ops, broadcasts, contractions and transposes, of which any value may be a result.
func TestChainsAreTheirOps(t *testing.T) {
	unaries := []string{"negate", "abs", "sqrt", "relu", "gelu_tanh", "exponential", "sign", "floor", "silu_derivative"}
	derivable := []string{"gelu", "gelu_tanh", "silu"}
	binaries := []string{"add", "subtract", "multiply", "divide", "maximum", "minimum"}
	checkComposite(t, 60, func(d draw, b *ir.Builder) map[string]func(*rand.Rand, ir.Type) []byte {
		rows, cols, inner := d.pick("rows", 0, 1, 1, 2, 5, 30, 101), d.pick("columns", 1, 1, 3, 17, 40, 260), d.pick("inner", 0, 1, 9, 20, 32)
		whole := ir.T(ir.F32, rows, cols)
		var values []ir.Value
		for _, n := range []string{"x", "y"} {
			values = append(values, b.Param(n, whole))
		}
		row, col, one := b.Param("row", whole.With(cols)), b.Param("col", whole.With(rows)), b.Param("one", whole.With())
		l, lt := b.Param("l", whole.With(rows, inner)), b.Param("lt", whole.With(inner, rows))
		r, rt := b.Param("r", whole.With(inner, cols)), b.Param("rt", whole.With(cols, inner))
		values = append(values, b.BroadcastTo(row, rows, cols), b.BroadcastFront(col, rows, cols), b.BroadcastInDim(one, whole.Shape, nil), b.Full(whole, 0.75))
		any := func() ir.Value { return values[d.n("operand", 0, len(values)-1)] }
		var later []func() ir.Value // derivatives of functions
		for range d.n("ops", 1, 14) {
			if len(later) > 0 && d.n("derivative", 0, 2) == 0 {
				values, later = append(values, later[0]()), later[1:]
			}
			var v ir.Value
			switch d.n("kind", 0, 12) {
			case 12:
				name, x := derivable[d.n("function", 0, len(derivable)-1)], any()
				v = b.Unary(name, x)
				later = append(later, func() ir.Value { return b.Unary(name+"_derivative", x) })
			case 10: // the gradient of relu, as it is defined
				zero := b.Zeros(whole)
				v = b.Select(b.Compare("gt", any(), zero), any(), zero)
			case 11: // and what is almost that
				zero := b.Zeros(whole)
				mask := b.Compare("gt", any(), zero)
				v = b.Add(b.Select(mask, any(), zero), b.Select(mask, zero, any()))
			case 0:
				v = b.MatMul(l, r)
			case 1:
				v = b.Linear(b.Mul(l, l), rt)
			case 2: // [cols, rows], transposed
				v = b.Transpose(b.DotGeneral(r, lt, ir.DotDims{LHSContract: []int{0}, RHSContract: []int{0}}), 1, 0)
			case 3:
				v = b.Unary(unaries[d.n("unary", 0, len(unaries)-1)], any())
			case 4:
				v = b.FMA(any(), any(), any())
			case 5:
				v = b.Reshape(b.Reshape(any(), rows*cols), rows, cols)
			default:
				v = b.Op(binaries[d.n("binary", 0, len(binaries)-1)], []ir.Value{any(), any()})[0]
			}
			values = append(values, v)
		}
		for _, derivative := range later {
			values = append(values, derivative())
		}
		for i, v := range values[2:] {
			if i == len(values)-3 || d.n("returned", 0, 3) == 0 {
				b.Return("v"+string(rune('a'+i)), v)
			}
		}
		b.Return("sum", b.ReduceSum(any(), 1))
		return nil
	})
}

// A layer's product, bias, activation and residual are one step, and so is a gradient that is added to a sum in place.
func TestChainsAreSteps(t *testing.T) {
	be, err := New(Options{Threads: 1})
	require.NoError(t, err)
	defer be.Close()
	b := ir.NewBuilder("f")
	x, w, bias := b.Param("x", ir.T(ir.F32, 8, 4)), b.Param("w", ir.T(ir.F32, 4, 5)), b.Param("bias", ir.T(ir.F32, 5))
	residual, acc := b.Param("residual", ir.T(ir.F32, 8, 5)), b.Param("acc", ir.T(ir.F32, 4, 5))
	pre := b.Add(b.MatMul(x, w), b.BroadcastTo(bias, 8, 5))
	dw := b.Transpose(b.DotGeneral(residual, x, ir.DotDims{LHSContract: []int{0}, RHSContract: []int{0}}), 1, 0)
	b.Return("pre", pre)
	b.Return("y", b.Add(b.Unary("gelu", pre), residual))
	b.Return("dw", b.Add(acc, dw))
	f, err := b.Func()
	require.NoError(t, err)
	e, err := be.Compile(t.Context(), f)
	require.NoError(t, err)
	assert.Len(t, e.(*executable).steps, 3, "product with bias, activation with residual, gradient")
	assert.EqualValues(t, 8*5*4, e.Memory().Results, "all but pre are made in the memory of what they add")
}

// The derivative that the backward pass needs of an activation is made with it, and its argument is not kept.
func TestDerivativesComeWithTheirFunctions(t *testing.T) {
	be, err := New(Options{Threads: 1})
	require.NoError(t, err)
	defer be.Close()
	const rows, in, hidden = 40, 16, 64
	for _, function := range []string{"gelu", "gelu_tanh", "silu"} {
		for _, returned := range []bool{false, true} {
			b := ir.NewBuilder("f")
			x, w1, w2 := b.Param("x", ir.T(ir.F32, rows, in)), b.Param("w1", ir.T(ir.F32, in, hidden)), b.Param("w2", ir.T(ir.F32, hidden, in))
			pre := b.MatMul(x, w1)
			y := b.MatMul(b.Unary(function, pre), w2)
			dy := b.DotGeneral(y, w2, ir.DotDims{LHSContract: []int{1}, RHSContract: []int{1}})
			b.Return("dpre", b.Mul(dy, b.Unary(function+"_derivative", pre)))
			if returned {
				b.Return("pre", pre)
			}
			f, err := b.Func()
			require.NoError(t, err)
			e, err := be.Compile(t.Context(), f)
			require.NoError(t, err)
			steps, kept := 3, 2 // the activation and its derivative
			if returned {
				steps, kept = 4, 1 // the activation is a step by itself
			}
			assert.Len(t, e.(*executable).steps, steps, function)
			n := 0
			for _, s := range e.(*executable).stores {
				if s.kind == inArena && s.size == 4*rows*hidden {
					n++
				}
			}
			assert.Equal(t, kept, n, "values of the activation's size that are kept by %s", function)
		}
	}
}

// Sums of padded values, as those of the gradients of slices, some of them side by side.
func TestJoinsAreTheirSums(t *testing.T) {
	checkComposite(t, 60, func(d draw, b *ir.Builder) map[string]func(*rand.Rand, ir.Type) []byte {
		const total = 12
		dim, n := d.n("dimension", 0, 1), d.n("parts", 2, 4)
		shape := func(size int) []int {
			s := []int{5, 5, 3}
			s[dim] = size
			return s
		}
		var in []ir.Value
		var lows []int
		low := 0
		for i := range n {
			size := d.n("size", 0, (total-low)/(n-i))
			if i == n-1 {
				size = total - low
			}
			lows = append(lows, low)
			in = append(in, b.Param(string(rune('a'+i)), ir.T(ir.F32, shape(size)...)))
			if low += size; d.n("gap", 0, 9) == 0 && low > 0 {
				low--
			}
		}
		whole := b.Param("whole", ir.T(ir.F32, shape(total)...))
		value := []float64{0, 0, 0, 1}[d.n("padding", 0, 3)]
		var parts []ir.Value
		for i, v := range in {
			low, high, none := []int{0, 0, 0}, []int{0, 0, 0}, []int{0, 0, 0}
			low[dim], high[dim] = lows[i], total-lows[i]-b.Dim(v, dim)
			parts = append(parts, b.Op("pad", []ir.Value{v, b.Full(ir.T(ir.F32), value)},
				ir.IntsAttr("high", high...), ir.IntsAttr("interior", none...), ir.IntsAttr("low", low...))[0])
		}
		for len(parts) > 1 { // in any order
			i := d.n("left", 0, len(parts)-1)
			x := parts[i]
			parts = append(parts[:i:i], parts[i+1:]...)
			i = d.n("right", 0, len(parts)-1)
			parts[i] = b.Add(x, parts[i])
			if d.n("returned", 0, 9) == 0 {
				b.Return("part"+string(rune('a'+len(parts))), parts[i])
			}
		}
		b.Return("sum", parts[0])
		b.Return("more", b.Mul(parts[0], whole))
		return nil
	})
}

// A row or a column that is broadcast over others may have any length: a part of a segment, a whole one, or more.
func TestBroadcastsOfEveryLength(t *testing.T) {
	var programs []program
	for _, cols := range []int{1, 2, 3, segment/2 - 1, segment / 2, segment/2 + 1, segment - 1, segment, segment + 1, 4*segment + 3} {
		for _, rows := range []int{1, 2, 5} {
			b := ir.NewBuilder("broadcasts")
			whole := ir.T(ir.F32, rows, cols)
			x, z := b.Param("x", whole), b.Param("z", whole)
			row, other, col := b.Param("row", whole.With(cols)), b.Param("other", whole.With(cols)), b.Param("col", whole.With(rows))
			row, other, col = b.BroadcastTo(row, rows, cols), b.BroadcastTo(other, rows, cols), b.BroadcastFront(col, rows, cols)
			b.Return("y", b.Mul(b.Add(b.Sub(x, row), other), col))
			b.Return("column", b.Mul(b.Add(z, col), row))
			f, err := b.Func()
			require.NoError(t, err)
			p := newProgram(t, uint64(cols), 0.01, f, nil)
			p.name = whole.String()
			programs = append(programs, p)
		}
	}
	backends(t, func(t *testing.T, b *Backend) {
		for _, p := range programs {
			p.run(t, b)
		}
	})
}

// Sums over columns of squares about a mean, and of products with what is normalized, some of whose parts others read too.
func TestSumsAboutAMeanAreTheirOps(t *testing.T) {
	checkComposite(t, 40, func(d draw, b *ir.Builder) map[string]func(*rand.Rand, ir.Type) []byte {
		n, h, c := d.pick("n", 0, 1, 2, 3), d.pick("h", 1, 5, 30, 1400), d.pick("channels", 1, 2, 9, 40, 130)
		whole := ir.T(ir.F32, n, h, c)
		x, dy := b.Param("x", whole), b.Param("dy", whole)
		weight, bias := b.Param("weight", whole.With(c)), b.Param("bias", whole.With(c))
		if d.n("made", 0, 2) == 0 {
			x = b.Unary("relu", x)
		}
		switch d.n("kind", 0, 2) {
		case 0: // as a layer of a network and its gradient have them
			y, mean, variance := b.BatchNormTraining(x, weight, bias, 1e-5)
			y = b.Unary("relu", y)
			g := b.Select(b.Compare("gt", y, b.Zeros(whole)), dy, b.Zeros(whole))
			for i, v := range b.Op("batch_norm_grad", []ir.Value{g, x, weight, mean, variance}, ir.FloatAttr("epsilon", 1e-5)) {
				b.Return(string(rune('a'+i)), v)
			}
			b.Return("y", y)
			b.Return("variance", variance)
		default: // and what is almost that
			wide := func(v ir.Value) ir.Value { return b.BroadcastTo(v, whole.Shape...) }
			centred := b.Sub(x, wide(weight))
			normal := b.Mul(centred, wide(bias))
			values := []ir.Value{x, dy, centred, normal, b.Sub(wide(weight), x), b.Mul(wide(bias), centred), b.Unary("negate", centred), b.Full(whole, -1)}
			any := func() ir.Value { return values[d.n("operand", 0, len(values)-1)] }
			dims := [][]int{{0, 1}, {0, 1}, {0}, {1, 2}, {2}, {0, 2}, {}}[d.n("dimensions", 0, 6)]
			for i := range d.n("sums", 1, 3) {
				l, r := any(), any()
				if d.n("squares", 0, 2) == 0 {
					l = r
				}
				b.Return("sum"+string(rune('a'+i)), b.ReduceDot(l, r, dims...))
			}
			b.Return("more", b.Add(b.Mul(normal, dy), wide(b.ReduceDot(any(), centred, 0, 1))))
			if d.n("returned", 0, 3) == 0 {
				b.Return("value", any())
			}
		}
		return nil
	})
}

// Transposes whose dense dimensions are no multiples of what is turned in the cache at a time.
func TestTransposesOfManyRuns(t *testing.T) {
	be, err := New(Options{Threads: 2})
	require.NoError(t, err)
	defer be.Close()
	for _, shape := range [][]int{{3, 3, 70, 130}, {5, 65, 17}, {2, 200, 3, 16}} {
		for _, backward := range []bool{true, false} {
			order := map[bool][]int{true: {2, 1, 0}, false: {1, 2, 0}}[backward]
			if len(shape) == 4 {
				order = map[bool][]int{true: {3, 2, 0, 1}, false: {2, 3, 1, 0}}[backward]
			}
			from := ir.T(ir.F32, shape...)
			to := ir.T(ir.F32, pick(shape, order)...)
			src, got := make([]float32, from.Elements()), make([]float32, to.Elements())
			for i := range src {
				src[i] = float32(i)
			}
			s := strided{shape: to.Shape, dst: to.Strides(), src: pick(from.Strides(), order)}
			require.NoError(t, s.mover()(&run{b: be}, got, src))
			index := make([]int, len(shape))
			for i, v := range got {
				unflatten(index, to.Shape, i)
				at := 0
				for d, k := range index {
					at += k * s.src[d]
				}
				require.Equal(t, src[at], v, "%v by %v, element %d", shape, order, i)
			}
		}
	}
}
