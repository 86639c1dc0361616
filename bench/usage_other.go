//go:build !unix

package main

func processorTime() float64 { return 0 }
