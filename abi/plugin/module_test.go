package plugin

import (
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
