// Package model holds the suites that a model passes: that what it declares is
// what its function uses, that it builds the same module every time, that its
// parameters begin as they say, that its shapes hold over configurations and
// sizes, that rows do not see each other, nor the past the future, and that
// what cannot be is refused.
//
// It imports abi, core and the reference backend. Start reading at Scenario.
package model

import (
	"encoding/json"
	"fmt"

	"github.com/seedbed/seedbed/abi/ir"
)

// Scenario is a role and the configurations in which a model is tried.
type Scenario struct {
	Role string
	// Configs are small and valid; the first is tried most.
	Configs []json.RawMessage
	// Dims are sizes of the role's dimensions; the first has at least two rows.
	Dims []map[string]int
	// Impossible are configurations that must be refused.
	Impossible []json.RawMessage
	// Inputs returns an input's values: ids below Vocab, by name.
	Vocab int
	// Outputs gives the shapes of outputs by name; -1 is any size.
	Outputs map[string]func(dims map[string]int) []int
	// Rows are the outputs whose row r depends on row r of the inputs alone.
	Rows []string
	// EvaluateRows are those of which that holds in evaluation, of a model with
	// buffers.
	EvaluateRows []string
	// Causal are the outputs [B,S,...] whose position s depends on positions up to
	// s alone.
	Causal []string
}

func raw(texts ...string) (l []json.RawMessage) {
	for _, t := range texts {
		l = append(l, json.RawMessage(t))
	}
	return l
}

// ByName returns the scenarios of a built-in model's roles. A third party gives
// its own: what configurations are small is the model's to say.
func ByName(name string) ([]Scenario, error) {
	hidden := func(d map[string]int) []int { return []int{d["batch"], d["sequence"], -1} }
	dims := []map[string]int{{"batch": 3, "sequence": 5}, {"batch": 1, "sequence": 1}, {"batch": 2, "sequence": 8}, {"batch": 1, "sequence": 7}}
	switch name {
	case "gpt":
		return []Scenario{{
			Role: "causal_lm", Dims: dims, Vocab: 11,
			Configs: raw(
				`{"vocab_size": 11, "n_positions": 8, "n_embd": 8, "n_layer": 2, "n_head": 2}`,
				`{"vocab_size": 11, "n_positions": 8, "n_embd": 8, "n_layer": 1, "n_head": 1, "bias": false, "tie_embeddings": false, "activation": "gelu"}`,
				`{"vocab_size": 11, "n_positions": 8, "n_embd": 6, "n_layer": 1, "n_head": 3, "activation": "relu", "n_inner": 5, "resid_pdrop": 0.5, "embd_pdrop": 0.1}`,
				`{"vocab_size": 11, "n_positions": 8, "n_embd": 8, "n_layer": 2, "n_head": 4, "n_kv_head": 2, "norm": "rms_norm", "position": "rotary", "mlp": "gated", "n_inner": 12}`,
				`{"vocab_size": 11, "n_positions": 8, "n_embd": 8, "n_layer": 1, "n_head": 2, "head_dim": 6, "norm": "rms_norm", "position": "rotary", "mlp": "gated", "n_inner": 3, "tie_embeddings": true}`),
			Impossible: raw(
				`{"n_embd": 7, "n_head": 2}`, `{"n_head": 0}`, `{"n_positions": 4, "vocab_size": 11}`, `{"norm": "batch_norm"}`, `{"norm": "rms_norm"}`,
				`{"n_layer": 1000000}`, `{"n_kv_head": 3, "n_head": 4, "norm": "rms_norm", "position": "rotary", "mlp": "gated"}`, `{"resid_pdrop": 1}`),
			Outputs: map[string]func(map[string]int) []int{"hidden": hidden, "output_embedding": func(map[string]int) []int { return []int{11, -1} }},
			Rows:    []string{"hidden"}, Causal: []string{"hidden"},
		}}, nil
	case "bert":
		config := `{"vocab_size": 11, "hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 12, "max_position_embeddings": 8}`
		outputs := map[string]func(map[string]int) []int{"hidden": hidden, "output_embedding": func(map[string]int) []int { return []int{11, -1} }, "output_bias": func(map[string]int) []int { return []int{11} }}
		one := Scenario{
			Role: "masked_lm", Dims: dims, Vocab: 11,
			Configs: raw(config, `{"vocab_size": 11, "hidden_size": 6, "num_hidden_layers": 1, "num_attention_heads": 3, "intermediate_size": 5, "max_position_embeddings": 9, "hidden_act": "relu", "hidden_dropout_prob": 0.1}`),
			Impossible: raw(`{"hidden_size": 7, "num_attention_heads": 2}`, `{"num_attention_heads": 0}`, `{"max_position_embeddings": 4}`, `{"hidden_act": "step"}`,
				`{"num_hidden_layers": 1000000}`, `{"hidden_dropout_prob": 1}`),
			Outputs: outputs, Rows: []string{"hidden"},
		}
		two := one
		two.Role, two.Configs, two.Rows = "masked_lm+next_sentence", raw(config), []string{"hidden", "next_sentence_logits"}
		two.Outputs = map[string]func(map[string]int) []int{"next_sentence_logits": func(d map[string]int) []int { return []int{d["batch"], 2} }}
		for name, f := range outputs {
			two.Outputs[name] = f
		}
		return []Scenario{one, two}, nil
	case "resnet":
		classes := func(d map[string]int) []int { return []int{d["batch"], 5} }
		features := func(d map[string]int) []int { return []int{d["batch"], -1} }
		const small = `{"image_size": 8, "embedding_size": 4, "layer_type": "basic", "hidden_size_1": 4, "hidden_size_2": 6, "depth_1": 1, "depth_2": 1, "depth_3": 0, "depth_4": 0, "num_labels": 5}`
		impossible := raw(`{"depth_1": 0}`, `{"depth_2": 0}`, `{"layer_type": "bottleneck", "hidden_size_1": 6}`, `{"hidden_act": "step"}`, `{"embedding_size": 0}`)
		return []Scenario{{
			Role: "image_classifier", Dims: []map[string]int{{"batch": 4}, {"batch": 3}}, Vocab: 1,
			Configs: raw(small,
				`{"image_size": 9, "image_width": 7, "embedding_size": 3, "hidden_size_1": 8, "depth_1": 2, "depth_2": 0, "depth_3": 0, "depth_4": 0, "num_labels": 5, "hidden_act": "gelu"}`),
			Impossible: impossible, Outputs: map[string]func(map[string]int) []int{"logits": classes, "features": features}, EvaluateRows: []string{"logits", "features"},
		}, {
			Role: "two_view_encoder", Dims: []map[string]int{{"batch": 3}}, Vocab: 1, Configs: raw(small), Impossible: impossible,
			Outputs: map[string]func(map[string]int) []int{"embeddings": func(d map[string]int) []int { return []int{2 * d["batch"], 128} }},
		}}, nil
	}
	return nil, fmt.Errorf("no scenario is known for the model %q; conformance.RunModel takes your own", name)
}

// input says how many values an input takes: positions and segments are small.
func (s *Scenario) input(p ir.Param) int {
	switch p.Name {
	case "input_ids":
		return s.Vocab
	case "position_ids":
		return p.Type.Shape[len(p.Type.Shape)-1]
	case "segment_ids":
		return 1
	}
	return 2
}
