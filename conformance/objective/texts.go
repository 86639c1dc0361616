package objective

import (
	"fmt"
	"maps"
	"slices"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
)

// The sizes of these scenarios.
const rows, sequence, vocab, width = 3, 12, 17, 5

func ids() ir.Type { return ir.T(ir.I32, rows, sequence) }

// at returns the places at which a field has a value.
func at(field string, value int32, elements int) func(b Batch) ([]int, int) {
	return func(b Batch) (places []int, n int) {
		for i, v := range b[field] {
			if v == value {
				places = append(places, i)
			}
		}
		return places, elements
	}
}

// bad are rows of which one token is outside of the vocabulary.
func bad(length int, others func(d *Draws) map[string][]int32) map[string]func(d *Draws) arrow.Record {
	with := func(id int32) func(d *Draws) arrow.Record {
		return func(d *Draws) arrow.Record {
			l := tokens(d, rows*length)
			// The objective may leave a row's last tokens out.
			l[d.N(rows)*length+d.N(length/2)] = id
			columns := map[string][]int32{"tokens": l}
			if others != nil {
				maps.Copy(columns, others(d))
			}
			return Lists(rows, columns)
		}
	}
	return map[string]func(d *Draws) arrow.Record{"a token below the vocabulary": with(-1), "a token above the vocabulary": with(vocab)}
}

// text makes rows of tokens with an end of text (0) now and then.
func text(length int) func(d *Draws, n int) arrow.Record {
	return func(d *Draws, n int) arrow.Record { return Lists(n, map[string][]int32{"tokens": tokens(d, n*length)}) }
}

func tokens(d *Draws, n int) []int32 {
	l := make([]int32, n)
	for i := range l {
		if l[i] = int32(4 + d.N(vocab-4)); d.N(7) == 0 {
			l[i] = 0
		}
	}
	return l
}

func causalLM() []Scenario {
	const length = sequence + 1
	labelled := func(d *Draws, n int) arrow.Record {
		labels := tokens(d, n*length)
		for i := range labels {
			if d.N(3) == 0 {
				labels[i] = -100
			}
		}
		return Lists(n, map[string][]int32{"tokens": tokens(d, n*length), "labels": labels})
	}
	request := plugin.BindRequest{
		Role:       "causal_lm",
		Dims:       map[string]int{"batch": rows, "sequence": sequence},
		Inputs:     []ir.Param{{Name: "input_ids", Type: ids()}, {Name: "position_ids", Type: ids()}, {Name: "segment_ids", Type: ids()}},
		Outputs:    []ir.Param{{Name: "hidden", Type: ir.T(ir.F32, rows, sequence, width)}, {Name: "output_embedding", Type: ir.T(ir.F32, vocab, width)}},
		Properties: map[string]string{"end_of_text": "0", "vocab_size": fmt.Sprint(vocab)},
	}
	plain := Scenario{Name: "tokens", Request: request, Grain: rows, Rows: text(length), Bad: bad(length, nil)}
	masked := Scenario{Name: "tokens and labels", Request: request, Grain: rows, Rows: labelled, Free: []Free{{
		Name: "hidden where labels is -100", Output: "hidden", Places: at("labels", -100, width),
	}}}
	return []Scenario{plain, masked}
}

