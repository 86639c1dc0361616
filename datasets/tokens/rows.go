package tokens

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
)

// windows is a dataset of equal pieces of a stream: row i holds the tokens [i*S, i*S+S+1), so that each row ends with the token
// that the next begins with and every token but the first is predicted once. Documents lie in the stream one after the other, each
// ended by the end-of-text token.
type windows struct {
	stream      *stream
	length      int64 // S
	rows        int64
	schema      *arrow.Schema
	list        *arrow.FixedSizeListType
	fingerprint string
}

// Names of splits in errors.
const (
	trainSplit      = "training"
	validationSplit = "validation"
)

// maxReadBytes bounds one Read, which allocates what it returns.
const maxReadBytes = 1 << 31

func newWindows(s *stream, split string, length int64) (*windows, error) {
	rows := (s.split.Tokens - 1) / length
	if s.split.Tokens == 0 || rows < 1 {
		return nil, &tooShort{split, s.split.Tokens, s.split.Bytes, length + 1}
	}
	list := arrow.FixedSizeListOfNonNullable(int32(length+1), arrow.PrimitiveTypes.Int32)
	sum := sha256.Sum256(fmt.Appendf(nil, "windows 1 of %s, %d tokens, length %d", s.split.SHA256, s.split.Tokens, length))
	return &windows{
		stream: s, length: length, rows: rows, list: list,
		schema:      arrow.NewSchema([]arrow.Field{{Name: "tokens", Type: list}}, nil),
		fingerprint: hex.EncodeToString(sum[:]),
	}, nil
}

func (w *windows) Schema() *arrow.Schema { return w.schema }
func (w *windows) Len() int64            { return w.rows }
func (w *windows) Fingerprint() string   { return w.fingerprint }
func (w *windows) Close() error          { return w.stream.close() }

func (w *windows) Read(ctx context.Context, rows []int64) (arrow.Record, error) {
	width := int(w.length + 1)
	if int64(len(rows)) > maxReadBytes/tokenBytes/int64(width) {
		return nil, fmt.Errorf("read tokens: %d rows of %d tokens at once are too many", len(rows), width)
	}
	tokens := make([]int32, len(rows)*width)
	for i, row := range rows {
		if row < 0 || row >= w.rows {
			return nil, fmt.Errorf("read tokens: row %d is outside [0, %d)", row, w.rows)
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := w.stream.readAt(tokens[i*width:(i+1)*width], row*w.length); err != nil {
			return nil, fmt.Errorf("read tokens: %w", err)
		}
	}
	buffer := memory.NewBufferBytes(arrow.Int32Traits.CastToBytes(tokens))
	values := array.NewData(arrow.PrimitiveTypes.Int32, len(tokens), []*memory.Buffer{nil, buffer}, nil, 0, 0)
	defer values.Release()
	data := array.NewData(w.list, len(rows), []*memory.Buffer{nil}, []arrow.ArrayData{values}, 0, 0)
	defer data.Release()
	column := array.NewFixedSizeListData(data)
	defer column.Release()
	return array.NewRecord(w.schema, []arrow.Array{column}, int64(len(rows))), nil
}

// tooShort is the error about a split that is shorter than one row.
type tooShort struct {
	split                string
	tokens, bytes, needs int64
}

func (e *tooShort) Error() string {
	advice := "give more text or set a smaller sequence_length"
	if e.split == validationSplit {
		advice += " or another validation_fraction (0 makes no such split)"
	}
	return fmt.Sprintf("the %s split has %d tokens (%d bytes of text), and one sequence needs sequence_length + 1 = %d: %s",
		e.split, e.tokens, e.bytes, e.needs, advice)
}
