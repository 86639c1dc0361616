package train

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/numerics"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/core/device"
	"github.com/seedbed/seedbed/core/initial"
	"github.com/seedbed/seedbed/core/schedule"
	"github.com/seedbed/seedbed/core/step"
	"github.com/seedbed/seedbed/datasets"
)

// Config is everything that a run's result depends on, and, from Device on,
// what changes nothing of it.
type Config struct {
	// Name, Module, Binding and Weight are those of the run's objective, or the
	// first of several; Name and Weight count only where there are More.
	Name    string
	Module  *plugin.Module
	Binding plugin.Binding
	Weight  float64
	// More are further objectives over the same parameters. Gradients are added
	// in this order.
	More []Objective
	// Freeze are patterns of parameters that stay as they begin; see step.Join.
	Freeze []string
	// First returns what a parameter or buffer begins as, f32; nil bytes for its
	// own first values, as all have if First is nil.
	First     func(name string) ([]byte, error)
	Rows      datasets.Dataset
	Optimizer step.Optimizer
	Schedule  schedule.Schedule
	Seed      uint64
	GrainRows int // rows a grain
	Grains    int // grains a step; GrainRows * Grains is the batch size
	// Shards is the number of chains that a step's grains form, consecutive and
	// of equal length (rule 9); it divides Grains. Default 1.
	Shards int

	Device device.Device
	// Prefetch is how many batches may be made ahead of their use. Default 2.
	Prefetch int
	// InFlight is how many steps may be queued on the device: with 2, the
	// default, it goes on with the next step while the host reads the results
	// of the last.
	InFlight int
	// NewFields gives the memory of batches, of which there are
	// Prefetch + InFlight * Grains at a time. Default: the heap.
	NewFields NewFields
}

// Trainer holds a run's state on the device. It is for one goroutine.
type Trainer struct {
	c          Config
	objectives []*objective
	weights    *step.Weights
	state      tensors  // parameters, buffers and optimizer slots
	names      []string // of state: parameters, then buffers, then slots, in order
	types      map[string]ir.Type
	host       []string // scalars that the host gets of a step
	apply      *ir.Func // what update is compiled of
	update     *program // nil before Compile

	queued, done uint64 // steps: queued on the device, and returned by Next
	ready        bool   // the state has values
	err          error  // after which the trainer can only be closed

	pipeline
}

// New prepares a run and compiles its programs.
func New(ctx context.Context, c Config) (*Trainer, error) {
	t, err := Prepare(c)
	if err != nil {
		return nil, err
	}
	if err := t.Compile(ctx); err != nil {
		t.Close()
		return nil, err
	}
	return t, nil
}

// Prepare builds the run's functions. Compile comes next; Memory may be asked
// before it.
func Prepare(c Config) (t *Trainer, err error) {
	if c.Shards == 0 {
		c.Shards = 1
	}
	if c.Prefetch == 0 {
		c.Prefetch = 2
	}
	if c.InFlight == 0 {
		c.InFlight = 2
	}
	if c.NewFields == nil {
		c.NewFields = heapFields
	}
	switch {
	case c.GrainRows < 1 || c.Grains < 1 || c.Prefetch < 1 || c.InFlight < 1:
		return nil, fmt.Errorf("train: %d rows a grain, %d grains, prefetch %d, %d steps in flight: must be positive", c.GrainRows, c.Grains, c.Prefetch, c.InFlight)
	case c.Shards < 1 || c.Grains%c.Shards != 0:
		return nil, fmt.Errorf("train: %d shards do not divide the %d grains of a step", c.Shards, c.Grains)
	}
	if err := c.Schedule.Check(); err != nil {
		return nil, fmt.Errorf("train: schedule: %w", err)
	}
	t = &Trainer{c: c, objectives: c.objectives(), state: tensors{}, types: map[string]ir.Type{}}
	if t.weights, err = c.weights(); err != nil {
		return nil, err
	}
	var parts []step.Objective
	for _, o := range t.objectives {
		if err := o.link(t.weights); err != nil {
			return nil, err
		}
		parts = append(parts, step.Objective{Prefix: o.prefix, First: o.grad, Weight: o.Weight})
	}
	if t.apply, err = step.Update(t.weights, c.Grains, c.Optimizer, parts...); err != nil {
		return nil, err
	}
	t.host = step.HostResults(parts...)
	for _, p := range t.weights.Tensors() {
		t.names = append(t.names, p.Name)
		t.types[p.Name] = p.Type
	}
	for _, slot := range c.Optimizer.Slots() {
		for _, p := range t.weights.Trained() {
			name := step.SlotName(slot, p.Name)
			t.names = append(t.names, name)
			t.types[name] = p.Type
		}
	}
	return t, nil
}

