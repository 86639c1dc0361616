package dalle_prior

import (
	"testing"

	"github.com/seedbed/seedbed/abi/plugin/nn/nntest"
	"github.com/stretchr/testify/assert"
)

var dims = map[string]int{"batch": 2}

func TestModule(t *testing.T) {
	m := nntest.Build(t, Model, prior, `{"text_vocab": 7, "codes": 5, "text_len": 3, "side": 2, "n_embd": 8, "n_layer": 1, "n_head": 2, "resid_pdrop": 0.1}`, dims)
	assert.Equal(t, map[string]string{
		"text_ids": "i32[2,3]", "image_codes": "i32[2,4]", "state": "u32[4]", "text_logits": "f32[2,3,7]", "image_logits": "f32[2,4,5]",
	}, nntest.Types(m))
	step := nntest.Build(t, Model, one, `{"text_vocab": 7, "codes": 5, "text_len": 3, "side": 2, "n_embd": 8, "n_layer": 1, "n_head": 2}`, dims)
	assert.Equal(t, map[string]string{"token_ids": "i32[2,1]", "position_ids": "i32[2,1]", "image_logits": "f32[2,1,5]"}, nntest.Types(step))
	assert.Empty(t, nntest.Anew(step, m))
}

func TestRefuses(t *testing.T) {
	nntest.Refuses(t, Model, prior, dims, map[string]string{
		"field n_head: 7 heads do not divide n_embd 512":                             `{"n_head": 7}`,
		`field text: there is no such field; there are text_vocab, codes, text_len,`: `{"text": 6}`,
		"field resid_pdrop: must be at least 0 and below 1, is 1":                    `{"resid_pdrop": 1}`,
		"field text_len: must be a whole number of at most 64 bits, ":                `{"text_len": "x"}`,
	})
}
