package classification

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/abi/plugin/batch"
	"github.com/seedbed/seedbed/abi/plugin/batch/batchtest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const rows, side, classes = 4, 8, 5

var labels = batchtest.Column{Name: "label", Values: []int32{0, 1, 2, 4}}

// flat are images of one value each, 51 to 204: 1 to 4 with a deviation of
// 1/5.
func flat() batchtest.Column {
	var v []uint8
	for r := range rows {
		for range side * side {
			v = append(v, uint8(51*(r+1)))
		}
	}
	return batchtest.Column{Name: "image", Length: side * side, Values: v, Image: [3]int{side, side, 1}}
}

const normalize = `"image_mean": 0, "image_std": 0.2`

func request(config string, columns ...batchtest.Column) plugin.BindRequest {
	return plugin.BindRequest{
		Config: json.RawMessage(config), Role: "image_classifier",
		Inputs:  []ir.Param{{Name: "pixel_values", Type: ir.T(ir.F32, rows, 1, side, side)}},
		Outputs: []ir.Param{{Name: "logits", Type: ir.T(ir.F32, rows, classes)}, {Name: "features", Type: ir.T(ir.F32, rows, 3)}},
		Rows:    batchtest.Schema(columns...),
	}
}

func run(t *testing.T, config string, at plugin.Position, columns ...batchtest.Column) (pixels, targets []float32) {
	b, err := Objective{}.Bind(t.Context(), request(config, columns...))
	require.NoError(t, err)
	got := batchtest.Make(t, b, batchtest.Record(t, columns...), at)
	return got.Floats["pixel_values"], got.Floats["targets"]
}

func TestTargets(t *testing.T) {
	pixels, targets := run(t, `{`+normalize+`}`, plugin.Position{}, flat(), labels)
	assert.InDelta(t, 2, pixels[side*side], 1e-6)
	assert.Equal(t, []float32{1, 0, 0, 0, 0 /**/, 0, 1, 0, 0, 0 /**/, 0, 0, 1, 0, 0 /**/, 0, 0, 0, 0, 1}, targets)
	_, targets = run(t, `{"label_smoothing": 0.5}`, plugin.Position{}, flat(), labels)
	assert.Equal(t, []float32{0.6, 0.1, 0.1, 0.1, 0.1}, targets[:5])
	evaluated := plugin.Position{Step: plugin.EvaluationStep}
	pixels, targets = run(t, `{"label_smoothing": 0.5, "mixup_alpha": 1, "augment": "crop", `+normalize+`}`, evaluated, flat(), labels)
	assert.InDelta(t, 2, pixels[side*side], 1e-6)
	assert.Equal(t, []float32{1, 0, 0, 0, 0}, targets[:5])
	soft := make([]float32, rows*classes)
	soft[3], soft[4] = 0.25, 0.75
	_, targets = run(t, ``, plugin.Position{}, flat(), batchtest.Column{Name: "targets", Length: classes, Values: soft})
	assert.Equal(t, soft, targets)
}

// Images are flat, so that a pixel tells how much of each image it has: the
// targets have as much.
func TestMixing(t *testing.T) {
	for name, config := range map[string]string{"mixup": `{"mixup_alpha": 0.4, ` + normalize + `}`, "cutmix": `{"cutmix_alpha": 1, ` + normalize + `}`, "both": `{"mixup_alpha": 0.4, "cutmix_alpha": 1, ` + normalize + `}`} {
		keeps, cuts := 0.0, 0
		const steps = 400
		for step := range steps {
			pixels, targets := run(t, config, plugin.Position{Step: uint64(step)}, flat(), labels)
			keep := float64(targets[0])
			for r, label := range labels.Values.([]int32) {
				other := rows - 1 - r
				sum := 0.0
				pure := true
				for _, v := range pixels[r*side*side:][:side*side] {
					sum += float64(v) / (side * side)
					pure = pure && math.Abs(float64(v)-math.Round(float64(v))) < 1e-6
				}
				assert.InDelta(t, float64(r+1)*keep+float64(other+1)*(1-keep), sum, 1e-5)
				assert.InDelta(t, keep, targets[r*classes+int(label)], 1e-6)
				assert.InDelta(t, 1-keep, targets[r*classes+int(labels.Values.([]int32)[other])], 1e-6)
				if pure && r == 0 {
					cuts++
				}
			}
			keeps += keep / steps
		}
		switch name {
		case "mixup":
			assert.InDelta(t, 0.5, keeps, 0.1)
			assert.Less(t, cuts, steps/10)
		case "cutmix":
			assert.Greater(t, keeps, 0.5) // what is cut off at the border is kept
			assert.Equal(t, steps, cuts)
		case "both":
			assert.InDelta(t, steps/2, cuts, 60)
		}
	}
}

// The variance of Beta(a, a) is 1 / (4 (2a + 1)).
func TestBeta(t *testing.T) {
	for _, alpha := range []float64{0.2, 1, 2} {
		draws := batch.NewDraws(plugin.Position{Seed: 9}, stream, 1, 0)
		mean, square := 0.0, 0.0
		const n = 4000
		for range n {
			x := beta(alpha, draws)
			mean += x / n
			square += (x - 0.5) * (x - 0.5) / n
		}
		assert.InDelta(t, 0.5, mean, 0.04)
		assert.InDelta(t, 1/(4*(2*alpha+1)), square, 0.01)
	}
}

func TestRefuses(t *testing.T) {
	change := func(c func(r *plugin.BindRequest)) plugin.BindRequest {
		r := request(`{"mixup_alpha": 1}`, flat(), labels)
		c(&r)
		return r
	}
	for want, r := range map[string]plugin.BindRequest{
		`field smoothing: there is no such field; the nearest is "label_smoothing"`: request(`{"smoothing": 1}`, flat(), labels),
		`field mixup_alpha: and cutmix_alpha mix images of a grain`: change(func(r *plugin.BindRequest) {
			r.Inputs[0].Type, r.Outputs[0].Type = ir.T(ir.F32, 1, 1, side, side), ir.T(ir.F32, 1, classes)
		}),
		`their batches differ`:                      change(func(r *plugin.BindRequest) { r.Outputs[0].Type = ir.T(ir.F32, 3, classes) }),
		`needs a model of role image_classifier`:    change(func(r *plugin.BindRequest) { r.Role = "x" }),
		`the dataset has no column "label"`:         request(``, flat()),
		`column "label" is float32; needs int32`:    request(``, flat(), batchtest.Column{Name: "label", Values: []float32{}}),
		`column "targets" has 4 classes, the model`: request(``, flat(), batchtest.Column{Name: "targets", Length: 4, Values: []float32{}}),
		`the dataset has 0 columns "image"`:         request(``, labels),
	} {
		_, err := Objective{}.Bind(t.Context(), r)
		assert.ErrorContains(t, err, want)
	}
	b, err := Objective{}.Bind(t.Context(), request(``, flat(), labels))
	require.NoError(t, err)
	_, err = batchtest.Transform(b, batchtest.Record(t, flat(), batchtest.Column{Name: "label", Values: []int32{0, 1, 5, 4}}), plugin.Position{})
	assert.ErrorContains(t, err, "row 2 has label 5; the model has classes 0 to 4")
}
