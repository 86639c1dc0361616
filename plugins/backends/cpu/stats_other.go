//go:build !linux

package cpu

func freeBytes() int64 { return 0 }
