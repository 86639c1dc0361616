package model

import (
	"encoding/json"
	"fmt"
)

// Scenario is a role of a model and the configurations in which it is tried.
// What the role asks for is known (see roles); what configurations are small is
// the model's to say.
type Scenario struct {
	Role string `json:"role"`
	// Configs are small and valid; the first is tried most.
	Configs []json.RawMessage `json:"configs"`
	// Dims are sizes of the role's dimensions; the first has at least two rows.
	Dims []map[string]int `json:"dims"`
	// Vocab is how many tokens and codes there are in every configuration.
	Vocab int `json:"vocab,omitempty"`
	// Impossible are configurations that must be refused with the first of Dims.
	Impossible []json.RawMessage `json:"impossible,omitempty"`
}

// Check reports a scenario that tries nothing.
func (s *Scenario) Check() error {
	switch {
	case s.Role == "" || len(s.Configs) == 0 || len(s.Dims) == 0:
		return fmt.Errorf("a scenario needs a role, configs and dims; has role %q, %d configs and %d dims", s.Role, len(s.Configs), len(s.Dims))
	case s.Dims[0]["batch"] < 2:
		return fmt.Errorf("the first dims of role %s must have at least two rows in batch, have %v", s.Role, s.Dims[0])
	case s.Vocab < 0 || s.Vocab == 1:
		return fmt.Errorf("vocab of role %s is %d; needs at least 2 to tell ids apart", s.Role, s.Vocab)
	}
	return nil
}

func raw(texts ...string) (l []json.RawMessage) {
	for _, t := range texts {
		l = append(l, json.RawMessage(t))
	}
	return l
}

// ByName returns the scenarios of a built-in model. A third party gives its
// own.
func ByName(name string) ([]Scenario, error) {
	if s, ok := builtin[name]; ok {
		return s, nil
	}
	return nil, fmt.Errorf("no scenario is known for the model %q: give conformance.RunModel, or host conformance model --scenarios, your own", name)
}

var (
	texts = []map[string]int{{"batch": 3, "sequence": 5}, {"batch": 1, "sequence": 1}, {"batch": 2, "sequence": 8}, {"batch": 1, "sequence": 7}}
	rows  = []map[string]int{{"batch": 3}, {"batch": 1}}
)

