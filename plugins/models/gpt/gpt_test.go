package gpt_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/numerics"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/plugins/models/gpt"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	smallGPT2  = `"vocab_size": 19, "n_positions": 12, "n_embd": 16, "n_layer": 2, "n_head": 2`
	smallLlama = smallGPT2 + `, "n_kv_head": 1, "n_inner": 24, "norm": "rms_norm", "position": "rotary", "mlp": "gated"`
)

var families = map[string]string{"gpt2": smallGPT2, "llama": smallLlama}

// The counts are those of the published checkpoints, with tied embeddings.
func TestPresetsHaveThePublishedSizes(t *testing.T) {
	for preset, want := range map[string]int{
		"gpt2": 124_439_808, "gpt2-medium": 354_823_168, "gpt2-large": 774_030_080, "gpt2-xl": 1_557_611_200,
	} {
		m := build(t, fmt.Sprintf(`{"preset": %q}`, preset), 2, 1024)
		assert.Equal(t, want, elements(m), preset)
	}
	m := build(t, "", 1, 8)
	assert.Equal(t, 124_439_808, elements(m), "an empty configuration is gpt2")
	assert.Equal(t, m.Config, build(t, `{"preset": null, "n_inner": null}`, 1, 8).Config, "null is the default")
	// A field overrides the preset.
	m = build(t, `{"preset": "gpt2-xl", "n_layer": 1}`, 1, 8)
	assert.Equal(t, 1600*(50257+1024)+12*1600*1600+13*1600+2*1600, elements(m))
}

// Llama 2 7B has 6,738,415,616 parameters (Touvron et al., arXiv 2307.09288).
func TestLlamaHasThePublishedSize(t *testing.T) {
	m := build(t, `{"vocab_size": 32000, "n_positions": 4096, "n_embd": 4096, "n_layer": 32, "n_head": 32,
		"norm": "rms_norm", "position": "rotary", "mlp": "gated"}`, 1, 8)
	assert.Equal(t, 6_738_415_616, elements(m))
}

func elements(m *plugin.Module) int {
	n := 0
	for _, p := range m.Parameters {
		n += p.Type.Elements()
	}
	return n
}

func TestModule(t *testing.T) {
	assert.Equal(t, "gpt", gpt.Model.Info().Name)
	assert.Equal(t, []string{"causal_lm"}, gpt.Model.Info().Roles)
	for _, config := range families {
		for name, more := range map[string]string{
			"plain": "", "biases": `, "bias": true`, "no biases": `, "bias": false`, "tied": `, "tie_embeddings": true`, "untied": `, "tie_embeddings": false`,
			"dropout": `, "embd_pdrop": 0.1, "resid_pdrop": 0.2`, "relu": `, "activation": "relu"`, "gelu": `, "activation": "gelu"`,
		} {
			m := build(t, "{"+config+more+"}", 3, 5)
			var names []string
			for _, p := range m.Inputs() {
				names = append(names, p.Name)
				if p.Name == "state" {
					assert.True(t, p.Type.Equal(ir.T(ir.U32, 4)))
				} else {
					assert.True(t, p.Type.Equal(ir.T(ir.I32, 3, 5)))
				}
			}
			want := []string{"input_ids", "position_ids", "segment_ids"}
			if name == "dropout" {
				want = append(want, "state")
			}
			assert.Equal(t, want, names)
			types := m.Forward.Types()
			require.Len(t, m.Forward.Results, 2)
			assert.Equal(t, "hidden", m.Forward.Results[0].Name)
			assert.Equal(t, "f32[3,5,16]", types[m.Forward.Results[0].Value].String())
			assert.Equal(t, "output_embedding", m.Forward.Results[1].Name)
			assert.Equal(t, "f32[19,16]", types[m.Forward.Results[1].Value].String())
			hasBias, hasHead := false, false
			for _, p := range m.Parameters {
				hasBias = hasBias || strings.HasSuffix(p.Name, ".bias")
				hasHead = hasHead || p.Name == "lm_head.weight"
			}
			switch name {
			case "biases", "no biases":
				assert.Equal(t, name == "biases", hasBias)
			case "tied", "untied":
				assert.Equal(t, name == "untied", hasHead)
			}
			for i := range m.Forward.Ops {
				assert.NotEqual(t, "transpose", m.Forward.Ops[i].Name)
			}
			// The whole configuration builds the same module.
			again := build(t, string(m.Config), 3, 5)
			assert.Equal(t, m, again)
		}
	}
}

