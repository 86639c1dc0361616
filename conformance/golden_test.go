package conformance

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/abi/plugin/batch/batchtest"
	"github.com/seedbed/seedbed/core/device"
	"github.com/seedbed/seedbed/core/grad"
	"github.com/seedbed/seedbed/core/schedule"
	"github.com/seedbed/seedbed/core/step"
	"github.com/seedbed/seedbed/core/train"
	"github.com/seedbed/seedbed/plugins/backends/reference"
	"github.com/seedbed/seedbed/plugins/models/bert"
	"github.com/seedbed/seedbed/plugins/models/clip"
	"github.com/seedbed/seedbed/plugins/models/dalle_prior"
	"github.com/seedbed/seedbed/plugins/models/dvae"
	"github.com/seedbed/seedbed/plugins/models/mae"
	"github.com/seedbed/seedbed/plugins/models/resnet"
	"github.com/seedbed/seedbed/plugins/models/t5"
	"github.com/seedbed/seedbed/plugins/models/vit"
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
	rows            []batchtest.Column // their types; fields takes their place
	properties      map[string]string
	// constants are tensors of the golden checkpoint that are not trained and
	// that the program has in itself.
	constants []string
	// fields are the batch that the golden run had, in the place of one that the
	// objective makes.
	fields func(io map[string][]float64) map[string][]float64
	// outputs compares what the model puts out, in float64.
	outputs func(t *testing.T, got, io map[string][]float64, same func(name string, want, got []float64))
	// wide are roundings of 2^-24 that PyTorch's own result has, being computed
	// in f32 in places; 2 if 0, for the constants of the program.
	wide float64
	// roundings are those left in a gradient of f32 (see trainGolden); 16 if 0.
	roundings float64
}

