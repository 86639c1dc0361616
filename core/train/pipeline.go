package train

import (
	"context"
	"fmt"
	"time"

	"github.com/seedbed/seedbed/core/device"
	"github.com/seedbed/seedbed/core/step"
)

// Metrics are what a step tells.
type Metrics struct {
	Step uint64 // counted from 0
	// Loss is the mean over the step's weight; of several objectives the sum of
	// their mean losses, each times the objective's weight in the run.
	Loss   float64
	Weight float64 // what Loss is a mean over, such as tokens; that of the first objective
	// Parts are those of several objectives, in their order; nil for one.
	Parts    []Part
	GradNorm float64 // of the mean gradient, before clipping
	LR       float64
	// Sums are the other results of the loss of the only objective, summed over
	// the step.
	Sums map[string]float64

	// Wall is the time from the end of the step before, or from when this one
	// was queued if that is later, to the end of this one. Idle is the part of
	// it in which the device had nothing queued, because it waited for the host
	// or for a batch. Both are for people.
	Wall, Idle time.Duration
}

// Part is what a step tells of one of several objectives.
type Part struct {
	Loss, Weight float64 // as in Metrics, of this objective alone
	Sums         map[string]float64
}

// flight is a run that was queued.
type flight struct {
	run   device.Run
	asked time.Time // when it was queued
	what  string
	batch *batch   // what it reads, if it is a grain,
	to    *batches // and whom to give it back to
	pause bool     // the time since the run before does not count

	// Of an update, which is the last run of a step.
	last bool
	step uint64
	lr   float64

	err error // instead of a run: why it was not queued
}

type outcome struct {
	m   Metrics
	err error
}

// pipeline follows the runs that are queued: a goroutine waits for one after
// the other, gives batches back and makes the metrics of steps.
type pipeline struct {
	background context.Context // ends with the trainer
	cancel     context.CancelFunc
	flights    chan flight
	outcomes   chan outcome
	ended      chan struct{}
	broken     bool // nothing is queued after an error
	paused     bool
}

func (t *Trainer) start() {
	t.background, t.cancel = context.WithCancel(context.Background())
	// What InFlight steps have to say never blocks: grains, combinations, the
	// update, an error.
	t.flights = make(chan flight, t.c.InFlight*(len(t.objectives)*(t.c.Grains+t.c.Shards)+2))
	t.outcomes = make(chan outcome, t.c.InFlight+1)
	t.ended = make(chan struct{})
	t.pause()
	go t.land()
}

// stop ends the goroutine, whether runs have ended or not.
func (t *Trainer) stop() {
	if t.cancel != nil {
		t.cancel()
		<-t.ended
	}
}

// pause says that what was not queued from now on to the next run is not for
// want of the host's speed.
func (p *pipeline) pause() { p.paused = true }

func (p *pipeline) follow(f flight) {
	f.pause, p.paused = p.paused, false
	p.flights <- f
}

func (p *pipeline) fail(err error) {
	p.broken = true
	p.flights <- flight{err: err}
}

// wait returns the outcome of the step that ends next.
func (p *pipeline) wait(ctx context.Context) (Metrics, error) {
	select {
	case o := <-p.outcomes:
		return o.m, o.err
	case <-ctx.Done():
		return Metrics{}, ctx.Err()
	}
}

// land waits for the runs in order until one fails.
func (t *Trainer) land() {
	defer close(t.ended)
	var ended, stepEnded time.Time // of the run before, of the step before
	var idle time.Duration
	for {
		var f flight
		select {
		case f = <-t.flights:
		case <-t.background.Done():
			return
		}
		if f.err != nil {
			t.outcomes <- outcome{err: f.err}
			return
		}
		if f.asked.After(ended) {
			if f.pause {
				stepEnded = f.asked
			} else {
				idle += f.asked.Sub(ended)
			}
		}
		data, err := f.run.Wait(t.background)
		ended = time.Now()
		if err != nil {
			t.outcomes <- outcome{err: fmt.Errorf("%s: %w", f.what, err)}
			return
		}
		if f.batch != nil {
			f.to.giveBack(f.batch)
		}
		if !f.last {
			continue
		}
		m, err := t.metrics(f, data)
		m.Wall, m.Idle = ended.Sub(stepEnded), idle
		stepEnded, idle = ended, 0
		t.outcomes <- outcome{m, err}
		if err != nil {
			return
		}
	}
}

// metrics reads what an update gave to the host.
func (t *Trainer) metrics(f flight, data [][]byte) (Metrics, error) {
	m := Metrics{Step: f.step, LR: f.lr}
	values, err := scalars(t.host, data)
	if err != nil {
		return m, err
	}
	take := func(name string) float64 {
		v := values[name]
		delete(values, name)
		return v
	}
	m.GradNorm = take(step.GradNorm)
	for i, o := range t.objectives {
		loss, weight := take(o.prefix+step.SumPrefix+step.Loss), take(o.prefix+step.SumPrefix+step.Weight)
		if i == 0 {
			m.Weight = weight
		}
		if !(weight > 0) {
			return m, o.wrap(fmt.Errorf("the batch has weight %v: nothing in it counts", weight))
		}
		part := Part{Loss: loss / weight, Weight: weight, Sums: map[string]float64{}}
		m.Loss += float64(o.Weight * part.Loss)
		for _, r := range o.grad.Results {
			if name := step.SumName(r.Name); name != r.Name && r.Name != step.Loss && r.Name != step.Weight {
				part.Sums[r.Name] = take(o.prefix + name)
			}
		}
		if m.Sums = part.Sums; len(t.objectives) > 1 {
			m.Sums, m.Parts = nil, append(m.Parts, part)
		}
	}
	return m, nil
}
