package train

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/numerics"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/core/grad"
	"github.com/seedbed/seedbed/core/initial"
	"github.com/seedbed/seedbed/core/schedule"
	"github.com/seedbed/seedbed/core/step"
	"github.com/seedbed/seedbed/datasets"
)

// Config is everything that a run's result depends on, the backend and
// Prefetch excepted, which change nothing.
type Config struct {
	Module    *plugin.Module
	Binding   plugin.Binding
	Rows      datasets.Dataset
	Optimizer step.Optimizer
	Schedule  schedule.Schedule
	Seed      uint64
	GrainRows int // rows a grain
	Grains    int // grains a step; GrainRows * Grains is the batch size
	// Shards is the number of chains that a step's grains form, consecutive and
	// of equal length (rule 9); it divides Grains. Default 1.
	Shards int

	Backend plugin.Backend
	// Prefetch is how many batches wait ready. Default 2.
	Prefetch int
}

// Metrics are what a step tells.
type Metrics struct {
	Step     uint64  // counted from 0
	Loss     float64 // mean over the step's weight
	Weight   float64 // what Loss is a mean over, such as tokens
	GradNorm float64 // of the mean gradient, before clipping
	LR       float64
	// Sums are the other results of the loss, summed over the step.
	Sums map[string]float64
}

// Trainer holds a run's state on the backend. It is for one goroutine.
type Trainer struct {
	c       Config
	step    uint64
	state   map[string]plugin.Buffer // parameters and optimizer slots
	names   []string                 // of state: parameters, then slots, in order
	types   map[string]ir.Type
	batches *batches

	first, next, combine, update *program
}

// program is a compiled function and the names of what it takes and gives.
type program struct {
	plugin.Executable
	params, results []string
}

// New compiles the run's programs and uploads the first values of its
// parameters.
func New(ctx context.Context, c Config) (t *Trainer, err error) {
	if c.Shards == 0 {
		c.Shards = 1
	}
	if c.Prefetch == 0 {
		c.Prefetch = 2
	}
	switch {
	case c.GrainRows < 1 || c.Grains < 1 || c.Prefetch < 0:
		return nil, fmt.Errorf("train: %d rows a grain, %d grains, prefetch %d: must be positive", c.GrainRows, c.Grains, c.Prefetch)
	case c.Shards < 1 || c.Grains%c.Shards != 0:
		return nil, fmt.Errorf("train: %d shards do not divide the %d grains of a step", c.Shards, c.Grains)
	}
	if err := c.Schedule.Check(); err != nil {
		return nil, fmt.Errorf("train: schedule: %w", err)
	}
	linked, err := step.Link(c.Module, c.Binding.Loss(), c.Binding.Batch())
	if err != nil {
		return nil, err
	}
	first, next, err := step.Grain(c.Module, linked)
	if err != nil {
		return nil, err
	}
	combine, err := step.Combine(first)
	if err != nil {
		return nil, err
	}
	update, err := step.Update(c.Module, c.Optimizer)
	if err != nil {
		return nil, err
	}
	t = &Trainer{c: c, state: map[string]plugin.Buffer{}, types: map[string]ir.Type{}}
	defer func() {
		if err != nil {
			t.Close()
		}
	}()
	for _, p := range []struct {
		to     **program
		f      *ir.Func
		needed bool
	}{{&t.first, first, true}, {&t.next, next, c.Grains > c.Shards}, {&t.combine, combine, c.Shards > 1}, {&t.update, update, true}} {
		if !p.needed {
			continue
		}
		if *p.to, err = compile(ctx, c.Backend, p.f); err != nil {
			return nil, err
		}
	}
	for i, p := range c.Module.Parameters {
		values, err := initial.Values(p, i, c.Seed)
		if err != nil {
			return nil, err
		}
		if err := t.put(ctx, p.Name, p.Type, bytesOf(values)); err != nil {
			return nil, err
		}
	}
	for _, slot := range c.Optimizer.Slots() {
		for _, p := range c.Module.Parameters {
			if err := t.put(ctx, step.SlotName(slot, p.Name), p.Type, make([]byte, p.Type.Bytes())); err != nil {
				return nil, err
			}
		}
	}
	return t, nil
}

