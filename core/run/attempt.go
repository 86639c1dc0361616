package run

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/seedbed/seedbed/core/plugins"
	"github.com/seedbed/seedbed/core/recipe"
	"github.com/seedbed/seedbed/core/schedule"
	"github.com/seedbed/seedbed/core/step"
	"github.com/seedbed/seedbed/core/train"
	"github.com/seedbed/seedbed/datasets/tokens"
)

// train attempts the run until it ends, each time from the last good state and
// with another process of the backend.
func (s *session) train(ctx context.Context) (*Result, error) {
	d := deaths{}
	for {
		result, err := s.attempt(ctx)
		if err == nil || !mortal(err) || ctx.Err() != nil {
			return result, err
		}
		if err := d.add(s.at, err); err != nil {
			return nil, err
		}
		_ = s.backend.Close() // it is gone already
		name := s.backend.Info().Name
		cause := err
		if s.backend, err = s.starter(plugins.KindBackend, "backend", s.Recipe.Backend.Plugin)(ctx); err != nil {
			return nil, fmt.Errorf("starting backend %s again: %w", name, err)
		}
		from := uint64(0)
		if s.checkpoint != nil {
			from = s.checkpoint.Manifest.Step
		}
		s.tell(&Restarted{Plugin: "backend " + name, Step: s.at + 1, From: from, Err: cause})
	}
}

func optimizer(r *recipe.Recipe) step.Optimizer {
	o := r.Optimizer
	return step.Optimizer{
		Name: o.Name, Beta1: o.Betas[0], Beta2: o.Betas[1], Epsilon: o.Eps,
		Momentum: o.Momentum, WeightDecay: o.WeightDecay, MaxGradNorm: o.MaxGradNorm,
		Trust: o.TrustCoefficient, EMADecay: r.Train.EMADecay,
	}
}

func rates(r *recipe.Recipe) schedule.Schedule {
	x := r.Schedule
	// A warm-up longer than the run is the run's whole.
	return schedule.Schedule{
		Name: x.Name, Peak: r.Optimizer.LR, Floor: x.MinLRRatio,
		Warmup: uint64(x.WarmupSteps), Steps: uint64(max(r.Train.Steps, x.WarmupSteps)),
	}
}

// trainConfig is what the trainer of an attempt is made of.
func (s *session) trainConfig() train.Config {
	r := s.Recipe
	c := train.Config{
		Rows: s.data.Train, Freeze: r.Train.Freeze,
		Optimizer: optimizer(r), Schedule: rates(r), Seed: r.Seed,
		GrainRows: r.Train.Grain, Grains: r.Train.BatchSize / r.Train.Grain, Shards: r.Train.Shards,
		First:  s.first.read,
		Device: s.device, Prefetch: r.Train.Prefetch, InFlight: r.Train.InFlight, NewFields: s.memory.NewFields,
	}
	first := s.learned[0]
	c.Name, c.Module, c.Binding, c.Weight = first.name, first.module, first.bound, first.Weight
	for _, l := range s.learned[1:] {
		c.More = append(c.More, train.Objective{Name: l.name, Module: l.module, Binding: l.bound, Weight: l.Weight})
	}
	return c
}

// compile compiles all that a run needs, but for what writes samples, which is
// small. It compiles nothing where what the run needs at least is more than
// there is.
func (s *session) compile(ctx context.Context) (t *train.Trainer, all evaluators, n need, err error) {
	if t, err = train.Prepare(s.trainConfig()); err != nil {
		return nil, nil, n, err
	}
	defer func() {
		if err != nil {
			all.close()
			t.Close()
		}
	}()
	n = need{least: true, free: available()}
	if n.plan, err = t.Memory(); err != nil || !n.fits() {
		return t, nil, n, err
	}
	if err = t.Compile(ctx); err != nil {
		return t, nil, n, err
	}
	if all, err = s.evaluators(ctx, 0); err != nil {
		return t, all, n, err
	}
	n.least = false
	n.plan, err = t.Memory()
	for _, e := range all {
		n.plan = n.plan.Beside(e.Memory())
	}
	return t, all, n, err
}