func maskedLM() []Scenario {
	const length = sequence + 1
	request := plugin.BindRequest{
		Role:       "masked_lm",
		Dims:       map[string]int{"batch": rows, "sequence": sequence},
		Inputs:     []ir.Param{{Name: "input_ids", Type: ids()}, {Name: "token_type_ids", Type: ids()}},
		Outputs:    []ir.Param{{Name: "hidden", Type: ir.T(ir.F32, rows, sequence, width)}, {Name: "output_embedding", Type: ir.T(ir.F32, vocab, width)}},
		Properties: map[string]string{"cls": "1", "sep": "2", "mask": "3", "end_of_text": "0", "vocab_size": fmt.Sprint(vocab)},
	}
	plain := Scenario{Name: "tokens", Request: request, Grain: rows, Rows: text(length), Random: true, Bad: bad(length, nil), Free: []Free{{
		Name: "hidden at places that are not masked", Output: "hidden", Places: func(b Batch) (places []int, elements int) {
			slots := len(b["masked_positions"]) / rows
			read := map[int]bool{}
			for i, p := range b["masked_positions"] {
				if b["masked_labels"][i] != -100 {
					read[i/max(slots, 1)*sequence+int(p)] = true
				}
			}
			for i := range rows * sequence {
				if !read[i] {
					places = append(places, i)
				}
			}
			return places, width
		},
	}}}
	// A bias of the output is the model's to have.
	biased := plain
	biased.Name, biased.Optional = "tokens, with a bias", []string{"output_bias"}
	biased.Request.Outputs = append(slices.Clone(request.Outputs), ir.Param{Name: "output_bias", Type: ir.T(ir.F32, vocab)})
	return []Scenario{plain, biased}
}

// nextSentence is masked_lm with pairs of texts, which other rows take part in.
func nextSentence() []Scenario {
	l := maskedLM()
	for i := range l {
		r := &l[i].Request
		r.Role = "masked_lm+next_sentence"
		r.Inputs = append(slices.Clone(r.Inputs), ir.Param{Name: "segment_ids", Type: ids()})
		r.Outputs = append(slices.Clone(r.Outputs), ir.Param{Name: "next_sentence_logits", Type: ir.T(ir.F32, rows, 2)})
		l[i].Same = []Same{bothClasses}
	}
	return l
}

var bothClasses = Same{Name: "both classes' logits shifted alike", Outputs: []string{"next_sentence_logits"}, Change: Shifted(1)}

// sentencePairs is nextSentence with nothing hidden.
func sentencePairs() []Scenario {
	s := nextSentence()[0]
	s.Request.Role, s.Free = "next_sentence", nil
	s.Request.Outputs = s.Request.Outputs[len(s.Request.Outputs)-1:]
	return []Scenario{s}
}

func seq2seqLM() []Scenario {
	const length, sequence, target, spare = 40, 36, 12, 8 // room for two spans
	source, decoder := ir.T(ir.I32, rows, sequence), ir.T(ir.I32, rows, target)
	plain := Scenario{
		Name: "tokens", Grain: rows, Rows: text(length), Random: true, Bad: bad(length, nil),
		Request: plugin.BindRequest{
			Role: "seq2seq_lm", Dims: map[string]int{"batch": rows, "sequence": sequence, "target": target},
			Inputs: []ir.Param{
				{Name: "decoder_input_ids", Type: decoder}, {Name: "decoder_segment_ids", Type: decoder},
				{Name: "input_ids", Type: source}, {Name: "segment_ids", Type: source},
			},
			Outputs:    []ir.Param{{Name: "hidden", Type: ir.T(ir.F32, rows, target, width)}, {Name: "output_embedding", Type: ir.T(ir.F32, vocab+spare, width)}},
			Properties: map[string]string{"end_of_text": "0", "vocab_size": fmt.Sprint(vocab)},
		},
		Free: []Free{{Name: "hidden where labels is -100", Output: "hidden", Places: at("labels", -100, width)}},
	}
	// What makes a second text of the first needs no pairs, and may leave tokens_b
	// alone.
	pairs := plain
	pairs.Name, pairs.Optional, pairs.Random, pairs.MayBeRandom = "pairs of texts", []string{"tokens_b"}, false, true
	second := func(d *Draws) map[string][]int32 { return map[string][]int32{"tokens_b": tokens(d, rows*(target-1))} }
	pairs.Rows = func(d *Draws, n int) arrow.Record {
		return Lists(n, map[string][]int32{"tokens": tokens(d, n*length), "tokens_b": tokens(d, n*(target-1))})
	}
	pairs.Bad = bad(length, second)
	return []Scenario{plain, pairs}
}

