package causal_lm

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const batch, sequence, vocab = 2, 4, 10

func request(change ...func(r *plugin.BindRequest)) plugin.BindRequest {
	ids := ir.T(ir.I32, batch, sequence)
	r := plugin.BindRequest{
		Role:       "causal_lm",
		Inputs:     []ir.Param{{Name: "input_ids", Type: ids}, {Name: "position_ids", Type: ids}, {Name: "segment_ids", Type: ids}},
		Outputs:    []ir.Param{{Name: "hidden", Type: ir.T(ir.F32, batch, sequence, 3)}, {Name: "output_embedding", Type: ir.T(ir.F32, vocab, 3)}},
		Rows:       schema("tokens"),
		Properties: map[string]string{"end_of_text": "0", "vocab_size": "10"},
	}
	for _, c := range change {
		c(&r)
	}
	return r
}

func schema(names ...string) *arrow.Schema {
	var fields []arrow.Field
	for _, n := range names {
		fields = append(fields, arrow.Field{Name: n, Type: arrow.FixedSizeListOf(sequence+1, arrow.PrimitiveTypes.Int32)})
	}
	return arrow.NewSchema(fields, nil)
}

func record(t *testing.T, s *arrow.Schema, columns ...[]int32) arrow.Record {
	b := array.NewRecordBuilder(memory.DefaultAllocator, s)
	defer b.Release()
	for i, c := range columns {
		list := b.Field(i).(*array.FixedSizeListBuilder)
		for k, v := range c {
			if k%(sequence+1) == 0 {
				list.Append(true)
			}
			list.ValueBuilder().(*array.Int32Builder).Append(v)
		}
	}
	r := b.NewRecord()
	t.Cleanup(r.Release)
	return r
}

func transform(b plugin.Binding, rows arrow.Record) (map[string][]int32, error) {
	var buffers [][]byte
	for _, f := range b.Batch() {
		buffers = append(buffers, make([]byte, f.Type.Bytes()))
	}
	if err := b.Transform(context.Background(), rows, plugin.Position{}, buffers); err != nil {
		return nil, err
	}
	out := map[string][]int32{}
	for i, f := range b.Batch() {
		for k := 0; k < len(buffers[i]); k += 4 {
			out[f.Name] = append(out[f.Name], int32(binary.LittleEndian.Uint32(buffers[i][k:])))
		}
	}
	return out, nil
}

func TestTransform(t *testing.T) {
	tokens := []int32{5, 0, 7, 8, 0 /**/, 0, 3, 0, 0, 9}
	plain := map[string][]int32{
		"input_ids":    {5, 0, 7, 8 /**/, 0, 3, 0, 0},
		"labels":       {0, 7, 8, 0 /**/, 3, 0, 0, 9},
		"position_ids": {0, 0, 1, 2 /**/, 0, 1, 0, 0},
		"segment_ids":  {0, 1, 1, 1 /**/, 0, 0, 1, 2},
	}
	b, err := Objective{}.Bind(context.Background(), request())
	require.NoError(t, err)
	got, err := transform(b, record(t, schema("tokens"), tokens))
	require.NoError(t, err)
	assert.Equal(t, plain, got)

	// A slice of a longer record.
	long := record(t, schema("tokens"), append([]int32{1, 1, 1, 1, 1}, tokens...))
	part := long.NewSlice(1, 3)
	defer part.Release()
	got, err = transform(b, part)
	require.NoError(t, err)
	assert.Equal(t, plain, got)

	b, err = Objective{}.Bind(context.Background(), request(func(r *plugin.BindRequest) {
		r.Config = json.RawMessage(`{"document_boundaries": false}`)
		r.Rows = schema("id", "labels", "tokens")
	}))
	require.NoError(t, err)
	labels := []int32{-100, 1, -100, 2, 3 /**/, 0, -100, -100, -100, -100}
	got, err = transform(b, record(t, schema("id", "labels", "tokens"), tokens, labels, tokens))
	require.NoError(t, err)
	assert.Equal(t, map[string][]int32{
		"input_ids":    plain["input_ids"],
		"labels":       {1, -100, 2, 3 /**/, -100, -100, -100, -100},
		"position_ids": {0, 1, 2, 3 /**/, 0, 1, 2, 3},
		"segment_ids":  {0, 0, 0, 0 /**/, 0, 0, 0, 0},
	}, got)
}

