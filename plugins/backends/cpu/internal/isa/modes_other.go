//go:build !amd64 && !arm64

package isa

func checkControl() error { return nil }
