package masked_lm

import (
	"context"
	"fmt"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/abi/plugin/batch"
)

type binding struct {
	settings
	rows, sequence int
	text           int // tokens of a row that are used
	slots          int // places for hidden tokens in a row
	known          int // tokens of the dataset, from 0
	column, length int
	specials       []int32 // tokens that are never hidden
	continues      []byte  // bit i: token i goes on with a word
	fields         []ir.Param
	loss           *ir.Func
}

func (b *binding) Loss() *ir.Func    { return b.loss }
func (b *binding) Batch() []ir.Param { return b.fields }

// Metrics says what the loss returns beside loss and weight.
func (b *binding) Metrics() []plugin.Metric {
	switch {
	case b.pairs == "none":
		return nil
	case b.slots == 0:
		return []plugin.Metric{{Name: b.pairs + "_accuracy", Doc: "part of the pairs that are told right", PerWeight: true}}
	}
	return []plugin.Metric{
		{Name: "masked_lm_loss", Doc: "nats a hidden token", PerWeight: true},
		{Name: b.pairs + "_loss", Doc: "nats a pair", PerWeight: true},
		{Name: b.pairs + "_accuracy", Doc: "part of the pairs that are told right", PerWeight: true},
	}
}

// Streams of draws.
const (
	maskStream uint32 = 0x6d6c6d00 + iota // "mlm"
	pairStream
)

// Transform makes [CLS] text [SEP] of a row, or [CLS] a [SEP] b [SEP] of its
// halves, and hides some of it. Label 0 says that b follows a, 1 that it is
// another row's second half or that the halves have changed places.
func (b *binding) Transform(_ context.Context, rows arrow.Record, at plugin.Position, fields [][]byte) error {
	buffers, err := batch.Open(rows, b.rows, b.fields, fields)
	if err != nil {
		return fmt.Errorf("masked_lm: %w", err)
	}
	tokens, err := batch.IntLists(rows, b.column, b.length)
	if err != nil {
		return fmt.Errorf("masked_lm: %w", err)
	}
	for i, id := range tokens {
		if id < 0 || int(id) >= b.known {
			return fmt.Errorf("masked_lm: row %d, token %d is %d, outside the vocabulary 0 to %d", i/b.length, i%b.length, id, b.known-1)
		}
	}
	row := func(r int) []int32 { return tokens[r*b.length:][:b.text] }
	ids := make([]int32, 0, b.sequence)
	for r := range b.rows {
		ids = append(ids[:0], int32(b.cls))
		second := b.sequence // where b begins
		if b.pairs == "none" {
			ids = append(append(ids, row(r)...), int32(b.sep))
		} else {
			draws := batch.NewDraws(at, pairStream, b.rows, r)
			half := b.text / 2
			first, last, label := row(r)[:half], row(r)[half:], int32(0)
			if draws.Chance(0.5) {
				label = 1
				if b.pairs == "sentence_order" {
					first, last = last, first
				} else {
					last = row((r + 1 + draws.Below(b.rows-1)) % b.rows)[half:]
				}
			}
			ids = append(append(ids, first...), int32(b.sep))
			second = len(ids)
			ids = append(append(ids, last...), int32(b.sep))
			buffers.PutInt("next_sentence_label", r, label)
		}
		var hidden []hiddenToken
		if b.slots > 0 {
			hidden = b.hide(ids, batch.NewDraws(at, maskStream, b.rows, r))
		}
		for s := range b.slots {
			position, label := 0, int32(batch.IgnoreIndex)
			if s < len(hidden) {
				position, label = hidden[s].position, hidden[s].label
			}
			buffers.PutInt("masked_positions", r*b.slots+s, int32(position))
			buffers.PutInt("masked_labels", r*b.slots+s, label)
		}
		for i, id := range ids {
			kind := int32(0)
			if i >= second {
				kind = 1
			}
			k := r*b.sequence + i
			buffers.PutInt("input_ids", k, id)
			buffers.PutInt("position_ids", k, int32(i))
			buffers.PutInt("segment_ids", k, 0)
			buffers.PutInt("token_type_ids", k, kind)
		}
	}
	return nil
}
