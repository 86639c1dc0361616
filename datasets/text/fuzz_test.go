package text

import (
	"bytes"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// FuzzDocuments reads any bytes as any kind of file: documents are bounded, not empty and UTF-8, whatever comes in.
func FuzzDocuments(f *testing.F) {
	f.Add([]byte("{\"text\":\"a\"}\n{\"text\":\"\\ud83d\\ude00\"}\n"), uint8(0))
	f.Add([]byte("one\n\ntwo\r\nthree"), uint8(1))
	f.Add([]byte("\xEF\xBB\xBFone two three four five six seven"), uint8(2))
	f.Add([]byte("\x1F\x8B\x08\x00\x00\x00\x00\x00"), uint8(3))
	f.Add([]byte("\x28\xB5\x2F\xFD\x04\x00\x19\x00\x00abc"), uint8(1))
	f.Fuzz(func(t *testing.T, data []byte, kind uint8) {
		opts, err := Options{
			Document: []string{"file", "line", "paragraph"}[kind%3], MaxDocumentBytes: 16, MaxFileBytes: 1 << 16,
			Format: []string{"jsonl", "text"}[kind/3%2],
		}.WithDefaults()
		require.NoError(t, err)
		total := 0
		err = readFrom("fuzz", bytes.NewReader(data), int64(len(data)), opts, func(s *stream) error {
			return split(s, opts, func(text []byte) error {
				require.NotEmpty(t, text)
				require.LessOrEqual(t, len(text), opts.MaxDocumentBytes)
				require.True(t, utf8.Valid(text))
				total += len(text)
				return nil
			})
		})
		if err != nil {
			require.ErrorContains(t, err, "fuzz")
		}
		require.LessOrEqual(t, total, 1<<16)
	})
}
