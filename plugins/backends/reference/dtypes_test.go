package reference

import (
	"testing"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What the 16-bit floats and the widest integers do differently from f32 and
// i32, worked out by hand.
func TestDTypes(t *testing.T) {
	kind := func(k string) []ir.Attr { return []ir.Attr{ir.IntsAttr("dimensions", 0), ir.StringAttr("kind", k)} }
	to := func(d ir.DType) []ir.Attr { return []ir.Attr{ir.DTypeAttr("dtype", d)} }
	for name, c := range map[string]struct {
		op    string
		attrs []ir.Attr
		args  []string
		want  string
	}{
		"bf16 rounds what it stores, ties to even": {"add", nil, []string{"bf16[3] 256 258 1", "bf16[3] 1 1 0.00390625"}, "bf16[3] 256 260 1"},
		"f16 rounds too":                            {"add", nil, []string{"f16[3] 2048 2050 1", "f16[3] 1 1 0.00048828125"}, "f16[3] 2048 2052 1"},
		"f16 overflows at 65520":                    {"multiply", nil, []string{"f16[2] 60000 32752", "f16[2] 2 2"}, "f16[2] inf 65504"},
		"f16 has subnormals":                        {"multiply", nil, []string{"f16[2] 6.103515625e-05 5.9604645e-08", "f16[2] 0.5 0.5"}, "f16[2] 3.0517578125e-05 0"},
		"a sum in bf16 is f32 until it is stored":   {"reduce", kind("sum"), []string{"bf16[3] 256 1 1"}, "bf16[] 258"},
		"a product in bf16 too":                     {"reduce", kind("prod"), []string{"bf16[3] 257 3 0.5"}, "bf16[] 384"},
		"fma in f16 is f32's":                       {"fma", nil, []string{"f16[] 2048", "f16[] 1", "f16[] 1"}, "f16[] 2048"},
		"a loss of bf16 is f32":                     {"mean_squared_error", nil, []string{"bf16[1,2] 1.0078125 3", "bf16[1,2] 1 2"}, "f32[1] 0.5000305"},
		"cumsum in bf16 rounds each sum, not chain": {"cumsum", []ir.Attr{ir.IntAttr("dimension", 0), ir.BoolAttr("reverse", false)}, []string{"bf16[3] 256 1 1"}, "bf16[3] 256 256 258"},
		"bf16 to integer":                           {"convert", to(ir.I32), []string{"bf16[3] -2.5 nan inf"}, "i32[3] -2 0 2147483647"},
		"integer to bf16 by way of f32":             {"convert", to(ir.BF16), []string{"i32[2] 257 16777217"}, "bf16[2] 256 16777216"},
		"u64 orders without sign":                   {"maximum", nil, []string{"u64[2] 18446744073709551615 1", "u64[2] 1 9223372036854775808"}, "u64[2] 18446744073709551615 9223372036854775808"},
		"u64 divides without sign":                  {"divide", nil, []string{"u64[3] 18446744073709551615 7 7", "u64[3] 2 9223372036854775808 0"}, "u64[3] 9223372036854775807 0 18446744073709551615"},
		"u64 remainder":                             {"remainder", nil, []string{"u64[2] 18446744073709551615 7", "u64[2] 10 0"}, "u64[2] 5 7"},
		"u64 to f32":                                {"convert", to(ir.F32), []string{"u64[2] 18446744073709551615 9223372036854775808"}, "f32[2] 18446744073709551616 9223372036854775808"},
		"f32 to u64":                                {"convert", to(ir.U64), []string{"f32[3] 1e19 -1 3e38"}, "u64[3] 9999999980506447872 0 18446744073709551615"},
		"u64 shifts":                                {"shift_right_arithmetic", nil, []string{"u64[2] 18446744073709551615 8", "u64[2] 63 64"}, "u64[2] 1 0"},
		"i64 shifts":                                {"shift_right_arithmetic", nil, []string{"i64[2] -8 -8", "i64[2] 1 -1"}, "i64[2] -4 -1"},
		"i64 wraps":                                 {"negate", nil, []string{"i64[1] -9223372036854775808"}, "i64[1] -9223372036854775808"},
		"u64 argmin":                                {"argmin", []ir.Attr{ir.IntAttr("dimension", 0)}, []string{"u64[3] 18446744073709551615 3 9223372036854775808"}, "i32[] 1"},
		"u64 as an index clamps at the end":         {"gather", []ir.Attr{ir.IntAttr("axis", 0)}, []string{"i32[2] 5 6", "u64[2] 0 18446744073709551615"}, "i32[2] 5 6"},
	} {
		t.Run(name, func(t *testing.T) {
			b := ir.NewBuilder("f")
			var in []ir.Value
			var args []Tensor
			for i, text := range c.args {
				typ, data, err := ir.ParseTensor(text)
				require.NoError(t, err)
				in = append(in, b.Param(string(rune('a'+i)), typ))
				x, err := Decode(typ, data)
				require.NoError(t, err)
				args = append(args, x)
			}
			b.Return("y", b.Op(c.op, in, c.attrs...)[0])
			f, err := b.Func()
			require.NoError(t, err)
			out, err := Eval(f, args)
			require.NoError(t, err)
			data := make([]byte, out[0].Type.Bytes())
			require.NoError(t, out[0].Encode(data))
			want, bits, err := ir.ParseTensor(c.want)
			require.NoError(t, err)
			require.True(t, want.Equal(out[0].Type), out[0].Type)
			assert.Equal(t, ir.FormatTensor(want, bits), ir.FormatTensor(out[0].Type, data))
		})
	}
}
