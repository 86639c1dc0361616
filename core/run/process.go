package run

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/core/device"
	"github.com/seedbed/seedbed/core/plugins"
)

// Process is a plugin that runs; a *plugins.Plugin is one.
type Process interface {
	Info() plugin.Info
	Model() plugin.Model
	Objective() plugin.Objective
	// Device is for one goroutine and called once.
	Device() device.Device
	Close() error
}

// Start starts the plugin of a kind that a recipe names, with the memory that
// it shares with the run's other processes. sha256 is that of its executable.
type Start func(ctx context.Context, kind plugins.Kind, name string, m *plugins.Memory) (p Process, sha256 string, err error)

// mortal tells whether an error is the end of a plugin's process, after which
// another may do better.
func mortal(err error) bool {
	var final *givenUp
	return (errors.Is(err, plugins.ErrDied) || errors.Is(err, plugins.ErrHung) || errors.Is(err, plugins.ErrLost)) && !errors.As(err, &final)
}

// givenUp is the end of a process after too many others.
type givenUp struct {
	count int
	err   error
}

func (e *givenUp) Error() string {
	// Where, e.err and who returns this say: a batch may be of a later step.
	return fmt.Sprintf("given up after the plugin's process ended %d times in the same step: %v", e.count, e.err)
}
func (e *givenUp) Unwrap() error { return e.err }

// maxDeaths is how often a plugin may die in the same step, and maxHangs how
// often it may do so for not answering: every time has taken the whole time
// limit.
const maxDeaths, maxHangs = 3, 2

// deaths counts how often a plugin died, by the step that was under way.
type deaths map[uint64]int

// add counts a death in a step, numbered from 0; it is an error if it was one
// too many.
func (d deaths) add(step uint64, cause error) error {
	most := maxDeaths
	if errors.Is(cause, plugins.ErrHung) {
		most = maxHangs
	}
	if d[step]++; d[step] >= most {
		return &givenUp{d[step], cause}
	}
	return nil
}

// role returns the role that an objective needs, if the model has it.
func role(model, objective plugin.Info) (string, error) {
	if len(objective.Roles) != 1 {
		return "", fmt.Errorf("objective %s names %d roles; it must name the one that it needs", objective.Name, len(objective.Roles))
	}
	if need := objective.Roles[0]; slices.Contains(model.Roles, need) {
		return need, nil
	}
	return "", fmt.Errorf("objective %s needs a model of role %s, and model %s plays %s: name another objective or another model",
		objective.Name, objective.Roles[0], model.Name, strings.Join(model.Roles, ", "))
}

// objective is an objective that lives on when its process ends: its bindings
// are made again in another process. It may be used by any number of
// goroutines at once.
type objective struct {
	start   func(ctx context.Context) (Process, error)
	restart func(name string, at plugin.Position, cause error)

	mu         sync.Mutex
	process    Process
	generation int // of process
	deaths     deaths
	givenUp    error
}

// after returns a process that is later than the generation that failed.
func (o *objective) after(ctx context.Context, generation int, at plugin.Position, cause error) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.generation != generation {
		return nil // another goroutine was first
	}
	name := o.process.Info().Name
	if o.deaths == nil {
		o.deaths = deaths{}
	}
	if o.givenUp == nil {
		o.givenUp = o.deaths.add(at.Step, cause)
	}
	if o.givenUp != nil {
		return o.givenUp
	}
	_ = o.process.Close() // it is gone already
	process, err := o.start(ctx)
	if err != nil {
		return fmt.Errorf("starting objective %s again: %w", name, err)
	}
	o.process = process
	o.generation++
	o.restart(name, at, cause)
	return nil
}

func (o *objective) current() (plugin.Objective, int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.process.Objective(), o.generation
}

func (o *objective) close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.process.Close()
}

// bind is Objective.Bind.
func (o *objective) bind(ctx context.Context, r plugin.BindRequest) (*binding, error) {
	objective, generation := o.current()
	b, err := objective.Bind(ctx, r)
	if err != nil {
		return nil, err
	}
	bound := &binding{o: o, request: r, now: b, generation: generation, loss: b.Loss(), batch: b.Batch()}
	if m, ok := b.(plugin.Measured); ok {
		bound.metrics = m.Metrics()
	}
	return bound, nil
}

// binding is a binding of an objective, whichever process has it.
type binding struct {
	o       *objective
	request plugin.BindRequest
	loss    *ir.Func
	batch   []ir.Param
	metrics []plugin.Metric

	mu         sync.Mutex
	now        plugin.Binding
	generation int
}

func (b *binding) Loss() *ir.Func    { return b.loss }
func (b *binding) Batch() []ir.Param { return b.batch }

// measure makes metrics of sums over what weighs weight.
func (b *binding) measure(sums map[string]float64, weight float64) []Metric {
	var list []Metric
	for _, m := range b.metrics {
		if v, ok := sums[m.Name]; ok {
			if m.PerWeight {
				v /= weight
			}
			list = append(list, Metric{m.Name, m.Doc, v})
		}
	}
	return list
}

// Transform makes a batch, again in another process if one ends meanwhile: a
// batch depends on its rows and position alone.
func (b *binding) Transform(ctx context.Context, rows arrow.Record, at plugin.Position, fields [][]byte) error {
	for {
		now, generation, err := b.current(ctx)
		if err == nil {
			err = now.Transform(ctx, rows, at, fields)
		}
		if err == nil || ctx.Err() != nil {
			return err
		}
		if _, latest := b.o.current(); latest != generation {
			continue // another goroutine ended the process, because it had failed
		}
		if !mortal(err) {
			return err
		}
		if err := b.o.after(ctx, generation, at, err); err != nil {
			return err
		}
	}
}

// current returns the binding of the objective's process.
func (b *binding) current(ctx context.Context) (plugin.Binding, int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	objective, generation := b.o.current()
	if generation == b.generation {
		return b.now, generation, nil
	}
	now, err := objective.Bind(ctx, b.request)
	if err != nil {
		return nil, generation, err
	}
	if now.Loss().String() != b.loss.String() || !slices.EqualFunc(now.Batch(), b.batch, func(x, y ir.Param) bool {
		return x.Name == y.Name && x.Type.Equal(y.Type)
	}) {
		return nil, generation, errors.New("the objective was started again and gives another loss or batch for the same configuration; it must not depend on anything else")
	}
	b.now, b.generation = now, generation
	return now, generation, nil
}
