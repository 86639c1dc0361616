package t5

import (
	"testing"

	"github.com/seedbed/seedbed/abi/plugin/nn/nntest"
	"github.com/stretchr/testify/assert"
)

var dims = map[string]int{"batch": 2, "sequence": 9, "target": 5}

// The counts are those of the published checkpoints.
func TestPresetsHaveThePublishedSizes(t *testing.T) {
	for preset, want := range map[string]int{
		"t5-small": 60_506_624, "t5-base": 222_903_552, "t5-large": 737_668_096, "t5-3b": 2_851_598_336,
		"t5-v1_1-small": 76_961_152, "t5-v1_1-base": 247_577_856, "t5-v1_1-large": 783_150_080,
	} {
		assert.Equal(t, want, nntest.Elements(nntest.Build(t, Model, role, `{"preset": "`+preset+`"}`, dims)), preset)
	}
}

func TestModule(t *testing.T) {
	m := nntest.Build(t, Model, role, `{"vocab_size": 19, "d_model": 8, "d_kv": 4, "num_heads": 2, "d_ff": 12, "num_layers": 1, "num_decoder_layers": 2, "dropout_rate": 0.1}`, dims)
	assert.Equal(t, map[string]string{
		"input_ids": "i32[2,9]", "segment_ids": "i32[2,9]", "decoder_input_ids": "i32[2,5]", "decoder_segment_ids": "i32[2,5]", "state": "u32[4]",
		"hidden": "f32[2,5,8]", "output_embedding": "f32[19,8]",
	}, nntest.Types(m))
}

// The language model is the decoder without what attends to the encoder.
func TestLanguageModel(t *testing.T) {
	const small = `{"vocab_size": 19, "d_model": 8, "d_kv": 4, "num_heads": 2, "d_ff": 12, "num_layers": 1, "num_decoder_layers": 2, "tie_word_embeddings": false}`
	m := nntest.Build(t, Model, language, small, map[string]int{"batch": 2, "sequence": 9})
	assert.Equal(t, map[string]string{"input_ids": "i32[2,9]", "segment_ids": "i32[2,9]", "hidden": "f32[2,9,8]", "output_embedding": "f32[19,8]"}, nntest.Types(m))
	whole := nntest.Build(t, Model, role, small, dims)
	assert.Empty(t, nntest.Anew(m, whole))
	for _, name := range nntest.Anew(whole, m) {
		assert.Regexp(t, `^encoder\.|\.1\.EncDecAttention\.|^decoder\.block\.\d\.layer\.1\.layer_norm`, name)
	}
}

func TestRefuses(t *testing.T) {
	nntest.Refuses(t, Model, role, dims, map[string]string{
		`field d_model_: there is no such field; the nearest is "d_model"`:          `{"d_model_": 4}`,
		"field feed_forward_proj: must be one of relu, gated-gelu":                  `{"feed_forward_proj": "gated-silu"}`,
		"field relative_attention_num_buckets: must be a multiple of 4, is 30":      `{"relative_attention_num_buckets": 30}`,
		"field relative_attention_max_distance: must be more than half of relative": `{"relative_attention_max_distance": 16}`,
	})
}
