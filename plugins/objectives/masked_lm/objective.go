package masked_lm

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/abi/plugin/batch"
	"github.com/seedbed/seedbed/abi/plugin/config"
)

// The roles that a model can have here.
const (
	single = "masked_lm"
	paired = "masked_lm+next_sentence"
	alone  = "next_sentence"
)

// settings are the objective's configuration.
type settings struct {
	rate, keepRate, randomRate, spanRate float64
	spanMost                             int
	unit, pairs                          string
	pairWeight                           float64
	cls, sep, mask, vocab                int
}

func (c *settings) fields(role string) []config.Field {
	fields := []config.Field{
		// Token ids; -1 takes the dataset's.
		config.Int("cls_token_id", &c.cls, -1, -1, math.MaxInt32),
		config.Int("sep_token_id", &c.sep, -1, -1, math.MaxInt32),
	}
	if role != single {
		// Which pairs rows become.
		fields = append(fields, config.Word("pairs", &c.pairs, "next_sentence", "sentence_order"))
	}
	if role == paired {
		// The factor on that loss.
		fields = append(fields, config.Float("pair_weight", &c.pairWeight, 1, 0, 1000))
	}
	if role == alone {
		return fields
	}
	return append(fields,
		// The part of the tokens that is predicted.
		config.Float("mask_rate", &c.rate, 0.15, 0.001, 0.9),
		// Of these, the parts that stay as they are and that become any token;
		// the others become the mask token.
		config.Float("keep_rate", &c.keepRate, 0.1, 0, 1),
		config.Float("random_rate", &c.randomRate, 0.1, 0, 1),
		// What is hidden together.
		config.Word("unit", &c.unit, "token", "word", "span"),
		// Span lengths are geometric with this parameter, up to max_span.
		config.Float("span_p", &c.spanRate, 0.2, 0.01, 1),
		config.Int("max_span", &c.spanMost, 10, 1, 1000),
		config.Int("mask_token_id", &c.mask, -1, -1, math.MaxInt32),
	)
}

// Objective is the plugin masked_lm, and, with another role, next_sentence or
// sentence_pairs.
type Objective struct{ role string }

var (
	// NextSentence is the plugin next_sentence: masked_lm with pairs.
	NextSentence plugin.Objective = Objective{paired}
	// SentencePairs is the plugin sentence_pairs: pairs without masks.
	SentencePairs plugin.Objective = Objective{alone}
)

// Info describes the plugin.
func (o Objective) Info() plugin.Info {
	switch o.role {
	case paired:
		return plugin.Info{Name: "next_sentence", Version: "1.0.0", Doc: "masked_lm on pairs of texts, and whether they belong together", Roles: []string{paired}}
	case alone:
		return plugin.Info{Name: "sentence_pairs", Version: "1.0.0", Doc: "whether two texts belong together, or in which order", Roles: []string{alone}}
	}
	return plugin.Info{Name: "masked_lm", Version: "1.0.0", Doc: "predicts hidden tokens from those around them", Roles: []string{single}}
}

// Bind needs a model of role masked_lm, or, for next_sentence, of role
// masked_lm+next_sentence, or, for sentence_pairs, next_sentence:
// inputs among input_ids, position_ids, segment_ids and token_type_ids
// (i32[B,S]); outputs hidden (f32[B,S,E]), output_embedding (f32[V,E]), perhaps
// output_bias (f32[V]), and next_sentence_logits (f32[B,2]) for pairs. Rows
// have a column tokens, fixed_size_list<int32> of at least S-2 or, for pairs,
// S-3; what is longer is left out.
func (o Objective) Bind(_ context.Context, r plugin.BindRequest) (plugin.Binding, error) {
	c := settings{pairs: "none"}
	if o.role == "" {
		o.role = single
	}
	if err := config.Read(r.Config, nil, c.fields(o.role)...); err != nil {
		return nil, err
	}
	switch info := o.Info(); {
	case r.Role != info.Roles[0]:
		return nil, fmt.Errorf("objective %s needs a model of role %s, not %q", info.Name, info.Roles[0], r.Role)
	case c.keepRate+c.randomRate > 1:
		return nil, config.Wrong("random_rate", "with keep_rate makes %v, more than 1", c.keepRate+c.randomRate)
	}
	if o.role == alone {
		return c.bindAlone(r)
	}
	hidden, err := batch.Output(r.Outputs, "hidden", 3)
	if err != nil {
		return nil, err
	}
	embedding, err := batch.Output(r.Outputs, "output_embedding", 2)
	if err != nil {
		return nil, err
	}
	if hidden.Shape[2] != embedding.Shape[1] {
		return nil, fmt.Errorf("the model's hidden is %v and its output_embedding %v: their last dimensions differ", hidden, embedding)
	}
	b := &binding{settings: c, rows: hidden.Shape[0], sequence: hidden.Shape[1]}
	b.vocab = embedding.Shape[0]
	if err := b.divide(); err != nil {
		return nil, err
	}
	b.slots = max(1, int(math.Round(c.rate*float64(b.text))))
	if err := b.tokens(r.Properties); err != nil {
		return nil, err
	}
	slots := ir.T(ir.I32, b.rows, b.slots)
	if err := b.batch(r, ir.Param{Name: "masked_labels", Type: slots}, ir.Param{Name: "masked_positions", Type: slots}); err != nil {
		return nil, err
	}
	bias := slices.ContainsFunc(r.Outputs, func(p ir.Param) bool { return p.Name == "output_bias" })
	more := map[string]ir.Type{}
	if bias {
		more["output_bias"] = ir.T(ir.F32, b.vocab)
	}
	if c.pairs != "none" {
		more["next_sentence_logits"] = ir.T(ir.F32, b.rows, 2)
	}
	for _, name := range slices.Sorted(maps.Keys(more)) {
		want := more[name]
		t, err := batch.Output(r.Outputs, name, want.Rank())
		if err != nil {
			return nil, err
		}
		if !t.Equal(want) {
			return nil, fmt.Errorf("the model's %s is %v; with its hidden %v and output_embedding %v it must be %v", name, t, hidden, embedding, want)
		}
	}
	b.loss, err = b.build(bias, hidden, embedding)
	return b, err
}

