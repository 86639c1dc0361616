package classification

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/abi/plugin/batch"
	"github.com/seedbed/seedbed/abi/plugin/config"
)

// Text is the plugin text_classification.
type Text struct{}

var _ plugin.Objective = Text{}

// Info describes the plugin.
func (Text) Info() plugin.Info {
	return plugin.Info{Name: "text_classification", Version: "1.0.0", Doc: "predicts the class of a text, or of a pair of texts", Roles: []string{"text_classifier"}}
}

// textColumn is one of the two texts of a row.
type textColumn struct{ column, length int } // column is -1 if there is none

type textBinding struct {
	labelled
	sequence int
	known    int // tokens of the dataset, from 0
	pad      int // what fills a row up
	end      int // what ends a text
	a, b     textColumn
	fields   []ir.Param
}

func (b *textBinding) Batch() []ir.Param { return b.fields }

// Metrics says what the loss returns beside loss and weight.
func (b *textBinding) Metrics() []plugin.Metric { return metrics("texts") }

// Bind needs a model of role text_classifier: inputs among input_ids,
// position_ids, segment_ids and token_type_ids (i32[B,S]), output logits
// (f32[B,K]). Rows have a column tokens, fixed_size_list<int32>, ended and
// padded; perhaps tokens_b, the second of two texts; and label or targets, as
// those of images. Of texts that are too long together the longer one is cut.
func (Text) Bind(_ context.Context, r plugin.BindRequest) (plugin.Binding, error) {
	b := &textBinding{known: math.MaxInt32}
	err := config.Read(r.Config, nil,
		b.labelled.field(),
		config.Int("pad_token_id", &b.pad, -1, -1, math.MaxInt32),
		config.Int("end_token_id", &b.end, -1, -1, math.MaxInt32),
	)
	if err != nil {
		return nil, err
	}
	if r.Role != "text_classifier" {
		return nil, fmt.Errorf("objective text_classification needs a model of role text_classifier, not %q", r.Role)
	}
	targets, err := b.bind(r)
	if err != nil {
		return nil, err
	}
	for _, in := range r.Inputs {
		if in.Name == "input_ids" && in.Type.Rank() == 2 {
			b.sequence = in.Type.Shape[1]
		}
	}
	if b.sequence < 3 {
		return nil, errors.New("the model takes no input_ids i32[B,S] of at least 3 tokens")
	}
	for _, p := range []struct {
		property string
		id       *int
	}{{"vocab_size", &b.known}, {"pad", &b.pad}, {"sep", &b.end}, {"end_of_text", &b.end}} {
		text, ok := r.Properties[p.property]
		if !ok || *p.id >= 0 && p.id != &b.known {
			continue
		}
		if *p.id, err = strconv.Atoi(text); err != nil || *p.id < 0 {
			return nil, fmt.Errorf("the dataset's property %s is %q, not a number of tokens", p.property, text)
		}
	}
	if b.end < 0 {
		return nil, config.Wrong("end_token_id", "must be given: the dataset does not say which token ends a text (property sep or end_of_text)")
	}
	if b.pad < 0 {
		b.pad = b.end
	}
	if b.a.column, b.a.length, err = batch.NeedLists(r.Rows, "tokens", arrow.PrimitiveTypes.Int32, 1); err != nil {
		return nil, err
	}
	if b.b.column, b.b.length, err = batch.FindLists(r.Rows, "tokens_b", arrow.PrimitiveTypes.Int32, 1); err != nil {
		return nil, err
	}
	ids := ir.T(ir.I32, b.rows, b.sequence)
	b.fields, err = batch.Fields(r.Inputs, map[string]ir.Type{
		"input_ids": ids, "position_ids": ids, "segment_ids": ids, "token_type_ids": ids,
	}, targets)
	return b, err
}

// Transform fills the inputs with the texts, of which the second is of type 1,
// and targets with the probability of each class. What is no text is in a
// segment of its own.
func (b *textBinding) Transform(_ context.Context, rows arrow.Record, at plugin.Position, fields [][]byte) error {
	buffers, err := batch.Open(rows, b.rows, b.fields, fields)
	if err != nil {
		return fmt.Errorf("text_classification: %w", err)
	}
	var texts [2][]int32
	for k, s := range []textColumn{b.a, b.b} {
		if s.column < 0 {
			continue
		}
		if texts[k], err = batch.IntLists(rows, s.column, s.length); err == nil {
			err = batch.Tokens(texts[k], s.length, b.known)
		}
		if err != nil {
			return fmt.Errorf("text_classification: %w", err)
		}
	}
	for r := range b.rows {
		first := b.text(texts[0][r*b.a.length:][:b.a.length])
		var second []int32
		if b.b.column >= 0 {
			second = b.text(texts[1][r*b.b.length:][:b.b.length])
			if len(second) > 1 && second[0] == first[0] {
				second = second[1:] // what begins a text begins the pair
			}
		}
		first, second = b.fit(first, second)
		for i := range b.sequence {
			id, segment, kind := int32(b.pad), int32(-1), int32(0)
			switch n := len(first); {
			case i < n:
				id, segment = first[i], 0
			case i < n+len(second):
				id, segment, kind = second[i-n], 0, 1
			}
			k := r*b.sequence + i
			buffers.PutInt("input_ids", k, id)
			buffers.PutInt("position_ids", k, int32(i))
			buffers.PutInt("segment_ids", k, segment)
			buffers.PutInt("token_type_ids", k, kind)
		}
	}
	targets, err := b.read(rows, at)
	if err != nil {
		return fmt.Errorf("text_classification: %w", err)
	}
	for i, v := range targets {
		buffers.PutFloat("targets", i, v)
	}
	return nil
}

// text is a row without what fills it up; at least one token is left.
func (b *textBinding) text(row []int32) []int32 {
	n := len(row)
	for n > 1 && row[n-1] == int32(b.pad) && (b.pad != b.end || row[n-2] == int32(b.end)) {
		n--
	}
	return row[:n]
}

// fit cuts the longer of two texts, or the second of equals, until both fit a
// sequence, each ended as it was.
func (b *textBinding) fit(first, second []int32) ([]int32, []int32) {
	x, y := len(first), len(second)
	for x+y > b.sequence {
		if x > y {
			x--
		} else {
			y--
		}
	}
	return cut(first, x), cut(second, y)
}

// cut leaves n tokens of a text, the last of which is the one that ended it.
func cut(text []int32, n int) []int32 {
	if n == len(text) || n == 0 {
		return text[:n]
	}
	return append(append([]int32{}, text[:n-1]...), text[len(text)-1])
}