func tokenPrior() []Scenario {
	const length, codes, text = 7, 4, 5
	columns := func(d *Draws, n int) map[string][]int32 {
		return map[string][]int32{"tokens": tokens(d, n*length), "codes": tokens(d, n*codes)}
	}
	code := func(d *Draws) arrow.Record {
		l := columns(d, rows)
		l["codes"][d.N(rows*codes)] = vocab
		return Lists(rows, l)
	}
	wrong := bad(length, func(d *Draws) map[string][]int32 { return map[string][]int32{"codes": tokens(d, rows*codes)} })
	wrong["a code above the codebook"] = code
	return []Scenario{{
		Name: "tokens and codes", Grain: rows, Rows: func(d *Draws, n int) arrow.Record { return Lists(n, columns(d, n)) }, Bad: wrong,
		Request: plugin.BindRequest{
			Role: "token_prior", Dims: map[string]int{"batch": rows},
			Inputs:     []ir.Param{{Name: "image_codes", Type: ir.T(ir.I32, rows, codes)}, {Name: "text_ids", Type: ir.T(ir.I32, rows, text)}},
			Outputs:    []ir.Param{{Name: "text_logits", Type: ir.T(ir.F32, rows, text, vocab)}, {Name: "image_logits", Type: ir.T(ir.F32, rows, codes, vocab)}},
			Properties: map[string]string{"vocab_size": fmt.Sprint(vocab)},
		},
		Same: []Same{{Name: "all logits of a token shifted alike", Outputs: []string{"text_logits", "image_logits"}, Change: Shifted(2)}},
	}}
}

func textClassifier() []Scenario {
	const length, classes = sequence - 2, 6
	labels := func(d *Draws, n int) []int32 {
		l := make([]int32, n)
		for i := range l {
			l[i] = int32(d.N(classes))
		}
		return l
	}
	rowsOf := func(d *Draws, n int, pair bool, label []int32) arrow.Record {
		columns := map[string][]int32{"tokens": tokens(d, n*length)}
		if pair {
			columns["tokens_b"] = tokens(d, n*length)
		}
		r := Lists(n, columns)
		defer r.Release()
		b := array.NewInt32Builder(memory.DefaultAllocator)
		defer b.Release()
		b.AppendValues(label, nil)
		l := b.NewArray()
		defer l.Release()
		fields := append(r.Schema().Fields(), arrow.Field{Name: "label", Type: arrow.PrimitiveTypes.Int32})
		return array.NewRecord(arrow.NewSchema(fields, nil), append(r.Columns(), l), int64(n))
	}
	scenario := func(name string, pair bool) Scenario {
		with := func(label int32) func(d *Draws) arrow.Record {
			return func(d *Draws) arrow.Record {
				l := labels(d, rows)
				l[d.N(rows)] = label
				return rowsOf(d, rows, pair, l)
			}
		}
		request := plugin.BindRequest{
			Role: "text_classifier", Dims: map[string]int{"batch": rows, "sequence": sequence},
			Outputs:    []ir.Param{{Name: "features", Type: ir.T(ir.F32, rows, width)}, {Name: "logits", Type: ir.T(ir.F32, rows, classes)}},
			Properties: map[string]string{"end_of_text": "0", "sep": "0", "pad": "1", "vocab_size": fmt.Sprint(vocab)},
		}
		for _, in := range []string{"input_ids", "position_ids", "segment_ids", "token_type_ids"} {
			request.Inputs = append(request.Inputs, ir.Param{Name: in, Type: ids()})
		}
		return Scenario{
			Name: name, Grain: rows, Rows: func(d *Draws, n int) arrow.Record { return rowsOf(d, n, pair, labels(d, n)) },
			Bad:     map[string]func(d *Draws) arrow.Record{"a label below the classes": with(-1), "a label above the classes": with(classes)},
			Request: request,
			Same:    []Same{{Name: "all logits of a text shifted alike", Outputs: []string{"logits"}, Change: Shifted(1)}},
		}
	}
	return []Scenario{scenario("texts and labels", false), scenario("pairs of texts and labels", true)}
}
