package plugins

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
)

func start(t testing.TB, name string, o Options) *Plugin {
	t.Helper()
	p, err := Start(context.Background(), child(name), o)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, p.Close()) })
	return p
}

func TestModel(t *testing.T) {
	p := start(t, "model", Options{})
	assert.Equal(t, KindModel, p.Kind())
	assert.Equal(t, plugin.Info{Name: "test_model", Version: "1.2.3", Doc: "scales", Roles: []string{"offset", "scale"}}, p.Info())
	assert.Nil(t, p.Objective())
	assert.Nil(t, p.Device())
	r := plugin.BuildRequest{Config: json.RawMessage(`{"width": 5}`), Role: "scale", Dims: map[string]int{"batch": 7}}
	got, err := p.Model().Build(context.Background(), r)
	require.NoError(t, err)
	want, err := testModel{}.Build(context.Background(), r)
	require.NoError(t, err)
	assert.Equal(t, string(want.Config), string(got.Config))
	assert.Equal(t, want.Parameters, got.Parameters)
	assert.Equal(t, text(want.Forward), text(got.Forward))
}

func text(f *ir.Func) string { return (&ir.Program{Funcs: []*ir.Func{f}}).String() }
