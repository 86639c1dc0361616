package causal_lm

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
)

type binding struct {
	batch, sequence, vocab int
	boundaries             bool
	endOfText              int32 // -1 without boundaries
	columns                rowColumns
	fields                 []ir.Param
	loss                   *ir.Func
}

func (b *binding) Loss() *ir.Func    { return b.loss }
func (b *binding) Batch() []ir.Param { return b.fields }

// rowColumns are the indices of the columns of a row; labels is -1 if absent.
type rowColumns struct{ tokens, labels int }

func columns(s *arrow.Schema, length int) (rowColumns, error) {
	c := rowColumns{-1, -1}
	if s == nil {
		return c, fmt.Errorf("the dataset has no schema")
	}
	for i, f := range s.Fields() {
		var to *int
		switch f.Name {
		case "tokens":
			to = &c.tokens
		case "labels":
			to = &c.labels
		default:
			continue
		}
		if *to >= 0 {
			return c, fmt.Errorf("the dataset has two columns %q", f.Name)
		}
		list, ok := f.Type.(*arrow.FixedSizeListType)
		if !ok || list.Elem().ID() != arrow.INT32 || int(list.Len()) != length {
			return c, fmt.Errorf("the dataset's column %q is %v; objective causal_lm needs fixed_size_list<int32>[%d], one more than the sequence", f.Name, f.Type, length)
		}
		*to = i
	}
	if c.tokens < 0 {
		return c, fmt.Errorf("the dataset has no column \"tokens\"; its columns are %v", s.Fields())
	}
	return c, nil
}

// Transform takes tokens 0 to S-1 of a row as input_ids and 1 to S as labels.
// An end-of-text token is the last label of one document and the first input
// of the next, so that every token but the row's first is learned, the first
// of a document included.
func (b *binding) Transform(_ context.Context, rows arrow.Record, _ plugin.Position, fields [][]byte) error {
	if rows.NumRows() != int64(b.batch) {
		return fmt.Errorf("causal_lm: %d rows, the batch has %d", rows.NumRows(), b.batch)
	}
	if len(fields) != len(b.fields) {
		return fmt.Errorf("causal_lm: %d buffers for %d fields", len(fields), len(b.fields))
	}
	for i, f := range b.fields {
		if len(fields[i]) != f.Type.Bytes() {
			return fmt.Errorf("causal_lm: field %q has a buffer of %d bytes, needs %d", f.Name, len(fields[i]), f.Type.Bytes())
		}
	}
	if c, err := columns(rows.Schema(), b.sequence+1); err != nil {
		return fmt.Errorf("causal_lm: %w", err)
	} else if c != b.columns {
		return fmt.Errorf("causal_lm: the rows have other columns than those that the objective was bound to: %v", rows.Schema().Fields())
	}
	tokens, err := ids(rows.Column(b.columns.tokens), b.batch*(b.sequence+1))
	if err != nil {
		return fmt.Errorf("causal_lm: column tokens: %w", err)
	}
	labels := tokens
	if b.columns.labels >= 0 {
		if labels, err = ids(rows.Column(b.columns.labels), b.batch*(b.sequence+1)); err != nil {
			return fmt.Errorf("causal_lm: column labels: %w", err)
		}
	}
	for r := range b.batch {
		row := r * (b.sequence + 1)
		position, segment := int32(0), int32(0)
		for i := range b.sequence {
			id, label := tokens[row+i], labels[row+i+1]
			if id < 0 || int(id) >= b.vocab {
				return fmt.Errorf("causal_lm: row %d, token %d is %d, outside the model's vocabulary 0 to %d", r, i, id, b.vocab-1)
			}
			if label != IgnoreIndex && (label < 0 || int(label) >= b.vocab) {
				return fmt.Errorf("causal_lm: row %d, label %d is %d, neither %d nor in the model's vocabulary 0 to %d", r, i+1, label, IgnoreIndex, b.vocab-1)
			}
			if b.boundaries && id == b.endOfText && i > 0 {
				position = 0
				segment++
			}
			at := 4 * (r*b.sequence + i)
			for k, f := range b.fields {
				v := label
				switch f.Name {
				case "input_ids":
					v = id
				case "position_ids":
					v = position
				case "segment_ids":
					v = segment
				}
				binary.LittleEndian.PutUint32(fields[k][at:], uint32(v))
			}
			position++
		}
	}
	return nil
}

// ids returns the values of a column of lists, which has none missing.
func ids(column arrow.Array, n int) ([]int32, error) {
	list, ok := column.(*array.FixedSizeList)
	if !ok {
		return nil, fmt.Errorf("is %v, not a fixed-size list", column.DataType())
	}
	values, ok := list.ListValues().(*array.Int32)
	if !ok {
		return nil, fmt.Errorf("holds %v, not int32", list.ListValues().DataType())
	}
	if list.NullN() > 0 || values.NullN() > 0 {
		return nil, fmt.Errorf("has missing values")
	}
	// A sliced record shares the values of the whole.
	first, _ := list.ValueOffsets(0)
	all := values.Int32Values()
	if first < 0 || int64(len(all)) < first+int64(n) {
		return nil, fmt.Errorf("has %d values, needs %d", int64(len(all))-first, n)
	}
	return all[first : first+int64(n)], nil
}
