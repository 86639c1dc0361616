package cpu

import (
	"testing"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/plugins/backends/cpu/internal/isa"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// block is a transformer's: norm, attention, a residual, a feed-forward layer with dropout, and a loss with its gradients.
func block(t *testing.T) *ir.Func {
	const batch, seq, heads, size, vocab = 2, 9, 2, 4, 13
	const width = heads * size
	b := ir.NewBuilder("block")
	f := func(name string, shape ...int) ir.Value { return b.Param(name, ir.T(ir.F32, shape...)) }
	x, w, bias := f("x", batch, seq, width), f("w", width), f("bias", width)
	qw, up, down, head := f("q", width, width), f("up", 3*width, width), f("down", width, 3*width), f("head", vocab, width)
	labels := b.Param("labels", ir.T(ir.I32, batch*seq))
	state := b.Param("state", ir.T(ir.U32, 4))
	ct := f("ct", batch*seq)
	norm := b.Op("layer_norm", []ir.Value{x, w, bias}, ir.FloatAttr("epsilon", 1e-5))
	q := b.Reshape(b.Linear(norm[0], qw), batch, seq, heads, size)
	a := b.Reshape(b.Attention(q, q, q, true), batch, seq, width)
	x = b.Add(x, a)
	h := b.Unary("gelu", b.Linear(b.RMSNorm(x, w, 1e-6), up))
	x = b.Add(x, b.Dropout(b.Linear(h, down), state, 0.25))
	flat := b.Reshape(x, batch*seq, width)
	out := b.Op("linear_cross_entropy_grad", []ir.Value{ct, flat, head, labels}, ir.IntAttr("ignore_index", -1), ir.FloatAttr("z_loss", 1e-4))
	dx := b.Reshape(out[1], batch, seq, width)
	grads := b.Op("layer_norm_grad", []ir.Value{dx, x, w, norm[1], norm[2]})
	b.Return("loss", out[0])
	b.Return("hidden_grad", flatAgain(b, dx))
	b.Return("head_grad", out[2])
	b.Return("x_grad", grads[0])
	b.Return("w_grad", grads[1])
	b.Return("bias_grad", grads[2])
	b.Return("softmax", b.Softmax(dx))
	// A value returned twice, a reshape of it, a parameter, and a constant.
	b.Return("again", out[0])
	b.Return("reshaped", b.Reshape(out[0], batch, seq))
	b.Return("parameter", w)
	b.Return("constant", b.Full(ir.T(ir.F32, 3), 2))
	fn, err := b.Func()
	require.NoError(t, err)
	return fn
}

func flatAgain(b *ir.Builder, x ir.Value) ir.Value {
	t := b.Type(x)
	return b.Reshape(x, t.Elements())
}

func optimizer(t *testing.T) *ir.Func {
	b := ir.NewBuilder("optimizer")
	var in []ir.Value
	for _, n := range []string{"p", "g", "m", "v"} {
		in = append(in, b.Param(n, ir.T(ir.F32, 300, 70)))
	}
	for _, n := range []string{"weight", "clip", "decay", "step", "correction"} {
		in = append(in, b.Param(n, ir.T(ir.F32)))
	}
	p, m, v := b.AdamW(in[0], in[1], in[2], in[3], in[4], in[5], in[6], in[7], in[8], ir.AdamWHyper{Beta1: 0.9, Beta2: 0.95, Epsilon: 1e-8})
	b.Return("p", p)
	b.Return("m", m)
	b.Return("v", v)
	f, err := b.Func()
	require.NoError(t, err)
	return f
}

func TestProgramsAreTheReferences(t *testing.T) {
	ps := []program{newProgram(t, 1, 0, block(t), nil), newProgram(t, 2, 0.01, block(t), nil), newProgram(t, 3, 0.05, optimizer(t), nil)}
	for i, shape := range [][]int{{33}, {70, 301}, {3, 0}, {0, 3}, {2, 5000}} {
		x := ir.T(ir.F32, shape...)
		ps = append(ps, newProgram(t, uint64(i), 0, single(t, "softmax", []ir.Type{x}), nil), newProgram(t, uint64(i), 0.02, single(t, "softmax", []ir.Type{x}), nil))
		b := ir.NewBuilder("norm")
		row := x.With(shape[len(shape)-1])
		out := b.Op("layer_norm", []ir.Value{b.Param("x", x), b.Param("w", row), b.Param("b", row)}, ir.FloatAttr("epsilon", 1e-5))
		b.Return("y", out[0])
		b.Return("mean", out[1])
		b.Return("rstd", out[2])
		f, err := b.Func()
		require.NoError(t, err)
		ps = append(ps, newProgram(t, uint64(i), 0.001, f, nil))
	}
	backends(t, func(t *testing.T, b *Backend) {
		for _, p := range ps {
			p.run(t, b)
		}
	})
}

func TestStoresThatLiveTogetherDoNotOverlap(t *testing.T) {
	b, err := New(Options{Threads: 2})
	require.NoError(t, err)
	defer b.Close()
	x, err := b.Compile(t.Context(), block(t))
	require.NoError(t, err)
	e, total := x.(*executable), 0
	for i := range e.stores {
		s := &e.stores[i]
		if s.kind != inArena {
			continue
		}
		total += s.size
		require.LessOrEqual(t, s.offset+s.size, e.arena)
		for j := range e.stores[:i] {
			o := &e.stores[j]
			if o.kind == inArena && o.last >= s.def && s.last >= o.def {
				require.True(t, o.offset+o.size <= s.offset || s.offset+s.size <= o.offset, "stores %d and %d overlap", i, j)
			}
		}
	}
	assert.Less(t, e.arena, total*3/4, "dead stores are reused")
}

func TestDonatedMemoryBecomesResults(t *testing.T) {
	b, err := New(Options{Threads: 1})
	require.NoError(t, err)
	defer b.Close()
	bld := ir.NewBuilder("f")
	x := bld.Param("x", ir.T(ir.F32, 4))
	y := bld.Param("y", ir.T(ir.F32, 4))
	bld.Return("sum", bld.Add(x, y))
	f, err := bld.Func()
	require.NoError(t, err)
	e, err := b.Compile(t.Context(), f)
	require.NoError(t, err)
	assert.Equal(t, plugin.Memory{}, e.Memory())
	data := make([]byte, 16)
	up := func() plugin.Buffer {
		v, err := b.Upload(t.Context(), ir.T(ir.F32, 4), data)
		require.NoError(t, err)
		return v
	}
	v, w := up(), up()
	memory := &v.(*buffer).data[0]
	out, err := e.Execute(t.Context(), []plugin.Argument{{Buffer: v, Donate: true}, {Buffer: w}})
	require.NoError(t, err)
	assert.Same(t, memory, &out[0].(*buffer).data[0])
	// The other argument still needs the memory of a buffer given twice.
	memory = &w.(*buffer).data[0]
	out, err = e.Execute(t.Context(), []plugin.Argument{{Buffer: w, Donate: true}, {Buffer: w}})
	require.NoError(t, err)
	assert.NotSame(t, memory, &out[0].(*buffer).data[0])
	_, err = e.Execute(t.Context(), []plugin.Argument{{Buffer: v}, {Data: data}})
	assert.ErrorContains(t, err, `argument "x" was released`)
	_, err = e.Execute(t.Context(), []plugin.Argument{{Data: data[:12]}, {Data: data}})
	assert.ErrorContains(t, err, `argument "x": 12 bytes are given for f32[4], which has 16`)
	_, err = e.Execute(t.Context(), nil)
	assert.ErrorContains(t, err, "takes 2 arguments, is given 0")
}

func TestErrors(t *testing.T) {
	t.Setenv(isa.EnvVar, "")
	_, err := New(Options{Path: "sse"})
	assert.ErrorContains(t, err, "portable, avx2, avx512 or neon")
	_, err = New(Options{Threads: -1})
	assert.ErrorContains(t, err, "threads")
	t.Setenv(isa.EnvVar, "portable")
	b, err := New(Options{Path: "avx2"})
	require.NoError(t, err)
	assert.Equal(t, isa.Portable, b.path, "the environment wins")
	_, err = b.Upload(t.Context(), ir.T(ir.Bool, 2), []byte{1, 2})
	assert.ErrorContains(t, err, "a bool is 0 or 1")
	_, err = b.Upload(t.Context(), ir.T(ir.F64, 1), make([]byte, 8))
	assert.ErrorContains(t, err, "does not know dtype f64")
	_, err = b.Compile(t.Context(), single(t, "negate", []ir.Type{ir.T(ir.F64, 2)}))
	assert.ErrorContains(t, err, "f64")
	_, err = b.Compile(t.Context(), single(t, "convert", []ir.Type{ir.T(ir.F32, 2)}, ir.DTypeAttr("dtype", ir.F64)))
	assert.ErrorContains(t, err, "op 0 (convert)")
	require.NoError(t, b.Close())
	_, err = b.Upload(t.Context(), ir.T(ir.Bool), []byte{1})
	assert.ErrorIs(t, err, errClosed)
	t.Setenv(isa.EnvVar, "sse")
	_, err = New(Options{})
	assert.ErrorContains(t, err, "SEEDBED_CPU")
}

func TestOptimizerStepNeedsNoMemory(t *testing.T) {
	b, err := New(Options{Threads: 1})
	require.NoError(t, err)
	defer b.Close()
	e, err := b.Compile(t.Context(), optimizer(t))
	require.NoError(t, err)
	assert.Equal(t, plugin.Memory{}, e.Memory())
}
