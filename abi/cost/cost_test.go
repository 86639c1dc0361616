package cost

import (
	"testing"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCount(t *testing.T) {
	f32 := func(shape ...int) ir.Type { return ir.T(ir.F32, shape...) }
	for name, c := range map[string]struct {
		in    []ir.Type
		build func(b *ir.Builder, x []ir.Value) ir.Value
		want  FLOPs
	}{
		"matmul": {[]ir.Type{f32(3, 5), f32(5, 7)}, func(b *ir.Builder, x []ir.Value) ir.Value { return b.MatMul(x[0], x[1]) }, FLOPs{Contractions: 2 * 3 * 5 * 7}},
		"batched, two contracted": {[]ir.Type{f32(2, 3, 4, 5), f32(5, 2, 4, 6)}, func(b *ir.Builder, x []ir.Value) ir.Value {
			return b.DotGeneral(x[0], x[1], ir.DotDims{LHSBatch: []int{0}, RHSBatch: []int{1}, LHSContract: []int{2, 3}, RHSContract: []int{2, 0}})
		}, FLOPs{Contractions: 2 * 2 * 3 * 4 * 5 * 6}},
		"elementwise": {[]ir.Type{f32(3, 5)}, func(b *ir.Builder, x []ir.Value) ir.Value { return b.Exp(b.Mul(x[0], x[0])) }, FLOPs{Others: 2 * 15}},
		"fma":         {[]ir.Type{f32(6)}, func(b *ir.Builder, x []ir.Value) ir.Value { return b.FMA(x[0], x[0], x[0]) }, FLOPs{Others: 12}},
		"sum":         {[]ir.Type{f32(3, 5)}, func(b *ir.Builder, x []ir.Value) ir.Value { return b.ReduceSum(x[0], 1) }, FLOPs{Others: 15}},
		"dot":         {[]ir.Type{f32(3, 5)}, func(b *ir.Builder, x []ir.Value) ir.Value { return b.ReduceDot(x[0], x[0], 0, 1) }, FLOPs{Others: 30}},
		"moving, selecting": {[]ir.Type{f32(3, 5)}, func(b *ir.Builder, x []ir.Value) ir.Value {
			y := b.Transpose(x[0], 1, 0)
			return b.Select(b.Compare("lt", y, y), y, y)
		}, FLOPs{}},
		"integers": {[]ir.Type{ir.T(ir.I32, 9), f32(2)}, func(b *ir.Builder, x []ir.Value) ir.Value {
			b.Add(x[0], x[0])
			return b.Negate(x[1])
		}, FLOPs{Others: 2}},
		// max 15, subtract 15, exp 15, sum 15, divide 15
		"softmax": {[]ir.Type{f32(3, 5)}, func(b *ir.Builder, x []ir.Value) ir.Value { return b.Softmax(x[0]) }, FLOPs{Others: 5 * 15}},
	} {
		t.Run(name, func(t *testing.T) {
			b := ir.NewBuilder("f")
			var x []ir.Value
			for i, typ := range c.in {
				x = append(x, b.Param(string(rune('a'+i)), typ))
			}
			b.Return("y", c.build(b, x))
			f, err := b.Func()
			require.NoError(t, err)
			got, err := Count(f)
			require.NoError(t, err)
			assert.Equal(t, c.want, got)
			assert.Equal(t, c.want.Add(c.want), got.Times(2))
		})
	}
}

// Attention counts as its two products.
func TestCountAttention(t *testing.T) {
	b := ir.NewBuilder("f")
	q := b.Param("q", ir.T(ir.F32, 2, 6, 4, 8))
	k := b.Param("k", ir.T(ir.F32, 2, 6, 2, 8))
	b.Return("y", b.Attention(q, k, k, true))
	f, err := b.Func()
	require.NoError(t, err)
	got, err := Count(f)
	require.NoError(t, err)
	assert.EqualValues(t, 2*(2*2*4*6*6*8), got.Contractions)

	op := &f.Ops[len(f.Ops)-1]
	require.Equal(t, "scaled_dot_product_attention", op.Name)
	one, err := Of(op, []ir.Type{f.Params[0].Type, f.Params[1].Type, f.Params[1].Type})
	require.NoError(t, err)
	assert.Equal(t, got, one)
}

// A contraction without a rule would be counted as almost nothing.
func TestEveryContractionHasARule(t *testing.T) {
	for _, d := range ir.OpDefs() {
		if d.Group == "contraction" {
			assert.Contains(t, rules, d.Name)
		}
	}
}
