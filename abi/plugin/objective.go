package plugin

import (
	"context"
	"encoding/json"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/seedbed/seedbed/abi/ir"
)

// Objective says what to learn: which batch to make of rows, and which loss.
type Objective interface {
	Info() Info
	// Bind fits the objective to a model and a dataset. A *ConfigError names
	// the field of the configuration that is wrong.
	Bind(ctx context.Context, r BindRequest) (Binding, error)
}

// BindRequest is what an objective is fitted to.
type BindRequest struct {
	Config json.RawMessage // a JSON object, as BuildRequest's
	Role   string
	Dims   map[string]int
	// Inputs and Outputs are those of the model's function of the role.
	Inputs, Outputs []ir.Param
	// Rows is the schema of the dataset.
	Rows *arrow.Schema
	// Properties are facts about the dataset: "end_of_text" is the id of the
	// token that ends a document, "vocab_size" the number of tokens.
	Properties map[string]string
}

// Binding is an objective fitted to a model and a dataset. Transform may be
// called by any number of goroutines at once.
type Binding interface {
	// Loss takes some of the model's outputs and some of the batch's fields by
	// their names. It returns "loss", the sum of the losses f32[], "weight",
	// the number (f32[]) of what it is a sum over, and any other f32[] sums
	// as metrics. The gradient of a step is that of the sum over all grains of
	// loss divided by the sum of weight.
	Loss() *ir.Func
	// Batch lists the fields that Transform fills: the model's inputs and
	// whatever else Loss takes, sorted by name.
	Batch() []ir.Param
	// Transform makes the batch of one grain of rows. fields holds a buffer
	// for each field of Batch, dense, row-major, little-endian, to be filled
	// whole. Whatever is random in it depends on at alone.
	Transform(ctx context.Context, rows arrow.Record, at Position, fields [][]byte) error
}

// Position says where in a run a grain is.
type Position struct {
	Seed  uint64 // of the run
	Step  uint64 // optimizer step, from 0
	Grain uint64 // within the step
}

// EvaluationStep is the step of all evaluations: one that no run reaches, so
// that what is drawn (such as masks) is the same every time and never seen in
// training.
const EvaluationStep = 1<<32 - 2

// Evaluating tells whether the grain is not learned from: an objective then
// leaves out what only makes learning harder, such as crops of images.
func (p Position) Evaluating() bool { return p.Step == EvaluationStep }

// Configured is a Binding that says its whole configuration, defaults
// included, as a JSON object. Of one that does not, it is what Bind was given.
type Configured interface {
	Config() json.RawMessage
}

// Measured is a Binding that says what its metrics are: the results of Loss
// beside "loss" and "weight", in order. Metrics that are not described are
// sums over the step.
type Measured interface {
	Metrics() []Metric
}

// Metric is a quantity that is reported and not learned from.
type Metric struct {
	Name      string // of the result of Loss that holds its sum over a grain
	Doc       string // what people read; at most 256 bytes
	PerWeight bool   // reported divided by the sum of "weight", as the loss is
}
