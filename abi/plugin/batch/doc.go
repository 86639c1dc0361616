// Package batch is what transforms of objectives share: checked access to the
// columns of rows and to the buffers of a batch, and random draws that depend
// on a sample's place in the run alone.
//
// It imports abi/ir, abi/numerics, abi/plugin, abi/vision and Arrow. Start reading at
// buffers.go.
package batch
