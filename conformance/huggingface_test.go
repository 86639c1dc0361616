package conformance

import (
	"encoding/json"
	"maps"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/abi/plugin/batch/batchtest"
	"github.com/seedbed/seedbed/core/checkpoint"
	"github.com/seedbed/seedbed/core/step"
	"github.com/seedbed/seedbed/plugins/models/bert"
	"github.com/seedbed/seedbed/plugins/models/clip"
	"github.com/seedbed/seedbed/plugins/models/gpt"
	"github.com/seedbed/seedbed/plugins/models/mae"
	"github.com/seedbed/seedbed/plugins/models/resnet"
	"github.com/seedbed/seedbed/plugins/models/t5"
	"github.com/seedbed/seedbed/plugins/models/vit"
	"github.com/seedbed/seedbed/plugins/objectives/masked_patch_prediction"
	"github.com/seedbed/seedbed/plugins/objectives/masked_reconstruction"
)

// hubFile is a model as Hugging Face's transformers saves it (see
// testdata/huggingface/make.py).
type hubFile struct {
	model        plugin.Model
	role, config string
	dims         map[string]int
	row          string // of the table of renames in docs/fine-tuning.md, empty for none
	unused       []string
	// inputs are those that the file of inputs and outputs does not have.
	inputs func(io map[string][]float64) map[string][]float64
	// outputs gives what is to be equal, by the names of that file.
	outputs func(got, io map[string][]float64) map[string][]float64
	// loss is an objective whose loss is theirs, and its configuration.
	loss     plugin.Objective
	settings string
	// divided is what theirs is divided by.
	divided func(io map[string][]float64) float64
}

const (
	hubSmall  = `"hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 12`
	hubVision = `{` + hubSmall + `, "image_size": 12, "patch_size": 4`
)

var hubGPT = hubFile{
	model: gpt.Model, role: "causal_lm", config: `{"vocab_size": 19, "n_positions": 8, "n_embd": 8, "n_layer": 2, "n_head": 2}`,
	dims: map[string]int{"batch": 2, "sequence": 7}, inputs: hubText,
	outputs: func(got, _ map[string][]float64) map[string][]float64 {
		return map[string][]float64{"hidden": got["hidden"]}
	},
}

func hubText(map[string][]float64) map[string][]float64 {
	positions := []float64{0, 1, 2, 3, 4, 5, 6, 0, 1, 2, 3, 4, 5, 6}
	return map[string][]float64{"position_ids": positions, "segment_ids": make([]float64, 14), "decoder_segment_ids": make([]float64, 8)}
}

func hubLogits(width int, bias string) func(got, io map[string][]float64) map[string][]float64 {
	return func(got, _ map[string][]float64) map[string][]float64 {
		return map[string][]float64{"logits": matmul(got["hidden"], got["output_embedding"], got[bias], width)}
	}
}

func hubSame(names ...string) func(got, io map[string][]float64) map[string][]float64 {
	return func(got, _ map[string][]float64) map[string][]float64 {
		out := map[string][]float64{}
		for _, name := range names {
			out[name] = got[name]
		}
		return out
	}
}

func hubT5(more string) hubFile {
	return hubFile{
		model: t5.Model, role: "seq2seq_lm",
		config: `{"vocab_size": 19, "d_model": 8, "d_kv": 4, "d_ff": 12, "num_layers": 1, "num_decoder_layers": 1, "num_heads": 2` + more + `}`,
		dims:   map[string]int{"batch": 2, "sequence": 7, "target": 4}, inputs: hubText, outputs: hubLogits(8, ""),
	}
}