func TestInitialValues(t *testing.T) {
	for family, config := range families {
		m := build(t, "{"+config+`, "bias": true, "initializer_range": 0.04}`, 1, 4)
		for _, p := range m.Parameters {
			want := plugin.Init{Kind: plugin.InitNormal, Scale: 0.04}
			switch {
			case strings.HasSuffix(p.Name, ".bias"):
				want = plugin.Init{Kind: plugin.InitZeros}
			case strings.Contains(p.Name, "norm") || strings.Contains(p.Name, "ln_"):
				want = plugin.Init{Kind: plugin.InitOnes}
			case strings.Contains(p.Name, "c_proj") || strings.Contains(p.Name, "o_proj") || strings.Contains(p.Name, "down_proj"):
				want.Scale = 0.02 // 0.04 / sqrt(2 * 2 layers)
			}
			assert.Equal(t, want, p.Init, "%s: %s", family, p.Name)
			assert.Equal(t, want.Kind != plugin.InitNormal, p.NoDecay, "%s: %s", family, p.Name)
		}
	}
}

func TestConfigErrors(t *testing.T) {
	llama := `"norm": "rms_norm", "position": "rotary", "mlp": "gated", `
	for name, c := range map[string]struct{ config, field, msg string }{
		"unknown":                {`{"n_heads": 4}`, "n_heads", `nearest is "n_head"`},
		"unknown, by case":       {`{"N_HEAD": 4}`, "N_HEAD", `nearest is "n_`},
		"unknown, by null":       {`{"n_layers": null}`, "n_layers", `nearest is "n_layer"`},
		"another's name":         {`{"hidden_size": 4}`, "hidden_size", `nearest is "n_embd"`},
		"long name":              {`{"` + strings.Repeat("x", 100) + `": 4}`, strings.Repeat("x", 64) + "...", "no such field"},
		"twice":                  {`{"n_head": 4, "n_head": 4}`, "n_head", "given twice"},
		"preset":                 {`{"preset": "gpt3"}`, "preset", "one of gpt2, gpt2-medium, gpt2-large, gpt2-xl, is \"gpt3\""},
		"preset type":            {`{"preset": 2}`, "preset", "a string, is 2"},
		"int":                    {`{"n_layer": 1.5}`, "n_layer", "a whole number"},
		"int from string":        {`{"n_layer": "12"}`, "n_layer", `whole number of at most 64 bits, is`},
		"float":                  {`{"layer_norm_epsilon": 1e999}`, "layer_norm_epsilon", "range of float64"},
		"bool":                   {`{"bias": 1}`, "bias", "true or false, is 1"},
		"vocab_size":             {`{"vocab_size": 0}`, "vocab_size", "1 to 16777216, is 0"},
		"n_positions":            {`{"n_positions": -1}`, "n_positions", "1 to 1048576, is -1"},
		"sequence":               {`{"n_positions": 7}`, "n_positions", "7 is less than the dimension \"sequence\", 8"},
		"n_embd":                 {`{"n_embd": 65537}`, "n_embd", "1 to 65536"},
		"n_layer":                {`{"n_layer": 1025}`, "n_layer", "1 to 1024"},
		"n_head":                 {`{"n_head": 0}`, "n_head", "1 to 1024"},
		"n_head divides":         {`{"n_head": 7}`, "n_head", "7 heads do not divide n_embd 768"},
		"n_head divides, llama":  {`{` + llama + `"n_head": 7}`, "n_head", "7 heads do not divide n_embd 768"},
		"n_inner":                {`{"n_inner": -1}`, "n_inner", "0 to 524288"},
		"layer_norm_epsilon":     {`{"layer_norm_epsilon": 0}`, "layer_norm_epsilon", "1e-12 to 1, is 0"},
		"initializer_range":      {`{"initializer_range": -0.1}`, "initializer_range", "0 to 1"},
		"embd_pdrop":             {`{"embd_pdrop": 1}`, "embd_pdrop", "below 1"},
		"resid_pdrop":            {`{"resid_pdrop": -0.5}`, "resid_pdrop", "at least 0"},
		"attn_pdrop range":       {`{"attn_pdrop": 2}`, "attn_pdrop", "at least 0 and below 1"},
		"norm":                   {`{"norm": "batch_norm"}`, "norm", "one of layer_norm, rms_norm"},
		"position":               {`{"position": "alibi"}`, "position", "one of learned, rotary"},
		"mlp":                    {`{"mlp": "moe"}`, "mlp", "one of plain, gated"},
		"activation":             {`{"activation": "gelu_new"}`, "activation", "one of gelu_tanh, gelu, silu, relu"},
		"mixed norm":             {`{"norm": "rms_norm"}`, "norm", "rms_norm with position learned and mlp plain has no published"},
		"mixed position":         {`{"position": "rotary"}`, "position", "rotary with mlp plain and norm layer_norm"},
		"mixed mlp":              {`{"mlp": "gated"}`, "mlp", "gated with norm layer_norm and position learned"},
		"mixed norm, llama":      {`{"position": "rotary", "mlp": "gated"}`, "norm", "layer_norm with position rotary and mlp gated"},
		"mixed position, llama":  {`{"norm": "rms_norm", "mlp": "gated"}`, "position", "learned with mlp gated and norm rms_norm"},
		"mixed mlp, llama":       {`{"norm": "rms_norm", "position": "rotary"}`, "mlp", "plain with norm rms_norm and position rotary"},
		"n_kv_head, gpt2":        {`{"n_kv_head": 4}`, "n_kv_head", "4 is not n_head 12"},
		"n_kv_head range":        {`{` + llama + `"n_kv_head": 13}`, "n_kv_head", "1 to 12"},
		"n_kv_head divides":      {`{` + llama + `"n_kv_head": 5}`, "n_kv_head", "5 key heads do not divide n_head 12"},
		"head_dim, gpt2":         {`{"head_dim": 32}`, "head_dim", "32 is not n_embd / n_head = 64"},
		"head_dim range":         {`{` + llama + `"head_dim": 4098}`, "head_dim", "0 to 4096"},
		"head_dim even":          {`{` + llama + `"head_dim": 63}`, "head_dim", "even"},
		"rope_theta, gpt2":       {`{"rope_theta": 10000}`, "rope_theta", "position rotary only"},
		"rope_theta":             {`{` + llama + `"rope_theta": 0.5}`, "rope_theta", "1 to 1e+12"},
		"more than all may have": {`{` + llama + `"n_layer": 1024, "n_embd": 65536, "n_head": 512, "n_inner": 524288}`, "n_layer", "more than 1099511627776"},
		"control characters":     {`{"n_head\u0000": 4}`, `"n_head\x00"`, `nearest is "n_head"`},
		"not the type it is for": {`{"vocab_size": [1, 2]}`, "vocab_size", "whole number"},
		"beyond 64 bits":         {`{"vocab_size": 99999999999999999999}`, "vocab_size", "whole number of at most 64 bits"},
		"an object for a word":   {`{"norm": {}}`, "norm", "must be a string, is {}"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := gpt.Model.Build(t.Context(), plugin.BuildRequest{
				Config: json.RawMessage(c.config), Role: "causal_lm", Dims: map[string]int{"batch": 1, "sequence": 8},
			})
			var ce *plugin.ConfigError
			require.ErrorAs(t, err, &ce)
			assert.Equal(t, c.field, ce.Field)
			assert.Contains(t, ce.Msg, c.msg)
		})
	}
}

