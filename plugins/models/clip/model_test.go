package clip

import (
	"testing"

	"github.com/seedbed/seedbed/abi/plugin/nn/nntest"
	"github.com/stretchr/testify/assert"
)

var dims = map[string]int{"batch": 2, "sequence": 6}

// The counts are those of the published checkpoints.
func TestPresetsHaveThePublishedSizes(t *testing.T) {
	for preset, want := range map[string]int{"clip-vit-base-patch32": 151_277_313, "clip-vit-base-patch16": 149_620_737, "clip-vit-large-patch14": 427_616_513,
		"clip-rn50": 102_007_137, "clip-rn101": 119_688_033, "clip-rn50x4": 178_300_601, "clip-rn50x16": 290_979_217, "clip-rn50x64": 623_258_305} {
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

// The residual tower's shapes, and that all else is the same.
func TestResidualTower(t *testing.T) {
	const text = `"vocab_size": 9, "projection_dim": 6, "text_hidden_size": 8, "text_num_hidden_layers": 1, "text_num_attention_heads": 1, "vision_num_attention_heads": 2`
	m := nntest.Build(t, Model, role, `{`+text+`, "image_size": 64, "vision_tower": "resnet", "vision_hidden_size": 64, "vision_depth_1": 2, "vision_depth_2": 1, "vision_depth_3": 1, "vision_depth_4": 1}`, dims)
	types := map[string]string{}
	for _, p := range m.Parameters {
		types[p.Name] = p.Type.String()
	}
	for name, want := range map[string]string{
		"visual.conv1.weight": "f32[1,3,3,3]", "visual.conv3.weight": "f32[2,1,3,3]", "visual.layer1.0.downsample.0.weight": "f32[8,2,1,1]",
		"visual.layer1.1.conv1.weight": "f32[2,8,1,1]", "visual.layer4.0.conv2.weight": "f32[16,16,3,3]", "visual.layer4.0.bn3.weight": "f32[64]",
		"visual.attnpool.positional_embedding": "f32[5,64]", "visual.attnpool.c_proj.weight": "f32[6,64]",
	} {
		assert.Equal(t, want, types[name], name)
	}
	assert.NotContains(t, types, "visual_projection.weight")
	assert.NotContains(t, types, "visual.layer1.1.downsample.0.weight")
	got := nntest.Types(m)
	assert.Equal(t, "f32[2,6]", got["image_embeds"])
	assert.Len(t, m.Buffers, 2*(3+5*3+4))
	plain := nntest.Build(t, Model, role, `{`+text+`, "image_size": 8, "patch_size": 4, "vision_hidden_size": 64}`, dims)
	for _, name := range nntest.Anew(m, plain) {
		assert.Contains(t, name, "visual.")
	}
}

// The autoencoder has the image tower's parameters and a decoder.
func TestAutoencoder(t *testing.T) {
	const small = `{"vocab_size": 9, "image_size": 16, "patch_size": 4, "num_channels": 1, "projection_dim": 6, "text_hidden_size": 8, "text_num_hidden_layers": 1,
		"vision_hidden_size": 16, "vision_num_attention_heads": 2, "vision_num_hidden_layers": 1,
		"decoder_hidden_size": 12, "decoder_num_attention_heads": 3, "decoder_num_hidden_layers": 1, "decoder_intermediate_size": 8}`
	m := nntest.Build(t, Model, autoencoder, small, map[string]int{"batch": 2})
	assert.Equal(t, map[string]string{
		"pixel_values": "f32[2,1,16,16]", "ids_keep": "i32[2,4]", "ids_restore": "i32[2,16]", "prediction": "f32[2,16,16]", "features": "f32[2,16]",
	}, nntest.Types(m))
	dual := nntest.Build(t, Model, role, small, dims)
	for _, name := range nntest.Anew(m, dual) {
		assert.Contains(t, name, "decoder.")
	}
	for _, name := range nntest.Anew(dual, m) {
		assert.NotContains(t, name, "vision_model.", "the tower is shared, whole")
	}
	nntest.Refuses(t, Model, autoencoder, map[string]int{"batch": 2}, map[string]string{
		"field vision_tower: must be transformer in role masked_autoencoder":      `{"vision_tower": "resnet"}`,
		"field decoder_num_attention_heads: 7 heads do not divide":                `{"decoder_num_attention_heads": 7}`,
		"field mask_ratio: 0.9 leaves 0 of 4 patches to see":                      `{"mask_ratio": 0.9, "patch_size": 112}`,
		"field vision_num_attention_heads: 7 heads do not divide vision_hidden_s": `{"vision_num_attention_heads": 7}`,
	})
}

func TestRefuses(t *testing.T) {
	nntest.Refuses(t, Model, role, dims, map[string]string{
		"field text_num_attention_heads: 7 heads do not divide text_hidden_size 512":        `{"text_num_attention_heads": 7}`,
		"field vision_num_attention_heads: 7 heads do not divide vision_hidden_size 768":    `{"vision_num_attention_heads": 7}`,
		"field patch_size: 15 does not divide image_size 224":                               `{"patch_size": 15}`,
		"field vision_hidden_size: must be a multiple of 64 for vision_tower resnet, is 96": `{"vision_tower": "resnet", "vision_hidden_size": 96}`,
		"field image_size: must be a multiple of 32 for vision_tower resnet, is 100":        `{"vision_tower": "resnet", "image_size": 100}`,
		"field vision_tower: must be one of transformer, resnet":                            `{"vision_tower": "vit"}`,
		`field max_position_embeddings: 5 is less than the dimension "sequence", 6`:         `{"max_position_embeddings": 5}`,
	})
}