// attempt goes from the last good state to the end of the run, or to the stop.
func (s *session) attempt(ctx context.Context) (*Result, error) {
	s.at = 0
	if s.checkpoint != nil {
		s.at = s.checkpoint.Manifest.Step
	}
	r := s.Recipe
	s.device = s.backend.Device()
	defer s.device.Close() // the process may be gone
	t, all, need, err := s.compile(ctx)
	if err != nil {
		return nil, err
	}
	defer t.Close()
	defer all.close()
	if err := need.check(r); err != nil {
		return nil, err
	}
	check, err := s.evaluators(ctx, int64(r.Train.EvalSequences))
	if err != nil {
		return nil, err
	}
	defer check.close()
	if s.checkpoint == nil {
		err = t.Initialize(ctx)
	} else {
		err = s.restore(ctx, t)
	}
	if err != nil {
		return nil, err
	}
	speed, err := s.begun(ctx, t, need.bytes())
	if err != nil {
		return nil, err
	}

	steps := uint64(r.Train.Steps)
	result := &Result{Steps: steps, Baseline: s.baseline()}
	for t.Step() < steps {
		until := min(nextMultiple(t.Step(), r.Train.EvalEvery, steps), nextMultiple(t.Step(), r.Checkpoint.Every, steps))
		if s.stopped() {
			if until = t.Queued(); until == t.Step() {
				result.Interrupted = true
				break
			}
		}
		m, err := t.Next(ctx, until)
		if err != nil {
			return nil, err
		}
		s.at = t.Step()
		if result.Loss = m.Loss; math.IsNaN(m.Loss) || math.IsInf(m.Loss, 0) || math.IsNaN(m.GradNorm) || math.IsInf(m.GradNorm, 0) {
			return nil, s.diverged(ctx, t, m)
		}
		if err := s.step(m, speed); err != nil {
			return nil, err
		}
		if n := t.Step(); n == until && n < steps && !s.stopped() {
			if check != nil && n%uint64(r.Train.EvalEvery) == 0 {
				if _, err := s.validate(ctx, t, check); err != nil {
					return nil, err
				}
			}
			if every := uint64(r.Checkpoint.Every); every > 0 && n%every == 0 {
				if err := s.save(ctx, t); err != nil {
					return nil, err
				}
			}
		}
	}
	if t.Step() > 0 {
		if err := s.save(ctx, t); err != nil {
			return nil, err
		}
		result.Checkpoint, result.WeightsSHA256 = s.checkpoint.Path, s.checkpoint.Manifest.WeightsSHA256
	}
	if result.Step = t.Step(); result.Interrupted {
		return result, nil
	}
	err = s.untilStopped(ctx, func(ctx context.Context) error { return s.finish(ctx, t, all, result) })
	if err != nil && s.stopped() && ctx.Err() == nil {
		result.Interrupted, err = true, nil
	}
	return result, err
}

// finish says what became of a run that has taken its last step.
func (s *session) finish(ctx context.Context, t *train.Trainer, all evaluators, result *Result) (err error) {
	if all != nil {
		if result.Validation, err = s.validate(ctx, t, all); err != nil {
			return err
		}
	}
	return s.sample(ctx, t, result)
}

// nextMultiple returns the multiple of every after step n, at most end; every
// 0 means none.
func nextMultiple(n uint64, every int, end uint64) uint64 {
	if every == 0 {
		return end
	}
	e := uint64(every)
	return min(n-n%e+e, end)
}

// diverged says why a run ends early.
func (s *session) diverged(ctx context.Context, t *train.Trainer, m train.Metrics) error {
	last := "there is no checkpoint before it"
	if s.checkpoint != nil {
		last = "the last good checkpoint is " + s.checkpoint.Path
	}
	return fmt.Errorf("step %d: the loss is %v and the norm of the gradient %v: training has diverged, and %s; lower optimizer.lr, lengthen schedule.warmup_steps or set optimizer.max_grad_norm; %s",
		m.Step+1, m.Loss, m.GradNorm, last, s.keepBatch(ctx, t, m.Step))
}

