package classification

import (
	"context"
	"fmt"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/abi/plugin/batch"
	"github.com/seedbed/seedbed/abi/plugin/config"
)

// Objective is the plugin classification.
type Objective struct{}

var _ plugin.Objective = Objective{}

// Info describes the plugin.
func (Objective) Info() plugin.Info {
	return plugin.Info{Name: "classification", Version: "1.0.0", Doc: "predicts the class of an image", Roles: []string{"image_classifier"}}
}

type binding struct {
	labelled
	mixup, cutmix float64
	images        batch.Images
	shape         ir.Type // of pixel_values
	fields        []ir.Param
}

func (b *binding) Batch() []ir.Param { return b.fields }

// Metrics says what the loss returns beside loss and weight.
func (b *binding) Metrics() []plugin.Metric { return metrics("images") }

// Bind needs a model of role image_classifier: input pixel_values
// (f32[B,C,H,W]), output logits (f32[B,K]). Rows have a column image (see
// batch.Images), and label, int32 below K, or targets,
// fixed_size_list<float32>[K], the probability of each class.
func (Objective) Bind(_ context.Context, r plugin.BindRequest) (plugin.Binding, error) {
	b := &binding{}
	err := config.Read(r.Config, nil, append([]config.Field{
		b.labelled.field(),
		// Parameters of the Beta distributions of mixing, 0 for none; with both,
		// each batch has one of them.
		config.Float("mixup_alpha", &b.mixup, 0, 0, 2),
		config.Float("cutmix_alpha", &b.cutmix, 0, 0, 2),
	}, b.images.Fields("none", "crop", "crop_flip")...)...)
	if err != nil {
		return nil, err
	}
	if r.Role != "image_classifier" {
		return nil, fmt.Errorf("objective classification needs a model of role image_classifier, not %q", r.Role)
	}
	if b.shape, err = batch.Input(r.Inputs, "pixel_values"); err != nil {
		return nil, err
	}
	if err = b.images.Bind(r.Rows, b.shape); err != nil {
		return nil, err
	}
	targets, err := b.bind(r)
	switch n := b.shape.Shape[0]; {
	case err != nil:
		return nil, err
	case b.rows != n:
		return nil, fmt.Errorf("the model's pixel_values are %v and its logits %v: their batches differ", b.shape, targets.Type)
	case n < 2 && b.mixup+b.cutmix > 0:
		return nil, config.Wrong("mixup_alpha", "and cutmix_alpha mix images of a grain, which has but one")
	}
	b.fields, err = batch.Fields(r.Inputs, map[string]ir.Type{"pixel_values": b.shape}, targets)
	return b, err
}

// Transform fills pixel_values with the images and targets with the
// probability of each class; smoothed and mixed unless they are evaluated.
func (b *binding) Transform(ctx context.Context, rows arrow.Record, at plugin.Position, fields [][]byte) error {
	buffers, err := batch.Open(rows, b.rows, b.fields, fields)
	if err != nil {
		return fmt.Errorf("classification: %w", err)
	}
	if err := b.images.Put(ctx, rows, at, 0, buffers["pixel_values"]); err != nil {
		return fmt.Errorf("classification: %w", err)
	}
	targets, err := b.read(rows, at)
	if err != nil {
		return fmt.Errorf("classification: %w", err)
	}
	if b.mixup+b.cutmix > 0 && !at.Evaluating() {
		b.mix(buffers["pixel_values"], targets, at)
	}
	for i, v := range targets {
		buffers.PutFloat("targets", i, v)
	}
	return nil
}
