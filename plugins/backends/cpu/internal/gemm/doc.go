// Package gemm multiplies float32 matrices, exactly by rule 5 of the Exact profile: the bits of a product depend on neither the kernel
// path, nor the tiling, nor the number of workers.
//
// C is cut into tiles; whoever works on a tile takes it through the whole of K, chunk by chunk, so that C stays in its cache and an
// epilogue can finish it there. Operands are packed into panels as wide as the micro-kernel (Goto and van de Geijn, "Anatomy of
// High-Performance Matrix Multiplication", 2008; Van Zee and van de Geijn, "BLIS", 2015), except that kernels read A in place where its
// k are adjacent and its rows do not compete for the same cache sets. They are not packed beforehand but piece by piece by whoever needs
// a piece first: while kernels work on one they fetch the rows of the next, so that memory is read beside the work, and what is packed is
// used from the cache that it was written to. An operand may also be written by its owner, a piece at a time (Operand.Fill): the patches of a
// convolution never exist as a whole. A product with few rows streams B from where it lies instead; of one with a small C and a long K
// workers share out K (long.go).
//
// It may import abi/numerics and the backend's isa, pages and pool packages. Start reading at gemm.go, then plan.go for how the work is cut.
package gemm

//go:generate go -C ../../../../../tools run ./kernels/gemm -dir ../plugins/backends/cpu/internal/gemm
