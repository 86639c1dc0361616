package prefix_lm

import (
	"context"
	"fmt"
	"slices"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/abi/plugin/batch"
	"github.com/seedbed/seedbed/abi/plugin/config"
)

// Objective is the plugin.
type Objective struct{}

var _ plugin.Objective = Objective{}

// Info describes the plugin.
func (Objective) Info() plugin.Info {
	return plugin.Info{Name: "prefix_lm", Version: "1.0.0", Doc: "predicts the second part of a text, or the second text of a pair, from the first", Roles: []string{"seq2seq_lm"}}
}

type binding struct {
	batch.Seq2Seq
	column, length int
	text           int // tokens of a row that are used
	// Of pairs:
	columnB, lengthB int // columnB is -1 where rows are single texts
}

// Bind needs a model of role seq2seq_lm (see batch.Seq2Seq). Rows have a
// column tokens, fixed_size_list<int32>, of which it takes as many as source and
// target have room for together; or also tokens_b, and are pairs of texts, each
// up to its end token and cut before it where there is no room.
func (Objective) Bind(_ context.Context, r plugin.BindRequest) (plugin.Binding, error) {
	b := &binding{}
	if err := config.Read(r.Config, nil, b.Fields()...); err != nil {
		return nil, err
	}
	if err := b.Seq2Seq.Bind(r); err != nil {
		return nil, err
	}
	var err error
	if b.column, b.length, err = batch.NeedLists(r.Rows, "tokens", arrow.PrimitiveTypes.Int32, 2); err != nil {
		return nil, err
	}
	if b.columnB, b.lengthB, err = batch.FindLists(r.Rows, "tokens_b", arrow.PrimitiveTypes.Int32, 1); err != nil {
		return nil, err
	}
	if b.columnB >= 0 {
		return b, b.NeedEnd()
	}
	if b.text = min(b.length, b.Source+b.Target); b.text < 2 {
		return nil, fmt.Errorf("a source of %d and a target of %d tokens have no room for a text in two parts", b.Source, b.Target)
	}
	return b, nil
}

// stream keeps the draws apart from others.
const stream uint32 = 0x70726666 // "prff"

// Transform makes source and target of the two texts of a pair. It cuts a single
// text where both parts have room, every place as likely as another.
func (b *binding) Transform(_ context.Context, rows arrow.Record, at plugin.Position, fields [][]byte) error {
	buffers, err := batch.Open(rows, b.Rows, b.Batch(), fields)
	if err != nil {
		return fmt.Errorf("prefix_lm: %w", err)
	}
	tokens, err := batch.IntLists(rows, b.column, b.length)
	if err == nil {
		err = batch.Tokens(tokens, b.length, b.Known)
	}
	if err != nil {
		return fmt.Errorf("prefix_lm: %w", err)
	}
	if b.columnB >= 0 {
		second, err := batch.IntLists(rows, b.columnB, b.lengthB)
		if err == nil {
			err = batch.Tokens(second, b.lengthB, b.Known)
		}
		if err != nil {
			return fmt.Errorf("prefix_lm: second texts: %w", err)
		}
		for r := range b.Rows {
			b.Put(buffers, r, b.ended(tokens[r*b.length:][:b.length], b.Source), b.ended(second[r*b.lengthB:][:b.lengthB], b.Target))
		}
		return nil
	}
	least, most := max(1, b.text-b.Target), min(b.Source, b.text-1)
	for r := range b.Rows {
		text := tokens[r*b.length:][:b.text]
		cut := least + batch.NewDraws(at, stream, b.Rows, r).Below(most-least+1)
		b.Put(buffers, r, text[:cut], text[cut:])
	}
	return nil
}

// ended returns a text up to its first end token; one that is longer than most
// is cut, and ends all the same.
func (b *binding) ended(row []int32, most int) []int32 {
	end := int32(b.End)
	if i := slices.Index(row, end); i >= 0 {
		row = row[:i+1]
	}
	if len(row) > most {
		row = append(slices.Clone(row[:most-1]), end)
	}
	return row
}
