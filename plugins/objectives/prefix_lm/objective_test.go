package prefix_lm

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/abi/plugin/batch"
	"github.com/seedbed/seedbed/abi/plugin/batch/batchtest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func bind(t *testing.T, config string, source, target, length int, more ...batchtest.Column) (plugin.Binding, error) {
	in, out := ir.T(ir.I32, 2, source), ir.T(ir.I32, 2, target)
	return Objective{}.Bind(t.Context(), plugin.BindRequest{
		Config:  json.RawMessage(config),
		Role:    "seq2seq_lm",
		Inputs:  []ir.Param{{Name: "decoder_input_ids", Type: out}, {Name: "input_ids", Type: in}},
		Outputs: []ir.Param{{Name: "hidden", Type: ir.T(ir.F32, 2, target, 4)}, {Name: "output_embedding", Type: ir.T(ir.F32, 50, 4)}},
		Rows:    batchtest.Schema(append(more, batchtest.Column{Name: "tokens", Length: length})...),
	})
}

// The two parts are the text, cut at every place where both have room.
func TestTransform(t *testing.T) {
	const length = 20
	var tokens []int32
	for i := range 2 * length {
		tokens = append(tokens, int32(1+i))
	}
	for _, c := range []struct{ source, target, text, least, most int }{{30, 30, 20, 1, 19}, {12, 15, 20, 5, 12}, {6, 5, 11, 6, 6}} {
		b, err := bind(t, `{"pad_token_id": 0, "decoder_start_token_id": 49}`, c.source, c.target, length)
		require.NoError(t, err)
		rec := batchtest.Record(t, batchtest.Column{Name: "tokens", Length: length, Values: tokens})
		cuts := map[int]bool{}
		for step := range 400 {
			got := batchtest.Make(t, b, rec, plugin.Position{Step: uint64(step)}).Ints
			for r := range 2 {
				source, target := got["input_ids"][r*c.source:][:c.source], got["labels"][r*c.target:][:c.target]
				if i := slices.Index(source, 0); i >= 0 {
					source = source[:i]
				}
				if i := slices.Index(target, batch.IgnoreIndex); i >= 0 {
					target = target[:i]
				}
				require.Equal(t, tokens[r*length:][:c.text], slices.Concat(source, target))
				cuts[len(source)] = true
				inputs := got["decoder_input_ids"][r*c.target:][:len(target)]
				assert.Equal(t, append([]int32{49}, target[:len(target)-1]...), inputs)
			}
		}
		assert.Len(t, cuts, c.most-c.least+1)
		assert.True(t, cuts[c.least] && cuts[c.most])
	}
}

// Pairs are source and target up to their end tokens, 9 here, cut before it.
func TestPairs(t *testing.T) {
	second := batchtest.Column{Name: "tokens_b", Length: 4}
	b, err := bind(t, `{"pad_token_id": 0, "eos_token_id": 9, "decoder_start_token_id": 49}`, 5, 3, 7, second)
	require.NoError(t, err)
	second.Values = []int32{21, 9, 9, 9, 22, 23, 24, 9}
	rec := batchtest.Record(t, second, batchtest.Column{Name: "tokens", Length: 7, Values: []int32{11, 12, 9, 1, 1, 1, 1, 13, 14, 15, 16, 17, 18, 9}})
	got := batchtest.Make(t, b, rec, plugin.Position{}).Ints
	assert.Equal(t, []int32{11, 12, 9, 0, 0, 13, 14, 15, 16, 9}, got["input_ids"])
	assert.Equal(t, []int32{21, 9, -100, 22, 23, 9}, got["labels"])
	assert.Equal(t, []int32{49, 21, 9, 49, 22, 23}, got["decoder_input_ids"])
	assert.Equal(t, got, batchtest.Make(t, b, rec, plugin.Position{Step: 7}).Ints, "nothing is random")

	second.Values = []int32{21, 9, 9, 9, 22, 50, 24, 9}
	_, err = batchtest.Transform(b, batchtest.Record(t, second, batchtest.Column{Name: "tokens", Length: 7, Values: make([]int32, 14)}), plugin.Position{})
	assert.ErrorContains(t, err, "second texts: row 1, token 1 is 50, outside the vocabulary 0 to 49")
	_, err = bind(t, ``, 5, 3, 7, second)
	assert.ErrorContains(t, err, "field eos_token_id: -1 is outside the model's vocabulary 0 to 49")
}

func TestBindRefuses(t *testing.T) {
	_, err := bind(t, `{"prefix": 1}`, 5, 5, 20)
	assert.ErrorContains(t, err, "field prefix: there is no such field")
	_, err = bind(t, ``, 5, 5, 1)
	assert.ErrorContains(t, err, "needs fixed_size_list<int32> of at least 2")
}
