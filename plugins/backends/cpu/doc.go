// Package cpu is the backend for processors: it compiles functions to steps over planned memory and runs them with
// vectorized kernels on a pool of workers, to the bits that the Exact profile of the ABI fixes, whatever the number of
// workers and the instruction set.
//
// It knows f32, i32, u32 and bool. Of the composites it claims softmax, layer_norm
// and adamw; the others run by their decompositions.
//
// It may import abi and its own internal packages. Start reading at backend.go, then compile.go.
package cpu
