package run

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/core/checkpoint"
	"github.com/seedbed/seedbed/core/device"
	"github.com/seedbed/seedbed/core/plugins"
	"github.com/seedbed/seedbed/core/recipe"
	"github.com/seedbed/seedbed/core/step"
	"github.com/seedbed/seedbed/datasets/tokens"
)

// Job is what Pretrain is asked to do.
type Job struct {
	Recipe *recipe.Recipe
	// Out is the folder of the run: its checkpoints, recipe.yaml and a lock.
	Out string
	// Resume goes on from the latest checkpoint in Out, or from the start
	// where there is none.
	Resume bool
	// DataPlane says how tensors travel; empty is auto. It changes no result.
	DataPlane plugins.DataPlane
	Start     Start
	// Stop, once closed, ends the run after the step under way, with a
	// checkpoint. The end of the context ends it at once, with none.
	Stop <-chan struct{}
	// Events gets what the run tells, one event at a time. It must not block
	// for long: the run waits for it.
	Events func(Event)
}

// Result is what became of a run.
type Result struct {
	Step        uint64 // steps taken
	Steps       uint64 // of the whole run
	Interrupted bool   // by Job.Stop, before the last step
	Loss        float64
	// Validation is the loss on the whole validation split; nil where the run
	// was interrupted or there is no such split.
	Validation *Validation
	// Baseline is what counting tokens achieves, where what is predicted is a
	// text; otherwise nil.
	Baseline      *tokens.Baseline
	Checkpoint    string // folder; empty where the run was interrupted before its first step
	WeightsSHA256 string
	Prompt        string // what Sample goes on from
	Sample        string // text that the model generated
}

// Pretrain runs a recipe from its first step, or from where it was, to its
// last.
func Pretrain(ctx context.Context, j Job) (_ *Result, err error) {
	lock, err := checkpoint.Lock(j.Out)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	s := &session{Job: j, losses: map[uint64]float64{}}
	defer s.close()
	if err := s.begin(); err != nil {
		return nil, err
	}
	if s.journal, err = openJournal(s.Out, s.reported); err != nil {
		return nil, err
	}
	defer func() { s.journal.close() }()
	if err := s.untilStopped(ctx, s.setUp); err != nil { // until the first step a stop has nothing to save
		if s.stopped() && ctx.Err() == nil {
			return s.untouched(), nil
		}
		return nil, err
	}
	return s.train(ctx)
}

// session is a run under way.
type session struct {
	Job
	events    sync.Mutex
	journal   *journal
	unwritten error // why nothing is written to journal any more

	checkpoint *checkpoint.Checkpoint // the last good state; nil: the first values
	memory     *plugins.Memory
	model      Process
	learned    []*learned // one an objective, in the recipe's order
	backend    Process
	device     device.Device                // of backend, in the attempt under way
	sums       map[string]checkpoint.Plugin // by the section of the recipe that names it

	data    *data
	weights *step.Weights
	first   *firstValues // nil where all begin anew, or go on

	at       uint64             // steps taken in the attempt under way
	reported uint64             // steps that were told of
	losses   map[uint64]float64 // of steps after the last checkpoint
	ready    bool               // Ready was told
}

// tell passes an event on; the objective's goroutines tell of restarts.
func (s *session) tell(e Event) {
	s.events.Lock()
	defer s.events.Unlock()
	if s.journal != nil && s.unwritten == nil {
		if s.unwritten = s.journal.add(e); s.unwritten != nil && s.Events != nil {
			s.Events(&Warning{fmt.Sprintf("%s is not written any more: %v", metricsFile, s.unwritten)})
		}
	}
	if s.Events != nil {
		s.Events(e)
	}
}

func (s *session) warn(format string, args ...any) {
	s.tell(&Warning{fmt.Sprintf(format, args...)})
}

func (s *session) stopped() bool {
	select {
	case <-s.Stop:
		return true
	default:
		return false
	}
}

