package vec

import "github.com/seedbed/seedbed/plugins/backends/cpu/internal/isa"

func table(p isa.Path) *kernels {
	switch p {
	case isa.AVX512:
		return &avx512
	case isa.AVX2:
		return &avx2
	}
	return nil
}
