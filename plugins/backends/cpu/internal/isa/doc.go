// Package isa says which kernels this machine runs: plain Go, AVX2, AVX-512 or NEON. It also measures the machine's
// multiply-add peak, by which speeds are judged, and checks that floating point works in the modes that rule 1 of the Exact profile asks for.
//
// It imports golang.org/x/sys/cpu and the standard library. Start reading at path.go.
package isa
