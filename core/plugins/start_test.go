package plugins

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	abiv1 "github.com/seedbed/seedbed/abi/v1"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/abi/wire"
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
	assert.Nil(t, got.Buffers)
	assert.Nil(t, got.Evaluate)

	r.Config = json.RawMessage(`{"do": "average"}`)
	got, err = p.Model().Build(context.Background(), r)
	require.NoError(t, err)
	want, err = testModel{}.Build(context.Background(), r)
	require.NoError(t, err)
	assert.Equal(t, want.Buffers, got.Buffers)
	assert.Equal(t, text(want.Forward), text(got.Forward))
	assert.Equal(t, text(want.Evaluate), text(got.Evaluate))
}

// What a model says of its buffers is checked.
func TestBuffersOnTheWire(t *testing.T) {
	p := start(t, "model", Options{})
	client := abiv1.NewModelClient(p.conn)
	good, err := client.Build(context.Background(), &abiv1.BuildRequest{Config: []byte(`{"do": "average"}`), Role: "scale"})
	require.NoError(t, err)
	_, err = moduleFromProto(good, "scale")
	require.NoError(t, err)
	for says, change := range map[string]func(m *abiv1.BuildResponse){
		`buffers[0] (""): `:                            func(m *abiv1.BuildResponse) { m.Buffers[0].Name = "" },
		`buffers[0] ("mean"): the type is missing`:     func(m *abiv1.BuildResponse) { m.Buffers[0].Type = nil },
		`buffers[0] ("mean"): the initializer is miss`: func(m *abiv1.BuildResponse) { m.Buffers[0].Initializer = nil },
		`buffer "mean": decay -1 is not between`:       func(m *abiv1.BuildResponse) { m.Buffers[0].Decay = -1 },
		"and the module has no such buffer":            func(m *abiv1.BuildResponse) { m.Buffers = nil },
		"the module has 1 buffers":                     func(m *abiv1.BuildResponse) { m.EvaluateFunctions = nil },
		`the program has no function "other", which e`: func(m *abiv1.BuildResponse) { m.EvaluateFunctions["scale"] = "other" },
		"parameters or buffers are more than":          func(m *abiv1.BuildResponse) { m.Buffers = make([]*abiv1.ModelBuffer, wire.MaxParameters+1) },
	} {
		m := proto.Clone(good).(*abiv1.BuildResponse)
		change(m)
		_, err := moduleFromProto(m, "scale")
		assert.ErrorContains(t, err, says)
	}
}

func text(f *ir.Func) string { return (&ir.Program{Funcs: []*ir.Func{f}}).String() }
