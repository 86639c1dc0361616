package tokenizer_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"testing"

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

func TestGoldenCases(t *testing.T) {
	tok, err := tokenizer.Load(shared(t, "golden/tokenizers/bpe_2000/tokenizer.json"))
	require.NoError(t, err)
	f, err := os.Open(shared(t, "golden/tokenizers/bpe_2000/cases.jsonl"))
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

		if !strings.Contains(c.Text, tokenizer.EndOfText) {
			require.Equal(t, c.IDs, encoder.Append([]int32{}, []byte(c.Text)), "%q", c.Text)
		}
	}
	assert.Greater(t, n, 200)
}
