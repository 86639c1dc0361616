package classification

import (
	"fmt"
	"strconv"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/abi/plugin/batch"
	"github.com/seedbed/seedbed/abi/plugin/config"
)

// labelled is the classes of rows, and the loss of a model that predicts them.
type labelled struct {
	smoothing       float64
	rows, classes   int
	column, targets int // of label and of targets; one of them is -1
	loss            *ir.Func
}

func (l *labelled) field() config.Field {
	// The part of a label that all classes share.
	return config.Float("label_smoothing", &l.smoothing, 0, 0, 0.99)
}

func (l *labelled) Loss() *ir.Func { return l.loss }

func metrics(what string) []plugin.Metric {
	return []plugin.Metric{{Name: "accuracy", Doc: "part of the " + what + " whose likeliest class is right", PerWeight: true}}
}

// bind finds the classes in rows and writes the loss of logits f32[B,K]. It
// returns the field of the batch that the loss takes.
func (l *labelled) bind(r plugin.BindRequest) (targets ir.Param, err error) {
	logits, err := batch.Output(r.Outputs, "logits", 2)
	if err != nil {
		return ir.Param{}, err
	}
	l.rows, l.classes, l.column = logits.Shape[0], logits.Shape[1], -1
	if l.targets, err = batch.Column(r.Rows, "targets"); err != nil {
		return ir.Param{}, err
	}
	if l.targets >= 0 {
		_, n, err := batch.NeedLists(r.Rows, "targets", arrow.PrimitiveTypes.Float32, 1)
		if err != nil {
			return ir.Param{}, err
		}
		if n != l.classes {
			return ir.Param{}, fmt.Errorf("the dataset's column \"targets\" has %d classes, the model %d", n, l.classes)
		}
	} else {
		if l.column, err = batch.Need(r.Rows, "label"); err != nil {
			return ir.Param{}, err
		}
		if t := r.Rows.Field(l.column).Type; t.ID() != arrow.INT32 {
			return ir.Param{}, fmt.Errorf("the dataset's column \"label\" is %v; needs int32", t)
		}
	}
	if text, ok := r.Properties["classes"]; ok {
		if n, err := strconv.Atoi(text); err != nil || n > l.classes {
			return ir.Param{}, fmt.Errorf("the dataset has %s classes, the model %d; raise the model's num_labels", text, l.classes)
		}
	}
	targets = ir.Param{Name: "targets", Type: ir.T(ir.F32, logits.Shape...)}
	f := ir.NewBuilder("loss")
	x, y := f.Param("logits", logits), f.Param("targets", targets.Type)
	f.Return("loss", f.Negate(f.ReduceDot(y, f.LogSoftmax(x), 0, 1)))
	f.Return("weight", f.Const(ir.F32, float64(l.rows)))
	hits := f.Compare("eq", f.Argmax(x, 1), f.Argmax(y, 1))
	f.Return("accuracy", f.ReduceSum(f.Convert(hits, ir.F32), 0))
	l.loss, err = f.Func()
	return targets, err
}

// read returns the probability of each class of each row, smoothed unless they
// are evaluated.
func (l *labelled) read(rows arrow.Record, at plugin.Position) ([]float32, error) {
	targets, err := l.plain(rows)
	if err != nil || at.Evaluating() {
		return targets, err
	}
	rest := float32(l.smoothing / float64(l.classes))
	for i, v := range targets {
		targets[i] = float32(v*float32(1-l.smoothing)) + rest
	}
	return targets, nil
}

func (l *labelled) plain(rows arrow.Record) ([]float32, error) {
	if l.targets >= 0 {
		targets, err := batch.FloatLists(rows, l.targets, l.classes)
		if err != nil {
			return nil, err
		}
		for i, v := range targets {
			if !(v >= 0 && v <= 1) {
				return nil, fmt.Errorf("row %d: the target of class %d is %v, not a probability", i/l.classes, i%l.classes, v)
			}
		}
		return targets, nil
	}
	if l.column >= int(rows.NumCols()) {
		return nil, fmt.Errorf("the rows have %d columns, fewer than the dataset's schema", rows.NumCols())
	}
	labels, ok := rows.Column(l.column).(*array.Int32)
	if !ok || labels.NullN() > 0 {
		return nil, fmt.Errorf("column \"label\" is %v with %d missing, not int32", rows.Column(l.column).DataType(), rows.Column(l.column).NullN())
	}
	targets := make([]float32, labels.Len()*l.classes)
	for r, label := range labels.Int32Values() {
		if label < 0 || int(label) >= l.classes {
			return nil, fmt.Errorf("row %d has label %d; the model has classes 0 to %d", r, label, l.classes-1)
		}
		targets[r*l.classes+int(label)] = 1
	}
	return targets, nil
}
