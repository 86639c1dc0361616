package tokenizer_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/seedbed/seedbed/datasets/tokenizer"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func trained(t testing.TB, model string, size int) *tokenizer.Tokenizer {
	t.Helper()
	text := strings.Repeat("the cat sat on the mat, the cat ate the rat\n", 3)
	tok, err := tokenizer.Train(context.Background(), lines([]byte(text)), tokenizer.TrainOptions{Model: model, VocabSize: size})
	require.NoError(t, err)
	return tok
}

func tokensOf(t testing.TB, tok *tokenizer.Tokenizer, ids []int32) string {
	t.Helper()
	var all []string
	for _, id := range ids {
		all = append(all, tok.Token(id))
	}
	return strings.Join(all, " ")
}

func TestPair(t *testing.T) {
	tok := trained(t, tokenizer.WordPiece, 60)
	e, err := tok.EncodePair("The cat", "rát!")
	require.NoError(t, err)
	assert.Equal(t, "[CLS] the cat [SEP] rat [UNK] [SEP]", tokensOf(t, tok, e.IDs))
	assert.Equal(t, []int32{0, 0, 0, 0, 1, 1, 1}, e.TypeIDs)
	assert.Equal(t, []bool{true, false, false, true, false, false, true}, e.Special)
	assert.Equal(t, [][2]int{{0, 0}, {0, 3}, {4, 7}, {0, 0}, {0, 3}, {3, 4}, {0, 0}}, e.Offsets)

	// Without a template the second text follows the first.
	tok = trained(t, tokenizer.Unigram, 30)
	e, err = tok.EncodePair("the cat", "the rat")
	require.NoError(t, err)
	text, err := tok.Decode(e.IDs, true)
	require.NoError(t, err)
	assert.Equal(t, "the cat the rat", text)
	assert.Equal(t, int32(0), e.TypeIDs[0])
	assert.Equal(t, int32(1), e.TypeIDs[len(e.TypeIDs)-1])
	assert.NotContains(t, e.Special, true)
}

// TestSpecialTokensInText: Encode finds them, and a document of a corpus cannot forge them.
func TestSpecialTokensInText(t *testing.T) {
	for model, special := range map[string]string{tokenizer.WordPiece: "[MASK]", tokenizer.Unigram: "</s>"} {
		tok := trained(t, model, 60)
		id, ok := tok.ID(special)
		require.True(t, ok)
		e, err := tok.Encode("the " + special + "cat")
		require.NoError(t, err)
		assert.Contains(t, e.IDs, id, model)
		assert.NotContains(t, tok.NewEncoder().Append(nil, []byte("the "+special+"cat")), id, model)
	}
}

func TestEndOfText(t *testing.T) {
	for model, want := range map[string]string{tokenizer.BPE: tokenizer.EndOfText, tokenizer.WordPiece: "[SEP]", tokenizer.Unigram: "</s>"} {
		tok := trained(t, model, 300)
		id, err := tok.EndOfText()
		require.NoError(t, err)
		assert.Equal(t, want, tok.Token(id))
	}
}

func TestTrainRefuses(t *testing.T) {
	text := lines([]byte("the cat"))
	for want, opts := range map[string]tokenizer.TrainOptions{
		`model "gpt" is not`:                 {Model: "gpt", VocabSize: 300},
		"needs [UNK] among them":             {Model: tokenizer.WordPiece, VocabSize: 300, SpecialTokens: []string{"[PAD]"}},
		"needs <unk> among them":             {Model: tokenizer.Unigram, VocabSize: 300, SpecialTokens: []string{"<pad>"}},
		"is less than the 5 special tokens":  {Model: tokenizer.WordPiece, VocabSize: 10},
		"is less than the 3 special tokens":  {Model: tokenizer.Unigram, VocabSize: 6},
		"vocab_size 5 is outside [6,":        {Model: tokenizer.WordPiece, VocabSize: 5},
		"the alphabet and 1 special":         {Model: tokenizer.BPE, VocabSize: 200},
		"is empty or listed twice":           {Model: tokenizer.Unigram, VocabSize: 300, SpecialTokens: []string{"<unk>", "<unk>"}},
		`"\xff<unk>" is not UTF-8`:           {Model: tokenizer.Unigram, VocabSize: 300, SpecialTokens: []string{"<unk>", "\xff<unk>"}},
		"vocab_size 4194305 is outside [257": {VocabSize: tokenizer.MaxVocabSize + 1},
	} {
		_, err := tokenizer.Train(context.Background(), text, opts)
		assert.ErrorContains(t, err, want)
	}
	// Nothing but special tokens comes of nothing.
	for _, model := range []string{tokenizer.WordPiece, tokenizer.Unigram} {
		tok, err := tokenizer.Train(context.Background(), lines(nil), tokenizer.TrainOptions{Model: model, VocabSize: 300})
		require.NoError(t, err)
		assert.LessOrEqual(t, tok.Size(), 5)
	}
	bad := errors.New("disk on fire")
	_, err := tokenizer.Train(context.Background(), func(yield func([]byte, error) bool) { yield(nil, bad) }, tokenizer.TrainOptions{Model: tokenizer.Unigram, VocabSize: 300})
	assert.ErrorIs(t, err, bad)
}

