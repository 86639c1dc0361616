package nt_xent

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

func images(n int) batchtest.Column {
	var v []uint8
	for i := range n * 16 * 16 * 3 {
		v = append(v, uint8(i*i/7))
	}
	return batchtest.Column{Name: "image", Length: 16 * 16 * 3, Values: v, Image: [3]int{16, 16, 3}}
}

func request(config string, n int) plugin.BindRequest {
	view := ir.T(ir.F32, n, 3, 8, 8)
	return plugin.BindRequest{
		Config: json.RawMessage(config), Role: "two_view_encoder", Rows: batchtest.Schema(images(n)),
		Inputs:  []ir.Param{{Name: "view_a", Type: view}, {Name: "view_b", Type: view}},
		Outputs: []ir.Param{{Name: "embeddings", Type: ir.T(ir.F32, 2*n, 4)}},
	}
}

// Views differ from each other and from step to step; a sample's depend on its
// place alone.
func TestViews(t *testing.T) {
	bind := func(config string, n int) plugin.Binding {
		b, err := Objective{}.Bind(t.Context(), request(config, n))
		require.NoError(t, err)
		return b
	}
	rec := batchtest.Record(t, images(4))
	at := plugin.Position{Seed: 1, Step: 2, Grain: 3}
	whole := batchtest.Make(t, bind(``, 4), rec, at).Floats
	assert.NotEqual(t, whole["view_a"], whole["view_b"])
	assert.Equal(t, whole, batchtest.Make(t, bind(``, 4), rec, at).Floats)
	assert.NotEqual(t, whole["view_a"], batchtest.Make(t, bind(``, 4), rec, plugin.Position{Seed: 1, Step: 3, Grain: 3}).Floats["view_a"])
	half := rec.NewSlice(2, 4)
	defer half.Release()
	part := batchtest.Make(t, bind(``, 2), half, plugin.Position{Seed: 1, Step: 2, Grain: 7}).Floats
	assert.Equal(t, whole["view_a"][2*3*64:], part["view_a"])
	assert.Equal(t, whole["view_b"][2*3*64:], part["view_b"])
	plain := batchtest.Make(t, bind(`{"augment": "none"}`, 4), rec, at).Floats
	assert.Equal(t, plain["view_a"], plain["view_b"])
}

func TestRefuses(t *testing.T) {
	change := func(c func(r *plugin.BindRequest)) plugin.BindRequest {
		r := request(``, 4)
		c(&r)
		return r
	}
	for want, r := range map[string]plugin.BindRequest{
		"a grain has 1 image; telling images apart needs at least 2": request(``, 1),
		"needs two of each image":                                    change(func(r *plugin.BindRequest) { r.Outputs[0].Type = ir.T(ir.F32, 4, 4) }),
		"needs a model of role two_view_encoder":                     change(func(r *plugin.BindRequest) { r.Role = "image_classifier" }),
		"field temperature: must be 0.001 to 100, is 0":              request(`{"temperature": 0}`, 4),
		`the dataset has 0 columns "image"`:                          change(func(r *plugin.BindRequest) { r.Rows = batchtest.Schema() }),
		`the model takes an input "noise"`:                           change(func(r *plugin.BindRequest) { r.Inputs = append(r.Inputs, ir.Param{Name: "noise"}) }),
	} {
		_, err := Objective{}.Bind(t.Context(), r)
		assert.ErrorContains(t, err, want)
	}
}

// The accuracy counts the views whose nearest other view is of the same image.
func TestAccuracy(t *testing.T) {
	b, err := Objective{}.Bind(t.Context(), request(``, 2))
	require.NoError(t, err)
	require.Equal(t, "accuracy", b.(plugin.Measured).Metrics()[0].Name)
	f := b.Loss()
	for want, order := range map[float32][]int{4: {0, 1, 0, 1}, 0: {0, 1, 1, 0}} {
		z := make([]float32, 4*4)
		for view, axis := range order {
			z[4*view+axis] = 1
		}
		out, err := reference.Eval(f, []reference.Tensor{{Type: f.Params[0].Type, F32: z}})
		require.NoError(t, err)
		assert.Equal(t, want, out[f.Result("accuracy")].F32[0])
	}
}