// untilStopped calls f with a context that a stop ends.
func (s *session) untilStopped(ctx context.Context, f func(ctx context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-s.Stop:
			cancel()
		case <-ctx.Done():
		}
	}()
	return f(ctx)
}

// untouched is the result of a run that was stopped before its first step.
func (s *session) untouched() *Result {
	r := &Result{Steps: uint64(s.Recipe.Train.Steps), Interrupted: true}
	if c := s.checkpoint; c != nil {
		r.Step, r.Checkpoint, r.WeightsSHA256 = c.Manifest.Step, c.Path, c.Manifest.WeightsSHA256
	}
	return r
}

func (s *session) close() {
	s.first.close()
	if s.data != nil {
		_ = s.data.close() // it was only read
	}
	var processes sync.WaitGroup
	for _, p := range []Process{s.model, s.backend} {
		if p != nil {
			processes.Go(func() { _ = p.Close() }) // its process is gone either way
		}
	}
	for _, l := range s.learned {
		if l.objective != nil {
			processes.Go(func() { _ = l.objective.close() })
		}
	}
	processes.Wait()
	if s.memory != nil {
		_ = s.memory.Close()
	}
}

// setUp does all that comes before programs are compiled: what is quick to
// refuse first.
func (s *session) setUp(ctx context.Context) error {
	if err := s.startPlugins(ctx); err != nil {
		return err
	}
	r := s.Recipe
	err := s.buildAll(ctx)
	if err != nil {
		return err
	}
	if err := s.refuseState(); err != nil {
		return err
	}
	if r.Model.Init != "" && s.checkpoint == nil {
		if s.first, err = openFirstValues(r, s.weights.Tensors()); err != nil {
			return err
		}
		s.tell(&s.first.told)
	}
	progress := func(p tokens.Progress) {
		if p.Warning != "" {
			s.warn("data: %s", p.Warning)
			return
		}
		s.tell(&Preparing{p})
	}
	if s.data, err = prepare(ctx, r, progress); err != nil {
		return err
	}
	if r.Data.Codes != "" {
		if err := s.addCodes(ctx, progress); err != nil {
			return err
		}
	}
	for _, reason := range s.data.Stats.Reasons {
		s.warn("data: left out: %s", reason)
	}
	if err := s.checkData(); err != nil {
		return err
	}
	return s.bindAll(ctx)
}

