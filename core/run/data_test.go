package run

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/seedbed/seedbed/core/recipe"
	"github.com/seedbed/seedbed/datasets/tokens"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func parse(t *testing.T, text string) *recipe.Recipe {
	r, err := recipe.Parse("r.yaml", []byte(text), nil)
	require.NoError(t, err)
	return r
}

func made(t *testing.T, text string) *data {
	d, err := prepare(context.Background(), parse(t, text), func(tokens.Progress) {})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, d.close()) })
	return d
}

func TestShapes(t *testing.T) {
	d := made(t, "data: {kind: shapes, rows: 50, image_size: 16, label: texture, validation_fraction: 0.1}")
	assert.Equal(t, map[string]string{"classes": "3"}, d.properties)
	assert.Equal(t, DataStats{TrainRows: 50, ValidationRows: 5, Classes: []string{"plain", "striped", "dotted"}}, d.Stats)
	assert.Nil(t, d.tokenizer)
	assert.NotEqual(t, d.Train.Fingerprint(), d.Validation.Fingerprint())
	none := made(t, "{data: {kind: shapes, rows: 50, validation_fraction: 0}, train: {eval_every: 0}}")
	assert.Nil(t, none.Validation)
}

// Captions become tokens of a fixed length: begin, text, end, padding.
func TestCaptions(t *testing.T) {
	text := "{data: {kind: shapes, rows: 400, image_size: 8, captions: true, vocab_size: 300, validation_fraction: 0.1}, train: {sequence_length: 9}}"
	d := made(t, text)
	assert.Equal(t, map[string]string{"classes": "8", "vocab_size": "300", "end_of_text": "1"}, d.properties)
	assert.Equal(t, made(t, text).Train.Fingerprint(), d.Train.Fingerprint(), "the tokenizer is the same every time")
	r, err := d.Train.Read(context.Background(), []int64{3, 399})
	require.NoError(t, err)
	defer r.Release()
	require.Equal(t, "tokens", r.Schema().Field(int(r.NumCols())-1).Name)
	list := r.Column(int(r.NumCols()) - 1).(*array.FixedSizeList)
	require.Equal(t, int32(9), list.DataType().(*arrow.FixedSizeListType).Len())
	ids := list.ListValues().(*array.Int32).Int32Values()
	assert.Equal(t, int32(0), ids[0], "<|startoftext|>")
	assert.Equal(t, int32(1), ids[8], "a long caption is cut before its end")
	whole := made(t, "{data: {kind: shapes, rows: 400, image_size: 8, captions: true, vocab_size: 300}, train: {sequence_length: 200}}")
	w, err := whole.Train.Read(context.Background(), []int64{3})
	require.NoError(t, err)
	defer w.Release()
	ids = w.Column(int(w.NumCols()) - 1).(*array.FixedSizeList).ListValues().(*array.Int32).Int32Values()
	end := 0
	for ids[end] != 1 {
		end++
	}
	said, err := whole.tokenizer.Decode(ids[1:end], false)
	require.NoError(t, err)
	assert.Equal(t, w.Column(w.Schema().FieldIndices("text")[0]).(*array.String).Value(0), said)
	for _, id := range ids[end:] {
		assert.Equal(t, int32(1), id, "the padding is the end token")
	}
}

// The properties of text follow from its tokenizer.
func TestTextProperties(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "a.txt")
	var all []byte
	for i := range 400 {
		all = append(all, "the number "+strconv.Itoa(i)+" and the next one\n"...)
	}
	require.NoError(t, os.WriteFile(file, all, 0o666))
	base := ", document: line, paths: [" + strconv.Quote(file) + "], vocab_size: 257, cache_dir: " + strconv.Quote(dir) + "}, train: {sequence_length: 8}}"
	bert := made(t, "{data: {tokenizer_model: wordpiece"+base)
	assert.Equal(t, "0", bert.properties["pad"])
	assert.Equal(t, "2", bert.properties["cls"])
	assert.Equal(t, "3", bert.properties["sep"])
	assert.Equal(t, "3", bert.properties["end_of_text"])
	assert.Equal(t, "4", bert.properties["mask"])
	assert.Len(t, bert.properties["continues_word"], 2*((bert.tokenizer.Size()+7)/8))
	gpt := made(t, "{data: {tokenizer_model: bpe"+base)
	assert.Equal(t, map[string]string{"end_of_text": "0", "vocab_size": "257"}, gpt.properties)
	assert.NotNil(t, gpt.Stats.Text)
}

