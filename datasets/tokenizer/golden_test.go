package tokenizer_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"iter"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/seedbed/seedbed/datasets/tokenizer"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// shared returns a file of the shared test data, which lies beside the repository, or skips the test.
func shared(t testing.TB, name string) string {
	t.Helper()
	path := filepath.Join("..", "..", "..", "shared", filepath.FromSlash(name))
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		t.Skipf("%s is not here: shared test data is not part of the repository", path)
	}
	return path
}

func lines(text []byte) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for line := range bytes.SplitSeq(text, []byte("\n")) {
			if len(bytes.TrimSpace(line)) > 0 && !yield(line, nil) {
				return
			}
		}
	}
}

func TestTrainingGivesTheGoldenFile(t *testing.T) {
	text, err := os.ReadFile(shared(t, "data/wikitext2/valid.txt"))
	require.NoError(t, err)
	want, err := os.ReadFile(shared(t, "golden/tokenizers/bpe_2000/tokenizer.json"))
	require.NoError(t, err)
	for _, workers := range []int{1, 2, 5} {
		tok, err := tokenizer.Train(context.Background(), lines(text), tokenizer.TrainOptions{
			VocabSize: 2000, SpecialTokens: []string{tokenizer.EndOfText}, Workers: workers,
		})
		require.NoError(t, err)
		got, err := tok.MarshalJSON()
		require.NoError(t, err)
		assert.True(t, bytes.Equal(want, got), "workers %d: %d bytes wanted, %d trained", workers, len(want), len(got))
	}
}

func trainGolden(t *testing.T, opts tokenizer.TrainOptions) (got, want golden) {
	text, err := os.ReadFile(shared(t, "data/wikitext2/valid.txt"))
	require.NoError(t, err)
	file, err := os.ReadFile(shared(t, "golden/tokenizers/"+opts.Model+"_2000/tokenizer.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(file, &want))
	var first []byte
	for _, opts.Workers = range []int{2, 1, 3} {
		tok, err := tokenizer.Train(context.Background(), lines(text), opts)
		require.NoError(t, err)
		file, err = tok.MarshalJSON()
		require.NoError(t, err)
		if first == nil {
			first = file
		}
		require.True(t, bytes.Equal(first, file), "workers %d", opts.Workers)
	}
	require.NoError(t, json.Unmarshal(first, &got))
	return got, want
}

// golden is a tokenizer.json, its vocabulary apart.
type golden struct {
	AddedTokens   any `json:"added_tokens"`
	Normalizer    any
	PreTokenizer  any `json:"pre_tokenizer"`
	PostProcessor any `json:"post_processor"`
	Decoder       any
	Model         struct {
		Type  string
		Vocab json.RawMessage
	}
}

// TestTrainingGivesTheGoldenWordPieces: the ids of characters within words, which Hugging Face gives in the order of a hash table
// seeded at random, break ties between pairs; the set of tokens is the golden's for this order.
func TestTrainingGivesTheGoldenWordPieces(t *testing.T) {
	got, want := trainGolden(t, tokenizer.TrainOptions{Model: tokenizer.WordPiece, VocabSize: 2000})
	var gotVocab, wantVocab map[string]int
	require.NoError(t, json.Unmarshal(got.Model.Vocab, &gotVocab))
	require.NoError(t, json.Unmarshal(want.Model.Vocab, &wantVocab))
	var missing []string
	for token := range wantVocab {
		if _, ok := gotVocab[token]; !ok {
			missing = append(missing, token)
		}
	}
	assert.Empty(t, missing)
	assert.Len(t, gotVocab, len(wantVocab))
	got.Model.Vocab, want.Model.Vocab = nil, nil
	assert.Equal(t, want, got)
}

// TestTrainingGivesTheGoldenUnigrams: the same pieces with scores equal up to rounding, except those of characters that fell out
// and were put back, which Hugging Face spreads over 1e-4 each in the order of a hash table.
func TestTrainingGivesTheGoldenUnigrams(t *testing.T) {
	got, want := trainGolden(t, tokenizer.TrainOptions{Model: tokenizer.Unigram, VocabSize: 2000})
	scores := func(raw json.RawMessage) map[string]float64 {
		var list [][2]any
		require.NoError(t, json.Unmarshal(raw, &list))
		m := map[string]float64{}
		for _, p := range list {
			m[p[0].(string)] = p[1].(float64)
		}
		return m
	}
	gotScores, wantScores := scores(got.Model.Vocab), scores(want.Model.Vocab)
	require.Len(t, gotScores, len(wantScores))
	worst, equal, putBack := 0.0, 0, 0
	for piece, score := range wantScores {
		g, ok := gotScores[piece]
		require.True(t, ok, "%q", piece)
		switch difference := math.Abs(g - score); {
		case difference == 0:
			equal++
		case difference > 1e-9:
			putBack++
			assert.Equal(t, 1, utf8.RuneCountInString(piece), "%q: %v, %v", piece, g, score)
			assert.Less(t, difference, 1e-2, "%q", piece)
		default:
			worst = max(worst, difference)
		}
	}
	t.Logf("%d scores equal, %d put back, the others within %g", equal, putBack, worst)
	got.Model.Vocab, want.Model.Vocab = nil, nil
	assert.Equal(t, want, got)
}

// TestGoldenCases compares ids, offsets and decoded text with what Hugging Face tokenizers give.
func TestGoldenCases(t *testing.T) {
	for _, name := range []string{"bpe_2000", "wordpiece_2000", "unigram_2000"} {
		t.Run(name, func(t *testing.T) { goldenCases(t, "golden/tokenizers/"+name) })
	}
}

func goldenCases(t *testing.T, dir string) {
	file, err := os.ReadFile(shared(t, dir+"/tokenizer.json"))
	require.NoError(t, err)
	tok, err := tokenizer.Parse(file)
	require.NoError(t, err)
	saved, err := tok.MarshalJSON()
	require.NoError(t, err)
	require.True(t, bytes.Equal(file, saved), "what is saved is what was read")

	f, err := os.Open(shared(t, dir+"/cases.jsonl"))
	require.NoError(t, err)
	defer f.Close()
	encoder := tok.NewEncoder()
	n := 0
	for scan := bufio.NewScanner(f); scan.Scan(); n++ {
		var c struct {
			Text    string
			IDs     []int32
			Offsets [][2]int
			Decoded string
		}
		require.NoError(t, json.Unmarshal(scan.Bytes(), &c))
		enc, err := tok.Encode(c.Text)
		require.NoError(t, err)
		require.Equal(t, c.IDs, enc.IDs, "%q", c.Text)
		require.Equal(t, c.Offsets, enc.Offsets, "%q", c.Text)
		decoded, err := tok.Decode(c.IDs, true)
		require.NoError(t, err)
		require.Equal(t, c.Decoded, decoded)

		stream := tok.NewTextStream(true)
		var streamed strings.Builder
		for _, id := range c.IDs {
			piece, err := stream.Next(id)
			require.NoError(t, err)
			streamed.WriteString(piece)
		}
		streamed.WriteString(stream.Flush())
		require.Equal(t, c.Decoded, streamed.String())

		if !strings.Contains(c.Text, "<") && !strings.Contains(c.Text, "[") { // no special token in it
			want := []int32{}
			for i, id := range c.IDs {
				if !enc.Special[i] {
					want = append(want, id)
				}
			}
			require.Equal(t, want, encoder.Append([]int32{}, []byte(c.Text)), "%q", c.Text)
		}
	}
	assert.Greater(t, n, 200)
}