func TestCased(t *testing.T) {
	tok, err := tokenizer.Train(context.Background(), lines([]byte("Été Été")), tokenizer.TrainOptions{Model: tokenizer.WordPiece, VocabSize: 40, Cased: true})
	require.NoError(t, err)
	_, ok := tok.ID("Été")
	assert.True(t, ok)
	saved, err := tok.MarshalJSON()
	require.NoError(t, err)
	assert.Contains(t, string(saved), `"lowercase":false`)
}

// TestLongWord: probabilities of a long word leave the range of float64.
func TestLongWord(t *testing.T) {
	word := strings.Repeat("abcdefghij", 3000)
	tok, err := tokenizer.Train(context.Background(), lines([]byte(word)), tokenizer.TrainOptions{Model: tokenizer.Unigram, VocabSize: 40})
	require.NoError(t, err)
	ids := tok.NewEncoder().Append(nil, []byte(word))
	text, err := tok.Decode(ids, false)
	require.NoError(t, err)
	assert.Equal(t, word, text)
}

func TestParseRefusesWordSections(t *testing.T) {
	files := smallWords(t)
	wordPiece, unigram := files[0], files[1]
	swap := func(file, old, with string) string {
		require.Contains(t, file, old)
		return strings.Replace(file, old, with, 1)
	}
	for want, file := range map[string]string{
		`normalizer.type: "Precompiled" is not supported`:          swap(unigram, `"NFKC"`, `"Precompiled"`),
		`pre_tokenizer.type: "ByteLevel" is not supported`:         swap(wordPiece, `"BertPreTokenizer"`, `"ByteLevel"`),
		`pre_tokenizer: missing or null`:                           swap(wordPiece, `{"type":"BertPreTokenizer"}`, `null`),
		`decoder.type: "Fuse" is not supported`:                    swap(wordPiece, `"decoder":{"type":"WordPiece"`, `"decoder":{"type":"Fuse"`),
		`post_processor.type: "BertProcessing" is not supported`:   swap(wordPiece, `"TemplateProcessing"`, `"BertProcessing"`),
		`post_processor.single[0]: special token "[X]" is not in`:  swap(wordPiece, `{"SpecialToken":{"id":"[CLS]"`, `{"SpecialToken":{"id":"[X]"`),
		`post_processor.single[1]: sequence "B" is not one`:        swap(wordPiece, `{"Sequence":{"id":"A"`, `{"Sequence":{"id":"B"`),
		`post_processor.special_tokens.[CLS]: id 999 is outside`:   swap(wordPiece, `"ids":[2]`, `"ids":[999]`),
		`model.unk_token: "[NO]" is not in model.vocab`:            swap(wordPiece, `"unk_token":"[UNK]"`, `"unk_token":"[NO]"`),
		`model.unk_id: -1 is outside`:                              swap(unigram, `"unk_id":2`, `"unk_id":null`),
		`model.byte_fallback: true is not supported`:               swap(unigram, `"byte_fallback":false`, `"byte_fallback":true`),
		`[0]: want a token and its log probability`:                swap(unigram, `["<pad>",0.0]`, `["<pad>"]`),
		`token "<pad>" is there twice`:                             swap(unigram, `["</s>",0.0]`, `["<pad>",0.0]`),
		`pre_tokenizer.replacement: "__" is not one character`:     swap(unigram, `"replacement":"▁"`, `"replacement":"__"`),
		`pre_tokenizer.prepend_scheme: "maybe" is not`:             swap(unigram, `"always"`, `"maybe"`),
		`normalizer.fancy: not supported`:                          swap(unigram, `{"type":"NFKC"}`, `{"type":"NFKC","fancy":1}`),
		`normalizer.normalizers[0].type: "Nmt" is not supported`:   swap(unigram, `{"type":"NFKC"}`, `{"type":"Sequence","normalizers":[{"type":"Nmt"}]}`),
		"added_tokens[0]: nothing of it is left by the normalizer": strings.Replace(strings.ReplaceAll(wordPiece, `[PAD]`, `\u0000`), `"normalized":false`, `"normalized":true`, 1),
		`model.continuing_subword_prefix: want string, have 7`:     swap(wordPiece, `"continuing_subword_prefix":"##"`, `"continuing_subword_prefix":7`),
		`post_processor.special_tokens.[CLS]: 2 ids and 1 tokens`:  swap(wordPiece, `"ids":[2]`, `"ids":[2,2]`),
		`post_processor.special_tokens.[CLS].id: is not "[CLS]"`:   swap(wordPiece, `"[CLS]":{"id":"[CLS]"`, `"[CLS]":{"id":"[SEP]"`),
		`post_processor.single: want a list, have null`:            swap(wordPiece, `"single":[`, `"single":null,"x":[`),
		`model.vocab: want a list of pairs, have {`:                swap(unigram, `"vocab":[["<pad>",0.0],`, `"vocab":{},"x":[`),
	} {
		_, err := tokenizer.Parse([]byte(file))
		if assert.Error(t, err, want) {
			assert.Contains(t, err.Error(), want)
		}
	}
}
