package cpu

import (
	"testing"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestStats(t *testing.T) {
	b, err := New(Options{Threads: 2, Path: "portable"})
	require.NoError(t, err)
	defer b.Close()
	f := single(t, "negate", []ir.Type{ir.T(ir.F32, 50000)})
	e, err := b.Compile(t.Context(), f)
	require.NoError(t, err)
	x, err := b.Upload(t.Context(), ir.T(ir.F32, 50000), make([]byte, 200000))
	require.NoError(t, err)
	out, err := e.Execute(t.Context(), []plugin.Argument{{Buffer: x}})
	require.NoError(t, err)
	s, err := b.Stats(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "cpu "+b.path.String(), s.Device)
	assert.Equal(t, 2, s.Workers)
	assert.Positive(t, s.PeakFLOPS)
	assert.Equal(t, 2, s.Buffers)
	assert.GreaterOrEqual(t, s.BufferBytes, int64(400000))
	assert.Less(t, s.BufferBytes, int64(420000))
	assert.Equal(t, s.BufferBytes, s.PeakBytes)
	assert.Equal(t, 1, s.Executables)
	assert.EqualValues(t, 1, s.Runs)
	assert.Positive(t, s.RunNanos)
	// A donated argument's memory becomes the result's: nothing is held twice, and nothing is freed twice.
	out, err = e.Execute(t.Context(), []plugin.Argument{{Buffer: out[0], Donate: true}})
	require.NoError(t, err)
	x.Release()
	x.Release()
	e.Release()
	e.Release()
	s, err = b.Stats(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 1, s.Buffers)
	assert.Zero(t, s.Executables)
	assert.Equal(t, 2*s.BufferBytes, s.PeakBytes)
	out[0].Release()
	s, err = b.Stats(t.Context())
	require.NoError(t, err)
	assert.Zero(t, s.Buffers)
	assert.Zero(t, s.BufferBytes)
}
