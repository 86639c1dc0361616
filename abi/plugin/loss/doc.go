// Package loss has losses that several objectives share, as functions over a
// builder.
//
// It imports abi/ir alone. Start reading at entropy.go.
package loss
