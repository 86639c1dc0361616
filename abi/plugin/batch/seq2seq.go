package batch

import (
	"fmt"
	"math"
	"strconv"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/abi/plugin/config"
)

// IgnoreIndex is the label of what does not count, as in PyTorch.
const IgnoreIndex = -100

// Seq2Seq is what objectives of role seq2seq_lm share: a source text and a
// target text of each row, padded, and the cross-entropy of the target.
type Seq2Seq struct {
	Rows, Source, Target int // of the model's batch
	Vocab                int // of the model
	Known                int // tokens of the dataset, from 0
	Pad, Start           int // ids: the padding, and what the decoder begins with
	End                  int // the id that ends a text; -1 if it is not known

	fields []ir.Param
	loss   *ir.Func
}

// Fields are the configuration that all of them have.
func (s *Seq2Seq) Fields() []config.Field {
	return []config.Field{
		config.Int("pad_token_id", &s.Pad, 0, 0, math.MaxInt32),
		config.Int("decoder_start_token_id", &s.Start, 0, 0, math.MaxInt32),
		// What ends source and target; -1 takes the dataset's end_of_text.
		config.Int("eos_token_id", &s.End, -1, -1, math.MaxInt32),
	}
}

// Bind fits it to a model of role seq2seq_lm: inputs among input_ids and
// segment_ids (i32[B,S]), decoder_input_ids and decoder_segment_ids
// (i32[B,T]), outputs hidden (f32[B,T,E]) and output_embedding (f32[V,E]).
func (s *Seq2Seq) Bind(r plugin.BindRequest) error {
	if r.Role != "seq2seq_lm" {
		return fmt.Errorf("the objective needs a model of role seq2seq_lm, not %q", r.Role)
	}
	hidden, err := Output(r.Outputs, "hidden", 3)
	if err != nil {
		return err
	}
	embedding, err := Output(r.Outputs, "output_embedding", 2)
	if err != nil {
		return err
	}
	if hidden.Shape[2] != embedding.Shape[1] {
		return fmt.Errorf("the model's hidden is %v and its output_embedding %v: their last dimensions differ", hidden, embedding)
	}
	s.Rows, s.Target, s.Vocab = hidden.Shape[0], hidden.Shape[1], embedding.Shape[0]
	for _, in := range r.Inputs {
		if in.Name == "input_ids" && in.Type.Rank() == 2 {
			s.Source = in.Type.Shape[1]
		}
	}
	if s.Source == 0 {
		return fmt.Errorf("the model takes no input_ids i32[B,S]")
	}
	for _, f := range []struct {
		name string
		id   int
	}{{"pad_token_id", s.Pad}, {"decoder_start_token_id", s.Start}} {
		if f.id >= s.Vocab {
			return config.Wrong(f.name, "%d is outside the model's vocabulary 0 to %d", f.id, s.Vocab-1)
		}
	}
	s.Known = s.Vocab
	if size, ok := r.Properties["vocab_size"]; ok {
		if s.Known, err = strconv.Atoi(size); err != nil || s.Known < 1 || s.Known > s.Vocab {
			return fmt.Errorf("the dataset has %s tokens, the model %d; raise the model's vocab_size", size, s.Vocab)
		}
	}
	if text, ok := r.Properties["end_of_text"]; ok && s.End < 0 {
		if s.End, err = strconv.Atoi(text); err != nil {
			return fmt.Errorf("the dataset's end_of_text is %q, not a token id", text)
		}
	}
	source, target := ir.T(ir.I32, s.Rows, s.Source), ir.T(ir.I32, s.Rows, s.Target)
	if s.fields, err = Fields(r.Inputs, map[string]ir.Type{
		"input_ids": source, "segment_ids": source, "decoder_input_ids": target, "decoder_segment_ids": target,
	}, ir.Param{Name: "labels", Type: target}); err != nil {
		return err
	}
	s.loss, err = TokenLoss(hidden, embedding)
	return err
}

// NeedEnd checks that there is a token that ends a text.
func (s *Seq2Seq) NeedEnd() error {
	if s.End < 0 || s.End >= s.Vocab {
		return config.Wrong("eos_token_id", "%d is outside the model's vocabulary 0 to %d; the dataset's end_of_text is not known either", s.End, s.Vocab-1)
	}
	return nil
}

// Loss and Batch are those of plugin.Binding.
func (s *Seq2Seq) Loss() *ir.Func { return s.loss }

// Batch lists the fields.
func (s *Seq2Seq) Batch() []ir.Param { return s.fields }

// Put fills row r with a source of at most Source tokens and a target of at
// most Target: the decoder gets the target one place later, after Start, and
// padding is in a segment of its own and has no label.
func (s *Seq2Seq) Put(b Buffers, r int, source, target []int32) {
	for i := range s.Source {
		id, segment := int32(s.Pad), int32(-1)
		if i < len(source) {
			id, segment = source[i], 0
		}
		b.PutInt("input_ids", r*s.Source+i, id)
		b.PutInt("segment_ids", r*s.Source+i, segment)
	}
	before := int32(s.Start)
	for i := range s.Target {
		label := int32(IgnoreIndex)
		if i < len(target) {
			label = target[i]
		}
		k := r*s.Target + i
		b.PutInt("decoder_input_ids", k, before)
		b.PutInt("decoder_segment_ids", k, 0) // what follows the target sees it and is not seen
		b.PutInt("labels", k, label)
		if before = label; label == IgnoreIndex {
			before = int32(s.Pad)
		}
	}
}

// Tokens returns the rows' tokens of a column, each of which must be known.
func Tokens(values []int32, length, known int) error {
	for i, id := range values {
		if id < 0 || int(id) >= known {
			return fmt.Errorf("row %d, token %d is %d, outside the vocabulary 0 to %d", i/length, i%length, id, known-1)
		}
	}
	return nil
}

// TokenLoss is the sum over labels i32[B,S] that count of -log p(label), with
// logits hidden [B,S,E] times embedding [V,E] transposed.
func TokenLoss(hidden, embedding ir.Type) (*ir.Func, error) {
	n := hidden.Shape[0] * hidden.Shape[1]
	b := ir.NewBuilder("loss")
	h, e := b.Param("hidden", hidden), b.Param("output_embedding", embedding)
	labels := b.Reshape(b.Param("labels", ir.T(ir.I32, hidden.Shape[0], hidden.Shape[1])), n)
	rows := b.LinearCrossEntropy(b.Reshape(h, n, hidden.Shape[2]), e, labels, IgnoreIndex, 0)
	counts := b.Compare("ne", labels, b.Full(b.Type(labels), IgnoreIndex))
	b.Return("loss", b.ReduceSum(rows, 0))
	b.Return("weight", b.ReduceSum(b.Convert(counts, ir.F32), 0))
	return b.Func()
}