func TestDims(t *testing.T) {
	text := parse(t, "train: {sequence_length: 7, target_length: 3}")
	shapes := parse(t, "data: {kind: shapes}")
	captions := parse(t, "{data: {kind: shapes, captions: true}, train: {sequence_length: 7}}")
	for _, c := range []struct {
		r    *recipe.Recipe
		role string
		want map[string]int
	}{
		{text, "causal_lm", map[string]int{"batch": 2, "sequence": 7}},
		{text, "masked_lm+next_sentence", map[string]int{"batch": 2, "sequence": 7}},
		{text, "seq2seq_lm", map[string]int{"batch": 2, "sequence": 7, "target": 3}},
		{text, "somebody_elses", map[string]int{"batch": 2, "sequence": 7, "target": 3}},
		{shapes, "image_classifier", map[string]int{"batch": 2}},
		{shapes, "somebody_elses", map[string]int{"batch": 2}},
		{captions, "dual_encoder", map[string]int{"batch": 2, "sequence": 7}},
		{captions, "token_prior", map[string]int{"batch": 2}},
	} {
		got, err := dims(c.r, c.role, 2)
		require.NoError(t, err)
		assert.Equal(t, c.want, got, c.role)
	}
	_, err := dims(parse(t, "train: {sequence_length: 7}"), "seq2seq_lm", 2)
	assert.ErrorContains(t, err, "train.target_length: must be given")
	_, err = dims(shapes, "dual_encoder", 2)
	assert.ErrorContains(t, err, "data.captions: must be true")
}

// What is taken for granted of data before it is read is what it turns out to be.
func TestAssumedDataIsAsMade(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a.txt")
	var words []byte
	for i := range 400 {
		words = append(words, "some words to learn "+strconv.Itoa(i)+"\n"...)
	}
	require.NoError(t, os.WriteFile(file, words, 0o666))
	of := func(model string) string {
		return "{data: {document: line, paths: [" + strconv.Quote(file) + "], vocab_size: 300, tokenizer_model: " + model + ", cache_dir: " + strconv.Quote(t.TempDir()) + "}, train: {sequence_length: 8}}"
	}
	captions := "{data: {kind: shapes, rows: 200, image_size: 8, captions: true, vocab_size: 280}, train: {sequence_length: 9}}"
	for _, text := range []string{of("bpe"), of("wordpiece"), of("unigram"), captions, "data: {kind: shapes, label: count}"} {
		made := made(t, text)
		assumed, err := assume(parse(t, text), 1)
		require.NoError(t, err)
		assert.Equal(t, made.Train.Schema().String(), assumed.Train.Schema().String())
		for name, value := range made.properties {
			if name != "vocab_size" && name != "continues_word" { // little text has fewer words
				assert.Equal(t, value, assumed.properties[name], "%s: %s", text, name)
			}
			assert.Contains(t, assumed.properties, name)
		}
		assert.Len(t, assumed.properties, len(made.properties))
	}
}

func TestDuration(t *testing.T) {
	for seconds, want := range map[float64]string{3: "3.0 seconds", 119: "119.0 seconds", 600: "10 minutes", 2e4: "6 hours", 2e6: "23 days", 2.1e11: "6654 years"} {
		assert.Equal(t, want, duration(seconds))
	}
	assert.Zero(t, (&Prediction{Steps: 9, StepFLOPs: 9}).AtPeak())
	assert.Equal(t, 8.0, (&Prediction{Steps: 4, StepFLOPs: 1e9, PeakFLOPS: 5e8}).AtPeak())
}
