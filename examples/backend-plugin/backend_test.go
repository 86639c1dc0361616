package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/conformance"
	"github.com/seedbed/seedbed/conformance/backend"
)

// The suite, in two lines. The workflow runs the core profile.
func TestConformance(t *testing.T) {
	target := backend.InProcess(func(int) (plugin.Backend, error) { return Backend{}, nil })
	conformance.RunBackend(t, target, conformance.Options{Profile: "smoke"})
}

// Every primitive is claimed, and no composite.
func TestInfo(t *testing.T) {
	claimed := Backend{}.Info().Ops
	for _, d := range ir.OpDefs() {
		v, ok := claimed[d.Name]
		assert.Equal(t, !d.IsComposite(), ok, d.Name)
		if ok {
			assert.Equal(t, d.Version, v, d.Name)
		}
	}
}

func TestCompileRefuses(t *testing.T) {
	for want, build := range map[string]func(b *ir.Builder){
		"op 0 (softmax): the backend closures does not know the op": func(b *ir.Builder) {
			b.Return("y", b.Softmax(b.Param("x", ir.T(ir.F32, 2))))
		},
		`parameter "x": the backend closures does not know dtype f64`: func(b *ir.Builder) {
			b.Return("y", b.Negate(b.Param("x", ir.T(ir.F64, 2))))
		},
		"op 0 (convert): the backend closures does not know dtype f64": func(b *ir.Builder) {
			b.Return("y", b.Convert(b.Param("x", ir.T(ir.F32, 2)), ir.F64))
		},
	} {
		b := ir.NewBuilder("f")
		build(b)
		f, err := b.Func()
		require.NoError(t, err)
		_, err = Backend{}.Compile(t.Context(), f)
		assert.ErrorContains(t, err, want)
	}
}

// Donated arguments are gone after a run, others are as they were.
func TestExecute(t *testing.T) {
	b := ir.NewBuilder("f")
	x := b.Param("x", ir.T(ir.U8, 2))
	b.Return("y", b.Add(x, b.Param("z", ir.T(ir.U8, 2))))
	f, err := b.Func()
	require.NoError(t, err)
	e, err := Backend{}.Compile(t.Context(), f)
	require.NoError(t, err)
	up := func() plugin.Buffer {
		u, err := Backend{}.Upload(t.Context(), ir.T(ir.U8, 2), []byte{1, 255})
		require.NoError(t, err)
		return u
	}
	kept, donated := up(), up()
	out, err := e.Execute(t.Context(), []plugin.Argument{{Buffer: kept}, {Buffer: donated, Donate: true}})
	require.NoError(t, err)
	got := make([]byte, 2)
	require.NoError(t, out[0].Download(t.Context(), got))
	assert.Equal(t, []byte{2, 254}, got)
	require.NoError(t, kept.Download(t.Context(), got))
	assert.Equal(t, []byte{1, 255}, got)
	assert.ErrorContains(t, donated.Download(t.Context(), got), "was released")
	_, err = e.Execute(t.Context(), []plugin.Argument{{Buffer: kept}, {Buffer: donated}})
	assert.ErrorContains(t, err, `argument "z" must be a buffer`)
	_, err = e.Execute(t.Context(), []plugin.Argument{{Buffer: kept}, {Data: []byte{1}}})
	assert.ErrorContains(t, err, `argument "z": u8[2] has 2 bytes, is given 1`)
	_, err = e.Execute(t.Context(), nil)
	assert.True(t, err != nil && strings.Contains(err.Error(), "takes 2 arguments"))
}
