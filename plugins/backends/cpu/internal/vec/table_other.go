//go:build !amd64 && !arm64

package vec

import "github.com/seedbed/seedbed/plugins/backends/cpu/internal/isa"

func table(isa.Path) *kernels { return nil }