func TestRequestErrors(t *testing.T) {
	good := plugin.BuildRequest{Role: "causal_lm", Dims: map[string]int{"batch": 1, "sequence": 8}}
	for name, c := range map[string]struct {
		change func(r *plugin.BuildRequest)
		msg    string
	}{
		"role":            {func(r *plugin.BuildRequest) { r.Role = "masked_lm" }, `role "masked_lm"`},
		"array":           {func(r *plugin.BuildRequest) { r.Config = json.RawMessage(`[]`) }, "must be a JSON object"},
		"cut":             {func(r *plugin.BuildRequest) { r.Config = json.RawMessage(`{"n_head": 4`) }, "EOF"},
		"rest":            {func(r *plugin.BuildRequest) { r.Config = json.RawMessage(`{} {}`) }, "something follows"},
		"no value":        {func(r *plugin.BuildRequest) { r.Config = json.RawMessage(`{"n_head": }`) }, `field "n_head"`},
		"large":           {func(r *plugin.BuildRequest) { r.Config = json.RawMessage(strings.Repeat(" ", 1<<16+1)) }, "more than 65536"},
		"no batch":        {func(r *plugin.BuildRequest) { r.Dims = map[string]int{"sequence": 8} }, `dimension "batch" must be 1 to`},
		"large batch":     {func(r *plugin.BuildRequest) { r.Dims = map[string]int{"sequence": 8, "batch": 1 << 21} }, `dimension "batch" must be`},
		"no sequence":     {func(r *plugin.BuildRequest) { r.Dims = map[string]int{"batch": 8} }, `dimension "sequence" must be`},
		"other dimension": {func(r *plugin.BuildRequest) { r.Dims = map[string]int{"batch": 8, "sequence": 8, "height": 2} }, `unknown dimension "height"`},
		"large batch of long sequences": {func(r *plugin.BuildRequest) {
			r.Config = json.RawMessage(`{"n_positions": 1048576}`)
			r.Dims = map[string]int{"batch": 1 << 20, "sequence": 1 << 20}
		}, "batch 1048576, sequence 1048576"},
		"large batch of long sequences, llama": {func(r *plugin.BuildRequest) {
			r.Config = json.RawMessage(`{"n_positions": 1048576, "norm": "rms_norm", "position": "rotary", "mlp": "gated"}`)
			r.Dims = map[string]int{"batch": 1 << 20, "sequence": 1 << 20}
		}, "batch 1048576, sequence 1048576"},
	} {
		t.Run(name, func(t *testing.T) {
			r := good
			c.change(&r)
			_, err := gpt.Model.Build(t.Context(), r)
			assert.ErrorContains(t, err, c.msg)
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := gpt.Model.Build(ctx, good)
	assert.ErrorIs(t, err, context.Canceled)
}

// arguments draws parameters of a size at which every part of the model
// matters, and fills the inputs with documents of the given lengths, packed
// into each row.
func arguments(m *plugin.Module, batch int, documents ...int) map[string][]float64 {
	args := map[string][]float64{"state": {1, 2, 3, 0}}
	for i, p := range m.Parameters {
		s := numerics.Stream{Seed: 5, Stream: uint32(i)}
		for k := range p.Type.Elements() {
			args[p.Name] = append(args[p.Name], float64(s.UniformAt(uint64(k)))-0.5)
		}
	}
	for b := range batch {
		for d, n := range documents {
			for i := range n {
				args["input_ids"] = append(args["input_ids"], float64((7*b+5*d+3*i)%19))
				args["position_ids"] = append(args["position_ids"], float64(i))
				args["segment_ids"] = append(args["segment_ids"], float64(d))
			}
		}
	}
	return args
}

func TestATokenDependsOnThoseBeforeIt(t *testing.T) {
	for family, config := range families {
		m := build(t, "{"+config+"}", 2, 6)
		args := arguments(m, 2, 6)
		before, _ := eval(t, m, args)
		ids := slices.Clone(args["input_ids"])
		ids[3]++
		args["input_ids"] = ids
		after, _ := eval(t, m, args)
		for token := range 12 {
			changed := !slices.Equal(before.F32[token*16:][:16], after.F32[token*16:][:16])
			assert.Equal(t, token >= 3 && token < 6, changed, "%s: token %d", family, token)
		}
	}
}

// Documents packed into one row give what each gives alone.
func TestSegmentsAreIndependent(t *testing.T) {
	for family, config := range families {
		packed := build(t, "{"+config+"}", 1, 9)
		args := arguments(packed, 1, 4, 5)
		both, _ := eval(t, packed, args)
		for _, part := range []struct{ from, to int }{{0, 4}, {4, 9}} {
			m := build(t, "{"+config+"}", 1, part.to-part.from)
			alone := map[string][]float64{}
			for name, v := range args {
				if alone[name] = v; strings.HasSuffix(name, "_ids") {
					alone[name] = v[part.from:part.to]
				}
			}
			want, _ := eval(t, m, alone)
			for i, v := range want.F32 {
				// The sum of the exponentials of the second document lies in other
				// lanes, so it may differ by a rounding; hidden is of order 1.
				assert.InDelta(t, v, both.F32[part.from*16+i], 1e-5, "%s: tokens %d to %d, element %d", family, part.from, part.to, i)
			}
		}
	}
}

// Rotary positions are relative: moving a document changes roundings only.
// Learned ones are not.
func TestPositions(t *testing.T) {
	for family, config := range families {
		m := build(t, "{"+config+"}", 1, 5)
		args := arguments(m, 1, 5)
		before, _ := eval(t, m, args)
		moved := slices.Clone(args["position_ids"])
		for i := range moved {
			moved[i] += 7
		}
		args["position_ids"] = moved
		after, _ := eval(t, m, args)
		most := 0.0
		for i, v := range before.F32 {
			most = max(most, math.Abs(float64(v-after.F32[i])))
		}
		if family == "llama" {
			assert.Less(t, most, 1e-4)
			assert.NotZero(t, most, "the angles do not depend on positions")
		} else {
			assert.Greater(t, most, 1e-2)
		}
		// Whatever else is the same, the order of positions matters.
		slices.Reverse(moved)
		swapped, _ := eval(t, m, args)
		most = 0
		for i, v := range before.F32 {
			most = max(most, math.Abs(float64(v-swapped.F32[i])))
		}
		assert.Greater(t, most, 1e-2, family)
	}
}

func TestDropout(t *testing.T) {
	for family, config := range families {
		for _, rate := range []string{"embd_pdrop", "attn_pdrop", "resid_pdrop"} {
			m := build(t, "{"+config+`, "`+rate+`": 0.5}`, 1, 5)
			args := arguments(m, 1, 5)
			first, _ := eval(t, m, args)
			again, _ := eval(t, m, args)
			assert.Equal(t, first.F32, again.F32, family)
			args["state"] = []float64{1, 2, 4, 0}
			other, _ := eval(t, m, args)
			assert.NotEqual(t, first.F32, other.F32, "%s: the step does not matter", family)
			streams := map[int]bool{}
			for i := range m.Forward.Ops {
				if op := &m.Forward.Ops[i]; op.Name == "dropout" {
					assert.Equal(t, 0.5, op.Attrs.Float("rate"))
					assert.False(t, streams[op.Attrs.Int("stream")], "two dropouts share a stream")
					streams[op.Attrs.Int("stream")] = true
				}
			}
			assert.Len(t, streams, map[string]int{"embd_pdrop": 1, "attn_pdrop": 2, "resid_pdrop": 4}[rate], family)
		}
	}
}

// A module without biases computes what one with zero biases does.
func TestNoBiasIsZeroBias(t *testing.T) {
	for family, config := range families {
		with, without := build(t, "{"+config+`, "bias": true}`, 1, 5), build(t, "{"+config+`, "bias": false}`, 1, 5)
		args := arguments(without, 1, 5)
		want, _ := eval(t, without, args)
		for _, p := range with.Parameters {
			if strings.HasSuffix(p.Name, ".bias") {
				args[p.Name] = make([]float64, p.Type.Elements())
			}
		}
		got, _ := eval(t, with, args)
		assert.Equal(t, want.F32, got.F32, family)
		for _, p := range with.Parameters {
			if strings.HasSuffix(p.Name, ".bias") {
				args[p.Name][0] = 0.5
				other, _ := eval(t, with, args)
				assert.NotEqual(t, want.F32, other.F32, "%s: %s does not matter", family, p.Name)
				args[p.Name][0] = 0
			}
		}
	}
}

// Attention that may drop out is written of primitives; where nothing is dropped
// it is the attention that is used, but for float32 roundings.
func TestAttentionDropout(t *testing.T) {
	for family, config := range families {
		m := build(t, "{"+config+`, "attn_pdrop": 1e-12}`, 2, 6)
		for _, op := range m.Forward.Ops {
			assert.NotEqual(t, "scaled_dot_product_attention", op.Name)
		}
		for _, op := range m.Evaluate.Ops {
			assert.NotEqual(t, "dropout", op.Name)
		}
		args := arguments(m, 2, 6)
		args["segment_ids"] = []float64{0, 0, 0, 1, 1, 2, 3, 3, 4, 4, 4, 4}
		whole, _ := eval(t, m, args)
		m.Forward = m.Evaluate
		used, _ := eval(t, m, args)
		for i, v := range whole.F32 {
			// 2^-19 is 16 units in the last place of values between 1/2 and 1, after two layers of sums over 16 to 64.
			assert.InDelta(t, v, used.F32[i], 1.0/(1<<19), family)
		}
	}
}