// Compile compiles the run's programs, once. Before the first step, Initialize
// or Restore gives the state its values.
func (t *Trainer) Compile(ctx context.Context) (err error) {
	for _, o := range t.objectives {
		if err := o.compile(ctx, &t.c); err != nil {
			return err
		}
	}
	if t.update, err = compile(ctx, t.c.Device, t.apply, t.host); err != nil {
		return err
	}
	t.start()
	return nil
}

// Weights are what the run trains.
func (t *Trainer) Weights() *step.Weights { return t.weights }

// Step is the number of the step that Next returns next.
func (t *Trainer) Step() uint64 { return t.done }

// Queued is the number of the first step that is not queued yet: the state,
// as Visit and Evaluate see it, is the one before that step.
func (t *Trainer) Queued() uint64 { return t.queued }

// Next returns the metrics of step number Step(). Before it waits for them it
// queues steps below until, so that up to InFlight are on the device. A caller
// that wants to see the state between two steps stops there first: until is
// the number of the second, and Step() has reached it.
//
// After an error, which is that of the first step that failed, the trainer can
// only be closed.
func (t *Trainer) Next(ctx context.Context, until uint64) (Metrics, error) {
	if err := t.usable(); err != nil {
		return Metrics{}, err
	}
	for !t.broken && t.queued < until && t.queued-t.done < uint64(t.c.InFlight) {
		t.queue(ctx)
	}
	if t.done == t.queued {
		return Metrics{}, fmt.Errorf("train: there is no step to wait for: step %d is next, steps below %d are to be queued", t.done, until)
	}
	m, err := t.wait(ctx)
	if err != nil {
		t.err = t.failed(err)
		return m, t.err
	}
	t.done++
	return m, nil
}

// failed is the error of the step that Next waits for, which it counts from 1,
// as all do that people read.
func (t *Trainer) failed(err error) error { return fmt.Errorf("step %d: %w", t.done+1, err) }

func (t *Trainer) usable() error {
	switch {
	case t.err != nil:
		return fmt.Errorf("train: the run has failed, and can only be closed: %w", t.err)
	case !t.ready:
		return errors.New("train: the parameters have no values yet: Initialize or Restore comes first")
	}
	return nil
}

// settled is usable for those who look at the state.
func (t *Trainer) settled() error {
	if err := t.usable(); err != nil {
		return err
	}
	if t.broken {
		return errors.New("train: a step has failed: Next says why")
	}
	return nil
}

// queue queues a step. An error of it comes out of wait, after those of the
// steps before.
func (t *Trainer) queue(ctx context.Context) {
	n := t.queued
	t.queued++
	lr := t.c.Schedule.At(n)
	sums := tensors{}
	for _, o := range t.objectives {
		if o.batches == nil {
			o.batches = newBatches(t.background, t.source(o), n*uint64(t.c.Grains), t.c.Prefetch, t.c.InFlight*t.c.Grains)
		}
		of, err := t.grains(ctx, o)
		if err != nil {
			sums.release()
			t.fail(o.wrap(err))
			return
		}
		for name, b := range of {
			sums[o.prefix+step.SumName(name)] = b
		}
	}
	scalars := t.c.Optimizer.Scalars(lr, n)
	asked := time.Now()
	out, run, err := t.update.queue(ctx, func(name string) plugin.Argument {
		if b, ok := t.state[name]; ok {
			return plugin.Argument{Buffer: b, Donate: true}
		}
		if host, ok := strings.CutPrefix(name, step.HostPrefix); ok {
			return plugin.Argument{Data: bytesOf([]float32{scalars[host]})}
		}
		return plugin.Argument{Buffer: sums[name], Donate: true}
	})
	for _, name := range t.update.params {
		delete(t.state, name) // donated
	}
	if err != nil {
		t.fail(fmt.Errorf("update: %w", err))
		return
	}
	maps.Copy(t.state, out)
	t.follow(flight{run: run, asked: asked, what: "update", step: n, lr: lr, last: true})
}

