package discrete_vae

import (
	"encoding/json"
	"testing"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/abi/plugin/batch/batchtest"
	"github.com/seedbed/seedbed/plugins/backends/reference"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var images = batchtest.Column{Name: "image", Length: 64, Values: make([]uint8, 128), Image: [3]int{8, 8, 1}}

func request(config string) plugin.BindRequest {
	return plugin.BindRequest{
		Config: json.RawMessage(config), Role: "discrete_vae", Rows: batchtest.Schema(images),
		Inputs: []ir.Param{
			{Name: "gumbel", Type: ir.T(ir.F32, 2, 500, 2, 2)}, {Name: "pixel_values", Type: ir.T(ir.F32, 2, 1, 8, 8)}, {Name: "temperature", Type: ir.T(ir.F32)},
		},
		Outputs: []ir.Param{{Name: "code_logits", Type: ir.T(ir.F32, 2, 500, 2, 2)}, {Name: "reconstruction", Type: ir.T(ir.F32, 2, 2, 8, 8)}},
	}
}

// Gumbel noise has mean 0.5772 and variance pi^2/6; the temperature falls;
// pixels lie within 0.1 and 0.9.
func TestTransform(t *testing.T) {
	b, err := Objective{}.Bind(t.Context(), request(`{"temperature_steps": 100}`))
	require.NoError(t, err)
	images.Values.([]uint8)[3] = 255
	rec := batchtest.Record(t, images)
	before := 2.0
	for _, step := range []uint64{0, 50, 100, 1000} {
		got := batchtest.Make(t, b, rec, plugin.Position{Seed: 1, Step: step}).Floats
		mean, square := 0.0, 0.0
		for _, v := range got["gumbel"] {
			mean += float64(v) / 4000
			square += float64(v) * float64(v) / 4000
		}
		assert.InDelta(t, 0.5772, mean, 0.1)
		assert.InDelta(t, 1.645, square-mean*mean, 0.25)
		assert.InDelta(t, 0.1, got["pixel_values"][0], 1e-6)
		assert.InDelta(t, 0.9, got["pixel_values"][3], 1e-6)
		assert.InDelta(t, map[uint64]float64{0: 1, 50: 0.53125, 100: 0.0625, 1000: 0.0625}[step], got["temperature"][0], 1e-6)
		assert.LessOrEqual(t, float64(got["temperature"][0]), before)
		before = float64(got["temperature"][0])
	}
}

// A normal likelihood is the squared error of the logistic function of places,
// whatever the widths.
func TestNormal(t *testing.T) {
	b, err := Objective{}.Bind(t.Context(), request(`{"likelihood": "normal", "beta": 0}`))
	require.NoError(t, err)
	assert.Equal(t, "squared_error", b.(plugin.Measured).Metrics()[0].Name)
	f := b.Loss()
	args := make([]reference.Tensor, len(f.Params))
	for i, p := range f.Params {
		args[i], err = reference.New(p.Type)
		require.NoError(t, err)
		switch p.Name {
		case "pixel_values": // 0.25 from the logistic function of 0, but for the first
			for k := range args[i].F32 {
				args[i].F32[k] = 0.25
			}
			args[i].F32[0] = 0.75
		case "reconstruction":
			for k := 64; k < 128; k++ {
				args[i].F32[k] = 5 // widths of the first image
			}
		}
	}
	out, err := reference.Eval(f, args)
	require.NoError(t, err)
	assert.Equal(t, float32(2*64*0.25*0.25), out[f.Result("loss")].F32[0])
	assert.Equal(t, out[f.Result("loss")].F32, out[f.Result("squared_error")].F32)
}

func TestRefuses(t *testing.T) {
	wrong := request(``)
	wrong.Outputs[1].Type = ir.T(ir.F32, 2, 1, 8, 8)
	other := request(``)
	other.Role = "image_classifier"
	for want, r := range map[string]plugin.BindRequest{
		"they do not fit":                                    wrong,
		"needs a model of role discrete_vae":                 other,
		`field likelihood: `:                                 request(`{"likelihood": "poisson"}`),
		"field final_temperature: must be 0.01 to 100, is 0": request(`{"final_temperature": 0}`),
	} {
		_, err := Objective{}.Bind(t.Context(), r)
		assert.ErrorContains(t, err, want)
	}
}
