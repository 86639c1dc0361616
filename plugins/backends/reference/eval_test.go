package reference

import (
	"math"
	"testing"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/numerics"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// evalText evaluates one op of a text program on f32 and i32 arguments.
func evalText(t *testing.T, text string, args ...Tensor) (Tensor, error) {
	t.Helper()
	p, err := ir.Parse("seedbed.program 1\n" + text)
	require.NoError(t, err)
	out, err := Eval(p.Funcs[0], args)
	if err != nil {
		return Tensor{}, err
	}
	return out[0], nil
}

func f32(shape []int, v ...float32) Tensor {
	return Tensor{Type: ir.T(ir.F32, shape...), F32: v}
}

func i32(v ...int64) Tensor { return Tensor{Type: ir.T(ir.I32, len(v)), Int: v} }

func TestOps(t *testing.T) {
	nan, inf, zero := float32(math.NaN()), float32(math.Inf(1)), float32(math.Copysign(0, -1))
	for name, c := range map[string]struct {
		text string
		args []Tensor
		want []float32
	}{
		"transpose":         {`%1 = transpose.1(%0) {permutation=[1,0]} : f32[3,2]`, []Tensor{f32([]int{2, 3}, 1, 2, 3, 4, 5, 6)}, []float32{1, 4, 2, 5, 3, 6}},
		"slice by steps":    {`%1 = slice.1(%0) {limit=[6] start=[1] stride=[2]} : f32[3]`, []Tensor{f32([]int{6}, 0, 1, 2, 3, 4, 5)}, []float32{1, 3, 5}},
		"pad between":       {`%2 = pad.1(%0, %1) {high=[1] interior=[1] low=[2]} : f32[6]`, []Tensor{f32([]int{2}, 1, 2), f32(nil, 9)}, []float32{9, 9, 1, 9, 2, 9}},
		"gather clamps":     {`%2 = gather.1(%0, %1) {axis=0} : f32[3]`, []Tensor{f32([]int{2}, 5, 6), i32(-1, 1, 7)}, []float32{5, 6, 6}},
		"scatter drops":     {`%3 = scatter.1(%0, %1, %2) {axis=0 mode="add"} : f32[2]`, []Tensor{f32([]int{2}, 1, 1), i32(0, 0, 5), f32([]int{3}, 2, 3, 4)}, []float32{6, 1}},
		"scatter last wins": {`%3 = scatter.1(%0, %1, %2) {axis=0 mode="set"} : f32[2]`, []Tensor{f32([]int{2}, 1, 1), i32(0, 0, -1), f32([]int{3}, 2, 3, 4)}, []float32{3, 1}},
		"relu":              {`%1 = relu.1(%0) : f32[4]`, []Tensor{f32([]int{4}, -1, zero, nan, 2)}, []float32{0, 0, nan, 2}},
		"maximum":           {`%2 = maximum.1(%0, %1) : f32[3]`, []Tensor{f32([]int{3}, zero, nan, 1), f32([]int{3}, 0, inf, 2)}, []float32{0, nan, 2}},
		"max of nothing":    {`%1 = reduce.1(%0) {dimensions=[0] kind="max"} : f32[]`, []Tensor{{Type: ir.T(ir.F32, 0)}}, []float32{-inf}},
		"dot of nothing":    {`%2 = dot_general.1(%0, %1) {lhs_batching_dimensions=[] lhs_contracting_dimensions=[0] rhs_batching_dimensions=[] rhs_contracting_dimensions=[0]} : f32[]`, []Tensor{{Type: ir.T(ir.F32, 0)}, {Type: ir.T(ir.F32, 0)}}, []float32{0}},
	} {
		t.Run(name, func(t *testing.T) {
			head := "func f("
			for i, a := range c.args {
				if i > 0 {
					head += ", "
				}
				head += "%" + string(rune('0'+i)) + ` "` + string(rune('a'+i)) + `": ` + a.Type.String()
			}
			got, err := evalText(t, head+") {\n"+c.text+"\nreturn \"y\" %"+string(rune('0'+len(c.args)))+"\n}\n", c.args...)
			require.NoError(t, err)
			require.Len(t, got.F32, len(c.want))
			for i := range c.want {
				if c.want[i] != c.want[i] {
					assert.True(t, math.IsNaN(float64(got.F32[i])), "element %d is %v, not NaN", i, got.F32[i])
					continue
				}
				assert.Equal(t, math.Float32bits(c.want[i]), math.Float32bits(got.F32[i]), "element %d is %v, not %v", i, got.F32[i], c.want[i])
			}
		})
	}
}

// A part draws exactly what the whole tensor would have drawn there.
func TestRandomBitsOfAPart(t *testing.T) {
	draw := func(n int, part int64) []int64 {
		b := ir.NewBuilder("f")
		b.Return("bits", b.RngBitGenerator(b.Param("state", ir.T(ir.U32, 4)), 3, n))
		f, err := b.Func()
		require.NoError(t, err)
		out, err := Eval(f, []Tensor{{Type: ir.T(ir.U32, 4), Int: []int64{1, 2, 5, part}}})
		require.NoError(t, err)
		return out[0].Int
	}
	whole := draw(14, 0)
	assert.Equal(t, whole, append(draw(7, 0), draw(7, 1)...))
	want := numerics.Stream{Seed: 2<<32 | 1, Stream: 3, Step: 5}.At(9)
	assert.Equal(t, int64(want), whole[9])
}

func TestRefusals(t *testing.T) {
	text := "func f(%0 \"x\": f32[2]) {\n%1 = negate.1(%0) : f32[2]\nreturn \"y\" %1\n}\n"
	_, err := evalText(t, text)
	assert.ErrorContains(t, err, "takes 1 arguments, is given 0")
	_, err = evalText(t, text, f32([]int{3}, 1, 2, 3))
	assert.ErrorContains(t, err, `argument "x" is f32[3], must be f32[2]`)
	_, err = evalText(t, text, f32([]int{2}, 1))
	assert.ErrorContains(t, err, "holds 1 f32")
}
