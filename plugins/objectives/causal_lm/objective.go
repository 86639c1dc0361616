package causal_lm

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
)

// IgnoreIndex is the label of positions that do not count, as in PyTorch.
const IgnoreIndex = -100

// Config is the objective's configuration.
type Config struct {
	// DocumentBoundaries keeps documents that share a row apart: no token
	// attends to another document, and positions start again with each. Default
	// true. False lets the row be one text, as GPT-2 was trained.
	DocumentBoundaries *bool `json:"document_boundaries,omitempty"`
	// ZLoss is the factor on the squared log of the partition function
	// (Chowdhery et al., arXiv 2204.02311, section 5, where it is 1e-4).
	// Default 0, at most 1.
	ZLoss float64 `json:"z_loss,omitempty"`
}

// Objective is the plugin.
type Objective struct{}

var _ plugin.Objective = Objective{}

// Info describes the plugin.
func (Objective) Info() plugin.Info {
	return plugin.Info{Name: "causal_lm", Version: "1.0.0", Doc: "predicts each token from those before it", Roles: []string{"causal_lm"}}
}

// Bind needs a model of role causal_lm: inputs among input_ids, position_ids
// and segment_ids (i32[B,S]), outputs hidden (f32[B,S,E]) and
// output_embedding (f32[V,E]). Rows have a column tokens, and may have a
// column labels: both fixed_size_list<int32>[S+1], where label i is the one
// that token i has as a target, or IgnoreIndex. Without labels every token is
// its own.
func (Objective) Bind(_ context.Context, r plugin.BindRequest) (plugin.Binding, error) {
	c, err := parse(r.Config)
	if err != nil {
		return nil, err
	}
	if r.Role != "causal_lm" {
		return nil, fmt.Errorf("objective causal_lm needs a model of role causal_lm, not %q", r.Role)
	}
	hidden, err := output(r.Outputs, "hidden", 3)
	if err != nil {
		return nil, err
	}
	embedding, err := output(r.Outputs, "output_embedding", 2)
	if err != nil {
		return nil, err
	}
	if hidden.Shape[2] != embedding.Shape[1] {
		return nil, fmt.Errorf("the model's hidden is %v and its output_embedding %v: their last dimensions differ", hidden, embedding)
	}
	b := &binding{
		batch: hidden.Shape[0], sequence: hidden.Shape[1], vocab: embedding.Shape[0],
		boundaries: c.DocumentBoundaries == nil || *c.DocumentBoundaries,
		endOfText:  -1,
	}
	tokens := ir.T(ir.I32, b.batch, b.sequence)
	b.fields = []ir.Param{{Name: "labels", Type: tokens}}
	for _, in := range r.Inputs {
		if !slices.Contains([]string{"input_ids", "position_ids", "segment_ids"}, in.Name) {
			if in.Name == "state" {
				continue // the host's
			}
			return nil, fmt.Errorf("the model takes an input %q, which objective causal_lm does not make; it makes input_ids, position_ids and segment_ids", in.Name)
		}
		if !in.Type.Equal(tokens) {
			return nil, fmt.Errorf("the model's input %q is %v, which does not fit its hidden %v: want %v", in.Name, in.Type, hidden, tokens)
		}
		b.fields = append(b.fields, in)
	}
	slices.SortFunc(b.fields, func(x, y ir.Param) int { return strings.Compare(x.Name, y.Name) })
	has := func(name string) bool {
		return slices.ContainsFunc(b.fields, func(p ir.Param) bool { return p.Name == name })
	}
	if !has("input_ids") {
		return nil, errors.New("the model takes no input_ids")
	}
	if b.boundaries {
		if !has("segment_ids") {
			return nil, &plugin.ConfigError{Field: "document_boundaries", Msg: "the model takes no segment_ids, so it cannot keep documents apart; set it to false"}
		}
		text, ok := r.Properties["end_of_text"]
		if !ok {
			return nil, &plugin.ConfigError{Field: "document_boundaries", Msg: "the dataset does not say which token ends a document (property end_of_text); set it to false"}
		}
		id, err := strconv.ParseInt(text, 10, 32)
		if err != nil || id < 0 || int(id) >= b.vocab {
			return nil, fmt.Errorf("the dataset's end_of_text %q is not one of the model's tokens 0 to %d", text, b.vocab-1)
		}
		b.endOfText = int32(id)
	}
	if size, ok := r.Properties["vocab_size"]; ok {
		if n, err := strconv.Atoi(size); err != nil || n > b.vocab {
			return nil, fmt.Errorf("the dataset has tokens up to %s, the model only %d; raise the model's vocab_size", size, b.vocab)
		}
	}
	if b.columns, err = columns(r.Rows, b.sequence+1); err != nil {
		return nil, err
	}
	b.loss, err = loss(hidden, embedding, c.ZLoss)
	return b, err
}

func parse(raw json.RawMessage) (Config, error) {
	var c Config
	if len(raw) == 0 {
		return c, nil
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		var wrong *json.UnmarshalTypeError
		if errors.As(err, &wrong) {
			return c, &plugin.ConfigError{Field: wrong.Field, Msg: fmt.Sprintf("must be a %v, is a %s", wrong.Type, wrong.Value)}
		}
		if field, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
			return c, &plugin.ConfigError{Field: strings.Trim(field, `"`), Msg: "is unknown; the fields are document_boundaries and z_loss"}
		}
		return c, fmt.Errorf("objective causal_lm: config: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return c, errors.New("objective causal_lm: config: more than one JSON value")
	}
	if !(c.ZLoss >= 0 && c.ZLoss <= 1) {
		return c, &plugin.ConfigError{Field: "z_loss", Msg: fmt.Sprintf("must be between 0 and 1, is %v", c.ZLoss)}
	}
	return c, nil
}

func output(outputs []ir.Param, name string, rank int) (ir.Type, error) {
	for _, o := range outputs {
		if o.Name != name {
			continue
		}
		if o.Type.DType != ir.F32 || o.Type.Rank() != rank || o.Type.Elements() == 0 || o.Type.Elements() > math.MaxInt32*64 {
			return ir.Type{}, fmt.Errorf("the model's output %q is %v; objective causal_lm needs f32 of rank %d with at least one element", name, o.Type, rank)
		}
		return o.Type, nil
	}
	return ir.Type{}, fmt.Errorf("the model has no output %q, which objective causal_lm needs", name)
}

// loss is the sum over labels that count of -log p(label).
func loss(hidden, embedding ir.Type, zLoss float64) (*ir.Func, error) {
	n := hidden.Shape[0] * hidden.Shape[1]
	b := ir.NewBuilder("loss")
	h, e := b.Param("hidden", hidden), b.Param("output_embedding", embedding)
	labels := b.Reshape(b.Param("labels", ir.T(ir.I32, hidden.Shape[0], hidden.Shape[1])), n)
	rows := b.LinearCrossEntropy(b.Reshape(h, n, hidden.Shape[2]), e, labels, IgnoreIndex, zLoss)
	counts := b.Compare("ne", labels, b.Full(b.Type(labels), IgnoreIndex))
	b.Return("loss", b.ReduceSum(rows, 0))
	b.Return("weight", b.ReduceSum(b.Convert(counts, ir.F32), 0))
	return b.Func()
}
