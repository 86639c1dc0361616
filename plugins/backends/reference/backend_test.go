package reference

import (
	"context"
	"testing"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var ctx = context.Background()

func TestBytesRoundTrip(t *testing.T) {
	for _, d := range known {
		typ := ir.T(d, 3, 2)
		data := make([]byte, typ.Bytes())
		for i := range data {
			data[i] = byte(251 * (i + 1))
			switch {
			case d == ir.Bool:
				data[i] = byte(i % 2)
			case d.IsFloat() && i%d.Size() == d.Size()-1:
				data[i] = 0x3F // no NaN, which is written as one pattern
			}
		}
		b, err := Backend{}.Upload(ctx, typ, data)
		require.NoError(t, err)
		got := make([]byte, len(data))
		require.NoError(t, b.Download(ctx, got))
		assert.Equal(t, data, got, d)
		assert.Error(t, b.Download(ctx, got[1:]))
		b.Release()
		assert.ErrorContains(t, b.Download(ctx, got), "the buffer was released")
	}
	_, err := Backend{}.Upload(ctx, ir.T(ir.F32, 2), make([]byte, 7))
	assert.EqualError(t, err, "f32[2] has 8 bytes, is given 7")
}

func TestExecute(t *testing.T) {
	b := ir.NewBuilder("f")
	x, y := b.Param("x", ir.T(ir.I32, 2)), b.Param("y", ir.T(ir.I32, 2))
	b.Return("sum", b.Add(x, y))
	b.Return("x", x)
	f, err := b.Func()
	require.NoError(t, err)
	e, err := Backend{}.Compile(ctx, f)
	require.NoError(t, err)
	defer e.Release()
	up, err := Backend{}.Upload(ctx, ir.T(ir.I32, 2), []byte{1, 0, 0, 0, 2, 0, 0, 0})
	require.NoError(t, err)
	out, err := e.Execute(ctx, []plugin.Argument{{Buffer: up, Donate: true}, {Data: []byte{255, 255, 255, 255, 5, 0, 0, 0}}})
	require.NoError(t, err)
	got := make([]byte, 8)
	require.NoError(t, out[0].Download(ctx, got))
	assert.Equal(t, []byte{0, 0, 0, 0, 7, 0, 0, 0}, got)
	require.NoError(t, out[1].Download(ctx, got))
	assert.Equal(t, []byte{1, 0, 0, 0, 2, 0, 0, 0}, got)
	assert.Error(t, up.Download(ctx, got), "donated")

	_, err = e.Execute(ctx, []plugin.Argument{{Data: got}})
	assert.EqualError(t, err, "func f takes 2 arguments, is given 1")
	_, err = e.Execute(ctx, []plugin.Argument{{Data: got}, {Data: got[:4]}})
	assert.EqualError(t, err, `func f: argument "y": i32[2] has 8 bytes, is given 4`)
	stopped, cancel := context.WithCancel(ctx)
	cancel()
	_, err = e.Execute(stopped, []plugin.Argument{{Data: got}, {Data: got}})
	assert.ErrorIs(t, err, context.Canceled)
}

// The table's primitives are all there.
func TestCompile(t *testing.T) {
	ops := Backend{}.Info().Ops
	for _, d := range ir.OpDefs() {
		_, ok := ops[d.Name]
		assert.Equal(t, !d.IsComposite(), ok, d.Name)
	}
	_, err := Backend{}.Compile(ctx, &ir.Func{Name: "f"})
	assert.EqualError(t, err, "func f: the function returns nothing")
}
