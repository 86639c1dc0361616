//go:build !amd64 && !arm64

package gemm

import "github.com/seedbed/seedbed/plugins/backends/cpu/internal/isa"

func kernelsFor(isa.Path) *kernels { return &portable }