// builtin are the scenarios of the built-in models.
var builtin = map[string][]Scenario{
	"gpt": {{
		Role: "causal_lm", Dims: texts, Vocab: 11,
		Configs: raw(
			`{"vocab_size": 11, "n_positions": 8, "n_embd": 8, "n_layer": 2, "n_head": 2}`,
			`{"vocab_size": 11, "n_positions": 8, "n_embd": 8, "n_layer": 1, "n_head": 1, "bias": false, "tie_embeddings": false, "activation": "gelu"}`,
			`{"vocab_size": 11, "n_positions": 8, "n_embd": 6, "n_layer": 1, "n_head": 3, "activation": "relu", "n_inner": 5, "resid_pdrop": 0.5, "embd_pdrop": 0.1}`,
			`{"vocab_size": 11, "n_positions": 8, "n_embd": 8, "n_layer": 2, "n_head": 4, "n_kv_head": 2, "norm": "rms_norm", "position": "rotary", "mlp": "gated", "n_inner": 12}`,
			`{"vocab_size": 11, "n_positions": 8, "n_embd": 8, "n_layer": 1, "n_head": 2, "head_dim": 6, "norm": "rms_norm", "position": "rotary", "mlp": "gated", "n_inner": 3, "tie_embeddings": true}`),
		Impossible: raw(
			`{"n_embd": 7, "n_head": 2}`, `{"n_head": 0}`, `{"n_positions": 4, "vocab_size": 11}`, `{"norm": "batch_norm"}`, `{"norm": "rms_norm"}`,
			`{"n_layer": 1000000}`, `{"n_kv_head": 3, "n_head": 4, "norm": "rms_norm", "position": "rotary", "mlp": "gated"}`, `{"resid_pdrop": 1}`),
	}},
	"bert": {{
		Role: "masked_lm", Dims: texts, Vocab: 11,
		Configs: raw(smallBERT, `{"vocab_size": 11, "hidden_size": 6, "num_hidden_layers": 1, "num_attention_heads": 3, "intermediate_size": 5, "max_position_embeddings": 9, "hidden_act": "relu", "hidden_dropout_prob": 0.1}`),
		Impossible: raw(`{"hidden_size": 7, "num_attention_heads": 2}`, `{"num_attention_heads": 0}`, `{"max_position_embeddings": 4}`, `{"hidden_act": "step"}`,
			`{"num_hidden_layers": 1000000}`, `{"hidden_dropout_prob": 1}`),
	}, {
		Role: "masked_lm+next_sentence", Dims: texts, Vocab: 11, Configs: raw(smallBERT), Impossible: raw(`{"max_position_embeddings": 4}`, `{"type_vocab_size": 0}`),
	}, {
		Role: "next_sentence", Dims: texts, Vocab: 11, Configs: raw(smallBERT), Impossible: raw(`{"max_position_embeddings": 4}`, `{"hidden_act": "step"}`),
	}, {
		Role: "text_classifier", Dims: texts, Vocab: 11, Configs: raw(smallBERT), Impossible: raw(`{"max_position_embeddings": 4}`, `{"num_labels": 0}`),
	}},
	"t5": {{
		Role: "seq2seq_lm", Vocab: 11,
		Dims:       []map[string]int{{"batch": 3, "sequence": 5, "target": 4}, {"batch": 1, "sequence": 1, "target": 1}, {"batch": 2, "sequence": 3, "target": 7}},
		Configs:    smallT5,
		Impossible: raw(`{"relative_attention_num_buckets": 30}`, `{"relative_attention_max_distance": 16}`, `{"feed_forward_proj": "gated-silu"}`, `{"num_heads": 0}`, `{"dropout_rate": 1}`),
	}, {
		Role: "causal_lm", Dims: texts, Vocab: 11, Configs: smallT5, Impossible: raw(`{"relative_attention_num_buckets": 30}`, `{"num_heads": 0}`, `{"vocab_size": 0}`),
	}},
	"vit": {{
		Role: "image_classifier", Dims: rows, Configs: smallViT,
		Impossible: raw(`{"num_attention_heads": 7}`, `{"patch_size": 15}`, `{"num_labels": 0}`, `{"hidden_act": "step"}`, `{"hidden_dropout_prob": 1}`),
	}, {
		Role: "masked_patches", Dims: rows, Configs: append(smallViT,
			[]byte(`{"image_size": 6, "patch_size": 3, "hidden_size": 6, "num_attention_heads": 3, "num_hidden_layers": 1, "intermediate_size": 5, "patch_prediction": "pixels"}`)),
		Impossible: raw(`{"num_attention_heads": 7}`, `{"patch_size": 15}`, `{"patch_prediction": "edges"}`, `{"num_channels": 5}`),
	}, {
		Role: "two_view_encoder", Dims: []map[string]int{{"batch": 3}, {"batch": 2}}, Configs: smallViT,
		Impossible: raw(`{"num_attention_heads": 7}`, `{"patch_size": 15}`, `{"projection_dim": 0}`),
	}},
	"mae": {{
		Role: "masked_autoencoder", Dims: rows,
		Configs:    smallMAE,
		Impossible: raw(`{"num_attention_heads": 7}`, `{"decoder_num_attention_heads": 7}`, `{"hidden_size": 6, "num_attention_heads": 2}`, `{"patch_size": 15}`, `{"mask_ratio": -0.1}`, `{"mask_ratio": 0.9, "patch_size": 112}`),
	}, {
		Role: "image_classifier", Dims: rows, Configs: smallMAE, Impossible: raw(`{"num_attention_heads": 7}`, `{"patch_size": 15}`, `{"num_labels": 0}`),
	}},
	"clip": {{
		Role: "dual_encoder", Dims: []map[string]int{{"batch": 3, "sequence": 5}, {"batch": 2, "sequence": 2}, {"batch": 1, "sequence": 7}}, Vocab: 9,
		Configs: raw(
			`{"vocab_size": 9, "max_position_embeddings": 7, "image_size": 8, "patch_size": 4, "num_channels": 1, "projection_dim": 6, "text_hidden_size": 8, "text_num_hidden_layers": 1, "text_num_attention_heads": 2, "text_intermediate_size": 5, "vision_hidden_size": 6, "vision_num_hidden_layers": 1, "vision_num_attention_heads": 3, "vision_intermediate_size": 7}`,
			`{"vocab_size": 9, "max_position_embeddings": 9, "image_size": 6, "patch_size": 3, "projection_dim": 4, "text_hidden_size": 4, "text_num_hidden_layers": 2, "text_num_attention_heads": 1, "text_intermediate_size": 5, "vision_hidden_size": 8, "vision_num_hidden_layers": 2, "vision_num_attention_heads": 2, "vision_intermediate_size": 7, "hidden_act": "gelu"}`,
			`{"vocab_size": 9, "max_position_embeddings": 7, "image_size": 64, "num_channels": 1, "projection_dim": 4, "text_hidden_size": 4, "text_num_hidden_layers": 1, "text_num_attention_heads": 1, "text_intermediate_size": 5, "vision_tower": "resnet", "vision_hidden_size": 64, "vision_num_attention_heads": 2, "vision_depth_1": 1, "vision_depth_2": 1, "vision_depth_3": 1, "vision_depth_4": 1}`),
		Impossible: raw(`{"text_num_attention_heads": 7}`, `{"vision_num_attention_heads": 7}`, `{"patch_size": 15}`, `{"max_position_embeddings": 4}`, `{"projection_dim": 0}`, `{"vision_tower": "resnet", "image_size": 100}`),
	}, {
		Role: "masked_autoencoder", Dims: rows,
		Configs: raw(
			`{"image_size": 12, "patch_size": 4, "num_channels": 1, "vision_hidden_size": 6, "vision_num_hidden_layers": 1, "vision_num_attention_heads": 3, "vision_intermediate_size": 7, "decoder_hidden_size": 4, "decoder_num_attention_heads": 1, "decoder_num_hidden_layers": 1, "decoder_intermediate_size": 5}`,
			`{"image_size": 6, "patch_size": 3, "vision_hidden_size": 8, "vision_num_hidden_layers": 2, "vision_num_attention_heads": 2, "vision_intermediate_size": 7, "hidden_act": "gelu", "decoder_hidden_size": 8, "decoder_num_attention_heads": 4, "decoder_num_hidden_layers": 1, "decoder_intermediate_size": 5, "mask_ratio": 0.5}`),
		Impossible: raw(`{"vision_num_attention_heads": 7}`, `{"decoder_num_attention_heads": 7}`, `{"decoder_hidden_size": 18, "decoder_num_attention_heads": 3}`, `{"patch_size": 15}`, `{"mask_ratio": 0.99, "patch_size": 112}`, `{"vision_tower": "resnet"}`),
	}},
	"resnet": {{
		Role: "image_classifier", Dims: []map[string]int{{"batch": 4}, {"batch": 3}},
		Configs: raw(smallResNet,
			`{"image_size": 9, "image_width": 7, "embedding_size": 3, "hidden_size_1": 8, "depth_1": 2, "depth_2": 0, "depth_3": 0, "depth_4": 0, "num_labels": 5, "hidden_act": "gelu"}`),
		Impossible: impossibleResNet,
	}, {
		Role: "two_view_encoder", Dims: []map[string]int{{"batch": 3}, {"batch": 2}}, Configs: raw(smallResNet), Impossible: impossibleResNet,
	}},
	"dvae": {{
		Role: "discrete_vae", Dims: rows, Configs: smallDVAE, Impossible: impossibleDVAE,
	}, {
		Role: "code_decoder", Dims: rows, Vocab: 2, Configs: smallDVAE, Impossible: impossibleDVAE,
	}},
	"dalle_prior": {{
		Role: "token_prior", Dims: rows, Vocab: 7,
		Configs: raw(
			`{"text_vocab": 7, "codes": 7, "text_len": 4, "side": 2, "n_embd": 8, "n_layer": 2, "n_head": 2}`,
			`{"text_vocab": 9, "codes": 7, "text_len": 2, "side": 3, "n_embd": 6, "n_layer": 1, "n_head": 3, "resid_pdrop": 0.1}`),
		Impossible: raw(`{"n_head": 7}`, `{"resid_pdrop": 1}`, `{"side": 0}`, `{"codes": 1}`),
	}},
}

