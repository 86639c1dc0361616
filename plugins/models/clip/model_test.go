package clip

import (
	"testing"

	"github.com/seedbed/seedbed/abi/plugin/nn/nntest"
	"github.com/stretchr/testify/assert"
)

var dims = map[string]int{"batch": 2, "sequence": 6}

// The counts are those of the published checkpoints.
func TestPresetsHaveThePublishedSizes(t *testing.T) {
	for preset, want := range map[string]int{"clip-vit-base-patch32": 151_277_313, "clip-vit-base-patch16": 149_620_737, "clip-vit-large-patch14": 427_616_513} {
		assert.Equal(t, want, nntest.Elements(nntest.Build(t, Model, role, `{"preset": "`+preset+`"}`, dims)), preset)
	}
}

func TestModule(t *testing.T) {
	m := nntest.Build(t, Model, role, `{"vocab_size": 9, "image_size": 8, "patch_size": 4, "num_channels": 1, "projection_dim": 6, "text_hidden_size": 8, "text_num_hidden_layers": 1,
		"vision_hidden_size": 16, "vision_num_attention_heads": 2, "vision_num_hidden_layers": 1}`, dims)
	assert.Equal(t, map[string]string{
		"pixel_values": "f32[2,1,8,8]", "input_ids": "i32[2,6]", "text_positions": "i32[2]",
		"image_embeds": "f32[2,6]", "text_embeds": "f32[2,6]", "logit_scale": "f32[]",
	}, nntest.Types(m))
}

func TestRefuses(t *testing.T) {
	nntest.Refuses(t, Model, role, dims, map[string]string{
		"field text_num_attention_heads: 7 heads do not divide text_hidden_size 512":     `{"text_num_attention_heads": 7}`,
		"field vision_num_attention_heads: 7 heads do not divide vision_hidden_size 768": `{"vision_num_attention_heads": 7}`,
		"field patch_size: 15 does not divide image_size 224":                            `{"patch_size": 15}`,
		`field max_position_embeddings: 5 is less than the dimension "sequence", 6`:      `{"max_position_embeddings": 5}`,
	})
}
