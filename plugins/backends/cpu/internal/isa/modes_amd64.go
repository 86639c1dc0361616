package isa

import "fmt"

// The bits of MXCSR that change results (Intel SDM volume 1, section 10.2.3): denormals are zero, rounding control, flush to zero.
const modeBits = 1<<6 | 3<<13 | 1<<15

func checkControl() error {
	if m := mxcsr(); m&modeBits != 0 {
		return fmt.Errorf("isa: MXCSR is %#x: rounding is not to nearest even, or subnormals are flushed; start the process in the default modes", m)
	}
	return nil
}

// mxcsr returns the control and status register of SSE and AVX arithmetic.
//
//go:noescape
func mxcsr() uint32