var goldenSystems = map[string]goldenSystem{
	"t5":           t5System(``),
	"t5_v1_1":      t5System(`, "feed_forward_proj": "gated-gelu", "scale_decoder_outputs": false`),
	"mae":          maeSystem("false"),
	"mae_norm_pix": maeSystem("true"),
	"vit": {
		model:  vit.Model,
		config: `{"image_size": 32, "patch_size": 8, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 72, "num_labels": 5}`,
		role:   "image_classifier", dims: map[string]int{"batch": 3},
		// Gradients of the last block are sums over three class tokens, in which
		// errors cancel little.
		roundings: 32, wide: 4, // transformers has ViT's softmax in f32
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
		// transformers has CLIP's softmax in f32, and the temperature multiplies
		// errors of similarities by 14.
		wide: 32, roundings: 64,
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
		objective: nt_xent.Objective{}, rows: imageRows(), roundings: batchNormRoundings,
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

// batchNormRoundings are those left in gradients through batch norms of few
// values: what is left of the cotangent after its mean and its part along the
// values are taken off is small beside it.
const batchNormRoundings = 128

func resnetSystem(layer string) goldenSystem {
	return goldenSystem{
		model:  resnet.Model,
		config: `{"image_size": 37, "image_width": 33, "embedding_size": 8, "layer_type": "` + layer + `", "hidden_size_1": 16, "hidden_size_2": 32, "depth_1": 2, "depth_2": 1, "depth_3": 0, "depth_4": 0, "num_labels": 7}`,
		role:   "image_classifier", dims: map[string]int{"batch": 4},
		objective: classification.Objective{}, roundings: batchNormRoundings,
		rows: []batchtest.Column{{Name: "image", Length: 3 * 37 * 33, Values: []uint8{}, Image: [3]int{37, 33, 3}}, {Name: "label", Values: []int32{}}},
		fields: func(io map[string][]float64) map[string][]float64 {
			return map[string][]float64{"pixel_values": io["in.pixel_values"], "targets": oneHot(io["in.labels"], 7)}
		},
		outputs: func(t *testing.T, got, io map[string][]float64, same func(string, []float64, []float64)) {
			same("logits", io["out.logits"], got["logits"])
			sameBuffers(t, map[string]int{"basic": 18, "bottleneck": 24}[layer], got, io, same)
		},
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

// maeSystem is a masked autoencoder with raw or normalised pixels.
func maeSystem(normalize string) goldenSystem {
	return goldenSystem{
		model: mae.Model,
		config: `{"image_size": 32, "patch_size": 8, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 72,
			"decoder_hidden_size": 24, "decoder_num_hidden_layers": 1, "decoder_num_attention_heads": 3, "decoder_intermediate_size": 48,
			"position_embeddings": "none"}`, // its tables are all zero
		role: "masked_autoencoder", dims: map[string]int{"batch": 3},
		wide:      4, // transformers has ViT's softmax in f32
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
		// The path goes through encoder and decoder, with scores that are not scaled.
		roundings: 32,
		// transformers has T5's softmax and mean squares in f32 whatever the dtype.
		wide:      16,
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

// fixedBinding is an objective whose batch is given.
type fixedBinding struct {
	plugin.Binding
	values map[string][]float64
}

func (b fixedBinding) Transform(_ context.Context, _ arrow.Record, _ plugin.Position, fields [][]byte) error {
	for i, f := range b.Batch() {
		data := fields[i][:0]
		for _, v := range b.values[f.Name] {
			if f.Type.DType == ir.F32 {
				data = binary.LittleEndian.AppendUint32(data, math.Float32bits(float32(v)))
			} else {
				data = binary.LittleEndian.AppendUint32(data, uint32(int32(v)))
			}
		}
	}
	return nil
}

// start builds the system, or skips where there are no golden files.
func (g goldenSystem) start(t *testing.T, folder string) (c train.Config, weights, io map[string][]float64) {
	dir := filepath.FromSlash("../../shared/golden/models/" + folder)
	weights, io = goldenFile(t, filepath.Join(dir, "model.safetensors")), goldenFile(t, filepath.Join(dir, "io.safetensors"))
	ctx := context.Background()
	m, err := g.model.Build(ctx, plugin.BuildRequest{Config: json.RawMessage(g.config), Role: g.role, Dims: g.dims})
	require.NoError(t, err)
	require.NoError(t, m.Check())
	var names []string
	for _, p := range m.Parameters {
		names = append(names, p.Name)
		require.Len(t, weights[p.Name], p.Type.Elements(), p.Name)
	}
	for name := range weights {
		if slices.Contains(g.constants, name) || strings.Contains(name, ".running_") || strings.HasSuffix(name, ".num_batches_tracked") {
			delete(weights, name)
		}
	}
	for name := range weights {
		require.Contains(t, names, name, "the golden model has another parameter")
	}
	types := m.Forward.Types()
	var outputs []ir.Param
	for _, r := range m.Forward.Results {
		outputs = append(outputs, ir.Param{Name: r.Name, Type: types[r.Value]})
	}
	b, err := g.objective.Bind(ctx, plugin.BindRequest{
		Config: json.RawMessage(g.objectiveConfig), Role: g.role, Dims: g.dims,
		Inputs: m.Inputs(), Outputs: outputs, Rows: batchtest.Schema(g.rows...), Properties: g.properties,
	})
	require.NoError(t, err)
	values := g.fields(io)
	for _, f := range b.Batch() {
		require.Len(t, values[f.Name], f.Type.Elements(), f.Name)
	}
	return train.Config{
		Module: m, Binding: fixedBinding{b, values}, Rows: memoryRows{rows: make([]map[string][]int32, g.dims["batch"])}, Seed: 1, GrainRows: g.dims["batch"], Grains: 1, Shards: 1,
	}, weights, io
}

// In float64 the programs are the published formulas: outputs, loss and every
// gradient differ from PyTorch's by what the constants of the programs, which
// are rounded to f32, make, 2^-24 each, and otherwise by roundings of 2^-53.
func TestFormulasAgreeWithPyTorch(t *testing.T) {
	for folder, g := range goldenSystems {
		t.Run(folder, func(t *testing.T) {
			bound := max(2, g.wide) * 0x1p-24
			c, weights, io := g.start(t, folder)
			worst := 0.0
			compare := func(name string, largest float64, want, got []float64) {
				t.Helper()
				require.Len(t, got, len(want), name)
				for i, v := range want {
					e := math.Abs(got[i] - v)
					if e > 0 {
						worst = max(worst, e/largest)
					}
					assert.LessOrEqualf(t, e, bound*largest, "%s[%d] = %g, want %g", name, i, got[i], v)
				}
			}
			same := func(name string, want, got []float64) {
				t.Helper()
				compare(name, largestOf(want), want, got)
			}
			values := map[string][]float64{}
			for name, v := range c.Binding.(fixedBinding).values {
				values[name] = v
			}
			for name, v := range weights {
				values[name] = v
			}
			got := evaluateWide(t, c.Module.Forward, values)
			g.outputs(t, got, io, same)

			linked, err := step.Link(c.Module, c.Binding.Loss(), c.Binding.Batch())
			require.NoError(t, err)
			var names []string
			for _, p := range c.Module.Parameters {
				names = append(names, p.Name)
			}
			gradient, err := grad.Reverse(linked, step.Loss, names)
			require.NoError(t, err)
			got = evaluateWide(t, gradient, values)
			weight, largest := got[step.Weight][0], largestGradients(c.Module, io)
			same("loss", io["loss"], []float64{got[step.Loss][0] / weight})
			for _, name := range names {
				d := got[grad.Prefix+name]
				for i := range d {
					d[i] /= weight
				}
				want, ok := io["grad."+name]
				require.True(t, ok, name)
				compare("gradient of "+name, largest[name], want, d)
			}
			t.Logf("largest error %.3g of the tensor's largest", worst)
		})
	}
}

// In f32, through the trainer: the same bits on both backends.
func TestSystemsTrainAsPyTorch(t *testing.T) {
	for folder, g := range goldenSystems {
		t.Run(folder, func(t *testing.T) {
			c, weights, io := g.start(t, folder)
			c.Device = device.Local(reference.Backend{})
			want := trainGolden(t, c, max(16, g.roundings), weights, io)
			c.Device = device.Local(newCPU(t, "", 2))
			assert.Equal(t, want, trainGolden(t, c, max(16, g.roundings), weights, io), "the backends' bits differ")
		})
	}
}

// evaluateWide runs a function of f32 in f64, on arguments by name.
func evaluateWide(t *testing.T, f *ir.Func, values map[string][]float64) map[string][]float64 {
	t.Helper()
	w := widen(t, f)
	var args []reference.Tensor
	for _, p := range w.Params {
		x, err := reference.New(p.Type)
		require.NoError(t, err)
		require.Len(t, values[p.Name], p.Type.Elements(), p.Name)
		for i, v := range values[p.Name] {
			if p.Type.DType == ir.F64 {
				x.F64[i] = v
			} else {
				x.Int[i] = int64(v)
			}
		}
		args = append(args, x)
	}
	out, err := reference.Eval(w, args)
	require.NoError(t, err)
	got := map[string][]float64{}
	for i, r := range w.Results {
		got[r.Name] = out[i].F64
	}
	return got
}

// widen rewrites a function of f32 as one of f64.
func widen(t *testing.T, f *ir.Func) *ir.Func {
	b := ir.NewBuilder(f.Name)
	var m []ir.Value
	for _, p := range f.Params {
		if p.Type.DType == ir.F32 {
			p.Type.DType = ir.F64
		}
		m = append(m, b.Param(p.Name, p.Type))
	}
	for i := range f.Ops {
		op := f.Ops[i]
		op.Attrs = slices.Clone(op.Attrs)
		for k, a := range op.Attrs {
			if a.Kind != ir.AttrDType || ir.DType(a.Int) != ir.F32 {
				continue
			}
			op.Attrs[k] = ir.DTypeAttr(a.Name, ir.F64)
			for j, value := range op.Attrs {
				if op.Name != "constant" || value.Kind != ir.AttrBytes {
					continue
				}
				var wide []byte
				for data := []byte(value.Str); len(data) > 0; data = data[4:] {
					v := float64(math.Float32frombits(binary.LittleEndian.Uint32(data)))
					wide = binary.LittleEndian.AppendUint64(wide, math.Float64bits(v))
				}
				op.Attrs[j] = ir.BytesAttr(value.Name, wide)
			}
		}
		m = append(m, b.CopyOp(&op, m)...)
	}
	for _, r := range f.Results {
		b.Return(r.Name, m[r.Value])
	}
	w, err := b.Func()
	require.NoError(t, err)
	return w
}

func largestOf(x []float64) float64 {
	largest := 0.0
	for _, v := range x {
		largest = max(largest, math.Abs(v))
	}
	return largest
}

// largestGradients returns the size that errors in the gradients of each
// parameter are compared with: that of the largest element, or, where a
// gradient is 0 but for roundings (that of a key's bias, which no softmax
// feels), of the largest of all.
func largestGradients(m *plugin.Module, io map[string][]float64) map[string]float64 {
	largest, most := map[string]float64{}, 0.0
	for _, p := range m.Parameters {
		largest[p.Name] = largestOf(io["grad."+p.Name])
		most = max(most, largest[p.Name])
	}
	for name, v := range largest {
		if v < 0x1p-20*most {
			largest[name] = most
		}
	}
	return largest
}

// trainGolden trains from golden weights and returns all state: the gradients
// of the first step, the losses and weights of five AdamW steps agree with
// PyTorch's in float64.
//
// Bounds. A gradient is a sum of products along a path of about 100 rounded
// operations; errors of 2^-24 each, partly cancelling, leave about 16 of them:
// every element agrees to 16 * 2^-24 of the largest of its tensor (see
// largestGradients). Twice the path, of encoder and decoder, leaves up to twice
// as many. Adam divides
// a gradient by its own size, so an error e in a gradient g moves a weight by
// up to lr * e / (|g| + epsilon), and never by more than 2 lr, in each step; an
// element whose gradient changes much between steps can be near zero in any of
// them, for which the bound takes the smallest of |g| seen: that of the first.
func trainGolden(t *testing.T, c train.Config, roundings float64, weights, io map[string][]float64) map[string][]byte {
	const steps, lr, epsilon = 5, 1e-3, 1e-8
	gradient := roundings * 0x1p-24
	c.Optimizer = step.Optimizer{Name: "adamw", Beta1: 0.9, Beta2: 0.999, Epsilon: epsilon, WeightDecay: 0.01}
	c.Schedule = schedule.Schedule{Name: "constant", Peak: lr, Steps: steps}
	for i := range c.Module.Parameters {
		c.Module.Parameters[i].NoDecay = false // as the golden run
	}
	ctx := context.Background()
	trainer, err := train.New(ctx, c)
	require.NoError(t, err)
	defer trainer.Close()
	require.NoError(t, trainer.Restore(ctx, 0, func(name string, typ ir.Type) ([]byte, error) {
		x, ok := weights[name]
		if !ok {
			return make([]byte, typ.Bytes()), nil // an optimizer slot
		}
		var data []byte
		for _, v := range x {
			data = binary.LittleEndian.AppendUint32(data, math.Float32bits(float32(v)))
		}
		return data, nil
	}))
	worstGradient, worstWeight, worstLoss := 0.0, 0.0, 0.0
	largest := largestGradients(c.Module, io)
	for n := range steps {
		m, err := trainer.Next(ctx, uint64(n)+1)
		require.NoError(t, err)
		worstLoss = max(worstLoss, math.Abs(m.Loss-io["losses"][n]))
		if n > 0 {
			continue
		}
		require.NoError(t, trainer.Visit(ctx, func(name string, _ ir.Type, data []byte) error {
			p, ok := strings.CutPrefix(name, "exp_avg.")
			if !ok {
				return nil
			}
			want := io["grad."+p]
			require.Len(t, want, len(data)/4, name)
			for i, v := range want {
				got := float64(math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))) / float64(float32(1-0.9))
				e := math.Abs(got-v) / largest[p]
				worstGradient = max(worstGradient, e)
				assert.LessOrEqualf(t, e, gradient, "gradient of %s[%d] = %g, want %g", p, i, got, v)
			}
			return nil
		}))
	}
	state := map[string][]byte{}
	require.NoError(t, trainer.Visit(ctx, func(name string, _ ir.Type, data []byte) error {
		state[name] = slices.Clone(data)
		want, ok := io["after."+name]
		if !ok {
			return nil
		}
		for i, v := range want {
			got := float64(math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:])))
			e := math.Abs(got - v)
			worstWeight = max(worstWeight, e)
			size := math.Abs(io["grad."+name][i]) + epsilon
			bound := steps * (lr*min(2, 8*gradient*largest[name]/size) + 4*0x1p-24*math.Abs(v))
			assert.LessOrEqualf(t, e, bound, "%s[%d] = %g, want %g", name, i, got, v)
		}
		return nil
	}))
	assert.LessOrEqual(t, worstLoss, 16*0x1p-24*math.Abs(io["losses"][0]))
	t.Logf("largest errors: loss %.3g, gradient %.3g of the tensor's largest, weight after %d steps %.3g", worstLoss, worstGradient, steps, worstWeight)
	return state
}
