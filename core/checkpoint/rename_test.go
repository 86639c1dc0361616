package checkpoint

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestRenamed(t *testing.T) {
	for _, c := range [][3]string{
		{"encoder.encoder.stages.0", "^encoder.=resnet.", "resnet.encoder.stages.0"},
		{"x.encoder.y", "^encoder.=resnet.", "x.encoder.y"},
		{"x.gamma", "gamma=weight", "x.weight"},
		{"a.a.a", "a.=", "a"},
		{"h.0.ln_1.weight", "^=transformer.", "transformer.h.0.ln_1.weight"},
	} {
		assert.Equal(t, c[2], renamed(c[0], c[1]), "%s by %s", c[0], c[1])
	}
}
