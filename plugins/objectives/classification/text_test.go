package classification

import (
	"encoding/json"
	"testing"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/abi/plugin/batch/batchtest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const sequence = 8

func textRequest(config string, columns ...batchtest.Column) plugin.BindRequest {
	r := plugin.BindRequest{
		Config: json.RawMessage(config), Role: "text_classifier",
		Outputs:    []ir.Param{{Name: "logits", Type: ir.T(ir.F32, 2, classes)}},
		Rows:       batchtest.Schema(columns...),
		Properties: map[string]string{"vocab_size": "50", "pad": "0", "cls": "2", "sep": "3", "end_of_text": "3"},
	}
	for _, name := range []string{"input_ids", "position_ids", "segment_ids", "token_type_ids"} {
		r.Inputs = append(r.Inputs, ir.Param{Name: name, Type: ir.T(ir.I32, 2, sequence)})
	}
	return r
}

var (
	two = batchtest.Column{Name: "label", Values: []int32{4, 1}}
	// [CLS] 10 11 [SEP] and as many as fit.
	firsts  = batchtest.Column{Name: "tokens", Length: 6, Values: []int32{2, 10, 11, 3, 0, 0, 2, 20, 21, 22, 23, 3}}
	seconds = batchtest.Column{Name: "tokens_b", Length: 5, Values: []int32{2, 12, 3, 0, 0, 2, 30, 31, 32, 3}}
)

func TestTexts(t *testing.T) {
	b, err := Text{}.Bind(t.Context(), textRequest(`{"label_smoothing": 0.5}`, firsts, two))
	require.NoError(t, err)
	got := batchtest.Make(t, b, batchtest.Record(t, firsts, two), plugin.Position{})
	assert.Equal(t, []int32{2, 10, 11, 3, 0, 0, 0, 0 /**/, 2, 20, 21, 22, 23, 3, 0, 0}, got.Ints["input_ids"])
	assert.Equal(t, []int32{0, 0, 0, 0, -1, -1, -1, -1 /**/, 0, 0, 0, 0, 0, 0, -1, -1}, got.Ints["segment_ids"])
	assert.Equal(t, []int32{0, 1, 2, 3, 4, 5, 6, 7 /**/, 0, 1, 2, 3, 4, 5, 6, 7}, got.Ints["position_ids"])
	assert.Equal(t, make([]int32, 2*sequence), got.Ints["token_type_ids"])
	assert.Equal(t, []float32{0.1, 0.1, 0.1, 0.1, 0.6 /**/, 0.1, 0.6, 0.1, 0.1, 0.1}, got.Floats["targets"])
	got = batchtest.Make(t, b, batchtest.Record(t, firsts, two), plugin.Position{Step: plugin.EvaluationStep})
	assert.Equal(t, []float32{0, 0, 0, 0, 1 /**/, 0, 1, 0, 0, 0}, got.Floats["targets"])
}

// The second of two texts is of type 1 and has no [CLS]; the longer one is cut.
func TestPairs(t *testing.T) {
	b, err := Text{}.Bind(t.Context(), textRequest(``, firsts, seconds, two))
	require.NoError(t, err)
	got := batchtest.Make(t, b, batchtest.Record(t, firsts, seconds, two), plugin.Position{})
	assert.Equal(t, []int32{2, 10, 11, 3, 12, 3, 0, 0 /**/, 2, 20, 21, 3, 30, 31, 32, 3}, got.Ints["input_ids"])
	assert.Equal(t, []int32{0, 0, 0, 0, 1, 1, 0, 0 /**/, 0, 0, 0, 0, 1, 1, 1, 1}, got.Ints["token_type_ids"])
	assert.Equal(t, []int32{0, 0, 0, 0, 0, 0, -1, -1 /**/, 0, 0, 0, 0, 0, 0, 0, 0}, got.Ints["segment_ids"])
}

// Without a token for padding a text is filled up with that which ends it.
func TestTextsEndedByPadding(t *testing.T) {
	ended := batchtest.Column{Name: "tokens", Length: 6, Values: []int32{9, 10, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3}}
	r := textRequest(``, ended, two)
	r.Properties = map[string]string{"end_of_text": "3"}
	b, err := Text{}.Bind(t.Context(), r)
	require.NoError(t, err)
	got := batchtest.Make(t, b, batchtest.Record(t, ended, two), plugin.Position{})
	assert.Equal(t, []int32{0, 0, 0, -1, -1, -1, -1, -1 /**/, 0, -1, -1, -1, -1, -1, -1, -1}, got.Ints["segment_ids"])
}

func TestTextsRefuse(t *testing.T) {
	change := func(c func(r *plugin.BindRequest)) plugin.BindRequest {
		r := textRequest(``, firsts, two)
		c(&r)
		return r
	}
	for want, r := range map[string]plugin.BindRequest{
		`field smoothing: there is no such field; the nearest is "label_smoothing"`: textRequest(`{"smoothing": 1}`, firsts, two),
		`needs a model of role text_classifier, not "x"`:                            change(func(r *plugin.BindRequest) { r.Role = "x" }),
		`no input_ids i32[B,S] of at least 3 tokens`:                                change(func(r *plugin.BindRequest) { r.Inputs = nil }),
		`end_token_id: must be given`:                                               change(func(r *plugin.BindRequest) { r.Properties = nil }),
		`property pad is "x", not a number`:                                         change(func(r *plugin.BindRequest) { r.Properties["pad"] = "x" }),
		`the dataset has no column "tokens"`:                                        textRequest(``, two),
		`the dataset has no column "label"`:                                         textRequest(``, firsts),
		`the dataset has 9 classes, the model 5; raise the model's num_labels`:      change(func(r *plugin.BindRequest) { r.Properties["classes"] = "9" }),
	} {
		_, err := Text{}.Bind(t.Context(), r)
		assert.ErrorContains(t, err, want)
	}
	b, err := Text{}.Bind(t.Context(), textRequest(``, firsts, two))
	require.NoError(t, err)
	for want, columns := range map[string][2]batchtest.Column{
		"row 1, token 0 is 50, outside the vocabulary 0 to 49": {{Name: "tokens", Length: 6, Values: []int32{2, 10, 11, 3, 0, 0, 50, 20, 21, 22, 23, 3}}, two},
		"row 1 has label 5; the model has classes 0 to 4":      {firsts, {Name: "label", Values: []int32{4, 5}}},
	} {
		_, err := batchtest.Transform(b, batchtest.Record(t, columns[:]...), plugin.Position{})
		assert.ErrorContains(t, err, want)
	}
}
