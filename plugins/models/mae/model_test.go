package mae

import (
	"fmt"
	"regexp"
	"testing"

	"github.com/seedbed/seedbed/abi/plugin/nn/nntest"
	"github.com/stretchr/testify/assert"
)

var dims = map[string]int{"batch": 2}

// The counts are those of the published checkpoints, whose tables of
// positions, 197 by 768 or 1024 and 197 by 512, are not trained.
func TestPresetsHaveThePublishedSizes(t *testing.T) {
	for preset, want := range map[string]int{"vit-mae-base": 111_907_840 - 197*(768+512), "vit-mae-large": 329_541_888 - 197*(1024+512)} {
		assert.Equal(t, want, nntest.Elements(nntest.Build(t, Model, autoencoder, `{"preset": "`+preset+`"}`, dims)), preset)
	}
}

func TestModule(t *testing.T) {
	m := nntest.Build(t, Model, autoencoder, `{"image_size": 16, "patch_size": 4, "num_channels": 1, "hidden_size": 8, "num_attention_heads": 2, "num_hidden_layers": 1,
		"intermediate_size": 12, "decoder_hidden_size": 12, "decoder_num_attention_heads": 3, "decoder_num_hidden_layers": 1, "decoder_intermediate_size": 8, "mask_ratio": 0.7}`, dims)
	assert.Equal(t, map[string]string{
		"pixel_values": "f32[2,1,16,16]", "ids_keep": "i32[2,4]", "ids_restore": "i32[2,16]", "prediction": "f32[2,16,16]", "features": "f32[2,8]",
	}, nntest.Types(m))
	whole := nntest.Build(t, Model, autoencoder, `{"image_size": 16, "patch_size": 4, "hidden_size": 8, "num_attention_heads": 2, "num_hidden_layers": 1, "intermediate_size": 12, "mask_ratio": 0}`, dims)
	assert.Equal(t, "i32[2,16]", nntest.Types(whole)["ids_keep"], "all patches are seen")
}

// The mean of the patches in the class token's place changes neither parameters nor types.
func TestGlobalPool(t *testing.T) {
	const small = `{"image_size": 16, "patch_size": 4, "num_channels": 1, "hidden_size": 8, "num_attention_heads": 2, "num_hidden_layers": 1, "intermediate_size": 12%s}`
	token := nntest.Build(t, Model, classifier, fmt.Sprintf(small, ""), dims)
	mean := nntest.Build(t, Model, classifier, fmt.Sprintf(small, `, "global_pool": "avg"`), dims)
	assert.Equal(t, nntest.Types(token), nntest.Types(mean))
	assert.Empty(t, nntest.Anew(mean, token))
	assert.Equal(t, nntest.Elements(token), nntest.Elements(mean))
	patches := regexp.MustCompile(`reshape.* : f32\[2,16,1,8\]`)
	assert.Regexp(t, patches, mean.Forward.String())
	assert.NotRegexp(t, patches, token.Forward.String())
}

func TestRefuses(t *testing.T) {
	nntest.Refuses(t, Model, autoencoder, dims, map[string]string{
		"field num_attention_heads: 7 heads do not divide hidden_size 768":         `{"num_attention_heads": 7}`,
		"field decoder_num_attention_heads: 7 heads do not divide":                 `{"decoder_num_attention_heads": 7}`,
		"field hidden_size: must be a multiple of 4, for positions, is 6":          `{"hidden_size": 6, "num_attention_heads": 2}`,
		"field decoder_hidden_size: must be a multiple of 4, for positions, is 18": `{"decoder_hidden_size": 18, "decoder_num_attention_heads": 3}`,
		"field patch_size: 15 does not divide image_size 224":                      `{"patch_size": 15}`,
		"field mask_ratio: 0.9 leaves 0 of 4 patches to see":                       `{"mask_ratio": 0.9, "patch_size": 112}`,
	})
}
