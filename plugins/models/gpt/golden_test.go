package gpt_test

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/plugins/backends/reference"
	"github.com/seedbed/seedbed/plugins/models/gpt"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// golden is a folder of models computed elsewhere, in float64; see its README.
const golden = "../../../../shared/golden/models"

// array is a tensor of a safetensors file, its elements converted to float64,
// which holds those of f32, f64 and the small i64 of these files exactly.
type array struct {
	dtype string
	shape []int
	data  []float64
}

// readArrays reads a safetensors file: 8 bytes of length, a JSON header, data.
func readArrays(t *testing.T, path string) map[string]array {
	t.Helper()
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	n := binary.LittleEndian.Uint64(raw)
	var header map[string]struct {
		DType   string `json:"dtype"`
		Shape   []int  `json:"shape"`
		Offsets [2]int `json:"data_offsets"`
	}
	require.NoError(t, json.Unmarshal(raw[8:8+n], &header))
	out := map[string]array{}
	for name, h := range header {
		a := array{dtype: h.DType, shape: h.Shape}
		data := raw[8+int(n):][h.Offsets[0]:h.Offsets[1]]
		for len(data) > 0 {
			size := 8
			switch h.DType {
			case "F32":
				size = 4
				a.data = append(a.data, float64(math.Float32frombits(binary.LittleEndian.Uint32(data))))
			case "F64":
				a.data = append(a.data, math.Float64frombits(binary.LittleEndian.Uint64(data)))
			case "I64":
				a.data = append(a.data, float64(int64(binary.LittleEndian.Uint64(data))))
			default:
				require.Fail(t, "unknown dtype", h.DType)
			}
			data = data[size:]
		}
		out[name] = a
	}
	return out
}

// goldenModel is one golden model: its configuration in this plugin's terms.
type goldenModel struct {
	name, config string
	depth        int
	// changes are configurations that are wrong for it by little.
	changes map[string]string
}

var goldenModels = []goldenModel{
	{
		name:   "gpt2",
		config: `"vocab_size": 101, "n_positions": 24, "n_embd": 32, "n_layer": 2, "n_head": 4`,
		depth:  2,
		changes: map[string]string{
			"activation":         `"activation": "gelu"`,
			"layer_norm_epsilon": `"layer_norm_epsilon": 1e-6`,
			"n_head":             `"n_head": 8`,
		},
	},
	{
		name: "llama",
		config: `"vocab_size": 97, "n_positions": 32, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_kv_head": 2, "n_inner": 88,
			"norm": "rms_norm", "position": "rotary", "mlp": "gated"`,
		depth: 2,
		changes: map[string]string{
			"activation":         `"activation": "gelu_tanh"`,
			"layer_norm_epsilon": `"layer_norm_epsilon": 2e-6`,
			"rope_theta":         `"rope_theta": 10100`,
		},
	},
}

