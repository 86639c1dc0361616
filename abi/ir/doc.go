// Package ir is the program representation that travels over the kernel ABI:
// functions of typed SSA values with static shapes, whose ops are described
// by one table.
//
// Models and objectives write functions with a [Builder]; core links them,
// differentiates them and adds the optimizer; a backend compiles the result.
// A program is checked by [Program.Verify] wherever it crosses a process
// boundary, so that code behind the boundary may rely on its invariants.
//
// Start reading at table.go: the op table is the single source for the
// verifier, shape inference, decompositions, gradients and documentation.
// Names and attributes of primitives follow StableHLO where it has them
// (https://openxla.org/stablehlo/spec).
//
// The package imports nothing of Seedbed but abi/numerics.
package ir
