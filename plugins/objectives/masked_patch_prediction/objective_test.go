package masked_patch_prediction

import (
	"encoding/json"
	"testing"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/abi/plugin/batch"
	"github.com/seedbed/seedbed/abi/plugin/batch/batchtest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const rows, channels, side, patch, patches = 2, 3, 8, 2, 16

func request(values []uint8, config string, change ...func(r *plugin.BindRequest)) plugin.BindRequest {
	r := plugin.BindRequest{
		Role: role, Config: json.RawMessage(config),
		Inputs: []ir.Param{
			{Name: "patch_sources", Type: ir.T(ir.I32, rows, patches)}, {Name: "pixel_values", Type: ir.T(ir.F32, rows, channels, side, side)},
		},
		Outputs: []ir.Param{{Name: "prediction", Type: ir.T(ir.F32, rows, patches, 512)}},
		Rows:    batchtest.Schema(column(values)),
	}
	for _, c := range change {
		c(&r)
	}
	return r
}

func pixelsOf(r *plugin.BindRequest) {
	r.Outputs[0].Type = ir.T(ir.F32, rows, patches, patch*patch*channels)
}

func column(values []uint8) batchtest.Column {
	return batchtest.Column{Name: "image", Length: channels * side * side, Values: values, Image: [3]int{side, side, channels}}
}

func anything() (values []uint8) {
	for i := range rows * channels * side * side {
		values = append(values, uint8(i*37+i*i/11))
	}
	return values
}

// want is the mean color of a patch of pixels [H,W,C], by its definition.
func want(image []uint8, at int) (class int32) {
	for c := range channels {
		sum := 0
		for y := range patch {
			for x := range patch {
				sum += int(image[((at/4*patch+y)*side+at%4*patch+x)*channels+c])
			}
		}
		class = class*8 + int32(sum/(patch*patch)/32)
	}
	return class
}

// Half of the patches are hidden, each as often as another, in the parts that
// the configuration says; only these have labels, which are their mean colors.
func TestTransform(t *testing.T) {
	values := anything()
	rec := batchtest.Record(t, column(values))
	for _, normalize := range []string{`"image_mean": 0.37, "image_std": 0.001`, `"image_mean": 0, "image_std": 1`, `"image_mean": 0.5, "image_std": 0.23`} {
		b, err := Objective{}.Bind(t.Context(), request(values, `{"augment": "none", "keep_rate": 0.1, "random_rate": 0.2, `+normalize+`}`))
		require.NoError(t, err)
		hidden, kinds := map[int]int{}, map[string]int{}
		const steps = 300
		for step := range steps {
			got := batchtest.Make(t, b, rec, plugin.Position{Seed: 1, Step: uint64(step)}).Ints
			for r := range rows {
				n := 0
				for i := range patches {
					source, label := got["patch_sources"][r*patches+i], got["labels"][r*patches+i]
					if label == batch.IgnoreIndex {
						require.EqualValues(t, i, source)
						continue
					}
					n++
					hidden[i]++
					require.Equal(t, want(values[r*channels*side*side:][:channels*side*side], i), label)
					switch {
					case source == patches:
						kinds["mask"]++
					case int(source) == i:
						kinds["kept"]++
					default:
						require.True(t, source >= 0 && source < patches)
						kinds["other"]++
					}
				}
				require.Equal(t, patches/2, n)
			}
		}
		const all = steps * rows * patches / 2
		for i := range patches {
			assert.InDelta(t, steps*rows/2, hidden[i], 62, "patch %d", i) // 5 standard deviations
		}
		assert.InDelta(t, 0.7*all, kinds["mask"], 160)
		assert.InDelta(t, 0.1*all, kinds["kept"], 105)
		assert.InDelta(t, 0.2*all, kinds["other"], 140)
	}
}

// Of pixels nothing but which patches are hidden is told.
func TestPixels(t *testing.T) {
	values := anything()
	b, err := Objective{}.Bind(t.Context(), request(values, `{"keep_rate": 0, "random_rate": 0, "mask_rate": 0.6}`, pixelsOf))
	require.NoError(t, err)
	got := batchtest.Make(t, b, batchtest.Record(t, column(values)), plugin.Position{Step: 3})
	assert.NotContains(t, got.Ints, "labels")
	n := 0
	for i, h := range got.Ints["hidden_patches"] {
		n += int(h)
		assert.Equal(t, h == 1, got.Ints["patch_sources"][i] == patches)
	}
	assert.Equal(t, rows*10, n) // 9.6 of 16
	assert.Empty(t, b.(plugin.Measured).Metrics())
}

func TestBindRefuses(t *testing.T) {
	for want, r := range map[string]plugin.BindRequest{
		`needs a model of role masked_patches, not "x"`:                     request(nil, ``, func(r *plugin.BindRequest) { r.Role = "x" }),
		`the model has no output "prediction"`:                              request(nil, ``, func(r *plugin.BindRequest) { r.Outputs = nil }),
		`is not of the square patches of its pixel_values`:                  request(nil, ``, func(r *plugin.BindRequest) { r.Outputs[0].Type = ir.T(ir.F32, rows, 15, 512) }),
		`is neither of 512 colors nor of the 12 values of a patch`:          request(nil, ``, func(r *plugin.BindRequest) { r.Outputs[0].Type = ir.T(ir.F32, rows, patches, 8) }),
		`the model's input "patch_sources" is i32[2,9]`:                     request(nil, ``, func(r *plugin.BindRequest) { r.Inputs[0].Type = ir.T(ir.I32, rows, 9) }),
		`the model takes no input "pixel_values"`:                           request(nil, ``, func(r *plugin.BindRequest) { r.Inputs = r.Inputs[:1] }),
		`the dataset has 0 columns "image"`:                                 request(nil, ``, func(r *plugin.BindRequest) { r.Rows = batchtest.Schema() }),
		`field random_rate: with keep_rate makes 1.1, more than 1`:          request(nil, `{"keep_rate": 0.6, "random_rate": 0.5}`),
		`field mask_rate: 1 hides all of the 16 patches`:                    request(nil, `{"mask_rate": 1, "keep_rate": 0, "random_rate": 0}`),
		`field mask_ratio: there is no such field; the nearest is "mask_ra`: request(nil, `{"mask_ratio": 0.5}`),
	} {
		_, err := Objective{}.Bind(t.Context(), r)
		assert.ErrorContains(t, err, want)
	}
}
