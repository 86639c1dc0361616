package isa

import (
	"errors"
	"math"
)

// CheckModes reports an error unless float32 arithmetic rounds to nearest even and keeps subnormals on the calling thread
// (rule 1). It takes nanoseconds; a backend calls it when it starts and may call it before every program.
func CheckModes() error {
	if err := checkControl(); err != nil {
		return err
	}
	return checkArithmetic(float32(0x1p-126), float32(1), float32(0x1p-24))
}

// checkArithmetic gets its numbers as arguments so that the compiler cannot fold them.
//
//go:noinline
func checkArithmetic(smallest, one, half float32) error {
	if math.Float32bits(smallest/2) != 0x00400000 {
		return errors.New("isa: subnormal results are flushed to zero; start the process with flush-to-zero off")
	}
	if subnormal := math.Float32frombits(0x00400000); subnormal+float32(smallest*0) != subnormal || subnormal*2 != smallest {
		return errors.New("isa: subnormal operands are read as zero; start the process with denormals-are-zero off")
	}
	up := math.Float32frombits(0x3F800001) // 1 + 2^-23
	if one+half != one || up+half != up+float32(half*2) || -one-half != -one || one+float32(half*1.5) != up {
		return errors.New("isa: arithmetic does not round to nearest even; start the process with the default rounding mode")
	}
	return nil
}
