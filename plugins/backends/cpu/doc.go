// Package cpu is the backend for processors: it compiles functions to steps over planned memory and runs them with
// vectorized kernels on a pool of workers, to the bits that the Exact profile of the ABI fixes, whatever the number of
// workers and the instruction set.
//
// It knows every dtype but f64; bf16 and f16 are converted at both ends of an op. Composites with lowerings of their own
// (ops_table.go) run without the memory that their decompositions, by which the others run, would take: attention holds scores
// of a block of queries alone, cross-entropy logits of a chunk of rows. Chains of elementwise ops run in one pass (fuse.go), on
// the tiles of the contraction that they follow if there is one.
//
// It may import abi and its own internal packages. Start reading at backend.go, then compile.go.
package cpu
