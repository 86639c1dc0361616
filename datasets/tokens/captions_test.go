package tokens

import (
	"context"
	"slices"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/seedbed/seedbed/datasets"
	"github.com/seedbed/seedbed/datasets/tokenizer"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// sayings is a dataset of texts.
type sayings []string

func (sayings) Schema() *arrow.Schema {
	return arrow.NewSchema([]arrow.Field{{Name: "text", Type: arrow.BinaryTypes.String}}, nil)
}
func (s sayings) Len() int64        { return int64(len(s)) }
func (sayings) Fingerprint() string { return "sayings" }
func (sayings) Close() error        { return nil }
func (s sayings) Read(_ context.Context, rows []int64) (arrow.Record, error) {
	b := array.NewRecordBuilder(memory.DefaultAllocator, s.Schema())
	defer b.Release()
	for _, r := range rows {
		b.Field(0).(*array.StringBuilder).Append(s[r])
	}
	return b.NewRecord(), nil
}

var _ datasets.Dataset = sayings{}

func captionIDs(t *testing.T, d datasets.Dataset, rows ...int64) []int32 {
	r, err := d.Read(context.Background(), rows)
	require.NoError(t, err)
	defer r.Release()
	return append([]int32(nil), r.Column(1).(*array.FixedSizeList).ListValues().(*array.Int32).Int32Values()...)
}

func TestCaptions(t *testing.T) {
	d := sayings{"ab", "", "abcdefgh", "a<|endoftext|>"}
	tok, err := TrainOnCaptions(context.Background(), d, 1<<20, tokenizer.TrainOptions{VocabSize: 258})
	require.NoError(t, err)
	c, err := Captions(d, tok, 5)
	require.NoError(t, err)
	letter := func(s string) int32 {
		id, ok := tok.ID(s)
		require.True(t, ok)
		return id
	}
	a, b := letter("a"), letter("b")
	assert.Equal(t, []int32{0, a, b, 1, 1, 0, 1, 1, 1, 1}, captionIDs(t, c, 0, 1), "begin, text, end, and end again as padding")
	assert.Equal(t, []int32{0, a, b, letter("c"), 1}, captionIDs(t, c, 2), "cut")
	assert.Equal(t, []int32{0, a, letter("<"), letter("|"), 1}, captionIDs(t, c, 3), "a text cannot end itself")

	words, err := TrainOnCaptions(context.Background(), d, 1<<20, tokenizer.TrainOptions{Model: tokenizer.WordPiece, VocabSize: 60})
	require.NoError(t, err)
	c, err = Captions(d, words, 5)
	require.NoError(t, err)
	ids := captionIDs(t, c, 1)
	assert.Equal(t, []int32{2, 3, 0, 0, 0}, ids, "[CLS] [SEP] [PAD] ...")

	for length, want := range map[int]string{2: "outside [3,", maxSequenceLength + 1: "outside [3,"} {
		_, err := Captions(d, tok, length)
		assert.ErrorContains(t, err, want)
	}
	none, err := datasets.Select(d, []int64{0})
	require.NoError(t, err)
	_, err = Captions(renamed{none}, tok, 5)
	assert.ErrorContains(t, err, "the samples have no captions")
	_, err = TrainOnCaptions(context.Background(), renamed{none}, 1<<20, tokenizer.TrainOptions{VocabSize: 258})
	assert.ErrorContains(t, err, "the samples have no captions")
}

// Both texts of a pair become tokens, each by itself.
func TestPairs(t *testing.T) {
	d := pairs{sayings{"ab", "b"}}
	tok, err := TrainOnCaptions(context.Background(), d, 1<<20, tokenizer.TrainOptions{VocabSize: 258})
	require.NoError(t, err)
	c, err := Captions(d, tok, 5)
	require.NoError(t, err)
	r, err := c.Read(context.Background(), []int64{1, 0})
	require.NoError(t, err)
	defer r.Release()
	require.True(t, r.Schema().Equal(c.Schema()))
	one, err := NewCaption(tok, 5)
	require.NoError(t, err)
	for name, want := range map[string][]int32{"tokens": one.Rows("b", "ab"), "tokens_b": one.Rows("bb", "abb")} {
		got := r.Column(r.Schema().FieldIndices(name)[0]).(*array.FixedSizeList).ListValues().(*array.Int32).Int32Values()
		assert.Equal(t, want, got, name)
	}
}

// pairs adds a second text to each: the first and a b.
type pairs struct{ sayings }

func (pairs) Schema() *arrow.Schema {
	return arrow.NewSchema([]arrow.Field{{Name: "text", Type: arrow.BinaryTypes.String}, {Name: "text_b", Type: arrow.BinaryTypes.String}}, nil)
}

func (p pairs) Read(_ context.Context, rows []int64) (arrow.Record, error) {
	b := array.NewRecordBuilder(memory.DefaultAllocator, p.Schema())
	defer b.Release()
	for _, r := range rows {
		b.Field(0).(*array.StringBuilder).Append(p.sayings[r])
		b.Field(1).(*array.StringBuilder).Append(p.sayings[r] + "b")
	}
	return b.NewRecord(), nil
}

// renamed has its texts in another column.
type renamed struct{ datasets.Dataset }

func (renamed) Schema() *arrow.Schema {
	return arrow.NewSchema([]arrow.Field{{Name: "caption", Type: arrow.BinaryTypes.String}}, nil)
}

// asked remembers which rows were read.
type asked struct {
	sayings
	rows []int64
}

func (a *asked) Read(ctx context.Context, rows []int64) (arrow.Record, error) {
	a.rows = append(a.rows, rows...)
	return a.sayings.Read(ctx, rows)
}

// Only so much text is read, from all over the dataset.
func TestTrainOnCaptionsIsBounded(t *testing.T) {
	d := &asked{sayings: make(sayings, 3000)}
	for i := range d.sayings {
		d.sayings[i] = "few words"
	}
	_, err := TrainOnCaptions(context.Background(), d, 1, tokenizer.TrainOptions{VocabSize: 260})
	require.NoError(t, err)
	assert.Len(t, d.rows, 1024)
	assert.Less(t, slices.Min(d.rows), int64(100))
	assert.Greater(t, slices.Max(d.rows), int64(2900))
	d.rows = nil
	_, err = TrainOnCaptions(context.Background(), d, 1<<20, tokenizer.TrainOptions{VocabSize: 260})
	require.NoError(t, err)
	slices.Sort(d.rows)
	assert.Len(t, slices.Compact(d.rows), 3000)
}

// The tokenizer that is trained is the one asked for, and another model is another corpus.
func TestModels(t *testing.T) {
	dir := t.TempDir()
	_, err := Config{Model: "words", SequenceLength: 4, CacheDir: dir}.WithDefaults()
	assert.ErrorContains(t, err, `model: "words" is not bpe, wordpiece or unigram`)
	bpe, err := Config{Model: tokenizer.BPE, SequenceLength: 4, CacheDir: dir}.WithDefaults()
	require.NoError(t, err)
	assert.Empty(t, bpe.Model, "the default, whose corpora keep their keys")
}
