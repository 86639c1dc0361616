package token_prior

import (
	"context"
	"fmt"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/abi/plugin/batch"
	"github.com/seedbed/seedbed/abi/plugin/config"
)

// Objective is the plugin.
type Objective struct{}

var _ plugin.Objective = Objective{}

// Info describes the plugin.
func (Objective) Info() plugin.Info {
	return plugin.Info{Name: "token_prior", Version: "1.0.0", Doc: "predicts a text and then the codes of its image", Roles: []string{"token_prior"}}
}

// part is one of the two sequences of a row.
type part struct {
	input          string
	column, length int
	known          int // ids are below it
}

type binding struct {
	rows        int
	text, image part
	fields      []ir.Param
	loss        *ir.Func
}

func (b *binding) Loss() *ir.Func    { return b.loss }
func (b *binding) Batch() []ir.Param { return b.fields }

// Metrics says what the loss returns beside loss and weight.
func (b *binding) Metrics() []plugin.Metric {
	return []plugin.Metric{
		{Name: "text_loss", Doc: "nats a token", PerWeight: true},
		{Name: "image_loss", Doc: "nats a code", PerWeight: true},
	}
}

// Bind needs a model of role token_prior: inputs text_ids (i32[B,T]) and
// image_codes (i32[B,N]), outputs text_logits (f32[B,T,V]) and image_logits
// (f32[B,N,K]). Rows have columns tokens and codes, fixed_size_list<int32> of
// at least T and of N.
func (Objective) Bind(_ context.Context, r plugin.BindRequest) (plugin.Binding, error) {
	weight := 0.0
	err := config.Read(r.Config, nil, config.Float("text_weight", &weight, 0.125, 0, 1)) // the image's is the rest
	if err != nil {
		return nil, err
	}
	if r.Role != "token_prior" {
		return nil, fmt.Errorf("objective token_prior needs a model of role token_prior, not %q", r.Role)
	}
	text, err := batch.Output(r.Outputs, "text_logits", 3)
	if err != nil {
		return nil, err
	}
	image, err := batch.Output(r.Outputs, "image_logits", 3)
	if err != nil {
		return nil, err
	}
	if text.Shape[0] != image.Shape[0] {
		return nil, fmt.Errorf("the model's text_logits are %v and its image_logits %v: their batches differ", text, image)
	}
	b := &binding{rows: text.Shape[0], text: part{input: "text_ids", known: text.Shape[2]}, image: part{input: "image_codes", known: image.Shape[2]}}
	for _, p := range []struct {
		*part
		column string
		least  int
	}{{&b.text, "tokens", text.Shape[1]}, {&b.image, "codes", image.Shape[1]}} {
		if p.part.column, p.length, err = batch.NeedLists(r.Rows, p.column, arrow.PrimitiveTypes.Int32, p.least); err != nil {
			return nil, err
		}
	}
	if b.image.length != image.Shape[1] {
		return nil, fmt.Errorf("the dataset's images have %d codes, the model's %d", b.image.length, image.Shape[1])
	}
	ids := func(t ir.Type) ir.Type { return ir.T(ir.I32, t.Shape[:2]...) }
	if b.fields, err = batch.Fields(r.Inputs, map[string]ir.Type{"text_ids": ids(text), "image_codes": ids(image)}); err != nil {
		return nil, err
	}
	f := ir.NewBuilder("loss")
	a, c := f.Param("text_logits", text), f.Param("image_logits", image)
	x, y := f.Param("text_ids", ids(text)), f.Param("image_codes", ids(image))
	// Of each row the mean over its tokens, so that the sums count rows.
	mean := func(logits, labels ir.Value) ir.Value {
		t := f.Type(logits)
		rows := f.CrossEntropy(f.Reshape(logits, t.Shape[0]*t.Shape[1], t.Shape[2]), f.Reshape(labels, t.Shape[0]*t.Shape[1]), batch.IgnoreIndex, 0)
		return f.Div(f.ReduceSum(rows, 0), f.Const(ir.F32, float64(t.Shape[1])))
	}
	textLoss, imageLoss := mean(a, x), mean(c, y)
	f.Return("loss", f.Add(f.Scale(textLoss, weight), f.Scale(imageLoss, 1-weight)))
	f.Return("weight", f.Const(ir.F32, float64(b.rows)))
	f.Return("text_loss", textLoss)
	f.Return("image_loss", imageLoss)
	b.loss, err = f.Func()
	return b, err
}

// Transform takes the first T tokens of each row, and its codes.
func (b *binding) Transform(_ context.Context, rows arrow.Record, _ plugin.Position, fields [][]byte) error {
	buffers, err := batch.Open(rows, b.rows, b.fields, fields)
	if err != nil {
		return fmt.Errorf("token_prior: %w", err)
	}
	for _, p := range []part{b.text, b.image} {
		ids, err := batch.IntLists(rows, p.column, p.length)
		if err == nil {
			err = batch.Tokens(ids, p.length, p.known)
		}
		if err != nil {
			return fmt.Errorf("token_prior: %s: %w", p.input, err)
		}
		n := len(buffers[p.input]) / 4 / b.rows
		for r := range b.rows {
			for i := range n {
				buffers.PutInt(p.input, r*n+i, ids[r*p.length+i])
			}
		}
	}
	return nil
}