// compile replaces the composites that a backend does not claim by their
// decompositions.
func compile(ctx context.Context, b plugin.Backend, f *ir.Func) (*program, error) {
	info := b.Info()
	claimed := func(op *ir.Op) bool { v, ok := info.Ops[op.Name]; return ok && v == op.Version }
	f, err := ir.Expand(f, claimed)
	if err != nil {
		return nil, err
	}
	for i := range f.Ops {
		if op := &f.Ops[i]; !claimed(op) {
			return nil, &ir.Error{Func: f.Name, Op: i, Name: op.Name, Msg: fmt.Sprintf("backend %s does not run version %d of the op", info.Name, op.Version)}
		}
	}
	e, err := b.Compile(ctx, f)
	if err != nil {
		return nil, fmt.Errorf("backend %s: %w", info.Name, err)
	}
	p := &program{Executable: e}
	for _, x := range f.Params {
		p.params = append(p.params, x.Name)
	}
	for _, r := range f.Results {
		p.results = append(p.results, r.Name)
	}
	return p, nil
}

// run executes a program on arguments found by name.
func (p *program) run(ctx context.Context, args func(name string) plugin.Argument) (map[string]plugin.Buffer, error) {
	in := make([]plugin.Argument, len(p.params))
	for i, name := range p.params {
		in[i] = args(name)
	}
	out, err := p.Execute(ctx, in)
	if err != nil {
		return nil, err
	}
	if len(out) != len(p.results) {
		return nil, fmt.Errorf("the backend returned %d results of %d", len(out), len(p.results))
	}
	results := make(map[string]plugin.Buffer, len(out))
	for i, name := range p.results {
		results[name] = out[i]
	}
	return results, nil
}

func (t *Trainer) put(ctx context.Context, name string, typ ir.Type, data []byte) error {
	b, err := t.c.Backend.Upload(ctx, typ, data)
	if err != nil {
		return fmt.Errorf("uploading %q: %w", name, err)
	}
	if old := t.state[name]; old != nil {
		old.Release()
	} else {
		t.names = append(t.names, name)
	}
	t.state[name], t.types[name] = b, typ
	return nil
}

// NextStep is the number of the step that Step runs next.
func (t *Trainer) NextStep() uint64 { return t.step }

// Step runs one step. After an error the trainer can only be closed.
func (t *Trainer) Step(ctx context.Context) (Metrics, error) {
	if t.batches == nil {
		t.batches = newBatches(context.WithoutCancel(ctx), &t.c, t.step)
	}
	sums, err := t.grains(ctx)
	if err != nil {
		return Metrics{}, err
	}
	lr := t.c.Schedule.At(t.step)
	m := Metrics{Step: t.step, LR: lr, Sums: map[string]float64{}}
	for name, b := range sums {
		if strings.HasPrefix(name, grad.Prefix) {
			continue
		}
		v, err := scalar(ctx, b)
		if err != nil {
			return m, err
		}
		switch name {
		case step.Loss:
			m.Loss = v
		case step.Weight:
			m.Weight = v
		default:
			m.Sums[name] = v
		}
	}
	if !(m.Weight > 0) {
		return m, fmt.Errorf("step %d: the batch has weight %v: nothing in it counts", t.step, m.Weight)
	}
	m.Loss /= m.Weight
	scalars := t.c.Optimizer.Scalars(lr, t.step)
	out, err := t.update.run(ctx, func(name string) plugin.Argument {
		if b, ok := t.state[name]; ok {
			return plugin.Argument{Buffer: b, Donate: true}
		}
		host, ok := strings.CutPrefix(name, step.HostPrefix)
		if !ok {
			return plugin.Argument{Buffer: sums[name], Donate: true}
		}
		if host == step.Weight {
			return plugin.Argument{Buffer: sums[step.Weight], Donate: true}
		}
		return plugin.Argument{Data: bytesOf([]float32{scalars[host]})}
	})
	if err != nil {
		return m, fmt.Errorf("step %d: update: %w", t.step, err)
	}
	for name, b := range sums {
		if name != step.Weight && !strings.HasPrefix(name, grad.Prefix) {
			b.Release()
		}
	}
	for name := range t.state {
		t.state[name] = out[name]
	}
	norm := out[step.HostPrefix+"grad_norm"]
	m.GradNorm, err = scalar(ctx, norm)
	norm.Release()
	t.step++
	return m, err
}

