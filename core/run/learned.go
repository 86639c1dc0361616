package run

import (
	"context"
	"errors"
	"fmt"

	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/core/recipe"
	"github.com/seedbed/seedbed/core/step"
	"github.com/seedbed/seedbed/core/train"
)

// learned is one of the things that a run learns: an objective, and the model in
// the role that it needs.
type learned struct {
	recipe.Weighted
	section   string // of the recipe
	name      string // in metrics
	role      string
	objective *objective
	fitted
	evaluated evaluated
}

// fitted is the model built for some number of rows, and the objective bound to
// it.
type fitted struct {
	module *plugin.Module
	bound  *binding
}

// evaluated is what evaluation takes: grains that may have fewer rows than those
// of training, and the rows that fill none, nil where these are left out.
type evaluated struct {
	rows int
	fitted
	rest *fitted
}

// nameObjectives gives every objective its plugin's name, and a number where
// there are several of the name.
func (s *session) nameObjectives() {
	used := map[string]int{}
	for _, l := range s.learned {
		l.name = l.objective.process.Info().Name
		if used[l.name]++; used[l.name] > 1 {
			l.name = fmt.Sprintf("%s_%d", l.name, used[l.name])
		}
	}
}

// buildAll builds the model in the role of each objective.
func (s *session) buildAll(ctx context.Context) (err error) {
	r := s.Recipe
	var modules []*plugin.Module
	for _, l := range s.learned {
		if l.role, err = role(s.model.Info(), l.objective.process.Info()); err != nil {
			return r.PluginError(l.section, err)
		}
		if l.module, err = s.buildFor(ctx, l.role, r.Train.Grain); err != nil {
			return s.tooManyRows(ctx, l, err)
		}
		modules = append(modules, l.module)
	}
	if s.weights, err = step.Join(r.Train.Freeze, modules...); err != nil {
		return r.Errorf("train.freeze", "%w", err)
	}
	return nil
}

// bindAll fits the objectives to their modules and the data.
func (s *session) bindAll(ctx context.Context) (err error) {
	for _, l := range s.learned {
		if l.bound, err = s.bind(ctx, l, l.module, s.Recipe.Train.Grain); err != nil {
			return s.tooManyRows(ctx, l, err)
		}
		if err := s.setUpEvaluation(ctx, l); err != nil {
			return err
		}
	}
	return nil
}

// tooManyRows finds out whether a plugin refuses nothing but the number of rows
// of a grain, such as one at which a tensor is larger than tensors may be.
func (s *session) tooManyRows(ctx context.Context, l *learned, refusal error) error {
	const few = 2
	if s.Recipe.Train.Grain <= few || mortal(refusal) || ctx.Err() != nil {
		return refusal
	}
	m, err := s.buildFor(ctx, l.role, few)
	if err == nil && s.data != nil {
		_, err = s.bind(ctx, l, m, few)
	}
	if err != nil {
		return refusal
	}
	cause := refusal
	if e := (*recipe.Error)(nil); errors.As(refusal, &e) {
		cause = errors.New(e.Msg)
	}
	return s.Recipe.Errorf("train.grain", "%w; with %d rows a grain there is no such limit: make train.grain smaller than %d", cause, few, s.Recipe.Train.Grain)
}

func (s *session) setUpEvaluation(ctx context.Context, l *learned) (err error) {
	r := s.Recipe
	e := &l.evaluated
	*e = evaluated{rows: r.Train.Grain, fitted: l.fitted}
	if s.data.Validation == nil {
		return nil
	}
	rows := s.data.Validation.Len()
	if rows < int64(r.Train.Grain) {
		e.rows = int(rows)
		e.fitted, err = s.fit(ctx, l, e.rows)
		return err
	}
	if rest := int(rows % int64(e.rows)); rest > 0 && apart(l.role) {
		f, err := s.fit(ctx, l, rest)
		switch {
		case err == nil:
			e.rest = &f
		case mortal(err) || ctx.Err() != nil:
			return err
		default: // a plugin may refuse so few rows
		}
	}
	return nil
}

