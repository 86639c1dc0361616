//go:build !amd64

package vec

func best() *kernels { return nil }
