package conformance

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/abi/plugin/batch/batchtest"
	"github.com/seedbed/seedbed/plugins/models/bert"
	"github.com/seedbed/seedbed/plugins/models/clip"
	"github.com/seedbed/seedbed/plugins/models/dalle_prior"
	"github.com/seedbed/seedbed/plugins/models/dvae"
	"github.com/seedbed/seedbed/plugins/models/gpt"
	"github.com/seedbed/seedbed/plugins/models/mae"
	"github.com/seedbed/seedbed/plugins/models/resnet"
	"github.com/seedbed/seedbed/plugins/models/t5"
	"github.com/seedbed/seedbed/plugins/models/vit"
	"github.com/seedbed/seedbed/plugins/objectives/causal_lm"
	"github.com/seedbed/seedbed/plugins/objectives/classification"
	"github.com/seedbed/seedbed/plugins/objectives/contrastive"
	"github.com/seedbed/seedbed/plugins/objectives/discrete_vae"
	"github.com/seedbed/seedbed/plugins/objectives/masked_lm"
	"github.com/seedbed/seedbed/plugins/objectives/masked_reconstruction"
	"github.com/seedbed/seedbed/plugins/objectives/nt_xent"
	"github.com/seedbed/seedbed/plugins/objectives/span_corruption"
	"github.com/seedbed/seedbed/plugins/objectives/token_prior"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// goldenSystem is a model with an objective, computed elsewhere in float64 (see
// the README of the golden folder).
type goldenSystem struct {
	model           plugin.Model
	config, role    string
	dims            map[string]int
	objective       plugin.Objective
	objectiveConfig string
	rows            []batchtest.Column // their types
	properties      map[string]string
	// data are the rows that the objective makes the golden batch of. Where it is
	// nil the objective would draw another one, and fields takes its place.
	data func(io map[string][]float64) memoryRows
	// constants are tensors of the golden checkpoint that are not trained and
	// that the program has in itself.
	constants []string
	// fields are the batch that the golden run had, in the place of one that the
	// objective makes.
	fields func(io map[string][]float64) map[string][]float64
	// outputs compares what the model puts out, in float64.
	outputs func(t *testing.T, got, io map[string][]float64, same func(name string, want, got []float64))
	// mixed says that PyTorch's own result is computed in f32 in places.
	mixed bool
}

