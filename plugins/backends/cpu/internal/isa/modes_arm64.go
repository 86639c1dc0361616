package isa

import "fmt"

// The bits of FPCR that change results (Arm Architecture Reference Manual, section C5.2.8): flush inputs to zero, alternate handling,
// rounding mode, flush to zero.
const modeBits = 1 | 1<<1 | 3<<22 | 1<<24

func checkControl() error {
	if m := fpcr(); m&modeBits != 0 {
		return fmt.Errorf("isa: FPCR is %#x: rounding is not to nearest even, or subnormals are flushed; start the process in the default modes", m)
	}
	return nil
}

// fpcr returns the control register of floating-point arithmetic.
//
//go:noescape
func fpcr() uint64