func TestTransformRefuses(t *testing.T) {
	b, err := Objective{}.Bind(context.Background(), request())
	require.NoError(t, err)
	for want, rows := range map[string]arrow.Record{
		"1 rows, the batch has 2":                                                record(t, schema("tokens"), []int32{1, 2, 3, 4, 5}),
		"row 1, token 0 is 10, outside the model's vocabulary 0 to 9":            record(t, schema("tokens"), []int32{1, 2, 3, 4, 5, 10, 2, 1, 4, 5}),
		"row 0, token 0 is -1, outside":                                          record(t, schema("tokens"), []int32{-1, 2, 3, 4, 5, 1, 2, 1, 4, 5}),
		"row 0, label 4 is 11, neither -100 nor in the model's vocabulary":       record(t, schema("tokens"), []int32{1, 2, 3, 4, 11, 1, 2, 1, 4, 5}),
		"the rows have other columns than those that the objective was bound to": record(t, schema("labels", "tokens"), make([]int32, 10), make([]int32, 10)),
	} {
		_, err := transform(b, rows)
		assert.ErrorContains(t, err, want)
	}
	err = b.Transform(context.Background(), record(t, schema("tokens"), make([]int32, 10)), plugin.Position{}, make([][]byte, 4))
	assert.ErrorContains(t, err, `field "input_ids" has a buffer of 0 bytes, needs 32`)
}

func TestBindRefuses(t *testing.T) {
	config := func(text string) func(r *plugin.BindRequest) {
		return func(r *plugin.BindRequest) { r.Config = json.RawMessage(text) }
	}
	for want, change := range map[string]func(r *plugin.BindRequest){
		"config field zloss: is unknown; the fields are document_boundaries and z_loss":          config(`{"zloss": 1}`),
		"config field z_loss: must be between 0 and 1, is -1":                                    config(`{"z_loss": -1}`),
		"config field z_loss: must be a float64, is a string":                                    config(`{"z_loss": "x"}`),
		"more than one JSON value":                                                               config(`{} {}`),
		"config: unexpected EOF":                                                                 config(`{`),
		"needs a model of role causal_lm, not \"masked_lm\"":                                     func(r *plugin.BindRequest) { r.Role = "masked_lm" },
		`the model has no output "output_embedding", which objective causal_lm needs`:            func(r *plugin.BindRequest) { r.Outputs = r.Outputs[:1] },
		`the model's output "hidden" is i32[2]; objective causal_lm needs f32 of rank 3`:         func(r *plugin.BindRequest) { r.Outputs[0].Type = ir.T(ir.I32, 2) },
		`their last dimensions differ`:                                                           func(r *plugin.BindRequest) { r.Outputs[1].Type = ir.T(ir.F32, vocab, 4) },
		`the model takes an input "pixel_values", which objective causal_lm does not make`:       func(r *plugin.BindRequest) { r.Inputs[0].Name = "pixel_values" },
		`the model's input "input_ids" is i32[3], which does not fit its hidden f32[2,4,3]`:      func(r *plugin.BindRequest) { r.Inputs[0].Type = ir.T(ir.I32, 3) },
		"the model takes no input_ids":                                                           func(r *plugin.BindRequest) { r.Inputs = r.Inputs[1:] },
		"config field document_boundaries: the model takes no segment_ids":                       func(r *plugin.BindRequest) { r.Inputs = r.Inputs[:2] },
		"config field document_boundaries: the dataset does not say which token ends a document": func(r *plugin.BindRequest) { delete(r.Properties, "end_of_text") },
		`the dataset's end_of_text "10" is not one of the model's tokens 0 to 9`:                 func(r *plugin.BindRequest) { r.Properties["end_of_text"] = "10" },
		"the dataset has tokens up to 11, the model only 10":                                     func(r *plugin.BindRequest) { r.Properties["vocab_size"] = "11" },
		"the dataset has no schema":                                                              func(r *plugin.BindRequest) { r.Rows = nil },
		`the dataset has no column "tokens"`:                                                     func(r *plugin.BindRequest) { r.Rows = schema("labels") },
		`the dataset has two columns "tokens"`:                                                   func(r *plugin.BindRequest) { r.Rows = schema("tokens", "tokens") },
		`needs fixed_size_list<int32>[5], one more than the sequence`: func(r *plugin.BindRequest) {
			r.Rows = arrow.NewSchema([]arrow.Field{{Name: "tokens", Type: arrow.FixedSizeListOf(4, arrow.PrimitiveTypes.Int32)}}, nil)
		},
	} {
		_, err := Objective{}.Bind(context.Background(), request(change))
		assert.ErrorContains(t, err, want)
	}
}

func TestLossIsVerified(t *testing.T) {
	b, err := Objective{}.Bind(context.Background(), request())
	require.NoError(t, err)
	require.NoError(t, b.Loss().Verify())
	assert.Equal(t, []string{"hidden", "output_embedding", "labels"}, []string{b.Loss().Params[0].Name, b.Loss().Params[1].Name, b.Loss().Params[2].Name})
}