var hubFiles = map[string]hubFile{
	"gpt2": hubGPT,
	"gpt2-base": func() hubFile {
		g := hubGPT
		g.row = "GPT-2 without its prefix"
		return g
	}(),
	"llama": {
		model: gpt.Model, role: "causal_lm", dims: hubGPT.dims, inputs: hubText, outputs: hubLogits(8, ""),
		config: `{"vocab_size": 19, "n_positions": 8, "n_embd": 8, "n_layer": 2, "n_head": 2, "n_kv_head": 1, "n_inner": 12,
			"norm": "rms_norm", "position": "rotary", "mlp": "gated", "tie_embeddings": false}`,
	},
	"bert": {
		model: bert.Model, role: "masked_lm+next_sentence", config: `{"vocab_size": 19, "max_position_embeddings": 8, ` + hubSmall + `}`,
		dims: hubGPT.dims, inputs: hubText,
		outputs: func(got, io map[string][]float64) map[string][]float64 {
			out := hubLogits(8, "output_bias")(got, io)
			out["next_sentence_logits"] = got["next_sentence_logits"]
			return out
		},
	},
	"vit": {
		model: vit.Model, role: "image_classifier", config: hubVision + `, "num_labels": 5}`, dims: map[string]int{"batch": 2}, row: "ViT, MAE",
		outputs: hubSame("logits"),
	},
	"vit-masked": {
		model: vit.Model, role: "masked_patches", config: hubVision + `, "patch_prediction": "pixels"}`, dims: map[string]int{"batch": 2}, row: "ViT, MAE",
		inputs: func(io map[string][]float64) map[string][]float64 {
			sources := make([]float64, 18)
			for i, hidden := range io["hidden_patches"] {
				if sources[i] = float64(i % 9); hidden == 1 {
					sources[i] = 9
				}
			}
			return map[string][]float64{"patch_sources": sources}
		},
		outputs: func(got, _ map[string][]float64) map[string][]float64 {
			out := make([]float64, 2*3*12*12)
			for i, v := range got["prediction"] { // [B,h,w,C,p,p] -> [B,C,h,p,w,p]
				x, y, c, w, h, b := i%4, i/4%4, i/16%3, i/48%3, i/144%3, i/432
				out[((b*3+c)*12+h*4+y)*12+w*4+x] = v
			}
			return map[string][]float64{"reconstruction": out}
		},
		loss: masked_patch_prediction.Objective{}, settings: `{"pixel_loss": "l1"}`,
		divided: func(io map[string][]float64) float64 {
			pixels := 0.0
			for _, hidden := range io["hidden_patches"] {
				pixels += 16 * hidden
			}
			return (pixels + 1e-5) / 16 // as theirs is
		},
	},
	"mae": {
		model: mae.Model, role: "masked_autoencoder", dims: map[string]int{"batch": 2}, row: "ViT, MAE",
		config: hubVision + `, "mask_ratio": 0.5, "decoder_hidden_size": 8, "decoder_num_hidden_layers": 1, "decoder_num_attention_heads": 2, "decoder_intermediate_size": 12}`,
		unused: []string{"decoder.decoder_pos_embed", "vit.embeddings.position_embeddings"}, // constants here
		inputs: func(io map[string][]float64) map[string][]float64 {
			keep := make([]float64, 8)
			for i, place := range io["ids_restore"] {
				if place < 4 {
					keep[i/9*4+int(place)] = float64(i % 9)
				}
			}
			return map[string][]float64{"ids_keep": keep}
		},
		outputs: func(got, _ map[string][]float64) map[string][]float64 {
			return map[string][]float64{"logits": got["prediction"]}
		},
		loss: masked_reconstruction.Objective{}, settings: `{"norm_pix_loss": true}`, divided: func(map[string][]float64) float64 { return 10 },
	},
	"t5":      hubT5(``),
	"t5-v1_1": hubT5(`, "feed_forward_proj": "gated-gelu", "scale_decoder_outputs": false`),
	"resnet": {
		model: resnet.Model, role: "image_classifier", dims: map[string]int{"batch": 2}, outputs: hubSame("logits"),
		config: `{"image_size": 24, "embedding_size": 4, "hidden_size_1": 8, "hidden_size_2": 12, "depth_1": 1, "depth_2": 1, "depth_3": 0, "depth_4": 0, "num_labels": 5}`,
	},
	"clip": {
		model: clip.Model, role: "dual_encoder", dims: hubGPT.dims,
		config: `{"vocab_size": 19, "max_position_embeddings": 8, "image_size": 12, "patch_size": 4, "projection_dim": 6,
			"text_hidden_size": 8, "text_num_hidden_layers": 2, "text_num_attention_heads": 2, "text_intermediate_size": 12,
			"vision_hidden_size": 8, "vision_num_hidden_layers": 2, "vision_num_attention_heads": 2, "vision_intermediate_size": 12}`,
		inputs:  func(map[string][]float64) map[string][]float64 { return map[string][]float64{"text_positions": {4, 6}} },
		outputs: hubSame("image_embeds", "text_embeds"),
	},
	"clip-resnet": {
		model: clip.Model, role: "dual_encoder", dims: hubGPT.dims,
		config: `{"vocab_size": 19, "max_position_embeddings": 8, "projection_dim": 6,
			"text_hidden_size": 8, "text_num_hidden_layers": 2, "text_num_attention_heads": 2, "text_intermediate_size": 12,
			"vision_tower": "resnet", "image_size": 64, "vision_hidden_size": 64, "vision_num_attention_heads": 2,
			"vision_depth_1": 2, "vision_depth_2": 1, "vision_depth_3": 1, "vision_depth_4": 1}`,
		inputs:  func(map[string][]float64) map[string][]float64 { return map[string][]float64{"text_positions": {4, 6}} },
		outputs: hubSame("image_embeds", "text_embeds"),
	},
}