// step tells of a step, unless it was told of before a plugin died: then it
// must have given the same.
func (s *session) step(m train.Metrics, speed *speed) error {
	n := m.Step + 1
	if was, ok := s.losses[n]; ok && was != m.Loss {
		return fmt.Errorf("step %d was computed again after a plugin's end and has another loss, %v instead of %v: backend %s does not compute the same twice; its results cannot be trusted",
			n, m.Loss, was, s.backend.Info().Name)
	}
	s.losses[n] = m.Loss
	speed.add(m.Wall, m.Idle)
	if n <= s.reported {
		return nil
	}
	s.reported = n
	steps := uint64(s.Recipe.Train.Steps)
	e := &Step{Step: n, Steps: steps, Loss: m.Loss, LR: m.LR, GradNorm: m.GradNorm, Metrics: s.measured(func(i int, l *learned) (float64, []Metric) {
		if len(m.Parts) == 0 {
			return m.Loss, l.bound.measure(m.Sums, m.Weight)
		}
		return m.Parts[i].Loss, l.bound.measure(m.Parts[i].Sums, m.Parts[i].Weight)
	})}
	speed.fill(e)
	s.tell(e)
	return nil
}

// baseline is what counting tokens achieves on the validation split, nil where
// what the model predicts is not that text.
func (s *session) baseline() *tokens.Baseline {
	if text := s.data.Stats.Text; text != nil && s.data.Validation != nil && len(s.learned) == 1 && slices.Contains([]string{causalLM, "masked_lm", "masked_lm+next_sentence"}, s.learned[0].role) {
		return &text.Baseline
	}
	return nil
}

// begun tells what the run is, once, and returns its meter.
func (s *session) begun(ctx context.Context, t *train.Trainer, need int64) (*speed, error) {
	stats, err := s.device.Stats(ctx)
	if err != nil {
		return nil, err
	}
	r := s.Recipe
	batch := int64(r.Train.BatchSize)
	if !s.ready {
		s.ready = true
		e := &Ready{
			Out: s.Out, First: t.Step(), Steps: uint64(r.Train.Steps), Data: s.data.Stats, BatchRows: batch, BatchTokens: batch * rowTokens(r),
			MemoryBytes: need, Device: stats.Device, Workers: stats.Workers, PeakFLOPS: stats.PeakFLOPS, Plane: s.memory.Plane(),
		}
		for _, p := range s.weights.Trained() {
			e.Parameters += int64(p.Type.Elements())
		}
		s.tell(e)
	}
	flops, err := stepFLOPs(t, r)
	return &speed{rows: float64(batch), tokens: float64(batch * rowTokens(r)), flops: flops, peak: stats.PeakFLOPS}, err
}

// speed measures the latest steps.
type speed struct {
	rows, tokens, flops float64 // of a step
	peak                float64 // of the device
	walls, idles        []time.Duration
}

// window is how many steps speed looks at.
const window = 20

func (s *speed) add(wall, idle time.Duration) {
	if len(s.walls) == window {
		s.walls, s.idles = s.walls[1:], s.idles[1:]
	}
	s.walls, s.idles = append(s.walls, wall), append(s.idles, idle)
}

func (s *speed) fill(e *Step) {
	var wall, idle float64
	for i := range s.walls {
		wall += s.walls[i].Seconds()
		idle += s.idles[i].Seconds()
	}
	if wall <= 0 {
		return
	}
	n := float64(len(s.walls))
	e.RowsPerSecond = n * s.rows / wall
	e.TokensPerSecond = n * s.tokens / wall
	e.WaitShare = idle / wall
	if s.peak > 0 {
		e.PeakShare = n * s.flops / wall / s.peak
	}
	e.Remaining = time.Duration(float64(e.Steps-e.Step) * wall / n * float64(time.Second))
}
