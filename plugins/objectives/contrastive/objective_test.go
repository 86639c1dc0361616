package contrastive

import (
	"encoding/json"
	"testing"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/abi/plugin/batch/batchtest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var (
	images   = batchtest.Column{Name: "image", Length: 4, Values: []uint8{0, 51, 102, 153, 204, 255, 0, 0}, Image: [3]int{2, 2, 1}}
	captions = batchtest.Column{Name: "tokens", Length: 3, Values: []int32{5, 6, 2 /**/, 7, 2, 0}}
)

func request(config string, columns ...batchtest.Column) plugin.BindRequest {
	return plugin.BindRequest{
		Config: json.RawMessage(config), Role: "dual_encoder",
		Inputs: []ir.Param{
			{Name: "input_ids", Type: ir.T(ir.I32, 2, 5)}, {Name: "pixel_values", Type: ir.T(ir.F32, 2, 1, 2, 2)}, {Name: "text_positions", Type: ir.T(ir.I32, 2)},
		},
		Outputs: []ir.Param{
			{Name: "image_embeds", Type: ir.T(ir.F32, 2, 6)}, {Name: "logit_scale", Type: ir.T(ir.F32)}, {Name: "text_embeds", Type: ir.T(ir.F32, 2, 6)},
		},
		Rows: batchtest.Schema(columns...), Properties: map[string]string{"end_of_text": "2", "vocab_size": "8"},
	}
}

func TestTransform(t *testing.T) {
	b, err := Objective{}.Bind(t.Context(), request(`{"image_mean": 0, "image_std": 1}`, images, captions))
	require.NoError(t, err)
	got := batchtest.Make(t, b, batchtest.Record(t, images, captions), plugin.Position{})
	assert.Equal(t, map[string][]int32{"input_ids": {5, 6, 2, 0, 0 /**/, 7, 2, 0, 0, 0}, "text_positions": {2, 1}}, got.Ints)
	assert.Equal(t, []float32{0, 0.2, 0.4, 0.6, 0.8, 1, 0, 0}, got.Floats["pixel_values"])
}

func TestRefuses(t *testing.T) {
	change := func(c func(r *plugin.BindRequest)) plugin.BindRequest {
		r := request(``, images, captions)
		c(&r)
		return r
	}
	one := func(r *plugin.BindRequest) {
		r.Inputs[1].Type = ir.T(ir.F32, 1, 1, 2, 2)
		r.Outputs[0].Type, r.Outputs[2].Type = ir.T(ir.F32, 1, 6), ir.T(ir.F32, 1, 6)
	}
	for want, r := range map[string]plugin.BindRequest{
		`a grain has 1 pair of image and caption`:                     change(one),
		`they do not fit`:                                             change(func(r *plugin.BindRequest) { r.Outputs[0].Type = ir.T(ir.F32, 2, 5) }),
		`the model has no output "logit_scale"`:                       change(func(r *plugin.BindRequest) { r.Outputs[1].Name = "x" }),
		`field eos_token_id: must be given`:                           change(func(r *plugin.BindRequest) { delete(r.Properties, "end_of_text") }),
		`the dataset's captions have 6 tokens, the model's input_ids`: request(``, images, batchtest.Column{Name: "tokens", Length: 6, Values: []int32{}}),
		`the dataset has no column "tokens"; its columns are`:         request(``, images),
		`the dataset has 0 columns "image"`:                           request(``, captions),
		`needs a model of role dual_encoder`:                          change(func(r *plugin.BindRequest) { r.Role = "x" }),
	} {
		_, err := Objective{}.Bind(t.Context(), r)
		assert.ErrorContains(t, err, want)
	}
	b, err := Objective{}.Bind(t.Context(), request(``, images, captions))
	require.NoError(t, err)
	for want, tokens := range map[string][]int32{"row 1: the caption has no end token 2": {5, 6, 2, 7, 3, 0}, "row 0, token 1 is 8, outside the vocabulary 0 to 7": {5, 8, 2, 7, 2, 0}} {
		_, err := batchtest.Transform(b, batchtest.Record(t, images, batchtest.Column{Name: "tokens", Length: 3, Values: tokens}), plugin.Position{})
		assert.ErrorContains(t, err, want)
	}
}