var goldenSystems = map[string]goldenSystem{
	"gpt2": gptSystem(3, 20, false, `{"vocab_size": 101, "n_positions": 24, "n_embd": 32, "n_layer": 2, "n_head": 4}`),
	// transformers has Llama's mean squares, softmax and rotary angles in f32.
	"llama": gptSystem(2, 24, true, `{"vocab_size": 97, "n_positions": 32, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_kv_head": 2, "n_inner": 88,
		"norm": "rms_norm", "layer_norm_epsilon": 1e-6, "position": "rotary", "mlp": "gated", "activation": "silu", "bias": false, "tie_embeddings": false}`),
	"t5":           t5System(``),
	"t5_v1_1":      t5System(`, "feed_forward_proj": "gated-gelu", "scale_decoder_outputs": false`),
	"mae":          maeSystem("false"),
	"mae_norm_pix": maeSystem("true"),
	"vit": {
		model:  vit.Model,
		config: `{"image_size": 32, "patch_size": 8, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 72, "num_labels": 5}`,
		role:   "image_classifier", dims: map[string]int{"batch": 3},
		mixed:     true, // transformers has ViT's softmax in f32
		objective: classification.Objective{}, rows: imageRows(batchtest.Column{Name: "label", Values: []int32{}}),
		fields: func(io map[string][]float64) map[string][]float64 {
			return map[string][]float64{"pixel_values": io["in.pixel_values"], "targets": oneHot(io["in.labels"], 5)}
		},
		outputs: func(_ *testing.T, got, io map[string][]float64, same func(string, []float64, []float64)) {
			same("logits", io["out.logits"], got["logits"])
		},
	},
	"clip": {
		model: clip.Model,
		config: `{"vocab_size": 99, "max_position_embeddings": 16, "image_size": 32, "patch_size": 8, "projection_dim": 16,
			"text_hidden_size": 32, "text_num_hidden_layers": 2, "text_num_attention_heads": 4, "text_intermediate_size": 72,
			"vision_hidden_size": 40, "vision_num_hidden_layers": 2, "vision_num_attention_heads": 4, "vision_intermediate_size": 80}`,
		role: "dual_encoder", dims: map[string]int{"batch": 4, "sequence": 16},
		objective: contrastive.Objective{}, rows: imageRows(tokenRows(16)...), properties: map[string]string{"end_of_text": "98"},
		mixed: true, // transformers has CLIP's softmax in f32
		fields: func(io map[string][]float64) map[string][]float64 {
			return map[string][]float64{"pixel_values": io["in.pixel_values"], "input_ids": io["in.input_ids"], "text_positions": {15, 8, 11, 4}}
		},
		outputs: func(_ *testing.T, got, io map[string][]float64, same func(string, []float64, []float64)) {
			same("image_embeds", io["out.image_embeds"], got["image_embeds"])
			same("text_embeds", io["out.text_embeds"], got["text_embeds"])
		},
	},
	"resnet_basic":      resnetSystem("basic"),
	"resnet_bottleneck": resnetSystem("bottleneck"),
	"simclr": {
		model:  resnet.Model,
		config: `{"image_size": 32, "embedding_size": 8, "layer_type": "basic", "hidden_size_1": 16, "hidden_size_2": 32, "depth_1": 1, "depth_2": 1, "depth_3": 0, "depth_4": 0, "projection_dim": 16}`,
		role:   "two_view_encoder", dims: map[string]int{"batch": 5},
		objective: nt_xent.Objective{}, rows: imageRows(),
		fields: func(io map[string][]float64) map[string][]float64 {
			return map[string][]float64{"view_a": io["in.view_a"], "view_b": io["in.view_b"]}
		},
		outputs: func(t *testing.T, got, io map[string][]float64, same func(string, []float64, []float64)) {
			same("embeddings", io["out.embeddings"], got["embeddings"])
			same("features", io["out.features"], got["features"])
			sameBuffers(t, 16, got, io, same)
		},
	},
	"dvae": {
		model: dvae.Model, config: `{"image_size": 16, "codes": 24, "width": 16}`, role: "discrete_vae", dims: map[string]int{"batch": 2},
		objective: discrete_vae.Objective{}, objectiveConfig: `{"beta": 0.2}`,
		rows: []batchtest.Column{{Name: "image", Length: 3 * 16 * 16, Values: []uint8{}, Image: [3]int{16, 16, 3}}},
		fields: func(io map[string][]float64) map[string][]float64 {
			return map[string][]float64{"pixel_values": io["in.pixel_values"], "gumbel": io["in.gumbel"], "temperature": {0.9}}
		},
		outputs: func(_ *testing.T, got, io map[string][]float64, same func(string, []float64, []float64)) {
			same("logits", io["out.logits"], got["code_logits"])
		},
	},
	"dalle_prior": {
		model: dalle_prior.Model, config: `{"text_vocab": 50, "codes": 24, "text_len": 8, "side": 4, "n_embd": 32, "n_layer": 2, "n_head": 4}`,
		role: "token_prior", dims: map[string]int{"batch": 3}, objective: token_prior.Objective{},
		rows:      []batchtest.Column{{Name: "tokens", Length: 8, Values: []int32{}}, {Name: "codes", Length: 16, Values: []int32{}}},
		constants: []string{"trunk.wpe.weight"}, // all zero
		fields: func(io map[string][]float64) map[string][]float64 {
			return map[string][]float64{"text_ids": io["in.text_ids"], "image_codes": io["in.image_codes"]}
		},
		outputs: func(_ *testing.T, got, io map[string][]float64, same func(string, []float64, []float64)) {
			same("text_logits", io["out.text_logits"], got["text_logits"])
			same("image_logits", io["out.image_logits"], got["image_logits"])
		},
	},
	"bert": {
		model:  bert.Model,
		config: `{"vocab_size": 103, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 80, "max_position_embeddings": 32}`,
		role:   "masked_lm+next_sentence", dims: map[string]int{"batch": 3, "sequence": 21},
		// As many slots as there is text, so that the golden labels fit.
		objective: masked_lm.NextSentence, objectiveConfig: `{"mask_rate": 0.9, "cls_token_id": 0, "sep_token_id": 1, "mask_token_id": 2}`,
		rows: tokenRows(18),
		fields: func(io map[string][]float64) map[string][]float64 {
			f := map[string][]float64{"input_ids": io["in.input_ids"], "token_type_ids": io["in.token_type_ids"], "next_sentence_label": io["in.next_sentence_label"]}
			for i, seen := range io["in.attention_mask"] {
				f["position_ids"] = append(f["position_ids"], float64(i%21))
				f["segment_ids"] = append(f["segment_ids"], seen-1) // padding sees itself alone
			}
			for r := range 3 {
				positions, labels := make([]float64, 16), slices.Repeat([]float64{-100}, 16)
				n := 0
				for i, label := range io["in.labels"][r*21:][:21] {
					if label != -100 {
						positions[n], labels[n] = float64(i), label
						n++
					}
				}
				f["masked_positions"] = append(f["masked_positions"], positions...)
				f["masked_labels"] = append(f["masked_labels"], labels...)
			}
			return f
		},
		outputs: func(_ *testing.T, got, io map[string][]float64, same func(string, []float64, []float64)) {
			logits := matmul(got["hidden"], got["output_embedding"], got["output_bias"], 32)
			for i, seen := range io["in.attention_mask"] {
				if seen == 1 {
					same("prediction_logits", io["out.prediction_logits"][i*103:][:103], logits[i*103:][:103])
				}
			}
			same("seq_relationship_logits", io["out.seq_relationship_logits"], got["next_sentence_logits"])
		},
	},
}

