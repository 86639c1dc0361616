package resnet

import (
	"strings"
	"testing"

	"github.com/seedbed/seedbed/abi/plugin/nn/nntest"
	"github.com/stretchr/testify/assert"
)

var dims = map[string]int{"batch": 2}

// The counts are those of torchvision's models.
func TestPresetsHaveThePublishedSizes(t *testing.T) {
	for preset, want := range map[string]int{
		"resnet-18": 11_689_512, "resnet-34": 21_797_672, "resnet-50": 25_557_032, "resnet-101": 44_549_160, "resnet-152": 60_192_808,
	} {
		assert.Equal(t, want, nntest.Elements(nntest.Build(t, Model, classifier, `{"preset": "`+preset+`"}`, dims)), preset)
	}
}

func TestModule(t *testing.T) {
	small := `{"image_size": 33, "num_channels": 1, "embedding_size": 4, "layer_type": "basic", "hidden_size_1": 4, "hidden_size_2": 6, "depth_1": 1, "depth_2": 1, "depth_3": 0, "depth_4": 0, "num_labels": 7, "projection_dim": 5}`
	for role, want := range map[string]map[string]string{
		classifier: {"pixel_values": "f32[2,1,33,33]", "logits": "f32[2,7]", "features": "f32[2,6]"},
		twoViews:   {"view_a": "f32[2,1,33,33]", "view_b": "f32[2,1,33,33]", "embeddings": "f32[4,5]", "features": "f32[4,6]"},
	} {
		got, buffers := nntest.Types(nntest.Build(t, Model, role, small, dims)), 0
		for name := range got {
			if strings.HasPrefix(name, "buffer.") {
				delete(got, name)
				buffers++
			}
		}
		assert.Equal(t, want, got)
		assert.Equal(t, map[string]int{classifier: 12, twoViews: 14}[role], buffers)
	}
}

func TestRefuses(t *testing.T) {
	nntest.Refuses(t, Model, classifier, dims, map[string]string{
		"field depth_1: must be positive":                                    `{"depth_1": 0}`,
		"field depth_4: is 3, but the stage before it is not there":          `{"depth_3": 0}`,
		"field hidden_size_2: must be a multiple of 4 for bottlenecks, is 6": `{"hidden_size_2": 6}`,
		"field layer_type: must be one of bottleneck, basic":                 `{"layer_type": "wide"}`,
	})
}
