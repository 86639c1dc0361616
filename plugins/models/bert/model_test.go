package bert_test

import (
	"testing"

	"github.com/seedbed/seedbed/abi/plugin/nn/nntest"
	"github.com/seedbed/seedbed/plugins/models/bert"
	"github.com/stretchr/testify/assert"
)

var dims = map[string]int{"batch": 2, "sequence": 8}

// The counts are those of Hugging Face's BertForMaskedLM and
// BertForPreTraining.
func TestPresetsHaveThePublishedSizes(t *testing.T) {
	for _, c := range []struct {
		preset, role string
		want         int
	}{
		{"bert-base-uncased", "masked_lm", 109_514_298}, {"bert-base-uncased", "masked_lm+next_sentence", 110_106_428},
		{"bert-large-uncased", "masked_lm", 335_174_458}, {"bert-large-uncased", "masked_lm+next_sentence", 336_226_108},
		{"bert-base-uncased", "text_classifier", 109_483_778}, // BertForSequenceClassification's
	} {
		m := nntest.Build(t, bert.Model, c.role, `{"preset": "`+c.preset+`"}`, dims)
		assert.Equal(t, c.want, nntest.Elements(m), "%s, %s", c.preset, c.role)
	}
}

func TestModule(t *testing.T) {
	small := `{"vocab_size": 19, "max_position_embeddings": 8, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 20`
	want := map[string]string{
		"input_ids": "i32[2,8]", "position_ids": "i32[2,8]", "segment_ids": "i32[2,8]", "token_type_ids": "i32[2,8]",
		"hidden": "f32[2,8,16]", "output_embedding": "f32[19,16]", "output_bias": "f32[19]",
	}
	assert.Equal(t, want, nntest.Types(nntest.Build(t, bert.Model, "masked_lm", small+`}`, dims)))
	want["next_sentence_logits"], want["state"] = "f32[2,2]", "u32[4]"
	assert.Equal(t, want, nntest.Types(nntest.Build(t, bert.Model, "masked_lm+next_sentence", small+`, "hidden_dropout_prob": 0.1}`, dims)))
}

// A classifier is the pretrained encoder with another head.
func TestClassifier(t *testing.T) {
	small := `{"vocab_size": 19, "max_position_embeddings": 8, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 20, "num_labels": 5}`
	m := nntest.Build(t, bert.Model, "text_classifier", small, dims)
	assert.Equal(t, map[string]string{
		"input_ids": "i32[2,8]", "position_ids": "i32[2,8]", "segment_ids": "i32[2,8]", "token_type_ids": "i32[2,8]", "logits": "f32[2,5]", "features": "f32[2,16]",
	}, nntest.Types(m))
	pretrained := nntest.Build(t, bert.Model, "masked_lm+next_sentence", small, dims)
	assert.Equal(t, []string{"classifier.bias", "classifier.weight"}, nntest.Anew(m, pretrained))
}

func TestRefuses(t *testing.T) {
	nntest.Refuses(t, bert.Model, "masked_lm", dims, map[string]string{
		`field hidden_siz: there is no such field; the nearest is "hidden_size"`:      `{"hidden_siz": 4}`,
		"field num_attention_heads: 7 heads do not divide hidden_size 768":            `{"num_attention_heads": 7}`,
		`field max_position_embeddings: 7 is less than the dimension "sequence", 8`:   `{"max_position_embeddings": 7}`,
		`field hidden_act: must be one of gelu, gelu_tanh, relu, silu, is "gelu_new"`: `{"hidden_act": "gelu_new"}`,
		`field hidden_dropout_prob: must be at least 0 and below 1, is 1`:             `{"hidden_dropout_prob": 1}`,
	})
}
