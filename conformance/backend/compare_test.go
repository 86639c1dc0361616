package backend

import (
	"slices"
	"testing"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/conformance/cases"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A mismatch names the first element that differs, with both values in hex and
// decimal, the operands' there and the program.
func TestCompareSaysWhatDiffers(t *testing.T) {
	b := ir.NewBuilder("f")
	b.Return("y", b.Negate(b.Param("x", ir.T(ir.F32, 2, 2))))
	f, err := b.Func()
	require.NoError(t, err)
	c := &cases.Case{Name: "ops/negate/f32/5", Cell: "plain", Func: f, Args: [][]byte{{0, 0, 0, 0, 0, 0, 0, 0x80, 0, 0, 128, 63, 0, 0, 192, 127}}}
	want, err := Expect(c)
	require.NoError(t, err)
	got := [][]byte{slices.Clone(want[0])}
	require.NoError(t, Compare(c, got, want))
	got[0][7] = 0x80 // -0 in the place of 0
	got[0][8]++      // one unit in the last place
	err = Compare(c, got, want)
	for _, s := range []string{
		`result "y" f32[2,2] differs in 2 of 4 elements, first at [0 1]:`, "got  0x80000000 (-0)\n", "want 0x00000000 (0)\n",
		`case ops/negate/f32/5, cell "plain"`, "x there: 0x80000000 (-0)\n", "%1 = negate.1(%0) : f32[2,2]\n",
	} {
		assert.ErrorContains(t, err, s)
	}
	// Every NaN counts as the same, and where only classes count, every finite value.
	other := [][]byte{slices.Clone(want[0])}
	other[0][12], other[0][15] = 1, 0xFF
	require.NoError(t, Compare(c, other, want))
	assert.ErrorContains(t, Compare(c, [][]byte{{0}}, want), `result "y" is missing or of the wrong size`)
}

func TestElement(t *testing.T) {
	for want, e := range map[string]struct {
		d ir.DType
		b []byte
	}{
		"0x3fc00000 (1.5)":        {ir.F32, []byte{0, 0, 0xC0, 0x3F}},
		"0x3fc0 (1.5)":            {ir.BF16, []byte{0xC0, 0x3F}},
		"0x3e00 (1.5)":            {ir.F16, []byte{0, 0x3E}},
		"0xffffffff (-1)":         {ir.I32, []byte{255, 255, 255, 255}},
		"0xffffffff (4294967295)": {ir.U32, []byte{255, 255, 255, 255}},
		"0x01 (true)":             {ir.Bool, []byte{1}},
	} {
		assert.Equal(t, want, Element(e.d, e.b))
	}
}
