package vec

import "github.com/seedbed/seedbed/plugins/backends/cpu/internal/isa"

func table(p isa.Path) *kernels {
	if p == isa.NEON {
		return &neon
	}
	return nil
}