// bindAlone is Bind of sentence_pairs. The number of tokens is that of the
// dataset: no output of the model tells.
func (c settings) bindAlone(r plugin.BindRequest) (plugin.Binding, error) {
	b := &binding{settings: c}
	b.vocab = math.MaxInt32
	for _, p := range r.Inputs {
		if p.Name == "input_ids" && p.Type.Rank() == 2 {
			b.rows, b.sequence = p.Type.Shape[0], p.Type.Shape[1]
		}
	}
	if b.rows == 0 {
		return nil, errors.New("the model has no input input_ids, i32[B,S]")
	}
	logits, err := batch.Output(r.Outputs, "next_sentence_logits", 2)
	if err != nil {
		return nil, err
	}
	if want := ir.T(ir.F32, b.rows, 2); !logits.Equal(want) {
		return nil, fmt.Errorf("the model's next_sentence_logits is %v; with its input_ids of %d rows it must be %v", logits, b.rows, want)
	}
	if err := b.divide(); err != nil {
		return nil, err
	}
	if err := b.tokens(r.Properties); err != nil {
		return nil, err
	}
	if err := b.batch(r); err != nil {
		return nil, err
	}
	f := ir.NewBuilder("loss")
	pair, label := f.Param("next_sentence_logits", logits), f.Param("next_sentence_label", ir.T(ir.I32, b.rows))
	f.Return("loss", f.ReduceSum(f.CrossEntropy(pair, label, batch.IgnoreIndex, 0), 0))
	hits := f.Convert(f.Compare("eq", f.Argmax(pair, 1), label), ir.F32)
	f.Return(b.pairs+"_accuracy", f.ReduceSum(hits, 0))
	f.Return("weight", f.Const(ir.F32, float64(b.rows)))
	b.loss, err = f.Func()
	return b, err
}

// divide finds how much of a sequence is text.
func (b *binding) divide() error {
	special := 2 // [CLS] and [SEP]
	if b.pairs != "none" {
		special++
	}
	b.text = b.sequence - special
	if least := special - 1; b.text < least {
		return fmt.Errorf("a sequence of %d tokens has no room for %d special ones and a text", b.sequence, special)
	}
	if b.pairs == "next_sentence" && b.rows < 2 {
		return config.Wrong("pairs", "is next_sentence, which takes another row's text now and then: a grain needs at least 2 rows, has %d", b.rows)
	}
	return nil
}

// batch finds the column of rows and the fields of the batch, with more than the
// role's inputs.
func (b *binding) batch(r plugin.BindRequest, extra ...ir.Param) (err error) {
	if b.column, b.length, err = batch.NeedLists(r.Rows, "tokens", arrow.PrimitiveTypes.Int32, b.text); err != nil {
		return err
	}
	if b.pairs != "none" {
		extra = append(extra, ir.Param{Name: "next_sentence_label", Type: ir.T(ir.I32, b.rows)})
	}
	ids := ir.T(ir.I32, b.rows, b.sequence)
	b.fields, err = batch.Fields(r.Inputs, map[string]ir.Type{
		"input_ids": ids, "position_ids": ids, "segment_ids": ids, "token_type_ids": ids,
	}, extra...)
	return err
}

