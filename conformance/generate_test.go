package conformance

import (
	"context"
	"encoding/json"
	"errors"
	"testing"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/numerics"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/core/device"
	"github.com/seedbed/seedbed/core/generate"
	"github.com/seedbed/seedbed/core/initial"
	"github.com/seedbed/seedbed/plugins/backends/reference"
	"github.com/seedbed/seedbed/plugins/models/gpt"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// generator returns a generator of a GPT with large, random weights, whose
// text is therefore varied.
func generator(t *testing.T, d device.Device, config string, tokens int) *generate.Generator {
	ctx := context.Background()
	parameters := map[string]plugin.Buffer{}
	build := func(ctx context.Context, sequence int) (*plugin.Module, error) {
		return gpt.Model.Build(ctx, plugin.BuildRequest{Config: json.RawMessage(config), Role: "causal_lm", Dims: map[string]int{"batch": 1, "sequence": sequence}})
	}
	m, err := build(ctx, 1)
	require.NoError(t, err)
	for i, p := range m.Parameters {
		values, err := initial.Values(p, i, 3)
		require.NoError(t, err)
		x := reference.Tensor{Type: p.Type, F32: values}
		data := make([]byte, p.Type.Bytes())
		require.NoError(t, x.Encode(data))
		parameters[p.Name], err = d.Upload(ctx, p.Type, data)
		require.NoError(t, err)
	}
	g, err := generate.New(ctx, generate.Config{Device: d, Build: build, Context: tokens, Parameter: func(name string) plugin.Buffer {
		b, ok := parameters[name]
		if !ok {
			return nil
		}
		return b
	}})
	require.NoError(t, err)
	t.Cleanup(g.Close)
	return g
}

func collect(t *testing.T, g *generate.Generator, prompt []int32, o generate.Options) (ids []int32) {
	for id, err := range g.Tokens(context.Background(), prompt, o) {
		require.NoError(t, err)
		ids = append(ids, id)
	}
	return ids
}

var generated = map[string]string{
	"gpt2": `{"vocab_size": 50, "n_positions": 40, "n_embd": 16, "n_layer": 2, "n_head": 2, "initializer_range": 1, "resid_pdrop": 0.5}`,
	"llama": `{"vocab_size": 50, "n_positions": 40, "n_embd": 16, "n_layer": 2, "n_head": 4, "n_kv_head": 2, "n_inner": 24, "initializer_range": 1,
		"norm": "rms_norm", "layer_norm_epsilon": 1e-6, "position": "rotary", "mlp": "gated", "activation": "silu", "bias": false, "tie_embeddings": false}`,
}

// The same tokens on every backend, past the end of the context, and other
// ones with another seed.
func TestGenerationIsIdentical(t *testing.T) {
	for name, config := range generated {
		t.Run(name, func(t *testing.T) {
			o := generate.Options{Sampling: generate.Sampling{Temperature: 1, TopK: 20, TopP: 0.9}, Seed: 7, MaxTokens: 48, Stop: -1}
			prompt := []int32{3, 1, 4}
			want := collect(t, generator(t, device.Local(reference.Backend{}), config, 40), prompt, o)
			assert.Len(t, want, o.MaxTokens)
			assert.Equal(t, want, collect(t, generator(t, newQueueDevice(t, reference.Backend{}), config, 40), prompt, o))
			for _, path := range paths {
				t.Run(path, func(t *testing.T) {
					g := generator(t, device.Local(newCPU(t, path, 2)), config, 40)
					assert.Equal(t, want, collect(t, g, prompt, o))
					o := o
					o.Seed++
					assert.NotEqual(t, want, collect(t, g, prompt, o))
				})
			}
		})
	}
}

// Logits do not depend on the length of the program that computed them: what
// comes after a token changes no bit of it.
func TestLogitsDoNotDependOnPadding(t *testing.T) {
	ctx := context.Background()
	for name, config := range generated {
		t.Run(name, func(t *testing.T) {
			for n := 1; n <= 8; n++ {
				tokens := []int32{5, 9, 2, 6, 5, 3, 5, 8}[:n]
				exact, err := generator(t, device.Local(reference.Backend{}), config, 8).Logits(ctx, tokens)
				require.NoError(t, err)
				padded, err := generator(t, device.Local(newCPU(t, "", 1)), config, 40).Logits(ctx, tokens)
				require.NoError(t, err)
				assert.Equal(t, exact, padded, n)
			}
		})
	}
}

func TestGenerationEnds(t *testing.T) {
	g := generator(t, device.Local(newCPU(t, "", 1)), generated["gpt2"], 40)
	o := generate.Options{MaxTokens: 10, Stop: -1}
	all := collect(t, g, []int32{1}, o)
	o.Stop = all[4]
	first := 0
	for all[first] != o.Stop {
		first++
	}
	assert.Equal(t, all[:first], append([]int32{}, collect(t, g, []int32{1}, o)...))

	n := 0
	for range g.Tokens(context.Background(), []int32{1}, generate.Options{MaxTokens: 10, Stop: -1}) {
		if n++; n == 3 {
			break
		}
	}
	assert.Equal(t, 3, n)

	for want, c := range map[string]struct {
		prompt []int32
		o      generate.Options
	}{
		"there is no token to begin with":           {nil, generate.Options{MaxTokens: 1}},
		"token 1 is 50, outside the model's":        {[]int32{0, 50}, generate.Options{MaxTokens: 1}},
		"at most 0 tokens; it must be positive":     {[]int32{0}, generate.Options{}},
		"generate: top-p 2 is not between 0 and 1":  {[]int32{0}, generate.Options{MaxTokens: 1, Sampling: generate.Sampling{TopP: 2}}},
		"generate: temperature -1 is not between 0": {[]int32{0}, generate.Options{MaxTokens: 1, Sampling: generate.Sampling{Temperature: -1}}},
	} {
		count := 0
		for _, err := range g.Tokens(context.Background(), c.prompt, c.o) {
			count++
			assert.ErrorContains(t, err, want)
		}
		assert.Equal(t, 1, count, want)
	}

	canceled, cancel := context.WithCancel(context.Background())
	cancel()
	for _, err := range g.Tokens(canceled, []int32{1}, generate.Options{MaxTokens: 3}) {
		assert.ErrorIs(t, err, context.Canceled)
	}
}

// Of tokens that are equally likely the n-th choice is where the n-th number of
// the seed's stream falls.
func TestGenerationDraws(t *testing.T) {
	const vocab = 64
	d := device.Local(reference.Backend{})
	typ := ir.T(ir.F32, vocab, 2)
	zeros, err := d.Upload(t.Context(), typ, make([]byte, typ.Bytes()))
	require.NoError(t, err)
	g, err := generate.New(t.Context(), generate.Config{
		Device: d, Context: 7, Parameter: func(string) plugin.Buffer { return zeros },
		Build: func(_ context.Context, sequence int) (*plugin.Module, error) { return bigrams(t, vocab, sequence), nil },
	})
	require.NoError(t, err)
	defer g.Close()
	got := collect(t, g, []int32{1}, generate.Options{Sampling: generate.Sampling{Temperature: 1}, Seed: 9, MaxTokens: 30, Stop: -1})
	stream := numerics.Stream{Seed: 9, Step: 1<<32 - 3}
	for n, id := range got {
		assert.EqualValues(t, int(stream.UniformAt(uint64(n))*vocab), id)
	}
}

// bigrams is a model whose logits depend on the last token alone.
func bigrams(t *testing.T, vocab, sequence int) *plugin.Module {
	b := ir.NewBuilder("forward")
	typ := ir.T(ir.F32, vocab, 2)
	w := b.Param("w", typ)
	b.Return("hidden", b.Gather(0, w, b.Param("input_ids", ir.T(ir.I32, 1, sequence))))
	b.Return("output_embedding", w)
	f, err := b.Func()
	require.NoError(t, err)
	return &plugin.Module{Forward: f, Parameters: []plugin.Parameter{{Name: "w", Type: typ, Init: plugin.Init{Kind: plugin.InitOnes}}}}
}

func TestGenerationRefusesModels(t *testing.T) {
	d := device.Local(reference.Backend{})
	good := bigrams(t, 5, 8)
	fails := errors.New("no such model")
	for want, c := range map[string]generate.Config{
		"a context of 0 tokens": {Context: 0},
		"no such model":         {Context: 8, Build: func(context.Context, int) (*plugin.Module, error) { return nil, fails }},
		`no values for parameter "w"`: {Context: 8, Parameter: func(string) plugin.Buffer { return nil },
			Build: func(context.Context, int) (*plugin.Module, error) { return good, nil }},
		`the input "input_ids" is i32[1,8], must be i32[1,7]`: {Context: 7,
			Build: func(context.Context, int) (*plugin.Module, error) { return good, nil }},
		"one is not there": {Context: 8, Build: func(context.Context, int) (*plugin.Module, error) {
			m := bigrams(t, 5, 8)
			m.Forward.Results = m.Forward.Results[:1]
			return m, nil
		}},
	} {
		c.Device = d
		_, err := generate.New(context.Background(), c)
		assert.ErrorContains(t, err, want)
	}
}
