package gemm

import "github.com/seedbed/seedbed/plugins/backends/cpu/internal/isa"

func kernelsFor(p isa.Path) *kernels {
	if p == isa.NEON {
		return &neon
	}
	return &portable
}

var neon = assembly(6, 16, 16,
	[]tileFunc{tile1_neon, tile2_neon, tile3_neon, tile4_neon, tile5_neon, tile6_neon},
	packRows_neon, transpose_neon, stream8_neon, stream1_neon)