// tokens finds the ids of special tokens, in the configuration or among the
// dataset's properties, and which tokens go on with a word.
func (b *binding) tokens(properties map[string]string) error {
	b.known = b.vocab
	if size, ok := properties["vocab_size"]; ok {
		n, err := strconv.Atoi(size)
		if err != nil || n < 1 || n > b.vocab {
			return fmt.Errorf("the dataset has %s tokens, the model %d; raise the model's vocab_size", size, b.vocab)
		}
		b.known = n
	}
	for _, s := range []struct {
		name string
		id   *int
	}{{"cls", &b.cls}, {"sep", &b.sep}, {"mask", &b.mask}} {
		if s.name == "mask" && b.slots == 0 {
			continue // nothing is hidden
		}
		field := s.name + "_token_id"
		if text, ok := properties[s.name]; ok && *s.id < 0 {
			id, err := strconv.Atoi(text)
			if err != nil {
				return fmt.Errorf("the dataset's property %q is %q, not a token id", s.name, text)
			}
			*s.id = id
		}
		if *s.id < 0 {
			return config.Wrong(field, "must be given: the dataset does not say which token it is (property %s)", s.name)
		}
		if *s.id >= b.vocab {
			return config.Wrong(field, "%d is outside the model's vocabulary 0 to %d", *s.id, b.vocab-1)
		}
	}
	b.specials = []int32{int32(b.cls), int32(b.sep), int32(b.mask)}
	for _, name := range []string{"end_of_text", "pad"} {
		if id, err := strconv.ParseInt(properties[name], 10, 32); err == nil {
			b.specials = append(b.specials, int32(id))
		}
	}
	if b.unit == "word" {
		text, ok := properties["continues_word"]
		if !ok {
			return config.Wrong("unit", "is word, but the dataset does not say which tokens go on with a word (property continues_word)")
		}
		var err error
		if b.continues, err = hex.DecodeString(text); err != nil || len(b.continues) < (b.known+7)/8 {
			return errors.Join(fmt.Errorf("the dataset's property continues_word is not %d bits in hexadecimal", b.known), err)
		}
	}
	return nil
}

// build writes the loss: the sum over hidden tokens of -log p(token). Only
// their rows are multiplied with the embedding (the masked_positions), as in
// the paper's code. A bias becomes one more column of it.
func (b *binding) build(hasBias bool, hidden, embedding ir.Type) (*ir.Func, error) {
	f := ir.NewBuilder("loss")
	h, e := f.Param("hidden", hidden), f.Param("output_embedding", embedding)
	bias, pair, pairLabel := ir.NoValue, ir.NoValue, ir.NoValue
	if hasBias {
		bias = f.Param("output_bias", ir.T(ir.F32, b.vocab))
	}
	if b.pairs != "none" {
		pair, pairLabel = f.Param("next_sentence_logits", ir.T(ir.F32, b.rows, 2)), f.Param("next_sentence_label", ir.T(ir.I32, b.rows))
	}
	slots := ir.T(ir.I32, b.rows, b.slots)
	labels, positions := f.Param("masked_labels", slots), f.Param("masked_positions", slots)

	n, width := b.rows*b.slots, hidden.Shape[2]
	first := f.Mul(f.Iota(slots, 0), f.Full(slots, float64(b.sequence)))
	at := f.Reshape(f.Add(first, positions), n)
	h = f.Gather(0, f.Reshape(h, b.rows*b.sequence, width), at)
	if hasBias {
		h = f.Concatenate(1, h, f.Full(ir.T(ir.F32, n, 1), 1))
		e = f.Concatenate(1, e, f.Reshape(bias, b.vocab, 1))
	}
	labels = f.Reshape(labels, n)
	loss := f.ReduceSum(f.LinearCrossEntropy(h, e, labels, batch.IgnoreIndex, 0), 0)
	counts := f.Compare("ne", labels, f.Full(f.Type(labels), batch.IgnoreIndex))
	weight := f.ReduceSum(f.Convert(counts, ir.F32), 0)
	if b.pairs != "none" {
		// The mean over rows is weighed like the mean over tokens, so it is
		// multiplied by their number.
		right := f.ReduceSum(f.CrossEntropy(pair, pairLabel, batch.IgnoreIndex, 0), 0)
		f.Return("masked_lm_loss", loss)
		mean := f.Div(right, f.Const(ir.F32, float64(b.rows)))
		scaled := f.Mul(mean, weight)
		f.Return(b.pairs+"_loss", scaled)
		hits := f.Convert(f.Compare("eq", f.Argmax(pair, 1), pairLabel), ir.F32)
		share := f.Div(f.ReduceSum(hits, 0), f.Const(ir.F32, float64(b.rows)))
		f.Return(b.pairs+"_accuracy", f.Mul(share, weight))
		loss = f.Add(loss, f.Scale(scaled, b.pairWeight))
	}
	f.Return("loss", loss)
	f.Return("weight", weight)
	return f.Func()
}