func resnetSystem(layer string) goldenSystem {
	return goldenSystem{
		model:  resnet.Model,
		config: `{"image_size": 37, "image_width": 33, "embedding_size": 8, "layer_type": "` + layer + `", "hidden_size_1": 16, "hidden_size_2": 32, "depth_1": 2, "depth_2": 1, "depth_3": 0, "depth_4": 0, "num_labels": 7}`,
		role:   "image_classifier", dims: map[string]int{"batch": 4},
		objective: classification.Objective{},
		rows:      []batchtest.Column{{Name: "image", Length: 3 * 37 * 33, Values: []uint8{}, Image: [3]int{37, 33, 3}}, {Name: "label", Values: []int32{}}},
		fields: func(io map[string][]float64) map[string][]float64 {
			return map[string][]float64{"pixel_values": io["in.pixel_values"], "targets": oneHot(io["in.labels"], 7)}
		},
		outputs: func(t *testing.T, got, io map[string][]float64, same func(string, []float64, []float64)) {
			same("logits", io["out.logits"], got["logits"])
			sameBuffers(t, map[string]int{"basic": 18, "bottleneck": 24}[layer], got, io, same)
		},
	}
}

// sameEvaluation compares what a model evaluates with what it gives in training
// where its buffers are the very statistics of the batch.
func sameEvaluation(t *testing.T, m *plugin.Module, values, trained map[string][]float64, same func(name string, want, got []float64)) {
	f := *m.Forward
	f.Results = slices.Clone(f.Results)
	for i := range f.Ops {
		if op := &f.Ops[i]; op.Name == "batch_norm_training" {
			layer := strings.TrimSuffix(f.Params[op.Operands[1]].Name, ".weight")
			f.Results = append(f.Results, ir.Result{Name: layer + ".running_mean", Value: op.Result(1)}, ir.Result{Name: layer + ".running_var", Value: op.Result(2)})
		}
	}
	statistics := maps.Clone(values)
	maps.Copy(statistics, evaluateWide(t, &f, values))
	for _, x := range m.Buffers {
		require.Len(t, statistics[x.Name], x.Type.Elements(), x.Name)
	}
	got := evaluateWide(t, m.Evaluate, statistics)
	for _, p := range m.Outputs() {
		same("evaluation's "+p.Name, trained[p.Name], got[p.Name])
	}
}

// sameBuffers compares running averages after one step, which begin with 0 and
// 1 and have a momentum of 0.1.
func sameBuffers(t *testing.T, count int, got, io map[string][]float64, same func(string, []float64, []float64)) {
	for name, v := range got {
		buffer, ok := strings.CutPrefix(name, "buffer.")
		if !ok {
			continue
		}
		count--
		start := 0.0
		if strings.HasSuffix(name, "var") {
			start = 1
		}
		average := make([]float64, len(v))
		for i := range v {
			average[i] = 0.9*start + 0.1*v[i]
		}
		same(name, io["buf."+buffer], average)
	}
	assert.Zero(t, count, "buffers that are missing")
}

func tokenRows(length int) []batchtest.Column {
	return []batchtest.Column{{Name: "tokens", Length: length, Values: []int32{}}}
}

func imageRows(more ...batchtest.Column) []batchtest.Column {
	return append(more, batchtest.Column{Name: "image", Length: 3 * 32 * 32, Values: []uint8{}, Image: [3]int{32, 32, 3}})
}

