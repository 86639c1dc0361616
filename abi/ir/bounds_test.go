package ir

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// Programs of a few bytes that ask for endless work are refused.
func TestEndlessWorkIsRefused(t *testing.T) {
	const huge = 1 << 30
	one := NewWindow(huge)
	one.Low = []int{huge}
	for want, build := range map[string]func(b *Builder) Value{
		"window [1073741824] does not have 1 to": func(b *Builder) Value {
			return b.ReduceWindow("sum", b.Param("x", T(F32, 1)), one)
		},
		"window [32768 32768] does not have 1 to": func(b *Builder) Value {
			w := NewWindow(1, 1)
			w.Low = []int{huge, huge}
			return b.Convolution(b.Param("x", T(F32, 1, 1, 1, 0)), b.Param("k", T(F32, 1<<15, 1<<15, 0, 1)), w, 1)
		},
		"size [1073741824 1] is more than": func(b *Builder) Value {
			return b.ResizeBilinear(b.Param("x", T(F32, 0, 1, 1, 1)), huge, 1, false)
		},
		"max_distance must be more than": func(b *Builder) Value {
			return b.RelativePositionBias(b.Param("w", T(F32, 32, 0)), 1, 1, false, huge)
		},
	} {
		b := NewBuilder("f")
		b.Return("y", build(b))
		assert.ErrorContains(t, b.Err(), want)
	}
}