const (
	smallBERT   = `{"vocab_size": 11, "hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 12, "max_position_embeddings": 8}`
	smallResNet = `{"image_size": 8, "embedding_size": 4, "layer_type": "basic", "hidden_size_1": 4, "hidden_size_2": 6, "depth_1": 1, "depth_2": 1, "depth_3": 0, "depth_4": 0, "num_labels": 5}`
)

var (
	smallViT = raw(
		`{"image_size": 12, "patch_size": 4, "num_channels": 1, "hidden_size": 8, "num_attention_heads": 2, "num_hidden_layers": 2, "intermediate_size": 6, "num_labels": 5, "projection_dim": 5}`,
		`{"image_size": 6, "patch_size": 3, "hidden_size": 6, "num_attention_heads": 3, "num_hidden_layers": 1, "intermediate_size": 5, "num_labels": 2, "hidden_act": "relu", "hidden_dropout_prob": 0.1}`)
	smallMAE = raw(
		`{"image_size": 12, "patch_size": 4, "num_channels": 1, "hidden_size": 8, "num_attention_heads": 2, "num_hidden_layers": 1, "intermediate_size": 6, "decoder_hidden_size": 4, "decoder_num_attention_heads": 1, "decoder_num_hidden_layers": 1, "decoder_intermediate_size": 5}`,
		`{"image_size": 6, "patch_size": 3, "hidden_size": 4, "num_attention_heads": 2, "num_hidden_layers": 2, "intermediate_size": 6, "decoder_hidden_size": 8, "decoder_num_attention_heads": 4, "decoder_num_hidden_layers": 1, "decoder_intermediate_size": 5, "mask_ratio": 0.5, "position_embeddings": "none"}`)
	smallT5 = raw(
		`{"vocab_size": 11, "d_model": 8, "d_kv": 4, "num_heads": 2, "d_ff": 12, "num_layers": 1, "num_decoder_layers": 2}`,
		`{"vocab_size": 11, "d_model": 6, "d_kv": 3, "num_heads": 3, "d_ff": 5, "num_layers": 2, "num_decoder_layers": 1, "feed_forward_proj": "gated-gelu", "tie_word_embeddings": false, "scale_decoder_outputs": false, "dropout_rate": 0.1}`,
		`{"vocab_size": 11, "d_model": 4, "d_kv": 2, "num_heads": 1, "d_ff": 4, "num_layers": 1, "num_decoder_layers": 1, "relative_attention_num_buckets": 4, "relative_attention_max_distance": 3}`)
	smallDVAE      = raw(`{"image_size": 8, "codes": 5, "width": 6, "num_channels": 1, "center_inputs": true}`, `{"image_size": 4, "codes": 2, "width": 3}`)
	impossibleDVAE = raw(`{"image_size": 6}`, `{"codes": 1}`, `{"width": 0}`)
)

var impossibleResNet = raw(`{"depth_1": 0}`, `{"depth_2": 0}`, `{"layer_type": "bottleneck", "hidden_size_1": 6}`, `{"hidden_act": "step"}`, `{"embedding_size": 0}`)