// grains queues the chains of an objective in a step and their combination.
func (t *Trainer) grains(ctx context.Context, o *objective) (tensors, error) {
	var failed error
	tree := numerics.NewTreeAcc(func(left, right tensors) tensors {
		if failed != nil {
			left.release()
			right.release()
			return nil
		}
		asked := time.Now()
		sum, run, err := o.combine.queue(ctx, func(name string) plugin.Argument {
			if l, ok := strings.CutPrefix(name, "left."); ok {
				return plugin.Argument{Buffer: left[l], Donate: true}
			}
			return plugin.Argument{Buffer: right[strings.TrimPrefix(name, "right.")], Donate: true}
		})
		if err != nil {
			failed = fmt.Errorf("combining chains: %w", err)
			return nil
		}
		t.follow(flight{run: run, asked: asked, what: "combining chains"})
		return sum
	})
	length := t.c.Grains / t.c.Shards
	for chain := range t.c.Shards {
		var sums tensors
		for i := 0; i < length && failed == nil; i++ {
			sums, failed = t.grain(ctx, o, chain*length+i, sums)
		}
		tree.Push(sums)
		if failed != nil {
			break
		}
	}
	sum, _ := tree.Result() // nil if one has failed
	return sum, failed
}

// grain queues a grain, which is added to the sums of its chain; sums is nil
// for the first of a chain.
func (t *Trainer) grain(ctx context.Context, o *objective, grain int, sums tensors) (tensors, error) {
	x, err := o.batches.next(ctx)
	if err == nil && x == nil {
		err = errors.New("the batches have ended")
	}
	if err != nil {
		sums.release()
		return nil, fmt.Errorf("grain %d: %w", grain+1, err)
	}
	p := o.next
	if sums == nil {
		p = o.first
	}
	asked := time.Now()
	out, run, err := p.queue(ctx, grainArguments(t.state, o.Binding.Batch(), x, func(name string) plugin.Argument {
		return plugin.Argument{Buffer: sums[strings.TrimPrefix(name, step.AccPrefix)], Donate: true}
	}))
	what := fmt.Sprintf("grain %d", grain+1)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	t.follow(flight{run: run, asked: asked, what: what, batch: x, to: o.batches})
	return out, nil
}

// grainArguments finds the arguments of a linked function: parameters, fields
// of the batch and step.State; other has the rest.
func grainArguments(parameters tensors, fields []ir.Param, x *batch, other func(name string) plugin.Argument) func(name string) plugin.Argument {
	data := map[string][]byte{step.State: stateBytes(x.at)}
	for i, p := range fields {
		data[p.Name] = x.fields[i]
	}
	return func(name string) plugin.Argument {
		if b, ok := parameters[name]; ok {
			return plugin.Argument{Buffer: b}
		}
		if d, ok := data[name]; ok {
			return plugin.Argument{Data: d}
		}
		return other(name)
	}
}

