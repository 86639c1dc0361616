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

// Against the table that the released code gives for its defaults.
func TestBuckets(t *testing.T) {
	both := buckets(300, 300, 32, 128, true)
	at := func(d int) int { return int(both[299+d]) }
	for d, want := range map[int]int{
		0: 0, -1: 1, -7: 7, -8: 8, -11: 8, -12: 9, -15: 9, -16: 10, -22: 10, -23: 11, -31: 11, -32: 12, -45: 12, -46: 13, -63: 13, -64: 14, -90: 14, -91: 15, -128: 15, -299: 15,
		1: 17, 7: 23, 8: 24, 16: 26, 91: 31, 299: 31,
	} {
		assert.Equal(t, want, at(d), "distance %d", d)
	}
	causal := buckets(200, 3, 32, 128, false)
	for d, want := range map[int]int{2: 0, 1: 0, 0: 0, -1: 1, -15: 15, -16: 16, -18: 16, -19: 17, -127: 31, -199: 31} {
		assert.Equal(t, want, int(causal[199+d]), "distance %d", d)
	}
}

func TestRefuses(t *testing.T) {
	nntest.Refuses(t, Model, role, dims, map[string]string{
		`field d_modle: there is no such field; the nearest is "d_model"`:           `{"d_modle": 4}`,
		"field feed_forward_proj: must be one of relu, gated-gelu":                  `{"feed_forward_proj": "gated-silu"}`,
		"field relative_attention_num_buckets: must be a multiple of 4, is 30":      `{"relative_attention_num_buckets": 30}`,
		"field relative_attention_max_distance: must be more than half of relative": `{"relative_attention_max_distance": 16}`,
	})
}
