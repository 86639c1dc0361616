//go:build !amd64

package isa

func hasAVX2() bool   { return false }
func hasAVX512() bool { return false }
