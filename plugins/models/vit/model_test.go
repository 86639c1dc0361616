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
	const small = `{"image_size": 12, "patch_size": 4, "num_channels": 1, "hidden_size": 8, "num_attention_heads": 2,
		"num_hidden_layers": 1, "intermediate_size": 12, "num_labels": 7, "hidden_dropout_prob": 0.1, "projection_dim": 5`
	for _, c := range []struct {
		role, config string
		want         map[string]string
	}{
		{"image_classifier", ``, map[string]string{"pixel_values": "f32[2,1,12,12]", "state": "u32[4]", "logits": "f32[2,7]", "features": "f32[2,8]"}},
		{"masked_patches", ``, map[string]string{"pixel_values": "f32[2,1,12,12]", "patch_sources": "i32[2,9]", "state": "u32[4]", "prediction": "f32[2,9,8]", "features": "f32[2,8]"}},
		{"masked_patches", `, "patch_prediction": "pixels"`, map[string]string{"pixel_values": "f32[2,1,12,12]", "patch_sources": "i32[2,9]", "state": "u32[4]", "prediction": "f32[2,9,16]", "features": "f32[2,8]"}},
		{"two_view_encoder", ``, map[string]string{"view_a": "f32[2,1,12,12]", "view_b": "f32[2,1,12,12]", "state": "u32[4]", "embeddings": "f32[4,5]", "features": "f32[4,8]",
			"buffer.projection.1.running_mean": "f32[8]", "buffer.projection.1.running_var": "f32[8]"}},
	} {
		assert.Equal(t, c.want, nntest.Types(nntest.Build(t, vit.Model, c.role, small+c.config+`}`, dims)), c.role)
	}
}

// What is learned without labels begins a classifier, all but its head.
func TestRolesShareTheEncoder(t *testing.T) {
	whole := nntest.Build(t, vit.Model, "image_classifier", ``, dims)
	for _, role := range []string{"masked_patches", "two_view_encoder"} {
		assert.Equal(t, []string{"classifier.bias", "classifier.weight"}, nntest.Anew(whole, nntest.Build(t, vit.Model, role, ``, dims)), role)
	}
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
	nntest.Refuses(t, vit.Model, "masked_patches", dims, map[string]string{
		"field patch_prediction: must be one of colors, pixels": `{"patch_prediction": "edges"}`,
		"field patch_prediction: colors are of at most 4 chann": `{"num_channels": 5}`,
	})
}
