// Package vec holds the cpu backend's kernels that stream over memory: elementwise arithmetic, correctly rounded functions,
// sums and norms over rows, softmax, optimizer steps, random bits. All work on float32 slices.
//
// Every kernel exists as plain Go over package numerics, which says what the result is, and as AVX2, AVX-512 and NEON
// assembly written by tools/kernels/vec, which must give the same bits (NaNs are equal whatever their payload, rule 3). What gathers and sorts rows,
// and fills, is plain Go on every path. Nothing here starts goroutines, allocates or knows about tensors. Slices of unequal length panic: the caller has planned the shapes.
//
// It may import abi/numerics and the backend's isa package. Start reading at kernels.go.
package vec

//go:generate go -C ../../../../../tools run ./kernels/vec -dir ../plugins/backends/cpu/internal/vec
