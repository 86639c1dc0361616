package plugins

import (
	"context"
	"encoding/binary"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/core/device"
)

// function makes a function of the name that returns x+y as "sum" and x-y as
// "difference".
func function(t testing.TB, name string, n int) *ir.Func {
	t.Helper()
	b := ir.NewBuilder(name)
	x, y := b.Param("x", ir.T(ir.F32, n)), b.Param("y", ir.T(ir.F32, n))
	b.Return("sum", b.Add(x, y))
	b.Return("difference", b.Sub(x, y))
	f, err := b.Func()
	require.NoError(t, err)
	return f
}

func floats(n int, f func(i int) float32) []byte {
	out := make([]byte, 4*n)
	for i := range n {
		binary.LittleEndian.PutUint32(out[4*i:], math.Float32bits(f(i)))
	}
	return out
}

// compute runs two functions on a device in all the ways that there are, and
// returns every result.
func compute(t *testing.T, d device.Device, memory *Memory, n int) (out [][]byte) {
	ctx := context.Background()
	typ := ir.T(ir.F32, n)
	x := floats(n, func(i int) float32 { return float32(i) / 7 })
	y := floats(n, func(i int) float32 { return 1e6 / float32(i+1) })
	f := function(t, "f", n)
	onDevice, err := d.Compile(ctx, f, nil)
	require.NoError(t, err)
	var host []string
	if 4*n <= device.MaxHostBytes {
		host = []string{"difference", "sum"}
	}
	toHost, err := d.Compile(ctx, f, host)
	require.NoError(t, err)
	bx, err := d.Upload(ctx, typ, x)
	require.NoError(t, err)
	fields, release := memory.NewFields([]ir.Param{{Name: "other", Type: ir.T(ir.U8, 3)}, {Name: "y", Type: typ}})
	defer release()
	copy(fields[1], y)
	first, err := onDevice.Queue(ctx, []plugin.Argument{{Buffer: bx}, {Data: fields[1]}})
	require.NoError(t, err)
	second, err := toHost.Queue(ctx, []plugin.Argument{{Buffer: first.Results()[0], Donate: true}, {Data: y}})
	require.NoError(t, err)
	third, err := onDevice.Queue(ctx, []plugin.Argument{{Buffer: bx, Donate: true}, {Buffer: first.Results()[1]}})
	require.NoError(t, err)
	for _, r := range []device.Run{first, second, third} {
		host, err := r.Wait(ctx)
		require.NoError(t, err)
		out = append(out, host...)
		for _, b := range r.Results() {
			if b == nil || b == first.Results()[0] {
				continue
			}
			data := make([]byte, 4*n)
			require.NoError(t, b.Download(ctx, data))
			out = append(out, data)
			b.Release()
		}
	}
	onDevice.Release()
	toHost.Release()
	return out
}

// Devices of one process are apart: neither uses nor releases what is the
// other's.
func TestDevicesOfOneProcess(t *testing.T) {
	ctx, typ := context.Background(), ir.T(ir.F32, 8)
	p := start(t, "backend", Options{})
	first, second := p.Device(), p.Device()
	zeros, ones := floats(8, func(int) float32 { return 0 }), floats(8, func(int) float32 { return 1 })
	x, err := first.Upload(ctx, typ, zeros)
	require.NoError(t, err)
	y, err := second.Upload(ctx, typ, ones)
	require.NoError(t, err)
	want := compute(t, device.Local(&testBackend{}), nil, 8)
	for _, d := range []device.Device{first, second, first} {
		assert.Equal(t, want, compute(t, d, nil, 8))
	}
	got := make([]byte, typ.Bytes())
	require.NoError(t, x.Download(ctx, got))
	assert.Equal(t, zeros, got)
	require.NoError(t, first.Close())
	require.NoError(t, y.Download(ctx, got))
	assert.Equal(t, ones, got)
	assert.Equal(t, want, compute(t, second, nil, 8))
	require.NoError(t, second.Close())
	s, err := p.Device().Stats(ctx)
	require.NoError(t, err)
	assert.Zero(t, s.Buffers+s.Executables)
}

func TestDeviceGivesTheSameBitsOnEveryPlane(t *testing.T) {
	sizes := []int{0, 1, 1000, 1 << 14, 3<<20 + 5}
	for plane, memory := range planes(t) {
		t.Run(plane, func(t *testing.T) {
			p := start(t, "backend", Options{Memory: memory})
			d := p.Device()
			for _, n := range sizes {
				want := compute(t, device.Local(&testBackend{}), nil, n)
				assert.Equal(t, want, compute(t, d, memory, n), "%d elements", n)
			}
			s, err := d.Stats(context.Background())
			require.NoError(t, err)
			assert.Equal(t, plugin.Stats{Device: "test", Workers: 3, PeakFLOPS: 1.5e9, PeakBytes: 77, Runs: 3 * int64(len(sizes)), RunNanos: s.RunNanos,
				Buffers: s.Buffers, BufferBytes: s.BufferBytes, Executables: s.Executables}, s)
			require.NoError(t, d.Close())
			s, err = d.Stats(context.Background())
			require.NoError(t, err)
			assert.Zero(t, s.Buffers+s.Executables, "what is left: %+v", s)
			if memory != nil {
				assert.Len(t, memory.free, memory.used, "slots that were not given back")
			}
		})
	}
}