// renames reads a row of the table in docs/fine-tuning.md.
func renames(t *testing.T, row string) (rules []string) {
	text, err := os.ReadFile("../docs/fine-tuning.md")
	require.NoError(t, err)
	found := regexp.MustCompile("(?m)^\\| " + regexp.QuoteMeta(row) + " \\| `(.*)` \\|$").FindSubmatch(text)
	require.NotNil(t, found, row)
	require.NoError(t, json.Unmarshal(found[1], &rules))
	return rules
}

// A file of Hugging Face's, with the renames that the guide gives, begins every
// tensor of a model, and then the model computes in float64 what transformers
// does, but for softmax, norms and rotary angles, which that has in float32.
func TestHuggingFaceFiles(t *testing.T) {
	for name, g := range hubFiles {
		t.Run(name, func(t *testing.T) {
			folder := filepath.Join("testdata", "huggingface", name)
			io := goldenFile(t, filepath.Join(folder, "io.safetensors"))
			m, err := g.model.Build(t.Context(), plugin.BuildRequest{Config: json.RawMessage(g.config), Role: g.role, Dims: g.dims})
			require.NoError(t, err)
			tensors, err := checkpoint.OpenTensors(folder)
			require.NoError(t, err)
			defer tensors.Close()
			var rules []string
			if g.row != "" {
				rules = renames(t, g.row)
			}
			of, err := tensors.Renamed(rules)
			require.NoError(t, err)
			values := maps.Clone(io)
			if g.inputs != nil {
				maps.Copy(values, g.inputs(io))
			}
			whole := goldenFile(t, filepath.Join(folder, "model.safetensors"))
			state := slices.Clone(m.Parameters)
			for _, b := range m.Buffers {
				state = append(state, plugin.Parameter{Name: b.Name, Type: b.Type})
			}
			for _, p := range state {
				from, ok := of[p.Name]
				if !assert.True(t, ok, "%s begins anew", p.Name) {
					continue
				}
				typ, err := tensors.Type(from)
				require.NoError(t, err)
				assert.True(t, slices.Equal(p.Type.Shape, typ.Shape), "%s is %v, not %v", p.Name, typ, p.Type)
				values[p.Name] = whole[from]
				delete(of, p.Name)
			}
			var unused []string
			for now := range of {
				if !strings.HasSuffix(now, ".num_batches_tracked") {
					unused = append(unused, now)
				}
			}
			assert.ElementsMatch(t, g.unused, unused)

			f := m.Forward
			if m.Evaluate != nil {
				f = m.Evaluate
			}
			const bound = 3e-6 // of values whose softmax is in float32
			for name, got := range g.outputs(evaluateWide(t, f, values), io) {
				want := io[name]
				require.Len(t, got, len(want), name)
				for i := range want {
					if !assert.InDelta(t, want[i], got[i], bound*math.Max(1, math.Abs(want[i])), "%s[%d]", name, i) {
						break
					}
				}
			}
			if g.loss == nil {
				return
			}
			b, err := g.loss.Bind(t.Context(), plugin.BindRequest{
				Config: json.RawMessage(g.settings), Role: g.role, Dims: g.dims, Inputs: m.Inputs(), Outputs: m.Outputs(),
				Rows: batchtest.Schema(imageRows()...),
			})
			require.NoError(t, err)
			linked, err := step.Link(m, b.Loss(), b.Batch())
			require.NoError(t, err)
			assert.InDelta(t, io["loss"][0], evaluateWide(t, linked, values)[step.Loss][0]/g.divided(io), bound)
		})
	}
}