// logits runs a golden model under a configuration.
func (g goldenModel) logits(t *testing.T, config string) (got, want []float64, bound float64) {
	t.Helper()
	if _, err := os.Stat(golden); err != nil {
		t.Skip("no golden models: ", err)
	}
	weights := readArrays(t, filepath.Join(golden, g.name, "model.safetensors"))
	io := readArrays(t, filepath.Join(golden, g.name, "io.safetensors"))
	ids := io["in.input_ids"]
	m := build(t, config, ids.shape[0], ids.shape[1])
	require.Len(t, m.Parameters, len(weights), "the checkpoint has other parameters")
	args := map[string][]float64{"input_ids": ids.data, "position_ids": nil, "segment_ids": make([]float64, len(ids.data))}
	for i := range ids.data {
		args["position_ids"] = append(args["position_ids"], float64(i%ids.shape[1]))
	}
	for _, p := range m.Parameters {
		require.Contains(t, weights, p.Name)
		require.Equal(t, weights[p.Name].shape, p.Type.Shape, p.Name)
		args[p.Name] = weights[p.Name].data
	}
	hidden, embedding := eval(t, m, args)
	require.Equal(t, []int{ids.shape[0], ids.shape[1], embedding.Type.Shape[0]}, io["out.logits"].shape)

	// The product is in float64, so that what is measured is the error of hidden.
	e := hidden.Type.Shape[2]
	longest := 0.0
	for v := range embedding.Type.Shape[0] {
		square := 0.0
		for _, w := range embedding.F32[v*e : (v+1)*e] {
			square += float64(float64(w) * float64(w))
		}
		longest = max(longest, math.Sqrt(square))
	}
	for r := range len(hidden.F32) / e {
		for v := range embedding.Type.Shape[0] {
			sum := 0.0
			for k := range e {
				sum += float64(float64(hidden.F32[r*e+k]) * float64(embedding.F32[v*e+k]))
			}
			got = append(got, sum)
		}
	}
	// By Cauchy and Schwarz a logit is off by at most |error of hidden| times
	// the length of a row of the embedding, and the final norm makes hidden of
	// length about sqrt(E). Relative to the residual stream, one rounding of
	// 2^-24 comes in with the embedding, one with each of the 2 depth branches
	// (the addition; the roundings inside a branch are relative to what the
	// branch adds, a fraction of the stream, and independent of each other, so
	// that they count no more than the addition does) and one with the norm.
	roundings := float64(2*g.depth + 2)
	return got, io["out.logits"].data, roundings * 0x1p-24 * math.Sqrt(float64(e)) * longest
}

func worst(got, want []float64) float64 {
	w := 0.0
	for i := range want {
		d := math.Abs(got[i] - want[i])
		if !(d <= w) { // a NaN counts
			w = d
		}
	}
	return w
}

func TestLogitsAgreeWithHuggingFace(t *testing.T) {
	for _, g := range goldenModels {
		t.Run(g.name, func(t *testing.T) {
			got, want, bound := g.logits(t, "{"+g.config+"}")
			require.Len(t, got, len(want))
			err := worst(got, want)
			t.Logf("largest error of a logit %.3g, bound %.3g", err, bound)
			assert.LessOrEqual(t, err, bound)
			// The bound is tight enough to notice a wrong detail.
			for name, change := range g.changes {
				got, want, bound := g.logits(t, "{"+change+","+withoutField(g.config, name)+"}")
				err := worst(got, want)
				t.Logf("with another %s %.3g", name, err)
				assert.Greater(t, err, bound, name)
			}
		})
	}
}

// withoutField takes a field out of the inside of a JSON object.
func withoutField(config, name string) string {
	var o map[string]any
	if err := json.Unmarshal([]byte("{"+config+"}"), &o); err != nil {
		panic(err)
	}
	delete(o, name)
	b, _ := json.Marshal(o)
	return string(b[1 : len(b)-1])
}

func build(t *testing.T, config string, batch, sequence int) *plugin.Module {
	t.Helper()
	m, err := gpt.Model.Build(t.Context(), plugin.BuildRequest{
		Config: json.RawMessage(config), Role: "causal_lm", Dims: map[string]int{"batch": batch, "sequence": sequence},
	})
	require.NoError(t, err)
	require.NoError(t, m.Check())
	return m
}

// eval runs Forward on arguments by name.
func eval(t *testing.T, m *plugin.Module, args map[string][]float64) (hidden, embedding reference.Tensor) {
	t.Helper()
	var in []reference.Tensor
	for _, p := range m.Forward.Params {
		x, err := reference.New(p.Type)
		require.NoError(t, err)
		require.Len(t, args[p.Name], p.Type.Elements(), p.Name)
		for i, v := range args[p.Name] {
			if p.Type.DType == ir.F32 {
				x.F32[i] = float32(v)
			} else {
				x.Int[i] = int64(v)
			}
		}
		in = append(in, x)
	}
	out, err := reference.Eval(m.Forward, in)
	require.NoError(t, err)
	require.Len(t, out, 2)
	return out[0], out[1]
}
