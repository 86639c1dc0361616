package tokens

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/seedbed/seedbed/datasets"
	"github.com/seedbed/seedbed/datasets/tokenizer"
)

// captions is a dataset with one column more, its texts as tokens, or two for
// pairs.
type captions struct {
	datasets.Dataset
	Caption
	columns     []int // of texts
	schema      *arrow.Schema
	list        *arrow.FixedSizeListType
	fingerprint string
}

// textColumn finds the column of texts.
func textColumn(d datasets.Dataset) (int, error) {
	found := d.Schema().FieldIndices("text")
	if len(found) != 1 || d.Schema().Field(found[0]).Type.ID() != arrow.STRING {
		return 0, errors.New("the samples have no captions: there is no column text")
	}
	return found[0], nil
}

// Caption turns texts into rows of tokens.
type Caption struct {
	tokenizer       *tokenizer.Tokenizer
	length          int
	begin, end, pad int32 // begin is -1 if there is none
}

// NewCaption makes rows of length tokens: the token that begins a text, if the tokenizer has one (<|startoftext|>, [CLS] or <s>), the
// text, cut where it is too long, and the token that ends it; then padding, which without a token of its own is the end token again,
// as CLIP's. Special tokens in a text are ordinary text.
func NewCaption(t *tokenizer.Tokenizer, length int) (*Caption, error) {
	c := &Caption{tokenizer: t, length: length}
	if length < 3 || length > maxSequenceLength {
		return nil, fmt.Errorf("captions of %d tokens: outside [3, %d]", length, maxSequenceLength)
	}
	var err error
	if c.end, err = t.EndOfText(); err != nil {
		return nil, err
	}
	var ok bool
	if c.begin, ok = t.SpecialID("<|startoftext|>", "[CLS]", "<s>"); !ok {
		c.begin = -1
	}
	if c.pad, ok = t.SpecialID("[PAD]", "<pad>"); !ok {
		c.pad = c.end
	}
	return c, nil
}

// Rows returns a row for each text, one after the other.
func (c *Caption) Rows(texts ...string) []int32 {
	rows := make([]int32, 0, len(texts)*c.length)
	encoder := c.tokenizer.NewEncoder()
	var row []int32
	for _, text := range texts {
		row = row[:0]
		if c.begin >= 0 {
			row = append(row, c.begin)
		}
		row = encoder.Append(row, []byte(text))
		row = append(row[:min(len(row), c.length-1)], c.end)
		for len(row) < c.length {
			row = append(row, c.pad)
		}
		rows = append(rows, row...)
	}
	return rows
}

// Captions adds the column tokens, fixed_size_list<int32>[length], to a dataset with a column text, utf8: its texts as Caption has
// them, and to one with a column text_b too tokens_b. Closing it closes the dataset.
func Captions(d datasets.Dataset, t *tokenizer.Tokenizer, length int) (datasets.Dataset, error) {
	one, err := NewCaption(t, length)
	if err != nil {
		return nil, err
	}
	c := &captions{Dataset: d, Caption: *one, list: arrow.FixedSizeListOfNonNullable(int32(length), arrow.PrimitiveTypes.Int32)}
	column, err := textColumn(d)
	if err != nil {
		return nil, err
	}
	c.columns = []int{column}
	fields := append(d.Schema().Fields(), arrow.Field{Name: "tokens", Type: c.list})
	if found := d.Schema().FieldIndices("text_b"); len(found) == 1 {
		c.columns = append(c.columns, found[0])
		fields = append(fields, arrow.Field{Name: "tokens_b", Type: c.list})
	}
	c.schema = arrow.NewSchema(fields, nil)
	text, err := t.MarshalJSON()
	if err != nil {
		return nil, err
	}
	h := sha256.New()
	fmt.Fprintf(h, "captions 1 of %s, length %d\n", d.Fingerprint(), length)
	h.Write(text)
	c.fingerprint = hex.EncodeToString(h.Sum(nil))
	return c, nil
}

func (c *captions) Schema() *arrow.Schema { return c.schema }
func (c *captions) Fingerprint() string   { return c.fingerprint }

func (c *captions) Read(ctx context.Context, rows []int64) (arrow.Record, error) {
	if int64(len(rows)) > maxReadBytes/tokenBytes/int64(c.length) {
		return nil, fmt.Errorf("read captions: %d rows of %d tokens at once are too many", len(rows), c.length)
	}
	r, err := c.Dataset.Read(ctx, rows)
	if err != nil {
		return nil, err
	}
	defer r.Release()
	b := array.NewFixedSizeListBuilderWithField(memory.DefaultAllocator, int32(c.length), c.list.ElemField())
	defer b.Release()
	values, columns := b.ValueBuilder().(*array.Int32Builder), r.Columns()
	for _, at := range c.columns {
		texts, ok := r.Column(at).(*array.String)
		if !ok {
			return nil, fmt.Errorf("read captions: the column %s is %v", r.ColumnName(at), r.Column(at).DataType())
		}
		for i := range texts.Len() {
			b.Append(true)
			values.AppendValues(c.Rows(texts.Value(i)), nil)
		}
		column := b.NewArray()
		defer column.Release()
		columns = append(columns, column)
	}
	return array.NewRecord(c.schema, columns, r.NumRows()), nil
}

// maxCaptions is how many captions a tokenizer is trained on at most.
const maxCaptions = 1 << 16

// TrainOnCaptions trains a tokenizer on the texts of a dataset with a column text, and perhaps text_b: of rows from all over it, up to
// limit bytes. Of byte-level BPE it gets CLIP's special tokens, <|startoftext|> and <|endoftext|>; the others have their own.
func TrainOnCaptions(ctx context.Context, d datasets.Dataset, limit int64, o tokenizer.TrainOptions) (*tokenizer.Tokenizer, error) {
	first, err := textColumn(d)
	if err != nil {
		return nil, err
	}
	columns := append([]int{first}, d.Schema().FieldIndices("text_b")...)
	if o.Model == "" || o.Model == tokenizer.BPE {
		o.SpecialTokens = []string{"<|startoftext|>", tokenizer.EndOfText}
	}
	n := min(d.Len(), maxCaptions)
	order := datasets.Order{Len: d.Len(), Shuffle: true}
	const step = 1024
	var texts iter.Seq2[[]byte, error] = func(yield func([]byte, error) bool) {
		left := limit
		for from := int64(0); from < n && left > 0; from += step {
			rows := make([]int64, min(step, n-from))
			for i := range rows {
				_, rows[i] = order.At(from + int64(i))
			}
			r, err := d.Read(ctx, rows)
			if err != nil {
				yield(nil, err)
				return
			}
			for i := range rows {
				for _, c := range columns {
					// A copy: the trainer keeps it, the record goes.
					text := []byte(r.Column(c).(*array.String).Value(i))
					if left -= int64(len(text)); !yield(text, nil) {
						r.Release()
						return
					}
				}
			}
			r.Release()
		}
	}
	return tokenizer.Train(ctx, texts, o)
}
