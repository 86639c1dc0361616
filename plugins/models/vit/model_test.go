package vit_test

import (
	"testing"

	"github.com/seedbed/seedbed/abi/plugin/nn/nntest"
	"github.com/seedbed/seedbed/plugins/models/vit"
	"github.com/stretchr/testify/assert"
)

var dims = map[string]int{"batch": 2}

// The counts are those of the published checkpoints with 1000 classes.
func TestPresetsHaveThePublishedSizes(t *testing.T) {
	for preset, want := range map[string]int{
		"vit-tiny-patch16-224": 5_717_416, "vit-small-patch16-224": 22_050_664, "vit-base-patch16-224": 86_567_656,
		"vit-base-patch32-224": 88_224_232, "vit-large-patch16-224": 304_326_632,
	} {
		assert.Equal(t, want, nntest.Elements(nntest.Build(t, vit.Model, "image_classifier", `{"preset": "`+preset+`"}`, dims)), preset)
	}
}

func TestModule(t *testing.T) {
	m := nntest.Build(t, vit.Model, "image_classifier", `{"image_size": 12, "patch_size": 4, "num_channels": 1, "hidden_size": 8, "num_attention_heads": 2,
		"num_hidden_layers": 1, "intermediate_size": 12, "num_labels": 7, "hidden_dropout_prob": 0.1}`, dims)
	assert.Equal(t, map[string]string{"pixel_values": "f32[2,1,12,12]", "state": "u32[4]", "logits": "f32[2,7]", "features": "f32[2,8]"}, nntest.Types(m))
}

func TestRefuses(t *testing.T) {
	nntest.Refuses(t, vit.Model, "image_classifier", dims, map[string]string{
		`field image: there is no such field; the nearest is "image_size"`:  `{"image": 4}`,
		"field num_attention_heads: 7 heads do not divide hidden_size 768":  `{"num_attention_heads": 7}`,
		"field patch_size: 15 does not divide image_size 224":               `{"patch_size": 15}`,
		"field patch_size: 448 does not divide image_size 224":              `{"patch_size": 448}`,
		"field num_labels: must be 1 to 1048576, is 0":                      `{"num_labels": 0}`,
		"field preset: must be one of vit-base-patch16-224, vit-tiny-patch": `{"preset": "vit-b"}`,
	})
}
