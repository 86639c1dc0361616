package token_prior

import (
	"encoding/json"
	"testing"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/abi/plugin/batch/batchtest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func columns(codes ...int32) []batchtest.Column {
	return []batchtest.Column{{Name: "tokens", Length: 4, Values: []int32{1, 2, 3, 4 /**/, 5, 6, 0, 1}}, {Name: "codes", Length: 2, Values: codes}}
}

func request(config string, c []batchtest.Column) plugin.BindRequest {
	return plugin.BindRequest{
		Config: json.RawMessage(config), Role: "token_prior", Rows: batchtest.Schema(c...),
		Inputs:  []ir.Param{{Name: "image_codes", Type: ir.T(ir.I32, 2, 2)}, {Name: "text_ids", Type: ir.T(ir.I32, 2, 3)}},
		Outputs: []ir.Param{{Name: "text_logits", Type: ir.T(ir.F32, 2, 3, 7)}, {Name: "image_logits", Type: ir.T(ir.F32, 2, 2, 9)}},
	}
}

func TestTransform(t *testing.T) {
	b, err := Objective{}.Bind(t.Context(), request(``, columns()))
	require.NoError(t, err)
	got := batchtest.Make(t, b, batchtest.Record(t, columns(8, 7, 6, 5)...), plugin.Position{})
	assert.Equal(t, map[string][]int32{"text_ids": {1, 2, 3 /**/, 5, 6, 0}, "image_codes": {8, 7, 6, 5}}, got.Ints)
	_, err = batchtest.Transform(b, batchtest.Record(t, columns(8, 7, 9, 5)...), plugin.Position{})
	assert.ErrorContains(t, err, "image_codes: row 1, token 0 is 9, outside the vocabulary 0 to 8")
}

func TestRefuses(t *testing.T) {
	other, longer := request(``, columns()), columns()
	other.Role = "causal_lm"
	longer[1].Length = 3
	for want, r := range map[string]plugin.BindRequest{
		"needs a model of role token_prior":                  other,
		"field text_weight: must be 0 to 1, is 2":            request(`{"text_weight": 2}`, columns()),
		"the dataset's images have 3 codes, the model's 2":   request(``, longer),
		`the dataset has no column "codes"; its columns are`: request(``, columns()[:1]),
	} {
		_, err := Objective{}.Bind(t.Context(), r)
		assert.ErrorContains(t, err, want)
	}
}
