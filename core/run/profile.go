package run

import (
	"context"
	"fmt"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/core/profile"
	"github.com/seedbed/seedbed/core/recipe"
	"github.com/seedbed/seedbed/core/train"
	"github.com/seedbed/seedbed/datasets"
)

// Profiling is what Profile is asked to do.
type Profiling struct {
	Recipe        *recipe.Recipe
	Start         Start
	Warmup, Steps int  // steps before those that are recorded, and those
	ByTypes       bool // see profile.New
	Events        func(Event)
}

// Profile runs the first steps of a recipe, keeps nothing of what they learn,
// and says where their time went. Of a backend that cannot record, the error is
// errors.ErrUnsupported.
func Profile(ctx context.Context, p Profiling) (*profile.Report, *profile.Trace, error) {
	s := &session{Job: Job{Recipe: p.Recipe, Start: p.Start, Events: p.Events}, losses: map[uint64]float64{}}
	defer s.close()
	if err := s.setUp(ctx); err != nil {
		return nil, nil, err
	}
	s.device = s.backend.Device()
	defer s.device.Close()
	if _, err := s.device.Profile(ctx, false); err != nil { // before all that takes long
		return nil, nil, err
	}
	trace, c := s.traced()
	t, err := train.New(ctx, c)
	if err != nil {
		return nil, nil, err
	}
	defer t.Close()
	if err := t.Initialize(ctx); err != nil {
		return nil, nil, err
	}
	steps := func(n int) error {
		for until := t.Step() + uint64(n); t.Step() < until; {
			begin := time.Now()
			m, err := t.Next(ctx, until)
			if err != nil {
				return err
			}
			trace.Span(profile.Host(), "steps", fmt.Sprintf("step %d", m.Step+1), begin, time.Since(begin), map[string]any{"loss": m.Loss})
		}
		return nil
	}
	// In the first step of a record the backend finds out what each op counts: it is warm-up too.
	for _, n := range []int{p.Warmup, 1} {
		if err := steps(n); err != nil {
			return nil, nil, err
		}
		if _, err := s.device.Profile(ctx, true); err != nil {
			return nil, nil, err
		}
	}
	if err := steps(p.Steps); err != nil {
		return nil, nil, err
	}
	stats, err := s.device.Stats(ctx)
	if err != nil {
		return nil, nil, err
	}
	recorded, err := s.device.Profile(ctx, false)
	if err != nil {
		return nil, nil, err
	}
	trace.Backend(pidOf(s.backend, 1), recorded)
	r, err := profile.New(stats, recorded, p.Steps, p.ByTypes)
	return r, trace, err
}

// pidOf is the process of a plugin, or a number in the place of one.
func pidOf(p Process, otherwise int) int {
	if x, ok := p.(interface{ PID() int }); ok {
		return x.PID()
	}
	return -otherwise
}

// traced returns the run's trainer so that what the host and the objectives do
// is traced.
func (s *session) traced() (*profile.Trace, train.Config) {
	t, c := &profile.Trace{}, s.trainConfig()
	t.Process(profile.Host(), "host")
	t.Process(pidOf(s.backend, 1), "backend "+s.backend.Info().Name)
	c.Rows = tracedRows{c.Rows, t}
	bind := func(i int, b plugin.Binding) plugin.Binding {
		p := s.learned[i].objective.process
		pid := pidOf(p, 2+i)
		t.Process(pid, "objective "+p.Info().Name)
		return tracedBinding{b, t, pid}
	}
	c.Binding = bind(0, c.Binding)
	for i := range c.More {
		c.More[i].Binding = bind(i+1, c.More[i].Binding)
	}
	return t, c
}

// tracedRows traces how the host reads rows.
type tracedRows struct {
	datasets.Dataset
	trace *profile.Trace
}

func (t tracedRows) Read(ctx context.Context, rows []int64) (arrow.Record, error) {
	begin := time.Now()
	r, err := t.Dataset.Read(ctx, rows)
	t.trace.Span(profile.Host(), "rows", "read", begin, time.Since(begin), map[string]any{"rows": len(rows)})
	return r, err
}

// tracedBinding traces how an objective makes batches, its call included.
type tracedBinding struct {
	plugin.Binding
	trace *profile.Trace
	pid   int
}

func (t tracedBinding) Transform(ctx context.Context, rows arrow.Record, at plugin.Position, fields [][]byte) error {
	begin := time.Now()
	err := t.Binding.Transform(ctx, rows, at, fields)
	t.trace.Span(t.pid, "batches", fmt.Sprintf("batch of step %d, grain %d", at.Step+1, at.Grain+1), begin, time.Since(begin), map[string]any{"rows": rows.NumRows()})
	return err
}
