package grad

import (
	"strings"
	"testing"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// build makes a function f of what define writes.
func build(t require.TestingT, define func(b *ir.Builder)) *ir.Func {
	b := ir.NewBuilder("f")
	define(b)
	f, err := b.Func()
	require.NoError(t, err)
	return f
}

// lines is the text of a function without the program around it.
func lines(f *ir.Func) string { return (&ir.Program{Funcs: []*ir.Func{f}}).String() }

func text(s string) string {
	return "seedbed.program 1\n" + strings.ReplaceAll(strings.TrimPrefix(s, "\n"), "\t", "")
}

func f32(shape ...int) ir.Type { return ir.T(ir.F32, shape...) }

// Cotangents of a value with several uses are added last use first; a parameter
// that nothing depends on has a gradient of zeros; an op that nothing needs is
// gone, and a parameter that nothing needs stays.
func TestReverse(t *testing.T) {
	f := build(t, func(b *ir.Builder) {
		x, w := b.Param("x", f32(3)), b.Param("w", f32(3))
		b.Param("u", f32(2))
		y := b.Mul(w, x)
		y = b.Add(b.Mul(y, w), y)
		b.Exp(y)
		b.Return("loss", b.ReduceSum(y, 0))
		b.Return("twice", y)
	})
	g, err := Reverse(f, "loss", []string{"w", "u"})
	require.NoError(t, err)
	assert.Equal(t, text(`
		func f(%0 "x": f32[3], %1 "w": f32[3], %2 "u": f32[2]) {
		  %3 = multiply.1(%1, %0) : f32[3]
		  %4 = multiply.1(%3, %1) : f32[3]
		  %5 = add.1(%4, %3) : f32[3]
		  %6 = reduce.1(%5) {dimensions=[0] kind="sum"} : f32[]
		  %7 = constant.1() {dtype=dtype:f32 shape=[] value=x:0000803f} : f32[]
		  %8 = broadcast_in_dim.1(%7) {dimensions=[] shape=[3]} : f32[3]
		  %9 = multiply.1(%8, %1) : f32[3]
		  %10 = multiply.1(%8, %3) : f32[3]
		  %11 = add.1(%8, %9) : f32[3]
		  %12 = multiply.1(%11, %0) : f32[3]
		  %13 = add.1(%10, %12) : f32[3]
		  %14 = constant.1() {dtype=dtype:f32 shape=[2] value=x:00000000} : f32[2]
		  return "loss" %6
		  return "twice" %5
		  return "grad.w" %13
		  return "grad.u" %14
		}
	`), lines(g))
}

// A gradient that computes the forward result anyway takes its place, also for
// what else is computed of it, so that the forward op does not run.
func TestForwardAgain(t *testing.T) {
	f := build(t, func(b *ir.Builder) {
		h, e, labels := b.Param("h", f32(2, 3)), b.Param("e", f32(5, 3)), b.Param("labels", ir.T(ir.I32, 2))
		rows := b.LinearCrossEntropy(h, e, labels, -1, 0)
		b.Return("loss", b.ReduceSum(rows, 0))
		b.Return("worst", b.Reduce("max", rows, 0))
		b.Return("rows", rows)
	})
	g, err := Reverse(f, "loss", []string{"e"})
	require.NoError(t, err)
	assert.Equal(t, text(`
		func f(%0 "h": f32[2,3], %1 "e": f32[5,3], %2 "labels": i32[2]) {
		  %3 = constant.1() {dtype=dtype:f32 shape=[] value=x:0000803f} : f32[]
		  %4 = broadcast_in_dim.1(%3) {dimensions=[] shape=[2]} : f32[2]
		  %5, %6, %7 = linear_cross_entropy_grad.1(%4, %0, %1, %2) {ignore_index=-1 z_loss=f:0000000000000000} : f32[2], f32[2,3], f32[5,3]
		  %8 = reduce.1(%5) {dimensions=[0] kind="sum"} : f32[]
		  %9 = reduce.1(%5) {dimensions=[0] kind="max"} : f32[]
		  return "loss" %8
		  return "worst" %9
		  return "rows" %5
		  return "grad.e" %7
		}
	`), lines(g))
}

// Where the gradient itself needs the forward result, the forward op stays, and
// runs once.
func TestForwardStays(t *testing.T) {
	f := build(t, func(b *ir.Builder) {
		h, e, labels := b.Param("h", f32(2, 3)), b.Param("e", f32(5, 3)), b.Param("labels", ir.T(ir.I32, 2))
		rows := b.LinearCrossEntropy(h, e, labels, -1, 0)
		b.Return("loss", b.ReduceSum(b.Mul(rows, rows), 0))
	})
	g, err := Reverse(f, "loss", []string{"e"})
	require.NoError(t, err)
	count := map[string]int{}
	for _, op := range g.Ops {
		count[op.Name]++
	}
	assert.Equal(t, 1, count["linear_cross_entropy"], lines(g))
	assert.Equal(t, 1, count["linear_cross_entropy_grad"], lines(g))
}

func TestReverseErrors(t *testing.T) {
	for want, c := range map[string]struct {
		define func(b *ir.Builder)
		wrt    string
	}{
		`differentiating f: it has no result "loss"`: {func(b *ir.Builder) { b.Return("y", b.Param("w", f32())) }, "w"},
		`differentiating f: result "loss" is f32[2], a gradient needs a float scalar`: {func(b *ir.Builder) {
			b.Return("loss", b.Param("w", f32(2)))
		}, "w"},
		`differentiating f: result "loss" is i32[], a gradient needs a float scalar`: {func(b *ir.Builder) {
			b.Return("loss", b.Param("w", ir.T(ir.I32)))
		}, "w"},
		`differentiating f: it has no parameter "v"`: {func(b *ir.Builder) { b.Return("loss", b.Param("w", f32())) }, "v"},
		`differentiating f: parameter "n" is i32[], a gradient needs floats`: {func(b *ir.Builder) {
			b.Param("n", ir.T(ir.I32))
			b.Return("loss", b.Param("w", f32()))
		}, "n"},
		`differentiating f: op 1 (floor): the op has no gradient; keep the parameters that are trained out of its operands`: {func(b *ir.Builder) {
			w := b.Param("w", f32())
			b.Return("loss", b.Unary("floor", b.Exp(w)))
		}, "w"},
		"op 0 (reduce): func f: reduce has no gradient for kind prod": {func(b *ir.Builder) {
			b.Return("loss", b.Reduce("prod", b.Param("w", f32(2)), 0))
		}, "w"},
	} {
		_, err := Reverse(build(t, c.define), "loss", []string{c.wrt})
		assert.ErrorContains(t, err, want)
	}
}

// An op without a gradient is no hindrance where no trained parameter reaches
// it or nothing that is learned comes of it.
func TestReversePassesByWhatIsNotLearned(t *testing.T) {
	f := build(t, func(b *ir.Builder) {
		x, w := b.Param("x", f32()), b.Param("w", f32())
		b.Return("loss", b.Mul(w, b.Unary("floor", x)))
		b.Return("metric", b.Unary("floor", w))
	})
	g, err := Reverse(f, "loss", []string{"w"})
	require.NoError(t, err)
	assert.Equal(t, []string{"floor", "multiply", "floor", "constant", "multiply"}, names(g))
}

func names(f *ir.Func) (l []string) {
	for _, op := range f.Ops {
		l = append(l, op.Name)
	}
	return l
}

// Of any chain of ops Prune keeps those that a result needs, in order, and all
// parameters; what it returns verifies, and has nothing more to prune.
func TestPrune(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 12).Draw(t, "ops")
		needs := make([]map[int]bool, 2, 2+2*n) // by value: the ops that it needs
		var ops []string
		kept := map[int]bool{}
		f := build(t, func(b *ir.Builder) {
			values := []ir.Value{b.Param("a", f32(4)), b.Param("b", f32(4))}
			for i := range n {
				x := rapid.IntRange(0, len(values)-1).Draw(t, "x")
				y := rapid.IntRange(0, len(values)-1).Draw(t, "y")
				all := map[int]bool{i: true}
				for _, v := range []int{x, y} {
					for k := range needs[v] {
						all[k] = true
					}
				}
				if rapid.Bool().Draw(t, "norm") { // an op of several results
					out := b.Op("rms_norm", []ir.Value{values[x], values[y]}, ir.FloatAttr("epsilon", 1))
					values, needs, ops = append(values, out[0]), append(needs, all), append(ops, "rms_norm")
					continue
				}
				values, needs, ops = append(values, b.Add(values[x], values[y])), append(needs, all), append(ops, "add")
			}
			for i := range rapid.IntRange(1, 3).Draw(t, "results") {
				v := rapid.IntRange(0, len(values)-1).Draw(t, "result")
				b.Return(string(rune('p'+i)), values[v])
				for k := range needs[v] {
					kept[k] = true
				}
			}
		})
		g, err := Prune(f)
		require.NoError(t, err)
		require.NoError(t, g.Verify())
		require.Equal(t, f.Params, g.Params)
		var want []string
		for i, name := range ops {
			if kept[i] {
				want = append(want, name)
			}
		}
		require.Equal(t, want, names(g))
		again, err := Prune(g)
		require.NoError(t, err)
		require.Equal(t, lines(g), lines(again))
	})
}
