package cpu

import (
	"testing"
	"time"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A record has what runs of a function did while it was on, and counts what went through memory: a product and the chain on its
// tiles are one op, and what is between them counts nothing.
func TestProfile(t *testing.T) {
	b, err := New(Options{Threads: 2})
	require.NoError(t, err)
	defer b.Close()
	f := ir.NewBuilder("f")
	x, w, bias := f.Param("x", ir.T(ir.F32, 8, 16)), f.Param("w", ir.T(ir.F32, 4, 16)), f.Param("bias", ir.T(ir.F32, 4))
	y := f.Unary("tanh", f.Add(f.Linear(x, w), f.BroadcastInDim(bias, []int{8, 4}, []int{1})))
	f.Return("y", f.Softmax(y))
	fn, err := f.Func()
	require.NoError(t, err)
	e, err := b.Compile(t.Context(), fn)
	require.NoError(t, err)
	args := make([]plugin.Argument, 3)
	for i, p := range fn.Params {
		args[i].Data = make([]byte, p.Type.Bytes())
	}
	run := func() {
		out, err := e.Execute(t.Context(), args)
		require.NoError(t, err)
		out[0].Release()
	}
	run()
	p, err := b.Profile(t.Context(), true)
	require.NoError(t, err)
	assert.Zero(t, p, "nothing was recorded before")
	before := time.Now()
	run()
	run()
	p, err = b.Profile(t.Context(), false)
	require.NoError(t, err)
	require.Len(t, p.Runs, 2)
	assert.Positive(t, p.PeakBytes)
	assert.False(t, p.Runs[0].Begin.Before(before))
	assert.False(t, p.Runs[1].Begin.Before(p.Runs[0].Begin.Add(p.Runs[0].Took)))
	for _, r := range p.Runs {
		assert.Equal(t, "f", r.Function)
		end := time.Duration(0)
		for i := range r.Ops {
			op := &r.Ops[i]
			assert.GreaterOrEqual(t, op.Begin, end)
			end = op.Begin + op.Took
			op.Begin, op.Took = 0, 0
		}
		assert.LessOrEqual(t, end, r.Took)
		assert.Equal(t, []plugin.ProfiledOp{
			{Name: "dot_general+add+tanh", Types: "f32[8,16] f32[4,16] f32[4] -> f32[8,4]", FLOPs: 2 * 8 * 16 * 4, Bytes: 4 * (8*16 + 4*16 + 4 + 8*4)},
			{Name: "softmax", Types: "f32[8,4] -> f32[8,4]", Bytes: 4 * 2 * 8 * 4},
		}, r.Ops)
	}
	run()
	p, err = b.Profile(t.Context(), true)
	require.NoError(t, err)
	assert.Empty(t, p.Runs, "it was off")
}

// A record that grew too long is refused, and the next is good.
func TestProfileIsBounded(t *testing.T) {
	b, err := New(Options{Threads: 1})
	require.NoError(t, err)
	defer b.Close()
	b.recorder = recorder{on: true, ops: plugin.MaxProfiledOps + 1}
	_, err = b.Profile(t.Context(), true)
	assert.ErrorContains(t, err, "record fewer steps")
	_, err = b.Profile(t.Context(), false)
	assert.NoError(t, err)
}
