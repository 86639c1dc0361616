package conformance

import (
	"encoding/json"
	"math"
	"slices"
	"testing"

	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/core/device"
	"github.com/seedbed/seedbed/core/generate"
	"github.com/seedbed/seedbed/core/initial"
	"github.com/seedbed/seedbed/plugins/backends/reference"
	"github.com/seedbed/seedbed/plugins/models/dalle_prior"
	"github.com/seedbed/seedbed/plugins/models/dvae"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// built builds a model and gives its parameters random values, which are those
// of its name in every role.
func built(t *testing.T, m plugin.Model, config, role string, rows int) (*plugin.Module, map[string]reference.Tensor) {
	module, err := m.Build(t.Context(), plugin.BuildRequest{Config: json.RawMessage(config), Role: role, Dims: map[string]int{"batch": rows}})
	require.NoError(t, err)
	values := map[string]reference.Tensor{}
	for _, p := range module.Parameters {
		index := 0
		for _, c := range p.Name {
			index = index*31%1009 + int(c)
		}
		v, err := initial.Values(p, index, 3)
		require.NoError(t, err)
		values[p.Name] = reference.Tensor{Type: p.Type, F32: v}
	}
	return module, values
}

// on puts values on a device.
func on(t *testing.T, d device.Device, values map[string]reference.Tensor) func(string) plugin.Buffer {
	buffers := map[string]plugin.Buffer{}
	for name, x := range values {
		data := make([]byte, x.Type.Bytes())
		require.NoError(t, x.Encode(data))
		b, err := d.Upload(t.Context(), x.Type, data)
		require.NoError(t, err)
		buffers[name] = b
	}
	return func(name string) plugin.Buffer { return buffers[name] }
}

// output computes a module on the reference.
func output(t *testing.T, m *plugin.Module, values map[string]reference.Tensor, name string) []float32 {
	var args []reference.Tensor
	for _, p := range m.Forward.Params {
		require.Contains(t, values, p.Name)
		args = append(args, values[p.Name])
	}
	out, err := reference.Eval(m.Forward, args)
	require.NoError(t, err)
	return out[m.Forward.Result(name)].F32
}

const smallPrior = `{"text_vocab": 11, "codes": 7, "text_len": 3, "side": 3, "n_embd": 12, "n_layer": 2, "n_head": 2, "initializer_range": 0.6}`

// Each code is the likeliest after the codes before it, in a model that sees all
// of them at once.
func TestCodesFollowThePrior(t *testing.T) {
	const rows, n, vocab = 2, 9, 7
	m, values := built(t, dalle_prior.Model, smallPrior, "token_prior", rows)
	one, _ := built(t, dalle_prior.Model, smallPrior, "token_prior_step", rows)
	d := device.Local(newCPU(t, "", 1))
	p, err := generate.NewPrior(t.Context(), d, m, one, on(t, d, values))
	require.NoError(t, err)
	defer p.Close()
	require.Equal(t, 3, p.TextLen())
	texts := []int32{1, 2, 3, 9, 8, 10}
	codes, err := p.Codes(t.Context(), texts, generate.Sampling{}, 0, []uint32{0, 1})
	require.NoError(t, err)
	for _, in := range m.Inputs() {
		ids := texts
		if in.Name == "image_codes" {
			ids = codes
		}
		x := reference.Tensor{Type: in.Type}
		for _, id := range ids {
			x.Int = append(x.Int, int64(id))
		}
		values[in.Name] = x
	}
	logits := output(t, m, values, "image_logits")
	for i, code := range codes {
		row := logits[i*vocab:][:vocab]
		assert.EqualValues(t, slices.Index(row, slices.Max(row)), code, i)
	}
	assert.Greater(t, len(slices.Compact(slices.Sorted(slices.Values(codes)))), 2, "a prior that says something")
}

// An image's codes are the same on every backend and whatever other images are
// drawn with it; another number or seed gives others.
func TestCodesAreIdentical(t *testing.T) {
	sampling := generate.Sampling{Temperature: 1, TopK: 5}
	draw := func(d device.Device, seed uint64, numbers []uint32, texts ...int32) []int32 {
		m, values := built(t, dalle_prior.Model, smallPrior, "token_prior", len(numbers))
		one, _ := built(t, dalle_prior.Model, smallPrior, "token_prior_step", len(numbers))
		p, err := generate.NewPrior(t.Context(), d, m, one, on(t, d, values))
		require.NoError(t, err)
		defer p.Close()
		codes, err := p.Codes(t.Context(), texts, sampling, seed, numbers)
		require.NoError(t, err)
		return codes
	}
	want := draw(device.Local(reference.Backend{}), 5, []uint32{2}, 4, 5, 6)
	for _, path := range paths {
		t.Run(path, func(t *testing.T) {
			d := device.Local(newCPU(t, path, 2))
			assert.Equal(t, want, draw(d, 5, []uint32{2}, 4, 5, 6))
			assert.Equal(t, want, draw(d, 5, []uint32{0, 2, 1}, 1, 1, 1, 4, 5, 6, 4, 5, 6)[9:18])
			assert.NotEqual(t, want, draw(d, 6, []uint32{2}, 4, 5, 6))
			assert.NotEqual(t, want, draw(d, 5, []uint32{3}, 4, 5, 6))
			assert.NotEqual(t, want, draw(d, 5, []uint32{2}, 7, 5, 6))
		})
	}
}

// The pictures of codes are the reconstructions of the autoencoder when it is
// sure of them.
func TestPaintingIsReconstruction(t *testing.T) {
	const config = `{"image_size": 8, "codes": 5, "width": 6, "num_channels": 3}`
	const rows, side, k = 2, 2, 5
	codes := []int32{0, 3, 4, 1, 2, 2, 0, 4}
	m, values := built(t, dvae.Model, config, "discrete_vae", rows)
	for _, in := range m.Inputs() {
		x, err := reference.New(in.Type)
		require.NoError(t, err)
		switch in.Name {
		case "gumbel": // so much of it that nothing else counts
			for i, code := range codes {
				x.F32[(i/(side*side)*k+int(code))*side*side+i%(side*side)] = 1e6
			}
		case "temperature":
			x.F32[0] = 1
		}
		values[in.Name] = x
	}
	y := output(t, m, values, "reconstruction")
	decoder, values := built(t, dvae.Model, config, "code_decoder", rows)
	for _, d := range []device.Device{device.Local(reference.Backend{}), device.Local(newCPU(t, "", 2))} {
		p, err := generate.NewPainter(t.Context(), d, decoder, on(t, d, values))
		require.NoError(t, err)
		assert.Equal(t, []int{rows, side * side, 8, 8, 3}, []int{p.Rows, p.N, p.Height, p.Width, p.Channels})
		pixels, err := p.Paint(t.Context(), codes)
		require.NoError(t, err)
		for i, v := range pixels {
			c, at, r := i%3, i/3%64, i/(3*64)
			place := float64(y[r*6*64+c*64+at])
			want := (1/(1+math.Exp(-place)) - 0.1) / 0.8 * 255
			require.InDelta(t, min(max(want, 0), 255), float64(v), 0.501)
		}
		_, err = p.Paint(t.Context(), codes[1:])
		assert.ErrorContains(t, err, "7 codes for 2 images of 4")
		p.Close()
	}
}

// A centered encoder sees of pixels from 0.1 to 0.9 what another sees of pixels
// from -1 to 1.
func TestCenteredInputs(t *testing.T) {
	logits := func(config string, pixels ...float32) []float32 {
		m, values := built(t, dvae.Model, config, "discrete_vae", 1)
		for _, in := range m.Inputs() {
			x, err := reference.New(in.Type)
			require.NoError(t, err)
			for i := range x.F32 {
				x.F32[i] = pixels[i%len(pixels)]
			}
			values[in.Name] = x
		}
		return output(t, m, values, "code_logits")
	}
	centered := logits(`{"image_size": 8, "codes": 5, "width": 6, "center_inputs": true}`, 0.5, 0.75, 0.125)
	assert.Equal(t, logits(`{"image_size": 8, "codes": 5, "width": 6}`, 0, 0.625, -0.9375), centered)
	assert.NotEqual(t, logits(`{"image_size": 8, "codes": 5, "width": 6}`, 0.5, 0.75, 0.125), centered)
}

func TestCodesRefuseModels(t *testing.T) {
	d := device.Local(reference.Backend{})
	none := func(string) plugin.Buffer { return nil }
	prior, values := built(t, dalle_prior.Model, smallPrior, "token_prior", 1)
	one, _ := built(t, dalle_prior.Model, smallPrior, "token_prior_step", 1)
	decoder, _ := built(t, dvae.Model, `{"image_size": 4, "codes": 5, "width": 6}`, "code_decoder", 1)
	_, err := generate.NewPrior(t.Context(), d, decoder, one, none)
	assert.ErrorContains(t, err, "the model takes no text_ids i32[B,N]")
	_, err = generate.NewPrior(t.Context(), d, prior, prior, none)
	assert.ErrorContains(t, err, "the model takes no token_ids i32[B,N]")
	_, err = generate.NewPainter(t.Context(), d, prior, none)
	assert.ErrorContains(t, err, "the model gives no reconstruction")
	p, err := generate.NewPrior(t.Context(), d, prior, one, none)
	require.NoError(t, err)
	_, err = p.Codes(t.Context(), []int32{1, 2, 3}, generate.Sampling{}, 0, []uint32{0})
	assert.ErrorContains(t, err, "there are no values for parameter")
	p, err = generate.NewPrior(t.Context(), d, prior, one, on(t, d, values))
	require.NoError(t, err)
	_, err = p.Codes(t.Context(), []int32{1, 2}, generate.Sampling{}, 0, []uint32{0})
	assert.ErrorContains(t, err, "2 tokens and 1 numbers for 1 images of 3 tokens")
	_, err = p.Codes(t.Context(), []int32{1, 2, 11}, generate.Sampling{}, 0, []uint32{0})
	assert.ErrorContains(t, err, "token 2 is 11, outside the model's vocabulary 0 to 10")
	_, err = p.Codes(t.Context(), []int32{1, 2, 3}, generate.Sampling{Temperature: -1}, 0, []uint32{0})
	assert.ErrorContains(t, err, "temperature -1")
}
