package masked_reconstruction

import (
	"encoding/json"
	"testing"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/abi/plugin/batch/batchtest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const rows, channels, side, patches, seen = 3, 3, 8, 16, 4

func request(values any, change ...func(r *plugin.BindRequest)) plugin.BindRequest {
	r := plugin.BindRequest{
		Role: "masked_autoencoder",
		Inputs: []ir.Param{
			{Name: "ids_keep", Type: ir.T(ir.I32, rows, seen)}, {Name: "ids_restore", Type: ir.T(ir.I32, rows, patches)},
			{Name: "pixel_values", Type: ir.T(ir.F32, rows, channels, side, side)},
		},
		Outputs: []ir.Param{{Name: "prediction", Type: ir.T(ir.F32, rows, patches, 2*2*channels)}},
		Rows:    batchtest.Schema(batchtest.Column{Name: "image", Length: channels * side * side, Values: values, Image: [3]int{side, side, channels}}),
	}
	for _, c := range change {
		c(&r)
	}
	return r
}

// Each step shows other patches, each as often as another; the two tables
// agree.
func TestTransform(t *testing.T) {
	var pixels []uint8
	for i := range rows * channels * side * side {
		pixels = append(pixels, uint8(i))
	}
	r := request(pixels)
	r.Config = json.RawMessage(`{"image_mean": 0.2, "image_std": 0.4, "augment": "none"}`)
	b, err := Objective{}.Bind(t.Context(), r)
	require.NoError(t, err)
	rec := batchtest.Record(t, batchtest.Column{Name: "image", Length: channels * side * side, Values: pixels, Image: [3]int{side, side, channels}})
	shown := map[int32]int{}
	for step := range 300 {
		got := batchtest.Make(t, b, rec, plugin.Position{Seed: 1, Step: uint64(step)})
		for r := range rows {
			restore := got.Ints["ids_restore"][r*patches:][:patches]
			places := map[int32]bool{}
			for _, place := range restore {
				places[place] = true
			}
			require.Len(t, places, patches)
			for place, patch := range got.Ints["ids_keep"][r*seen:][:seen] {
				require.EqualValues(t, place, restore[patch])
				shown[patch]++
			}
		}
		if step == 0 {
			assert.InDelta(t, (float64(3*7)/255-0.2)/0.4, got.Floats["pixel_values"][7], 1e-6)
			assert.Equal(t, got, batchtest.Make(t, b, rec, plugin.Position{Seed: 1}))
		}
	}
	assert.Len(t, shown, patches)
	for patch, n := range shown {
		assert.InDelta(t, 225, n, 70, "patch %d", patch) // 5 standard deviations
	}
}

// A model that sees all patches has them in their order; there is nothing to
// train.
func TestWhole(t *testing.T) {
	pixels := make([]uint8, rows*channels*side*side)
	b, err := Objective{}.Bind(t.Context(), request(pixels, func(r *plugin.BindRequest) { r.Inputs[0].Type = ir.T(ir.I32, rows, patches) }))
	require.NoError(t, err)
	rec := batchtest.Record(t, batchtest.Column{Name: "image", Length: channels * side * side, Values: pixels, Image: [3]int{side, side, channels}})
	got := batchtest.Make(t, b, rec, plugin.Position{Step: plugin.EvaluationStep})
	for i := range rows * patches {
		assert.EqualValues(t, i%patches, got.Ints["ids_keep"][i])
		assert.EqualValues(t, i%patches, got.Ints["ids_restore"][i])
	}
	_, err = batchtest.Transform(b, rec, plugin.Position{})
	assert.ErrorContains(t, err, "sees all patches")
}

func TestBindRefuses(t *testing.T) {
	for want, r := range map[string]plugin.BindRequest{
		`needs a model of role masked_autoencoder, not "x"`: request([]uint8{}, func(r *plugin.BindRequest) { r.Role = "x" }),
		`the model has no output "prediction"`:              request([]uint8{}, func(r *plugin.BindRequest) { r.Outputs = nil }),
		`is not of the square patches of its pixel_values`:  request([]uint8{}, func(r *plugin.BindRequest) { r.Outputs[0].Type = ir.T(ir.F32, rows, 15, 12) }),
		`the model sees 17 of 16 patches`:                   request([]uint8{}, func(r *plugin.BindRequest) { r.Inputs[0].Type = ir.T(ir.I32, rows, 17) }),
		`the model takes no input "pixel_values"`:           request([]uint8{}, func(r *plugin.BindRequest) { r.Inputs = r.Inputs[:2] }),
		`the dataset has 0 columns "image"`:                 request([]uint8{}, func(r *plugin.BindRequest) { r.Rows = batchtest.Schema() }),
		`field norm_pix: there is no such field`:            request([]uint8{}, func(r *plugin.BindRequest) { r.Config = json.RawMessage(`{"norm_pix": true}`) }),
	} {
		_, err := Objective{}.Bind(t.Context(), r)
		assert.ErrorContains(t, err, want)
	}
}