// gptSystem is a GPT, for which PyTorch shifts the labels by itself: it gives
// logits for the last token too, which nothing follows.
func gptSystem(batch, sequence int, mixed bool, config string) goldenSystem {
	const width = 32
	return goldenSystem{
		mixed: mixed,
		model: gpt.Model, config: config, role: "causal_lm", dims: map[string]int{"batch": batch, "sequence": sequence - 1},
		objective: causal_lm.Objective{}, objectiveConfig: `{"document_boundaries": false}`,
		data: func(io map[string][]float64) memoryRows {
			rows := memoryRows{columns: []string{"labels", "tokens"}}
			for r := range batch {
				row := map[string][]int32{}
				for i := range sequence {
					row["tokens"] = append(row["tokens"], int32(io["in.input_ids"][r*sequence+i]))
					row["labels"] = append(row["labels"], int32(io["in.labels"][r*sequence+i]))
				}
				rows.rows = append(rows.rows, row)
			}
			return rows
		},
		outputs: func(_ *testing.T, got, io map[string][]float64, same func(string, []float64, []float64)) {
			logits, vocab := matmul(got["hidden"], got["output_embedding"], nil, width), len(got["output_embedding"])/width
			for r := range batch {
				n := (sequence - 1) * vocab
				same("logits", io["out.logits"][r*sequence*vocab:][:n], logits[r*n:][:n])
			}
		},
	}
}

// maeSystem is a masked autoencoder with raw or normalised pixels.
func maeSystem(normalize string) goldenSystem {
	return goldenSystem{
		model: mae.Model,
		config: `{"image_size": 32, "patch_size": 8, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 72,
			"decoder_hidden_size": 24, "decoder_num_hidden_layers": 1, "decoder_num_attention_heads": 3, "decoder_intermediate_size": 48,
			"position_embeddings": "none"}`, // its tables are all zero
		role: "masked_autoencoder", dims: map[string]int{"batch": 3},
		mixed:     true, // transformers has ViT's softmax in f32
		objective: masked_reconstruction.Objective{}, objectiveConfig: `{"norm_pix_loss": ` + normalize + `}`, rows: imageRows(),
		constants: []string{"vit.embeddings.position_embeddings", "decoder.decoder_pos_embed"},
		fields: func(io map[string][]float64) map[string][]float64 {
			f := map[string][]float64{"pixel_values": io["in.pixel_values"], "ids_restore": io["out.ids_restore"], "ids_keep": make([]float64, 12)}
			for i, place := range io["out.ids_restore"] {
				if place < 4 {
					f["ids_keep"][i/16*4+int(place)] = float64(i % 16)
				}
			}
			return f
		},
		outputs: func(t *testing.T, got, io map[string][]float64, same func(string, []float64, []float64)) {
			same("logits", io["out.logits"], got["prediction"])
		},
	}
}

// t5System is T5 in one of its versions.
func t5System(config string) goldenSystem {
	return goldenSystem{
		model:  t5.Model,
		config: `{"vocab_size": 101, "d_model": 32, "d_kv": 8, "d_ff": 72, "num_layers": 2, "num_decoder_layers": 2, "num_heads": 4` + config + `}`,
		role:   "seq2seq_lm", dims: map[string]int{"batch": 3, "sequence": 40, "target": 11},
		mixed:     true, // transformers has T5's softmax and mean squares in f32 whatever the dtype
		objective: span_corruption.Objective{}, rows: tokenRows(30), properties: map[string]string{"vocab_size": "90", "end_of_text": "1"},
		fields: func(io map[string][]float64) map[string][]float64 {
			f := map[string][]float64{"input_ids": io["in.input_ids"], "labels": io["in.labels"], "decoder_segment_ids": make([]float64, 33)}
			for _, seen := range io["in.attention_mask"] {
				f["segment_ids"] = append(f["segment_ids"], seen-1)
			}
			for i := range 33 {
				before := 0.0
				if i%11 > 0 {
					before = max(0, io["in.labels"][i-1])
				}
				f["decoder_input_ids"] = append(f["decoder_input_ids"], before)
			}
			return f
		},
		outputs: func(_ *testing.T, got, io map[string][]float64, same func(string, []float64, []float64)) {
			same("logits", io["out.logits"], matmul(got["hidden"], got["output_embedding"], nil, 32))
		},
	}
}

func oneHot(labels []float64, classes int) []float64 {
	out := make([]float64, len(labels)*classes)
	for i, label := range labels {
		out[i*classes+int(label)] = 1
	}
	return out
}

// matmul is x w^T + bias in float64, x and w of rows of width elements.
func matmul(x, w, bias []float64, width int) (y []float64) {
	for len(x) > 0 {
		for v := 0; v < len(w); v += width {
			sum := 0.0
			for k := range width {
				sum += x[k] * w[v+k]
			}
			if bias != nil {
				sum += bias[v/width]
			}
			y = append(y, sum)
		}
		x = x[width:]
	}
	return y
}
