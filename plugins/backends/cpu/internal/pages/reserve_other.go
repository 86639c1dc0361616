//go:build !linux

package pages

import "unsafe"

func reserve(size int) ([]byte, error) {
	x := make([]byte, size+line)
	skip := -int(uintptr(unsafe.Pointer(&x[0]))) & (line - 1)
	return x[skip:][:size:size], nil
}

// Advise does nothing here.
func Advise([]byte) {}

func release([]byte) {}
