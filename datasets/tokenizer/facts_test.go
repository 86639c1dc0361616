package tokenizer

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestContinuesWord(t *testing.T) {
	documents := func(yield func([]byte, error) bool) { yield([]byte("walking talking walked talked ##"), nil) }
	tok, err := Train(context.Background(), documents, TrainOptions{Model: WordPiece, VocabSize: 60})
	require.NoError(t, err)
	bits := tok.ContinuesWord()
	require.Len(t, bits, (tok.Size()+7)/8)
	goes := 0
	for id := range tok.Size() {
		spelled := tok.Token(int32(id))
		want := len(spelled) > 2 && spelled[:2] == "##"
		assert.Equal(t, want, bits[id/8]>>(id%8)&1 == 1, "%s", spelled)
		if want {
			goes++
		}
	}
	assert.Positive(t, goes)
	for _, model := range []string{BPE, Unigram} {
		tok, err := Train(context.Background(), documents, TrainOptions{Model: model, VocabSize: 270})
		require.NoError(t, err)
		assert.Nil(t, tok.ContinuesWord(), model)
	}
}

func TestSpecialID(t *testing.T) {
	documents := func(yield func([]byte, error) bool) { yield([]byte("a b"), nil) }
	tok, err := Train(context.Background(), documents, TrainOptions{VocabSize: 260})
	require.NoError(t, err)
	id, ok := tok.SpecialID("[SEP]", EndOfText)
	assert.True(t, ok)
	assert.Zero(t, id)
	_, ok = tok.SpecialID("a")
	assert.False(t, ok, "a token, but not a special one")
}
