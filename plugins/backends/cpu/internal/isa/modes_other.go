//go:build !amd64

package isa

func checkControl() error { return nil }