// grains runs the chains of a step and combines them.
func (t *Trainer) grains(ctx context.Context) (map[string]plugin.Buffer, error) {
	var failed error
	tree := numerics.NewTreeAcc(func(left, right map[string]plugin.Buffer) map[string]plugin.Buffer {
		if failed != nil {
			return left
		}
		var sum map[string]plugin.Buffer
		sum, failed = t.combine.run(ctx, func(name string) plugin.Argument {
			if l, ok := strings.CutPrefix(name, "left."); ok {
				return plugin.Argument{Buffer: left[l], Donate: true}
			}
			return plugin.Argument{Buffer: right[strings.TrimPrefix(name, "right.")], Donate: true}
		})
		return sum
	})
	length := t.c.Grains / t.c.Shards
	for chain := range t.c.Shards {
		var sums map[string]plugin.Buffer
		for i := range length {
			var err error
			if sums, err = t.grain(ctx, uint64(chain*length+i), sums); err != nil {
				return nil, err
			}
		}
		tree.Push(sums)
		if failed != nil {
			return nil, fmt.Errorf("step %d: combining chains: %w", t.step, failed)
		}
	}
	sum, _ := tree.Result()
	if failed != nil {
		return nil, fmt.Errorf("step %d: combining chains: %w", t.step, failed)
	}
	return sum, nil
}

// grain adds one grain to the sums of its chain; sums is nil for the first.
func (t *Trainer) grain(ctx context.Context, grain uint64, sums map[string]plugin.Buffer) (map[string]plugin.Buffer, error) {
	at := plugin.Position{Seed: t.c.Seed, Step: t.step, Grain: grain}
	batch, err := t.batches.next(ctx, at)
	if err != nil {
		return nil, err
	}
	defer t.batches.giveBack(batch)
	fields := map[string][]byte{}
	for i, p := range t.c.Binding.Batch() {
		fields[p.Name] = batch.fields[i]
	}
	p := t.next
	if sums == nil {
		p = t.first
	}
	out, err := p.run(ctx, func(name string) plugin.Argument {
		if b, ok := t.state[name]; ok {
			return plugin.Argument{Buffer: b}
		}
		if data, ok := fields[name]; ok {
			return plugin.Argument{Data: data}
		}
		if name == step.State {
			return plugin.Argument{Data: stateBytes(at)}
		}
		return plugin.Argument{Buffer: sums[strings.TrimPrefix(name, step.AccPrefix)], Donate: true}
	})
	if err != nil {
		return nil, fmt.Errorf("step %d, grain %d: %w", t.step, grain, err)
	}
	return out, nil
}

func stateBytes(at plugin.Position) []byte {
	var b []byte
	for _, v := range []uint32{uint32(at.Seed), uint32(at.Seed >> 32), uint32(at.Step), uint32(at.Grain)} {
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	return b
}

// Visit calls f with every parameter, then every tensor of the optimizer, in
// name order within each. data belongs to f until it returns.
func (t *Trainer) Visit(ctx context.Context, f func(name string, typ ir.Type, data []byte) error) error {
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

// Restore puts the run back to where Visit found it before the given step.
// data returns each tensor by its name.
func (t *Trainer) Restore(ctx context.Context, next uint64, data func(name string, typ ir.Type) ([]byte, error)) error {
	for _, name := range t.names {
		x, err := data(name, t.types[name])
		if err != nil {
			return fmt.Errorf("restoring %q: %w", name, err)
		}
		if len(x) != t.types[name].Bytes() {
			return fmt.Errorf("restoring %q: %v has %d bytes, is given %d", name, t.types[name], t.types[name].Bytes(), len(x))
		}
		if err := t.put(ctx, name, t.types[name], x); err != nil {
			return err
		}
	}
	t.stopBatches()
	t.step = next
	return nil
}

func (t *Trainer) stopBatches() {
	if t.batches != nil {
		t.batches.close()
		t.batches = nil
	}
}

// Close frees what the run holds on the backend, which stays open.
func (t *Trainer) Close() {
	t.stopBatches()
	for _, b := range t.state {
		if b != nil {
			b.Release()
		}
	}
	clear(t.state)
	for _, p := range []*program{t.first, t.next, t.combine, t.update} {
		if p != nil {
			p.Release()
		}
	}
}

func scalar(ctx context.Context, b plugin.Buffer) (float64, error) {
	if b == nil || !b.Type().Equal(ir.T(ir.F32)) {
		return 0, errors.New("a result that should be f32[] is not")
	}
	var data [4]byte
	err := b.Download(ctx, data[:])
	return float64(math.Float32frombits(binary.LittleEndian.Uint32(data[:]))), err
}

func bytesOf(x []float32) []byte {
	b := make([]byte, 0, 4*len(x))
	for _, v := range x {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	return b
}
