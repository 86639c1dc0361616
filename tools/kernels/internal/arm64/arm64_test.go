package arm64

import (
	"reflect"
	"strings"
	"testing"
)

func TestFrame(t *testing.T) {
	f := NewFrame("(a, b *float32, n int, s float32, last bool) (at int, doubtful uint32)")
	want := map[string]string{"a": "a+0(FP)", "b": "b+8(FP)", "n": "n+16(FP)", "s": "s+24(FP)", "last": "last+28(FP)", "at": "at+32(FP)", "doubtful": "doubtful+40(FP)"}
	if !reflect.DeepEqual(f.Addresses, want) || f.size != 44 {
		t.Errorf("%v, %d bytes", f.Addresses, f.size)
	}
	if want := map[string]int{"a": 0, "b": 1, "n": 2, "last": 3}; !reflect.DeepEqual(f.Registers, want) {
		t.Error(f.Registers)
	}
	if f := NewFrame("(n int) float32"); f.Addresses["ret"] != "ret+8(FP)" || f.size != 12 {
		t.Errorf("%v, %d bytes", f.Addresses, f.size)
	}
}

// What llvm-mc makes of these words.
func TestWords(t *testing.T) {
	text := New("test")
	text.Vector(FADD, 1, 2, 3)
	text.Vector(FSQRT, 4, 31)
	text.Vector(CMLT0, 5, 6)
	text.Fmla(7, 8, 9, 3)
	for _, want := range []string{
		"WORD $0x4e23d441 // fadd v1.4s, v2.4s, v3.4s\n", "WORD $0x6ea1fbe4 // fsqrt v4.4s, v31.4s\n",
		"WORD $0x4ee0a8c5 // cmlt v5.2d, v6.2d, #0\n", "WORD $0x4fa91907 // fmla v7.4s, v8.4s, v9.s[3]\n",
	} {
		if !strings.Contains(text.text.String(), want) {
			t.Errorf("no %q in\n%s", want, text.text.String())
		}
	}
}
