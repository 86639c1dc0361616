package step

import (
	"testing"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestJoin(t *testing.T) {
	zeros, ones := plugin.Init{Kind: plugin.InitZeros}, plugin.Init{Kind: plugin.InitOnes}
	parameter := func(name string) plugin.Parameter { return plugin.Parameter{Name: name, Type: f32(2), Init: zeros} }
	a := func() *plugin.Module {
		return &plugin.Module{
			Parameters: []plugin.Parameter{parameter("a.bias"), parameter("shared")},
			Buffers:    []plugin.ModelBuffer{{Name: "mean", Type: f32(2), Init: ones, Decay: 0.5}},
		}
	}
	b := func() *plugin.Module {
		m := a()
		m.Parameters[0].Name = "b.bias"
		return m
	}
	w, err := Join([]string{"*.bias"}, a(), b())
	require.NoError(t, err)
	assert.Equal(t, []plugin.Parameter{parameter("a.bias"), parameter("b.bias"), parameter("shared")}, w.Parameters)
	assert.Equal(t, []plugin.Parameter{parameter("shared")}, w.Trained())
	assert.Equal(t, []ir.Param{{Name: "a.bias", Type: f32(2)}, {Name: "b.bias", Type: f32(2)}, {Name: "shared", Type: f32(2)}, {Name: "mean", Type: f32(2)}}, w.Tensors())
	for want, change := range map[string]func(m *plugin.Module){
		`the parameter "shared" is f32[2] in one role and f32[3] in another`: func(m *plugin.Module) { m.Parameters[1].Type = f32(3) },
		`or begins or decays otherwise`:                                      func(m *plugin.Module) { m.Parameters[1].NoDecay = true },
		`the parameter "shared" is f32[2] in one role and f32[2] in another`: func(m *plugin.Module) { m.Parameters[1].Init = ones },
		`the buffer "mean" is f32[2] in one role and f32[4] in another`:      func(m *plugin.Module) { m.Buffers[0].Type = f32(4) },
		`the buffer "mean" is f32[2] in one role and f32[2] in another`:      func(m *plugin.Module) { m.Buffers[0].Decay = 0.6 },
		`"mean" is a parameter in one role and a buffer in another`:          func(m *plugin.Module) { m.Parameters[1].Name, m.Buffers = "mean", nil },
	} {
		other := b()
		change(other)
		_, err := Join(nil, a(), other)
		assert.ErrorContains(t, err, want)
	}
	for want, freeze := range map[string][]string{
		"there is no parameter to train":                        {"*"},
		`no parameter matches "c*"; the first is "a.bias"`:      {"a.bias", "c*"},
		`the pattern "[": syntax error in pattern`:              {"["},
		`no parameter matches "mean"; the first is "a.bias"`:    {"mean"},
		`no parameter matches "shared."; the first is "a.bias"`: {"shared."},
	} {
		_, err := Join(freeze, a(), b())
		assert.ErrorContains(t, err, want)
	}
}

// A loss whose parameters are all frozen teaches nothing.
func TestGrainOfFrozen(t *testing.T) {
	m, loss, batch := noisy(t, false)
	linked, err := Link(m, loss, batch)
	require.NoError(t, err)
	other := &plugin.Module{Parameters: []plugin.Parameter{{Name: "more", Type: f32(2)}}}
	w, err := Join([]string{"bias", "w"}, m, other)
	require.NoError(t, err)
	_, _, err = Grain(w, linked)
	assert.ErrorContains(t, err, "all parameters that the loss depends on are frozen")
	w, err = Join([]string{"bias"}, m)
	require.NoError(t, err)
	first, _, err := Grain(w, linked)
	require.NoError(t, err)
	assert.Negative(t, first.Result("grad.bias"))
	update, err := Update(w, 1, Optimizer{Name: "lars", EMADecay: 0.5}, Objective{First: first})
	require.NoError(t, err)
	assert.Equal(t, []string{"w", "momentum_buffer.w", "ema.w", "grad.w", "sum.loss", "sum.weight", "sum.hits", "step.lr"}, params(update))
}
