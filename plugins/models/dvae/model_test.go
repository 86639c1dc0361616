package dvae

import (
	"testing"

	"github.com/seedbed/seedbed/abi/plugin/nn/nntest"
	"github.com/stretchr/testify/assert"
)

var dims = map[string]int{"batch": 2}

func TestModule(t *testing.T) {
	m := nntest.Build(t, Model, autoencoder, `{"image_size": 8, "codes": 5, "width": 6, "num_channels": 1}`, dims)
	assert.Equal(t, map[string]string{
		"pixel_values": "f32[2,1,8,8]", "gumbel": "f32[2,5,2,2]", "temperature": "f32[]", "code_logits": "f32[2,5,2,2]", "reconstruction": "f32[2,2,8,8]",
	}, nntest.Types(m))
	half := nntest.Build(t, Model, decoder, `{"image_size": 8, "codes": 5, "width": 6, "num_channels": 1}`, dims)
	assert.Equal(t, map[string]string{"image_codes": "i32[2,4]", "reconstruction": "f32[2,2,8,8]"}, nntest.Types(half))
	assert.Empty(t, nntest.Anew(half, m))
}

func TestRefuses(t *testing.T) {
	nntest.Refuses(t, Model, autoencoder, dims, map[string]string{
		"field image_size: must be a multiple of 4, is 6":                 `{"image_size": 6}`,
		`field code: there is no such field; the nearest is "codes"`:      `{"code": 6}`,
		"field codes: must be 2 to 1048576, is 1":                         `{"codes": 1}`,
		"field width: must be a whole number of at most 64 bits, is true": `{"width": true}`,
	})
}
