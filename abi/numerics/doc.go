// Package numerics is the executable specification of the Exact profile's scalar arithmetic: what one multiply-add, one
// contraction, one sum, one exponential and one random draw are, to the bit. The reference backend and the host call it
// directly; vector kernels are tested against it and call it for the rare lanes their own rounding test cannot decide.
//
// It imports only the standard library (of package math: Sqrt, FMA, Floor, RoundToEven and the bit casts, which are exact). Every
// product that feeds a sum is either converted explicitly or passed through FMA, so no compiler fusion can change a result.
//
// Start reading at fma.go (the one primitive everything uses), then dot.go and sum.go (orders of summation), then
// functions.go (correctly rounded functions), random.go and permute.go (counter-based randomness).
//
// "Rule N" in comments refers to the numbered rules of the Exact profile; example_test.go shows one example for each.
package numerics
