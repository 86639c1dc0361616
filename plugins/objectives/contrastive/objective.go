package contrastive

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/numerics"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/abi/plugin/batch"
	"github.com/seedbed/seedbed/abi/plugin/config"
)

// Objective is the plugin.
type Objective struct{}

var _ plugin.Objective = Objective{}

// Info describes the plugin.
func (Objective) Info() plugin.Info {
	return plugin.Info{Name: "contrastive", Version: "1.0.0", Doc: "tells which caption belongs to which image", Roles: []string{"dual_encoder"}}
}

type binding struct {
	images         batch.Images
	shape          ir.Type // of pixel_values
	sequence       int
	column, length int // of tokens
	known, end     int
	fields         []ir.Param
	loss           *ir.Func
}

func (b *binding) Loss() *ir.Func    { return b.loss }
func (b *binding) Batch() []ir.Param { return b.fields }

// Metrics says what the loss returns beside loss and weight.
func (b *binding) Metrics() []plugin.Metric {
	return []plugin.Metric{{Name: "accuracy", Doc: fmt.Sprintf("part of the images whose caption is found among %d", b.shape.Shape[0]), PerWeight: true}}
}

// Bind needs a model of role dual_encoder: inputs pixel_values
// (f32[B,C,H,W]), input_ids (i32[B,S]) and text_positions (i32[B]), outputs
// image_embeds and text_embeds (f32[B,D], of length 1) and logit_scale (f32[]).
// Rows have columns image (see batch.Images) and tokens,
// fixed_size_list<int32> of at most S: the caption up to an end token.
func (Objective) Bind(_ context.Context, r plugin.BindRequest) (plugin.Binding, error) {
	b := &binding{}
	most := 0.0
	fields := append(b.images.Fields("none", "crop", "crop_flip"),
		// The largest factor on similarities.
		config.Float("max_logit_scale", &most, 100, 1, 10000),
		config.Int("eos_token_id", &b.end, -1, -1, math.MaxInt32),
	)
	err := config.Read(r.Config, nil, fields...)
	if err != nil {
		return nil, err
	}
	if r.Role != "dual_encoder" {
		return nil, fmt.Errorf("objective contrastive needs a model of role dual_encoder, not %q", r.Role)
	}
	image, err := batch.Output(r.Outputs, "image_embeds", 2)
	if err != nil {
		return nil, err
	}
	text, err := batch.Output(r.Outputs, "text_embeds", 2)
	if err != nil {
		return nil, err
	}
	scale, err := batch.Output(r.Outputs, "logit_scale", 0)
	if err != nil {
		return nil, err
	}
	if b.shape, err = batch.Input(r.Inputs, "pixel_values"); err != nil {
		return nil, err
	}
	n := b.shape.Shape[0]
	if !image.Equal(text) || image.Shape[0] != n {
		return nil, fmt.Errorf("the model's image_embeds are %v, its text_embeds %v and its pixel_values %v: they do not fit", image, text, b.shape)
	}
	if n < 2 {
		return nil, fmt.Errorf("a grain has %d pair of image and caption; telling pairs apart needs at least 2", n)
	}
	for _, in := range r.Inputs {
		if in.Name == "input_ids" && in.Type.Rank() == 2 {
			b.sequence = in.Type.Shape[1]
		}
	}
	if text, ok := r.Properties["end_of_text"]; ok && b.end < 0 {
		if b.end, err = strconv.Atoi(text); err != nil {
			return nil, fmt.Errorf("the dataset's end_of_text is %q, not a token id", text)
		}
	}
	if b.end < 0 {
		return nil, config.Wrong("eos_token_id", "must be given: the dataset does not say which token ends a text (property end_of_text)")
	}
	b.known = math.MaxInt32
	if size, ok := r.Properties["vocab_size"]; ok {
		if b.known, err = strconv.Atoi(size); err != nil {
			return nil, fmt.Errorf("the dataset's vocab_size is %q, not a number", size)
		}
	}
	if err = b.images.Bind(r.Rows, b.shape); err != nil {
		return nil, err
	}
	if b.column, b.length, err = batch.NeedLists(r.Rows, "tokens", arrow.PrimitiveTypes.Int32, 1); err != nil {
		return nil, err
	}
	if b.length > b.sequence {
		return nil, fmt.Errorf("the dataset's captions have %d tokens, the model's input_ids %d", b.length, b.sequence)
	}
	if b.fields, err = batch.Fields(r.Inputs, map[string]ir.Type{
		"pixel_values": b.shape, "input_ids": ir.T(ir.I32, n, b.sequence), "text_positions": ir.T(ir.I32, n),
	}); err != nil {
		return nil, err
	}
	b.loss, err = build(image, scale, most)
	return b, err
}

// build writes the loss: half the cross-entropy of each caption's image and
// half that of each image's caption. The scale is exp(logit_scale), at most
// most, where its gradient ends.
func build(embeds, scale ir.Type, most float64) (*ir.Func, error) {
	f := ir.NewBuilder("loss")
	image, text, log := f.Param("image_embeds", embeds), f.Param("text_embeds", embeds), f.Param("logit_scale", scale)
	n := embeds.Shape[0]
	factor := f.Exp(f.Min(log, f.Full(scale, numerics.Log64(most))))
	logits := f.Linear(text, image) // [text, image]
	logits = f.Mul(logits, f.BroadcastTo(factor, n, n))
	own := f.Iota(ir.T(ir.I32, n), 0)
	toImages := f.CrossEntropy(logits, own, batch.IgnoreIndex, 0)
	toTexts := f.CrossEntropy(f.Transpose(logits, 1, 0), own, batch.IgnoreIndex, 0)
	f.Return("loss", f.Scale(f.ReduceSum(f.Add(toImages, toTexts), 0), 0.5))
	f.Return("weight", f.Const(ir.F32, float64(n)))
	right := f.Compare("eq", f.Argmax(logits, 0), own)
	f.Return("accuracy", f.ReduceSum(f.Convert(right, ir.F32), 0))
	return f.Func()
}

// Transform fills pixel_values with the images and input_ids with the
// captions; text_positions are where their end tokens stand.
func (b *binding) Transform(ctx context.Context, rows arrow.Record, at plugin.Position, fields [][]byte) error {
	n := b.shape.Shape[0]
	buffers, err := batch.Open(rows, n, b.fields, fields)
	if err != nil {
		return fmt.Errorf("contrastive: %w", err)
	}
	if err := b.images.Put(ctx, rows, at, 0, buffers["pixel_values"]); err != nil {
		return fmt.Errorf("contrastive: %w", err)
	}
	tokens, err := batch.IntLists(rows, b.column, b.length)
	if err == nil {
		err = batch.Tokens(tokens, b.length, b.known)
	}
	if err != nil {
		return fmt.Errorf("contrastive: %w", err)
	}
	for r := range n {
		row := tokens[r*b.length:][:b.length]
		end := slices.Index(row, int32(b.end))
		if end < 0 {
			return fmt.Errorf("contrastive: row %d: the caption has no end token %d", r, b.end)
		}
		buffers.PutInt("text_positions", r, int32(end))
		for i := range b.sequence {
			id := int32(0)
			if i < b.length {
				id = row[i]
			}
			buffers.PutInt("input_ids", r*b.sequence+i, id)
		}
	}
	return nil
}