// fit builds the model for some rows and fits the objective to it.
func (s *session) fit(ctx context.Context, l *learned, rows int) (f fitted, err error) {
	if f.module, err = s.buildFor(ctx, l.role, rows); err == nil {
		f.bound, err = s.bind(ctx, l, f.module, rows)
	}
	return f, err
}

// evaluators evaluate what is learned, one each.
type evaluators []*train.Evaluator

func (e evaluators) close() {
	for _, x := range e {
		x.Close()
	}
}

// evaluators makes what evaluates on at most max rows of the validation split,
// up to whole grains, 0 for all; nil if there is nothing to evaluate on.
func (s *session) evaluators(ctx context.Context, max int64) (all evaluators, err error) {
	if s.data.Validation == nil || max > 0 && s.Recipe.Train.EvalEvery == 0 {
		return nil, nil
	}
	for _, l := range s.learned {
		rows := s.data.Validation
		if max > 0 {
			n := int64(l.evaluated.rows)
			rows = spread{rows, min(rows.Len(), (max+n-1)/n*n)}
		}
		rows = strided{rows, int64(l.evaluated.rows)}
		c := train.EvaluationConfig{
			Module: l.evaluated.module, Binding: l.evaluated.bound, Rows: rows, Seed: s.Recipe.Seed,
			GrainRows: l.evaluated.rows, Device: s.device, NewFields: s.memory.NewFields,
		}
		if rest := l.evaluated.rest; rest != nil {
			c.RestModule, c.RestBinding = rest.module, rest.bound
		}
		e, err := train.NewEvaluator(ctx, c)
		if err != nil {
			all.close()
			return nil, err
		}
		all = append(all, e)
	}
	return all, nil
}

// measured joins the metrics of what is learned: of several objectives each
// one's loss too, behind their names.
func (s *session) measured(of func(i int, l *learned) (loss float64, metrics []Metric)) (list []Metric) {
	if len(s.learned) == 1 {
		_, list = of(0, s.learned[0])
		return list
	}
	for i, l := range s.learned {
		loss, metrics := of(i, l)
		list = append(list, Metric{Name: l.name + ".loss", Value: loss})
		for _, m := range metrics {
			m.Name = l.name + "." + m.Name
			list = append(list, m)
		}
	}
	return list
}

func (s *session) validate(ctx context.Context, t *train.Trainer, all evaluators) (*Validation, error) {
	v, err := s.evaluate(all, func(e *train.Evaluator) (train.Evaluation, error) { return t.Evaluate(ctx, e) })
	if err != nil {
		return nil, err
	}
	v.Step = t.Step()
	if s.Recipe.Train.EMADecay > 0 {
		average := Metric{Name: "ema_loss", Doc: "the loss of the running averages of the parameters"}
		for i, e := range all {
			x, err := t.EvaluateAverage(ctx, e)
			if err != nil {
				return nil, err
			}
			average.Value += float64(s.factor(i) * x.Loss)
		}
		v.Metrics = append(v.Metrics, average)
	}
	s.tell(v)
	return v, nil
}

// evaluate joins the evaluations of what is learned.
func (s *session) evaluate(all evaluators, run func(*train.Evaluator) (train.Evaluation, error)) (*Validation, error) {
	v := &Validation{}
	results := make([]train.Evaluation, len(all))
	for i, e := range all {
		x, err := run(e)
		if err != nil {
			return nil, err
		}
		results[i] = x
		if i == 0 || x.LeftOut > v.LeftOut { // rows that count for all
			v.Rows, v.LeftOut = x.Rows, x.LeftOut
		}
		v.Loss += float64(s.factor(i) * x.Loss)
	}
	v.Metrics = s.measured(func(i int, l *learned) (float64, []Metric) {
		return results[i].Loss, l.evaluated.bound.measure(results[i].Sums, results[i].Weight)
	})
	if b := s.baseline(); b != nil && s.learned[0].role == causalLM {
		v.BitsPerByte = b.BitsPerByte(v.Loss)
	}
	return v, nil
}

// factor is what the loss of an objective is multiplied with.
func (s *session) factor(i int) float64 {
	if len(s.learned) == 1 {
		return 1
	}
	return s.learned[i].Weight
}
