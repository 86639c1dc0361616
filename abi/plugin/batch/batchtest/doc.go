// Package batchtest helps tests of objectives: rows made of slices, and the
// batch that a binding makes of them as slices again.
//
// It imports abi/ir, abi/plugin, abi/vision, Arrow and testify. Start reading at rows.go.
package batchtest