// source: sample number step * batch + grain * rows + i of the run is the i-th
// row of a grain.
func (t *Trainer) source(o *objective) source {
	order := datasets.Order{Seed: t.c.Seed, Len: t.c.Rows.Len(), Shuffle: true}
	return source{binding: o.Binding, rows: t.c.Rows, newFields: t.c.NewFields, grain: func(n uint64) (plugin.Position, []int64) {
		rows := make([]int64, t.c.GrainRows)
		for i := range rows {
			_, rows[i] = order.At(int64(n)*int64(t.c.GrainRows) + int64(i))
		}
		return plugin.Position{Seed: o.seed, Step: n / uint64(t.c.Grains), Grain: n % uint64(t.c.Grains)}, rows
	}}
}

// Batch is what one objective makes of the rows of a grain.
type Batch struct {
	Objective string // see Objective; empty for the only one of a run
	Grain     int    // of the step, from 0
	At        plugin.Position
	Rows      []int64
	Fields    []ir.Param
	Data      [][]byte // of Fields
}

// Batches makes the batches of step n once more and calls f with each, which
// keeps nothing of it.
func (t *Trainer) Batches(ctx context.Context, n uint64, f func(b Batch) error) error {
	for _, o := range t.objectives {
		all := newBatches(ctx, t.source(o), n*uint64(t.c.Grains), 1, 1)
		defer all.close()
		for grain := range t.c.Grains {
			x, err := all.next(ctx)
			if err == nil && x == nil {
				err = errors.New("the batches have ended")
			}
			if err != nil {
				return o.wrap(fmt.Errorf("grain %d: %w", grain+1, err))
			}
			_, rows := all.grain(n*uint64(t.c.Grains) + uint64(grain))
			err = f(Batch{Objective: strings.TrimSuffix(o.prefix, "."), Grain: grain, At: x.at, Rows: rows, Fields: o.Binding.Batch(), Data: x.fields})
			all.giveBack(x)
			if err != nil {
				return err
			}
		}
	}
	return nil
}

const firstValues = "first_values" // name of a function

// Initialize gives the state its first values: those of the parameters are
// drawn, their running averages begin with the same, buffers are zeros or ones,
// and the optimizer's are zero. The run begins with step 0. What Config.First
// does not give the device makes.
func (t *Trainer) Initialize(ctx context.Context) error {
	return t.set(ctx, 0, func() error {
		b := ir.NewBuilder(firstValues)
		state := b.Param(step.State, ir.T(ir.U32, 4))
		makers := map[string]func() (ir.Value, error){} // of what may be given
		for i, p := range t.weights.Parameters {
			draw := sync.OnceValues(func() (ir.Value, error) { return initial.Value(b, state, p, i) }) // for both
			makers[p.Name], makers[step.SlotName(step.EMASlot, p.Name)] = draw, draw
		}
		for _, x := range t.weights.Buffers {
			makers[x.Name] = func() (ir.Value, error) {
				return initial.Value(b, state, plugin.Parameter{Name: x.Name, Type: x.Type, Init: x.Init}, 0)
			}
		}
		for _, name := range t.names {
			first, ok := makers[name]
			if !ok {
				b.Return(name, b.Zeros(t.types[name]))
				continue
			}
			if t.c.First != nil {
				data, err := t.c.First(strings.TrimPrefix(name, step.SlotName(step.EMASlot, "")))
				if err == nil && data != nil {
					err = t.upload(ctx, name, data)
				}
				if err != nil {
					return err
				}
				if data != nil {
					continue
				}
			}
			v, err := first()
			if err != nil {
				return err
			}
			b.Return(name, v)
		}
		if err := t.compute(ctx, b); err != nil {
			return fmt.Errorf("first values: %w", err)
		}
		return nil
	})
}

// compute runs a function of the state of initial.Step, whose results are tensors of the
// trainer's state.
func (t *Trainer) compute(ctx context.Context, b *ir.Builder) error {
	f, err := b.Func()
	if err != nil {
		return err
	}
	if len(f.Results) == 0 {
		return nil
	}
	p, err := compile(ctx, t.c.Device, f, nil)
	if err != nil {
		return err
	}
	defer p.Release()
	data := stateBytes(plugin.Position{Seed: t.c.Seed, Step: initial.Step})
	out, run, err := p.queue(ctx, func(string) plugin.Argument { return plugin.Argument{Data: data} })
	if err != nil {
		return err
	}
	maps.Copy(t.state, out)
	_, err = run.Wait(ctx)
	return err
}

