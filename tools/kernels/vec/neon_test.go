package main

import (
	"testing"

	"github.com/mmcloughlin/avo/reg"
	"github.com/seedbed/seedbed/tools/kernels/internal/arm64"
)

func TestAllocate(t *testing.T) {
	c := reg.NewCollection()
	carried, short, again, moved := c.XMM(), c.XMM(), c.XMM(), c.XMM()
	registers, used := allocate([]instruction{
		{vectors: []vec{carried}},
		{label: "loop"},
		{vectors: []vec{carried}},
		{vectors: []vec{short}},
		{vectors: []vec{again, short}}, // may take the place of what it reads
		{vectors: []vec{moved, again}, move: true},
		{to: "loop"},
	})
	if registers[carried] == registers[short] {
		t.Error("what a loop carries has lost its register within")
	}
	if registers[short] != registers[again] || registers[again] != registers[moved] || used != 2 {
		t.Errorf("%d registers: %v", used, registers)
	}
}

// A kernel that needs more registers than there are is refused, not written.
func TestNEONKernelsKeepTo32Registers(t *testing.T) {
	for n, ok := range map[int]bool{32: true, 33: false} {
		e := &neon{text: arm64.New("vec"), at: map[[4]uint32]int{}}
		e.kernel(header{"k", "func(a *float32)", ""}, func() {
			for _, v := range e.zeros(n) {
				e.storeAt(v, e.parameter("a"), 0)
			}
		})
		if (e.err == nil) != ok {
			t.Errorf("%d vectors: error %v", n, e.err)
		}
	}
}
