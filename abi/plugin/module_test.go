package plugin

import (
	"math"
	"testing"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func module(t *testing.T) *Module {
	b := ir.NewBuilder("forward")
	a, w := b.Param("a", ir.T(ir.F32, 2)), b.Param("w", ir.T(ir.F32, 2))
	x := b.Param("x", ir.T(ir.F32, 2))
	b.Return("y", b.FMA(w, x, a))
	f, err := b.Func()
	require.NoError(t, err)
	return &Module{Forward: f, Parameters: []Parameter{
		{Name: "a", Type: ir.T(ir.F32, 2), Init: Init{Kind: InitZeros}},
		{Name: "w", Type: ir.T(ir.F32, 2), Init: Init{Kind: InitNormal, Scale: 0.5}},
	}}
}

func TestModuleCheck(t *testing.T) {
	m := module(t)
	require.NoError(t, m.Check())
	assert.Equal(t, []ir.Param{{Name: "x", Type: ir.T(ir.F32, 2)}}, m.Inputs())
	for want, change := range map[string]func(m *Module){
		"the module has no forward function":           func(m *Module) { m.Forward = nil },
		"func forward: op 0 (fma)":                     func(m *Module) { m.Forward.Ops[0].Operands[0] = 9 },
		"func forward takes 3 parameters, fewer than":  func(m *Module) { m.Parameters = append(m.Parameters, m.Parameters...) },
		`parameter "a" does not come after "a"`:        func(m *Module) { m.Parameters[1].Name = "a" },
		`parameter "w" is i32[2]; only floats`:         func(m *Module) { m.Parameters[1].Type.DType = ir.I32 },
		`parameter "w": init scale -1 is not between`:  func(m *Module) { m.Parameters[1].Init.Scale = -1 },
		`parameter "w": init mean 1e+31 of normal`:     func(m *Module) { m.Parameters[1].Init.Mean = 1e31 },
		`parameter "w": init mean 1 of uniform`:        func(m *Module) { m.Parameters[1].Init = Init{InitUniform, 1, 1} },
		`parameter "a": unknown init "xavier"`:         func(m *Module) { m.Parameters[0].Init.Kind = "xavier" },
		`parameter 1 is "w" f32[2], the module's is "`: func(m *Module) { m.Parameters[1].Name = "v" },
	} {
		m := module(t)
		change(m)
		assert.ErrorContains(t, m.Check(), want)
	}
}

// averaging is a module with a buffer.
func averaging(t *testing.T) *Module {
	f32 := ir.T(ir.F32, 2)
	b := ir.NewBuilder("forward")
	w, x := b.Param("w", f32), b.Param("x", f32)
	b.Return("buffer.mean", b.Scale(x, 0.5))
	b.Return("y", b.Mul(w, x))
	forward, err := b.Func()
	require.NoError(t, err)
	b = ir.NewBuilder("evaluate")
	w, mean, x := b.Param("w", f32), b.Param("mean", f32), b.Param("x", f32)
	b.Return("y", b.FMA(w, x, mean))
	evaluate, err := b.Func()
	require.NoError(t, err)
	return &Module{
		Forward: forward, Evaluate: evaluate,
		Parameters: []Parameter{{Name: "w", Type: f32, Init: Init{Kind: InitOnes}}},
		Buffers:    []ModelBuffer{{Name: "mean", Type: f32, Init: Init{Kind: InitZeros}, Decay: 0.9}},
	}
}

func TestModuleCheckOfBuffers(t *testing.T) {
	f32 := ir.T(ir.F32, 2)
	m := averaging(t)
	require.NoError(t, m.Check())
	assert.Equal(t, []ir.Param{{Name: "w", Type: f32}, {Name: "mean", Type: f32}}, m.State())
	assert.Equal(t, []ir.Param{{Name: "y", Type: f32}}, m.Outputs())
	assert.Same(t, m.Evaluate, m.Evaluation())
	plain := module(t)
	assert.Same(t, plain.Forward, plain.Evaluation())
	assert.Equal(t, []ir.Param{{Name: "a", Type: f32}, {Name: "w", Type: f32}}, plain.State())
	for want, change := range map[string]func(m *Module){
		`buffer "mean" does not come after "mean"`:                       func(m *Module) { m.Buffers = append(m.Buffers, m.Buffers...) },
		`func forward takes the buffer "x" or something of its name`:     func(m *Module) { m.Buffers[0].Name = "x" },
		`func forward takes the buffer "w" or something of its name`:     func(m *Module) { m.Buffers[0].Name = "w" },
		`buffer "mean" is i32[2]; only floats`:                           func(m *Module) { m.Buffers[0].Type.DType = ir.I32 },
		`buffer "mean" begins with {normal 1 0}`:                         func(m *Module) { m.Buffers[0].Init = Init{Kind: InitNormal, Scale: 1} },
		`buffer "mean" begins with { 0 0}`:                               func(m *Module) { m.Buffers[0].Init = Init{} },
		`buffer "mean": decay 1.5 is not`:                                func(m *Module) { m.Buffers[0].Decay = 1.5 },
		`buffer "mean": decay NaN is not`:                                func(m *Module) { m.Buffers[0].Decay = math.NaN() },
		`the result "buffer.mean" is f32[2], and the module has no such`: func(m *Module) { m.Buffers[0].Type = ir.T(ir.F32, 3) },
		`func forward has no result "buffer.more" for the buffer`: func(m *Module) {
			m.Buffers = append(m.Buffers, ModelBuffer{Name: "more", Type: f32, Init: Init{Kind: InitOnes}})
		},
		"the module has 1 buffers; one with buffers has an evaluate":  func(m *Module) { m.Evaluate = nil },
		"func evaluate: op 0 (fma)":                                   func(m *Module) { m.Evaluate.Ops[0].Operands[0] = 9 },
		`func evaluate takes "average" f32[2] as number 1, where "me`: func(m *Module) { m.Evaluate.Params[1].Name = "average" },
		`func evaluate gives "z", which is one too many`: func(m *Module) {
			m.Evaluate.Results = append(m.Evaluate.Results, ir.Result{Name: "z", Value: 0})
		},
		`func evaluate gives "z" f32[2] as number 0, where "y" f32[2] comes`: func(m *Module) { m.Evaluate.Results[0].Name = "z" },
	} {
		m := averaging(t)
		change(m)
		assert.ErrorContains(t, m.Check(), want)
	}
	// Without buffers it may have one too.
	m = module(t)
	m.Evaluate = averaging(t).Evaluate
	assert.ErrorContains(t, m.Check(), "func evaluate takes \"w\" f32[2] as number 0")
	m.Evaluate = module(t).Forward
	require.NoError(t, m.Check())
	assert.Same(t, m.Evaluate, m.Evaluation())
}
