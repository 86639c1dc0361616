package gemm

import "github.com/seedbed/seedbed/plugins/backends/cpu/internal/isa"

func kernelsFor(p isa.Path) *kernels {
	switch p {
	case isa.AVX2:
		return &avx2
	case isa.AVX512:
		return &avx512
	}
	return &portable
}

var (
	avx2 = assembly(6, 16, 8,
		[]tileFunc{tile1_avx2, tile2_avx2, tile3_avx2, tile4_avx2, tile5_avx2, tile6_avx2},
		packRows_avx2, transpose_avx2, stream8_avx2, stream1_avx2)
	avx512 = assembly(14, 32, 16,
		[]tileFunc{
			tile1_avx512, tile2_avx512, tile3_avx512, tile4_avx512, tile5_avx512, tile6_avx512, tile7_avx512,
			tile8_avx512, tile9_avx512, tile10_avx512, tile11_avx512, tile12_avx512, tile13_avx512, tile14_avx512,
		},
		packRows_avx512, transpose_avx512, stream8_avx512, stream1_avx512)
)