// Restore puts the run to where Visit found it before the given step. data
// returns each tensor by its name. Metrics of steps that Next has not returned
// are lost.
func (t *Trainer) Restore(ctx context.Context, next uint64, data func(name string, typ ir.Type) ([]byte, error)) error {
	return t.set(ctx, next, func() error {
		for _, name := range t.names {
			x, err := data(name, t.types[name])
			if err != nil {
				return fmt.Errorf("restoring %q: %w", name, err)
			}
			if err := t.upload(ctx, name, x); err != nil {
				return err
			}
		}
		return nil
	})
}

// upload gives a tensor of the state its value.
func (t *Trainer) upload(ctx context.Context, name string, data []byte) error {
	typ := t.types[name]
	if len(data) != typ.Bytes() {
		return fmt.Errorf("restoring %q: %v has %d bytes, is given %d", name, typ, typ.Bytes(), len(data))
	}
	b, err := t.c.Device.Upload(ctx, typ, data)
	if err != nil {
		return fmt.Errorf("uploading %q: %w", name, err)
	}
	t.state[name] = b
	return nil
}

// set puts the run before a step whose state fill makes anew.
func (t *Trainer) set(ctx context.Context, next uint64, fill func() error) error {
	switch {
	case t.err != nil:
		return t.usable()
	case t.update == nil:
		return errors.New("train: the programs are not compiled yet: Compile comes first")
	}
	for t.done < t.queued {
		if _, err := t.wait(ctx); err != nil {
			t.err = t.failed(err)
			return t.err
		}
		t.done++
	}
	t.ready = false
	t.state.release()
	if err := fill(); err != nil {
		return err
	}
	t.stopBatches()
	t.queued, t.done, t.ready = next, next, true
	t.pause()
	return nil
}

// Visit calls f with every parameter, then every buffer, then every tensor of
// the optimizer, in name order within each, as they are before step Queued(). data belongs to f
// until it returns.
func (t *Trainer) Visit(ctx context.Context, f func(name string, typ ir.Type, data []byte) error) error {
	if err := t.settled(); err != nil {
		return err
	}
	defer t.pause()
	var data []byte
	for _, name := range t.names {
		typ := t.types[name]
		if cap(data) < typ.Bytes() {
			data = make([]byte, typ.Bytes())
		}
		data = data[:typ.Bytes()]
		if err := t.state[name].Download(ctx, data); err != nil {
			return fmt.Errorf("downloading %q: %w", name, err)
		}
		if err := f(name, typ, data); err != nil {
			return err
		}
	}
	return nil
}

// Parameter returns a parameter, buffer or slot as it is before step Queued(), nil if
// there is none of the name. It is the trainer's, and gone with the next step
// queued.
func (t *Trainer) Parameter(name string) plugin.Buffer { return t.state[name] }

// Average is Parameter with the running average in the place of a parameter that
// has one.
func (t *Trainer) Average(name string) plugin.Buffer {
	if b, ok := t.state[step.SlotName(step.EMASlot, name)]; ok {
		return b
	}
	return t.state[name]
}

func (t *Trainer) stopBatches() {
	for _, o := range t.objectives {
		if o.batches != nil {
			o.batches.close()
			o.batches = nil
		}
	}
}

// Close frees what the run holds on the device, which stays open. Runs that
// are queued go on, and nothing is known of how they end.
func (t *Trainer) Close() {
	t.stop()
	t.stopBatches()
	t.state.release()
	for _, o := range t.objectives {
		for _, p := range o.programs() {
			p.Release()
		}
		o.first, o.next, o.combine = nil, nil, nil
	}
	if t.update != nil {
		t.update.Release()
		t.update = nil
	}
	if t.err == nil {
		t.err = errors.New("it was closed")
	}
}
