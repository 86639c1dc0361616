// Package vision is what objectives over images need: decoding, transforms with fixed bits, and batches. An image is 8-bit RGB or
// grey, stored by rows; transforms use integers, or float32 and float64 with every rounding written out, so that the same image and
// the same key give the same bits on every machine. All chance comes from Draws, which are a function of (seed, epoch, sample,
// view).
//
// It imports abi/numerics, Arrow, the standard library's image formats and golang.org/x/image/webp. An objective's Transform reads
// images from a Column, sends each through a Pipeline, and fills its f32[N,H,W,C] field with a Normalizer; Each does so in parallel.
//
// Start reading at image.go, then decode.go, pipeline.go (the transforms' common shape), resize.go and batch.go.
package vision
