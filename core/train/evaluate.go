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
	// RestModule and RestBinding take the rows after the last whole grain, all
	// of them at once. Without a RestModule these are left out.
	RestModule  *plugin.Module
	RestBinding plugin.Binding

	Device device.Device
	// Prefetch is how many batches may be made ahead of their use. Default 2.
	Prefetch int
	// NewFields gives the memory of batches, of which there are Prefetch + 2 at
	// a time. Default: the heap.
	NewFields NewFields
}

// Evaluation is what a model does on rows that it does not learn from.
type Evaluation struct {
	Rows    int64
	LeftOut int64              // rows that no grain has
	Loss    float64            // mean over Weight, such as nats a token
	Weight  float64            // what Loss is a mean over, such as tokens
	Sums    map[string]float64 // the other results of the loss
}

// Evaluator evaluates parameters on a fixed set of rows.
type Evaluator struct {
	c     EvaluationConfig
	parts []part
}

// part are grains of the same number of rows, which follow each other.
type part struct {
	binding plugin.Binding
	program *program
	first   uint64 // number of its first grain
	grains  uint64
	from    int64 // its first row
	rows    int64 // of a grain
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
	if c.GrainRows < 1 || c.Prefetch < 1 {
		return nil, fmt.Errorf("evaluation: %d rows a grain, prefetch %d: out of range", c.GrainRows, c.Prefetch)
	}
	rows := int64(c.GrainRows)
	grains := c.Rows.Len() / rows
	if grains == 0 {
		return nil, fmt.Errorf("evaluation: there are %d rows, and a grain has %d", c.Rows.Len(), rows)
	}
	e := &Evaluator{c: c}
	if err := e.add(ctx, c.Module, part{binding: c.Binding, grains: uint64(grains), rows: rows}); err != nil {
		return nil, err
	}
	if rest := c.Rows.Len() % rows; rest > 0 && c.RestModule != nil {
		if err := e.add(ctx, c.RestModule, part{binding: c.RestBinding, first: uint64(grains), grains: 1, from: grains * rows, rows: rest}); err != nil {
			e.Close()
			return nil, err
		}
	}
	return e, nil
}

// add compiles what evaluates the grains of a part.
func (e *Evaluator) add(ctx context.Context, m *plugin.Module, p part) error {
	f, err := step.Evaluation(m, p.binding.Loss(), p.binding.Batch())
	if err != nil {
		return err
	}
	var host []string
	for _, r := range f.Results {
		host = append(host, r.Name)
	}
	if p.program, err = compile(ctx, e.c.Device, f, host); err != nil {
		return err
	}
	e.parts = append(e.parts, p)
	return nil
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
	for i := range e.parts {
		if err := e.run(ctx, &e.parts[i], parameters, &r); err != nil {
			return r, err
		}
	}
	r.LeftOut = e.c.Rows.Len() - r.Rows
	if !(r.Weight > 0) {
		return r, fmt.Errorf("evaluation: the rows have weight %v: nothing in them counts", r.Weight)
	}
	r.Loss /= r.Weight
	return r, nil
}

// run adds what the grains of a part give.
func (e *Evaluator) run(ctx context.Context, p *part, parameters tensors, r *Evaluation) error {
	all := newBatches(ctx, source{binding: p.binding, rows: e.c.Rows, newFields: e.c.NewFields, grain: func(n uint64) (plugin.Position, []int64) {
		if n == p.grains {
			return plugin.Position{}, nil
		}
		l := make([]int64, p.rows)
		for i := range l {
			l[i] = p.from + int64(n)*p.rows + int64(i)
		}
		return plugin.Position{Seed: e.c.Seed, Step: plugin.EvaluationStep, Grain: p.first + n}, l
	}}, 0, e.c.Prefetch, inFlight)
	defer all.close()

	failed := func(n uint64, err error) error { return fmt.Errorf("evaluation: grain %d: %w", p.first+n+1, err) }
	type queued struct {
		run   device.Run
		batch *batch
	}
	var runs []queued
	for n := uint64(0); n < p.grains; n++ {
		for len(runs) < inFlight && n+uint64(len(runs)) < p.grains {
			grain := n + uint64(len(runs))
			x, err := all.next(ctx)
			if err != nil {
				return failed(grain, err)
			}
			_, run, err := p.program.queue(ctx, grainArguments(parameters, p.binding.Batch(), x, nil))
			if err != nil {
				return failed(grain, err)
			}
			runs = append(runs, queued{run, x})
		}
		data, err := runs[0].run.Wait(ctx)
		if err != nil {
			return failed(n, err)
		}
		all.giveBack(runs[0].batch)
		runs = runs[1:]
		sums, err := scalars(p.program.results, data)
		if err != nil {
			return failed(n, err)
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
	}
	r.Rows += int64(p.grains) * p.rows
	return nil
}

// Memory says what a Run takes beside the parameters.
func (e *Evaluator) Memory() (m MemoryPlan) {
	for _, p := range e.parts {
		x := p.program.Program.Memory()
		m.Scratch, m.Results = max(m.Scratch, x.Scratch), max(m.Results, x.Results)
		m.Batches = max(m.Batches, batchesOf(p.binding.Batch(), e.c.Prefetch+inFlight))
	}
	return m
}

// Close frees what the evaluator holds on the device.
func (e *Evaluator) Close() {
	for _, p := range e.parts {
		p.program.Release()
	}
}

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
