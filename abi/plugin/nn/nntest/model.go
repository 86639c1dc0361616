package nntest

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"

	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Build builds a module that must be good, twice: its whole configuration
// builds it again.
func Build(t testing.TB, m plugin.Model, role, config string, dims map[string]int) *plugin.Module {
	t.Helper()
	x, err := m.Build(t.Context(), plugin.BuildRequest{Config: json.RawMessage(config), Role: role, Dims: dims})
	require.NoError(t, err)
	require.NoError(t, x.Check())
	again, err := m.Build(t.Context(), plugin.BuildRequest{Config: x.Config, Role: role, Dims: dims})
	require.NoError(t, err)
	require.Equal(t, x, again)
	return x
}

// Elements counts the elements of all parameters.
func Elements(m *plugin.Module) (n int) {
	for _, p := range m.Parameters {
		n += p.Type.Elements()
	}
	return n
}

// Types gives inputs and outputs by name, as text.
func Types(m *plugin.Module) map[string]string {
	out := map[string]string{}
	for _, p := range m.Inputs() {
		out[p.Name] = p.Type.String()
	}
	types := m.Forward.Types()
	for _, r := range m.Forward.Results {
		out[r.Name] = types[r.Value].String()
	}
	return out
}

// Refuses checks that configurations, by what their error must contain, are
// refused, and so are another role and other dimensions.
func Refuses(t *testing.T, m plugin.Model, role string, dims map[string]int, configs map[string]string) {
	t.Helper()
	for want, config := range configs {
		_, err := m.Build(t.Context(), plugin.BuildRequest{Config: json.RawMessage(config), Role: role, Dims: dims})
		var ce *plugin.ConfigError
		if assert.ErrorAs(t, err, &ce, config) {
			assert.ErrorContains(t, err, want)
		}
	}
	_, err := m.Build(t.Context(), plugin.BuildRequest{Role: "no_such_role", Dims: dims})
	assert.ErrorContains(t, err, `the role "no_such_role" is not one of its own`)
	for name := range dims {
		less := maps.Clone(dims)
		less[name] = 0
		_, err := m.Build(t.Context(), plugin.BuildRequest{Role: role, Dims: less})
		assert.ErrorContains(t, err, `dimension "`+name+`" must be 1 to`)
	}
	more := maps.Clone(dims)
	more["other"] = 1
	_, err = m.Build(t.Context(), plugin.BuildRequest{Role: role, Dims: more})
	assert.ErrorContains(t, err, `unknown dimensions ["other"]`)
}

// Anew lists the parameters of a module that another does not have just so: what
// begins anew when the one begins as the other.
func Anew(m, from *plugin.Module) (names []string) {
	for _, p := range m.Parameters {
		if !slices.ContainsFunc(from.Parameters, func(q plugin.Parameter) bool {
			return p.Name == q.Name && p.Type.Equal(q.Type) && p.Init == q.Init && p.NoDecay == q.NoDecay
		}) {
			names = append(names, p.Name)
		}
	}
	return names
}
