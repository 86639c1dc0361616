package backend

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/conformance/objective"
	"github.com/seedbed/seedbed/conformance/suite"
	"github.com/seedbed/seedbed/core/device"
	"github.com/seedbed/seedbed/core/schedule"
	"github.com/seedbed/seedbed/core/step"
	"github.com/seedbed/seedbed/core/train"
	"github.com/seedbed/seedbed/plugins/backends/reference"
	"github.com/seedbed/seedbed/plugins/models/gpt"
	"github.com/seedbed/seedbed/plugins/objectives/causal_lm"
)

// trainings are the training runs: models, each with each optimizer.
var (
	trainedModels = []struct{ name, config string }{
		{"gpt2", `{"vocab_size": 11, "n_positions": 6, "n_embd": 8, "n_layer": 1, "n_head": 2}`},
		{"gpt2 dropout", `{"vocab_size": 11, "n_positions": 6, "n_embd": 12, "n_layer": 2, "n_head": 3, "resid_pdrop": 0.2, "embd_pdrop": 0.1}`},
		{"gpt2 untied relu", `{"vocab_size": 11, "n_positions": 6, "n_embd": 8, "n_layer": 1, "n_head": 1, "bias": false, "tie_embeddings": false, "activation": "relu"}`},
		{"llama", `{"vocab_size": 11, "n_positions": 6, "n_embd": 8, "n_layer": 2, "n_head": 2, "norm": "rms_norm", "position": "rotary", "mlp": "gated", "n_inner": 12}`},
		{"llama grouped", `{"vocab_size": 11, "n_positions": 6, "n_embd": 8, "n_layer": 1, "n_head": 4, "n_kv_head": 2, "norm": "rms_norm", "position": "rotary", "mlp": "gated", "n_inner": 5}`},
		{"gpt2 wide", `{"vocab_size": 37, "n_positions": 6, "n_embd": 20, "n_layer": 1, "n_head": 4, "n_inner": 33, "activation": "gelu"}`},
	}
	trainedWith = []struct {
		name      string
		optimizer step.Optimizer
		grains    int
		shards    int
	}{
		{"adamw", step.Optimizer{Name: "adamw", Beta1: 0.9, Beta2: 0.95, Epsilon: 1e-8, WeightDecay: 0.1, MaxGradNorm: 1}, 6, 3},
		{"sgd", step.Optimizer{Name: "sgd", Momentum: 0.9, WeightDecay: 0.01}, 3, 1},
	}
)

// hashedEvery is how many steps lie between two states that are compared.
const hashedEvery = 10

// trainingRows are a few rows of tokens.
type trainingRows struct{ length, vocab int }

func (r trainingRows) record(rows []int64) arrow.Record {
	var tokens []int32
	for _, n := range rows {
		for i := range r.length {
			tokens = append(tokens, int32((7*int(n)+i*i)%r.vocab))
		}
	}
	return objective.Lists(len(rows), map[string][]int32{"tokens": tokens})
}

func (r trainingRows) Schema() *arrow.Schema {
	one := r.record([]int64{0})
	defer one.Release()
	return one.Schema()
}
func (trainingRows) Len() int64          { return 5 }
func (trainingRows) Fingerprint() string { return "training" }
func (trainingRows) Close() error        { return nil }
func (r trainingRows) Read(_ context.Context, rows []int64) (arrow.Record, error) {
	return r.record(rows), nil
}

// startTraining begins run number i on a device.
func startTraining(ctx context.Context, i int, d device.Device, seed uint64, steps int) (*train.Trainer, error) {
	m, w := trainedModels[i/len(trainedWith)], trainedWith[i%len(trainedWith)]
	const sequence = 6
	dims := map[string]int{"batch": 1, "sequence": sequence}
	module, err := gpt.Model.Build(ctx, plugin.BuildRequest{Config: json.RawMessage(m.config), Role: "causal_lm", Dims: dims})
	if err != nil {
		return nil, err
	}
	rows := trainingRows{length: sequence + 1, vocab: 11}
	binding, err := causal_lm.Objective{}.Bind(ctx, plugin.BindRequest{
		Config: json.RawMessage(`{"document_boundaries": false}`), Role: "causal_lm", Dims: dims,
		Inputs: module.Inputs(), Outputs: module.Outputs(), Rows: rows.Schema(),
	})
	if err != nil {
		return nil, err
	}
	t, err := train.New(ctx, train.Config{
		Module: module, Binding: binding, Rows: rows, Optimizer: w.optimizer, Seed: seed, GrainRows: 1, Grains: w.grains, Shards: w.shards,
		Schedule: schedule.Schedule{Name: "cosine", Peak: 0.01, Warmup: 2, Steps: uint64(steps)}, Device: d,
	})
	if err != nil {
		return nil, err
	}
	if err := t.Initialize(ctx); err != nil {
		t.Close()
		return nil, err
	}
	return t, nil
}

// trainingState hashes parameters, optimizer and the last loss.
func trainingState(ctx context.Context, t *train.Trainer, steps int) (string, error) {
	h := sha256.New()
	until := t.Step() + uint64(steps)
	for range steps {
		m, err := t.Next(ctx, until)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(h, "%x %x\n", m.Loss, m.GradNorm)
	}
	err := t.Visit(ctx, func(name string, typ ir.Type, data []byte) error {
		fmt.Fprintln(h, name, typ)
		h.Write(data)
		return nil
	})
	return fmt.Sprintf("%x", h.Sum(nil)), err
}

// addTraining adds the training runs: every ten steps the state is the
// reference's.
func (s *Suites) addTraining(p Profile, seed uint64) {
	for i := range len(trainedModels) * len(trainedWith) {
		run := trainedModels[i/len(trainedWith)].name + ", " + trainedWith[i%len(trainedWith)].name
		s.Units = append(s.Units, suite.Unit{Suite: "training", Name: run, Cases: p.Training, Run: func(ctx context.Context, r *suite.Recorder) {
			var mine, right *train.Trainer
			var d device.Device
			open := func() (err error) {
				if d, err = s.sessions.target.Open(ctx, 0); err != nil {
					return err
				}
				steps := p.Training * hashedEvery
				if mine, err = startTraining(ctx, i, d, seed, steps); err != nil {
					return err
				}
				right, err = startTraining(ctx, i, device.Local(reference.Backend{}), seed, steps)
				return err
			}
			var err error
			for k := range p.Training {
				name := fmt.Sprintf("training/%s/%d", run, (k+1)*hashedEvery)
				if !r.Want(name) {
					return // later states build on earlier ones
				}
				if k == 0 {
					err = suite.Guard(open)
				}
				var got, want string
				if err == nil {
					err = suite.Guard(func() (err error) { got, err = trainingState(ctx, mine, hashedEvery); return err })
				}
				if err == nil {
					want, err = trainingState(ctx, right, hashedEvery)
				}
				if err == nil && got != want {
					err = errors.New("the state is not the reference's: its hash is " + got + ", not " + want)
				}
				r.Case(name, []byte(got), err)
			}
			// What goes wrong in ending adds nothing to what was seen.
			_ = suite.Guard(func() error {
				if mine != nil {
					mine.Close()
				}
				if right != nil {
					right.Close()
				}
				if d != nil {
					return d.Close()
				}
				return nil
			})
		}})
	}
}
