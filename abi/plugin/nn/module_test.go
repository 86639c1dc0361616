package nn

import (
	"testing"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var inputs = []ir.Param{{Name: "x", Type: ir.T(ir.F32, 2, 3)}}

func TestModule(t *testing.T) {
	m, err := Module("role", nil, inputs, func(n *Net) {
		shared := n.Weight("z", Normal(0.5), 3, 3)
		y := n.Linear(n.MatMul(n.Input("x"), shared), "a", Ones(), 4)
		n.Return("y", n.Drop(y, 0.5))
		n.Return("w", n.Weight("z", Normal(0.5), 3, 3))
	})
	require.NoError(t, err)
	assert.Equal(t, []plugin.Parameter{
		{Name: "a.bias", Type: ir.T(ir.F32, 4), Init: Zeros(), NoDecay: true},
		{Name: "a.weight", Type: ir.T(ir.F32, 4, 3), Init: Ones()},
		{Name: "z", Type: ir.T(ir.F32, 3, 3), Init: Normal(0.5)},
	}, m.Parameters)
	assert.Equal(t, []ir.Param{inputs[0], {Name: "state", Type: ir.T(ir.U32, 4)}}, m.Inputs())
	for i := range m.Forward.Ops { // nothing that stands for a parameter is left
		assert.NotEqual(t, "constant", m.Forward.Ops[i].Name)
	}

	plain, err := Module("role", nil, inputs, func(n *Net) { n.Return("y", n.Drop(n.Input("x"), 0)) })
	require.NoError(t, err)
	assert.Equal(t, inputs, plain.Inputs(), "no draws, no state")
}

func TestModuleRefuses(t *testing.T) {
	calls := 0
	for want, body := range map[string]func(n *Net){
		`there is no input "y"`:                    func(n *Net) { n.Return("y", n.Input("y")) },
		`parameter "w" is f32[2] with {zeros 0 0}`: func(n *Net) { n.Weight("w", Zeros(), 3); n.Return("y", n.Weight("w", Zeros(), 2)) },
		`parameter "v" was not there at first`:     func(n *Net) { calls++; n.Return("y", n.Weight([]string{"", "w", "v"}[calls], Zeros(), 3)) },
		"the parameters have more than 1099511627776": func(n *Net) {
			n.Weight("v", Zeros(), 1<<19, 1<<20)
			n.Return("y", n.Weight("w", Zeros(), 1<<20, 1<<20))
		},
		"the function returns nothing": func(*Net) {},
	} {
		_, err := Module("role", nil, inputs, body)
		assert.ErrorContains(t, err, want)
	}
}

func TestDims(t *testing.T) {
	got, err := Dims("m", map[string]int{"sequence": 3, "batch": 2}, "batch", "sequence")
	require.NoError(t, err)
	assert.Equal(t, []int{2, 3}, got)
	for want, given := range map[string]map[string]int{
		`m: dimension "batch" must be 1 to 1048576, is 0`:       {"sequence": 3},
		`dimension "sequence" must be 1 to 1048576, is 1048577`: {"batch": 2, "sequence": 1<<20 + 1},
		`unknown dimensions ["a" "b"]; it has batch, sequence`:  {"batch": 2, "sequence": 3, "b": 1, "a": 1},
	} {
		_, err := Dims("m", given, "batch", "sequence")
		assert.ErrorContains(t, err, want)
	}
}

func TestAverages(t *testing.T) {
	images := []ir.Param{{Name: "x", Type: ir.T(ir.F32, 2, 3)}}
	m, err := Module("role", nil, images, func(n *Net) {
		n.Epsilon = 1e-5
		n.Return("y", n.Drop(n.BatchNorm(n.Input("x"), "norm"), 0.5))
	})
	require.NoError(t, err)
	width := ir.T(ir.F32, 3)
	assert.Equal(t, []plugin.ModelBuffer{
		{Name: "norm.running_mean", Type: width, Init: Zeros(), Decay: 0.9},
		{Name: "norm.running_var", Type: width, Init: Ones(), Decay: 0.9},
	}, m.Buffers)
	assert.Equal(t, "role_evaluate", m.Evaluate.Name)
	assert.Len(t, m.Evaluate.Params, 6)
	for want, body := range map[string]func(n *Net){
		`buffer "a" is declared twice`: func(n *Net) {
			n.Average("a", Zeros(), 0.9, func() ir.Value { return n.Zeros(width) }, 3)
			n.Average("a", Zeros(), 0.9, func() ir.Value { return n.Zeros(width) }, 3)
		},
		`buffer "a" begins with {normal 1 0}`: func(n *Net) {
			n.Average("a", Normal(1), 0.9, func() ir.Value { return n.Zeros(width) }, 3)
			n.Return("y", n.Input("x"))
		},
		`and the module has no such buffer`: func(n *Net) {
			n.Average("a", Zeros(), 0.9, func() ir.Value { return n.Input("x") }, 3)
			n.Return("y", n.Input("x"))
		},
	} {
		_, err := Module("role", nil, images, body)
		assert.ErrorContains(t, err, want)
	}
	again := 0
	_, err = Module("role", nil, images, func(n *Net) {
		again++
		n.Average("a", Zeros(), 1/float64(again), func() ir.Value { return n.Zeros(width) }, 3)
	})
	assert.ErrorContains(t, err, `buffer "a" is declared twice, or was not so at first`)
}
