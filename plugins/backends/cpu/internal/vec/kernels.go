package vec

// kernels is the assembly for one instruction set. A kernel takes pointers to the first elements and a count; it reads and writes
// exactly those elements, at any alignment, and dst may be the same slice as a source.
type kernels struct {
	lanes int // float32 lanes in a vector

	exp, expm1, log, log1p, tanh, logistic, erf, sin, cos            rounded
	gelu, geluGrad, geluTanh, geluTanhGrad, silu, siluGrad, softplus rounded
	expSub                                                           func(dst, src *float32, n int, s float32) (at int, doubtful uint32)
}

// rounded is the kernel of a correctly rounded function. It returns n and no doubt, or the index of a vector with doubtful lanes,
// which hold their arguments.
type rounded func(dst, src *float32, n int) (at int, doubtful uint32)

// active is the table for this machine, nil where only plain Go runs.
var active = best()

func mustEqual(a, b int) {
	if a != b {
		panic("vec: slices have different lengths")
	}
}