// startPlugins starts all processes at once.
func (s *session) startPlugins(ctx context.Context) error {
	var err error
	if s.memory, err = plugins.NewMemory(s.DataPlane); err != nil {
		return err
	}
	s.sums = map[string]checkpoint.Plugin{}
	r := s.Recipe
	type start struct {
		kind          plugins.Kind
		section, name string
		learned       *learned
	}
	starts := []start{{plugins.KindModel, "model", r.Model.Plugin, nil}, {plugins.KindBackend, "backend", r.Backend.Plugin, nil}}
	for i, o := range r.Objective.All() {
		l := &learned{Weighted: o, section: recipe.ObjectiveSection(i)}
		s.learned = append(s.learned, l)
		starts = append(starts, start{plugins.KindObjective, l.section, o.Plugin, l})
	}
	var mu sync.Mutex
	var all sync.WaitGroup
	errs := make([]error, len(starts))
	for i, p := range starts {
		all.Go(func() {
			process, sum, err := s.Start(ctx, p.kind, p.name, s.memory)
			if err != nil {
				errs[i] = &recipe.Error{Position: r.Where(p.section + ".plugin"), Path: p.section + ".plugin", Msg: err.Error(), Err: err}
				return
			}
			mu.Lock()
			defer mu.Unlock()
			switch p.kind {
			case plugins.KindModel:
				s.model = process
			case plugins.KindObjective:
				p.learned.objective = &objective{process: process, start: s.starter(p.kind, p.section, p.name), restart: s.objectiveRestarted}
			case plugins.KindBackend:
				s.backend = process
			}
			info := process.Info()
			s.sums[p.section] = checkpoint.Plugin{Name: string(p.kind) + "/" + info.Name, Version: info.Version, SHA256: sum}
		})
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	s.nameObjectives()
	return nil
}

// starter starts a plugin again: the same one.
func (s *session) starter(kind plugins.Kind, section, name string) func(ctx context.Context) (Process, error) {
	return func(ctx context.Context) (Process, error) {
		process, sum, err := s.Start(ctx, kind, name, s.memory)
		if err != nil {
			return nil, err
		}
		if was := s.sums[section]; was.SHA256 != sum || was.Version != process.Info().Version {
			return nil, errors.Join(fmt.Errorf("the executable of %s was replaced while the run went on", was.Name), process.Close())
		}
		return process, nil
	}
}

func (s *session) objectiveRestarted(name string, at plugin.Position, cause error) {
	s.tell(&Restarted{Plugin: "objective " + name, Step: at.Step + 1, From: at.Step, Err: cause})
}

// buildFor builds the model in a role for a number of rows.
func (s *session) buildFor(ctx context.Context, role string, batch int) (*plugin.Module, error) {
	d, err := dims(s.Recipe, role, batch)
	if err != nil {
		return nil, err
	}
	return s.build(ctx, role, d)
}

// build asks the model for its module; a process that died is started again.
func (s *session) build(ctx context.Context, role string, dims map[string]int) (*plugin.Module, error) {
	r := s.Recipe
	request := plugin.BuildRequest{Config: r.Model.Config, Role: role, Dims: dims}
	m, err := s.model.Model().Build(ctx, request)
	for d := (deaths{}); err != nil && mortal(err) && ctx.Err() == nil; {
		if err = d.add(0, err); err != nil {
			break
		}
		_ = s.model.Close() // it is gone already
		process, startErr := s.starter(plugins.KindModel, "model", r.Model.Plugin)(ctx)
		if startErr != nil {
			return nil, fmt.Errorf("starting model %s again: %w", s.model.Info().Name, startErr)
		}
		s.model = process
		m, err = s.model.Model().Build(ctx, request)
	}
	if err != nil {
		return nil, r.PluginError("model", err)
	}
	if err := m.Check(); err != nil {
		return nil, r.PluginError("model", fmt.Errorf("model %s: %w", s.model.Info().Name, err))
	}
	return m, nil
}

// bind fits an objective to a module and the data.
func (s *session) bind(ctx context.Context, l *learned, m *plugin.Module, batch int) (*binding, error) {
	r := s.Recipe
	d, err := dims(r, l.role, batch)
	if err != nil {
		return nil, err
	}
	b, err := l.objective.bind(ctx, plugin.BindRequest{
		Config: l.Config, Role: l.role, Dims: d,
		Inputs: m.Inputs(), Outputs: m.Outputs(), Rows: s.data.Train.Schema(), Properties: s.data.properties,
	})
	if err != nil {
		return nil, r.PluginError(l.section, err)
	}
	return b, nil
}

// refuseState refuses a model that does not fit in memory, or not to the
// checkpoint.
func (s *session) refuseState() error {
	r := s.Recipe
	expected := map[string]ir.Type{}
	bytes := int64(0)
	for _, p := range s.weights.Tensors() {
		expected[p.Name] = p.Type
		bytes += int64(p.Type.Bytes())
	}
	slots := int64(len(optimizer(r).Slots()))
	if err := fits(bytes*(2+slots)+processBytes, "its parameters, gradients and optimizer alone; make the model smaller"); err != nil {
		return &recipe.Error{Position: r.Where("model.config"), Path: "model.config", Msg: err.Error(), Err: err}
	}
	if s.checkpoint != nil {
		return s.checkpoint.Check(expected)
	}
	return nil
}

// pluginList lists the run's plugins as checkpoints keep them.
func (s *session) pluginList() []checkpoint.Plugin {
	var list []checkpoint.Plugin
	for _, p := range s.sums {
		list = append(list, p)
	}
	slices.SortFunc(list, func(a, b checkpoint.Plugin) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// recipePath is where a run's folder keeps its recipe.
func recipePath(out string) string { return filepath.Join(out, "recipe.yaml") }
