package classification

import (
	"context"
	"fmt"
	"strconv"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/abi/plugin/batch"
	"github.com/seedbed/seedbed/abi/plugin/config"
)

// settings are the objective's configuration.
type settings struct {
	smoothing, mixup, cutmix float64
}

func (c *settings) fields() []config.Field {
	return []config.Field{
		// The part of a label that all classes share.
		config.Float("label_smoothing", &c.smoothing, 0, 0, 0.99),
		// Parameters of the Beta distributions of mixing, 0 for none; with both,
		// each batch has one of them.
		config.Float("mixup_alpha", &c.mixup, 0, 0, 2),
		config.Float("cutmix_alpha", &c.cutmix, 0, 0, 2),
	}
}

// Objective is the plugin.
type Objective struct{}

var _ plugin.Objective = Objective{}

// Info describes the plugin.
func (Objective) Info() plugin.Info {
	return plugin.Info{Name: "classification", Version: "1.0.0", Doc: "predicts the class of an image", Roles: []string{"image_classifier"}}
}

type binding struct {
	settings
	images         batch.Images
	shape          ir.Type // of pixel_values
	classes        int
	label, targets int // columns; one of them is -1
	fields         []ir.Param
	loss           *ir.Func
}

func (b *binding) Loss() *ir.Func    { return b.loss }
func (b *binding) Batch() []ir.Param { return b.fields }

// Metrics says what the loss returns beside loss and weight.
func (b *binding) Metrics() []plugin.Metric {
	return []plugin.Metric{{Name: "accuracy", Doc: "part of the images whose likeliest class is right", PerWeight: true}}
}

// Bind needs a model of role image_classifier: input pixel_values
// (f32[B,C,H,W]), output logits (f32[B,K]). Rows have a column image (see
// batch.Images), and label, int32 below K, or targets,
// fixed_size_list<float32>[K], the probability of each class.
func (Objective) Bind(_ context.Context, r plugin.BindRequest) (plugin.Binding, error) {
	b := &binding{}
	err := config.Read(r.Config, nil, append(b.settings.fields(), b.images.Fields("none", "crop", "crop_flip")...)...)
	if err != nil {
		return nil, err
	}
	if r.Role != "image_classifier" {
		return nil, fmt.Errorf("objective classification needs a model of role image_classifier, not %q", r.Role)
	}
	logits, err := batch.Output(r.Outputs, "logits", 2)
	if err != nil {
		return nil, err
	}
	if b.shape, err = batch.Input(r.Inputs, "pixel_values"); err != nil {
		return nil, err
	}
	if b.classes = logits.Shape[1]; logits.Shape[0] != b.shape.Shape[0] {
		return nil, fmt.Errorf("the model's pixel_values are %v and its logits %v: their batches differ", b.shape, logits)
	}
	if b.shape.Shape[0] < 2 && b.mixup+b.cutmix > 0 {
		return nil, config.Wrong("mixup_alpha", "and cutmix_alpha mix images of a grain, which has but one")
	}
	if err = b.images.Bind(r.Rows, b.shape); err != nil {
		return nil, err
	}
	if b.targets, err = batch.Column(r.Rows, "targets"); err != nil {
		return nil, err
	}
	b.label = -1
	if b.targets >= 0 {
		_, n, err := batch.NeedLists(r.Rows, "targets", arrow.PrimitiveTypes.Float32, 1)
		if err != nil {
			return nil, err
		}
		if n != b.classes {
			return nil, fmt.Errorf("the dataset's column \"targets\" has %d classes, the model %d", n, b.classes)
		}
	} else {
		if b.label, err = batch.Need(r.Rows, "label"); err != nil {
			return nil, err
		}
		if t := r.Rows.Field(b.label).Type; t.ID() != arrow.INT32 {
			return nil, fmt.Errorf("the dataset's column \"label\" is %v; needs int32", t)
		}
	}
	if text, ok := r.Properties["classes"]; ok {
		if n, err := strconv.Atoi(text); err != nil || n > b.classes {
			return nil, fmt.Errorf("the dataset has %s classes, the model %d; raise the model's num_labels", text, b.classes)
		}
	}
	targets := ir.Param{Name: "targets", Type: ir.T(ir.F32, logits.Shape...)}
	if b.fields, err = batch.Fields(r.Inputs, map[string]ir.Type{"pixel_values": b.shape}, targets); err != nil {
		return nil, err
	}
	f := ir.NewBuilder("loss")
	x, y := f.Param("logits", logits), f.Param("targets", targets.Type)
	f.Return("loss", f.Negate(f.ReduceDot(y, f.LogSoftmax(x), 0, 1)))
	f.Return("weight", f.Const(ir.F32, float64(logits.Shape[0])))
	hits := f.Compare("eq", f.Argmax(x, 1), f.Argmax(y, 1))
	f.Return("accuracy", f.ReduceSum(f.Convert(hits, ir.F32), 0))
	b.loss, err = f.Func()
	return b, err
}

// Transform fills pixel_values with the images and targets with the
// probability of each class; smoothed and mixed unless they are evaluated.
func (b *binding) Transform(ctx context.Context, rows arrow.Record, at plugin.Position, fields [][]byte) error {
	n := b.shape.Shape[0]
	buffers, err := batch.Open(rows, n, b.fields, fields)
	if err != nil {
		return fmt.Errorf("classification: %w", err)
	}
	if err := b.images.Put(ctx, rows, at, 0, buffers["pixel_values"]); err != nil {
		return fmt.Errorf("classification: %w", err)
	}
	targets, err := b.read(rows)
	if err != nil {
		return fmt.Errorf("classification: %w", err)
	}
	if !at.Evaluating() {
		for i, v := range targets {
			rest := float32(b.smoothing / float64(b.classes))
			targets[i] = float32(v*float32(1-b.smoothing)) + rest
		}
		if b.mixup+b.cutmix > 0 {
			b.mix(buffers["pixel_values"], targets, at)
		}
	}
	for i, v := range targets {
		buffers.PutFloat("targets", i, v)
	}
	return nil
}

// read returns the probability of each class of each row.
func (b *binding) read(rows arrow.Record) ([]float32, error) {
	if b.targets >= 0 {
		targets, err := batch.FloatLists(rows, b.targets, b.classes)
		if err != nil {
			return nil, err
		}
		for i, v := range targets {
			if !(v >= 0 && v <= 1) {
				return nil, fmt.Errorf("row %d: the target of class %d is %v, not a probability", i/b.classes, i%b.classes, v)
			}
		}
		return targets, nil
	}
	if b.label >= int(rows.NumCols()) {
		return nil, fmt.Errorf("the rows have %d columns, fewer than the dataset's schema", rows.NumCols())
	}
	labels, ok := rows.Column(b.label).(*array.Int32)
	if !ok || labels.NullN() > 0 {
		return nil, fmt.Errorf("column \"label\" is %v with %d missing, not int32", rows.Column(b.label).DataType(), rows.Column(b.label).NullN())
	}
	targets := make([]float32, labels.Len()*b.classes)
	for r, label := range labels.Int32Values() {
		if label < 0 || int(label) >= b.classes {
			return nil, fmt.Errorf("row %d has label %d; the model has classes 0 to %d", r, label, b.classes-1)
		}
		targets[r*b.classes+int(label)] = 1
	}
	return targets, nil
}
