package train

import (
	"context"
	"fmt"

	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/core/device"
	"github.com/seedbed/seedbed/core/step"
	"github.com/seedbed/seedbed/datasets"
)

// EvaluationConfig says on what a model is evaluated.
type EvaluationConfig struct {
	Module  *plugin.Module
	Binding plugin.Binding
	Rows    datasets.Dataset
	Seed    uint64
	// GrainRows is the number of rows that Module and Binding take at a time.
	GrainRows int
	// MaxRows bounds the rows that are read: the first of the dataset, in whole
	// grains. 0 for no bound.
	MaxRows int64

	Device device.Device
	// Prefetch is how many batches may be made ahead of their use. Default 2.
	Prefetch int
	// NewFields gives the memory of batches, of which there are Prefetch + 2 at
	// a time. Default: the heap.
	NewFields NewFields
}

// Evaluation is what a model does on rows that it does not learn from.
type Evaluation struct {
	Rows   int64
	Loss   float64            // mean over Weight, such as nats a token
	Weight float64            // what Loss is a mean over, such as tokens
	Sums   map[string]float64 // the other results of the loss
}

// Evaluator evaluates parameters on a fixed set of rows.
type Evaluator struct {
	c       EvaluationConfig
	grains  uint64
	program *program
}

// inFlight is how many grains of an evaluation are queued.
const inFlight = 2

// NewEvaluator compiles model and loss without dropout and without gradients.
// It is an error if the dataset has fewer rows than a grain.
func NewEvaluator(ctx context.Context, c EvaluationConfig) (*Evaluator, error) {
	if c.Prefetch == 0 {
		c.Prefetch = 2
	}
	if c.NewFields == nil {
		c.NewFields = heapFields
	}
	if c.GrainRows < 1 || c.Prefetch < 1 || c.MaxRows < 0 {
		return nil, fmt.Errorf("evaluation: %d rows a grain, prefetch %d, at most %d rows: out of range", c.GrainRows, c.Prefetch, c.MaxRows)
	}
	rows := c.Rows.Len()
	if c.MaxRows > 0 {
		rows = min(rows, c.MaxRows)
	}
	e := &Evaluator{c: c, grains: uint64(rows) / uint64(c.GrainRows)}
	if e.grains == 0 {
		return nil, fmt.Errorf("evaluation: there are %d rows, and a grain has %d", rows, c.GrainRows)
	}
	f, err := step.Evaluation(c.Module, c.Binding.Loss(), c.Binding.Batch())
	if err != nil {
		return nil, err
	}
	var host []string
	for _, r := range f.Results {
		host = append(host, r.Name)
	}
	e.program, err = compile(ctx, c.Device, f, host)
	return e, err
}

// Run evaluates parameters and buffers, found by name. The sums of a grain are f32; those
// of the grains are added in float64, in order.
func (e *Evaluator) Run(ctx context.Context, parameter func(name string) plugin.Buffer) (Evaluation, error) {
	r := Evaluation{Sums: map[string]float64{}}
	parameters := tensors{}
	for _, p := range e.c.Module.State() {
		b := parameter(p.Name)
		if b == nil {
			return r, fmt.Errorf("evaluation: there is no parameter or buffer %q", p.Name)
		}
		parameters[p.Name] = b
	}
	rows := uint64(e.c.GrainRows)
	all := newBatches(ctx, source{binding: e.c.Binding, rows: e.c.Rows, newFields: e.c.NewFields, grain: func(n uint64) (plugin.Position, []int64) {
		if n == e.grains {
			return plugin.Position{}, nil
		}
		l := make([]int64, rows)
		for i := range l {
			l[i] = int64(n*rows) + int64(i)
		}
		return plugin.Position{Seed: e.c.Seed, Step: plugin.EvaluationStep, Grain: n}, l
	}}, 0, e.c.Prefetch, inFlight)
	defer all.close()

	type queued struct {
		run   device.Run
		batch *batch
	}
	var runs []queued
	for n := uint64(0); n < e.grains; {
		for len(runs) < inFlight && n+uint64(len(runs)) < e.grains {
			grain := n + uint64(len(runs))
			x, err := all.next(ctx)
			if err != nil {
				return r, fmt.Errorf("evaluation: grain %d: %w", grain+1, err)
			}
			_, run, err := e.program.queue(ctx, grainArguments(parameters, e.c.Binding.Batch(), x, nil))
			if err != nil {
				return r, fmt.Errorf("evaluation: grain %d: %w", grain+1, err)
			}
			runs = append(runs, queued{run, x})
		}
		data, err := runs[0].run.Wait(ctx)
		if err != nil {
			return r, fmt.Errorf("evaluation: grain %d: %w", n+1, err)
		}
		all.giveBack(runs[0].batch)
		runs = runs[1:]
		sums, err := scalars(e.program.results, data)
		if err != nil {
			return r, fmt.Errorf("evaluation: grain %d: %w", n+1, err)
		}
		for name, v := range sums {
			switch name {
			case step.Loss:
				r.Loss += v
			case step.Weight:
				r.Weight += v
			default:
				r.Sums[name] += v
			}
		}
		n++
	}
	r.Rows = int64(e.grains * rows)
	if !(r.Weight > 0) {
		return r, fmt.Errorf("evaluation: the rows have weight %v: nothing in them counts", r.Weight)
	}
	r.Loss /= r.Weight
	return r, nil
}

// Memory says what a Run takes beside the parameters.
func (e *Evaluator) Memory() MemoryPlan {
	m := e.program.Program.Memory()
	return MemoryPlan{Scratch: m.Scratch, Results: m.Results, Batches: batchesOf(e.c.Binding.Batch(), e.c.Prefetch+inFlight)}
}

// Close frees what the evaluator holds on the device.
func (e *Evaluator) Close() { e.program.Release() }

// Evaluate evaluates the run's parameters as they are before step Queued().
func (t *Trainer) Evaluate(ctx context.Context, e *Evaluator) (Evaluation, error) {
	if err := t.settled(); err != nil {
		return Evaluation{}, err
	}
	defer t.pause()
	return e.Run(ctx, t.Parameter)
}

// EvaluateAverage evaluates the running averages of the run's parameters.
func (t *Trainer) EvaluateAverage(ctx context.Context, e *Evaluator) (Evaluation, error) {
	if err := t.settled(); err != nil {
		return Evaluation{}, err
	}
	defer t.pause()
	return e.Run(ctx, t.Average)
}
