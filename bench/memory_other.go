//go:build !linux

package main

import "runtime"

// watchMemory knows nothing here.
func watchMemory(int) (stop func() int64) { return func() int64 { return 0 } }

// threadsTime knows nothing here.
func threadsTime(int) float64 { return 0 }

func processorName() string { return runtime.GOARCH }
