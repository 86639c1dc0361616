package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/pprof"
	"slices"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/core/cost"
	"github.com/seedbed/seedbed/core/device"
	"github.com/seedbed/seedbed/core/schedule"
	"github.com/seedbed/seedbed/core/step"
	"github.com/seedbed/seedbed/core/train"
	"github.com/seedbed/seedbed/plugins/backends/cpu"
	"github.com/seedbed/seedbed/plugins/models/gpt"
	"github.com/seedbed/seedbed/plugins/objectives/causal_lm"
	"github.com/spf13/cobra"
)

// measured is what one side says of a model: the fields that it shares with the peers' script. Times are in seconds.
type measured struct {
	Model   string    `json:"model"`
	Threads int       `json:"threads"`
	Median  float64   `json:"step_s"`
	Min     float64   `json:"min_s"`
	FLOPs   float64   `json:"flops"`
	Loss    float64   `json:"loss"`
	Peak    float64   `json:"peak_flops,omitempty"` // of fused multiply-adds, all threads
	Start   float64   `json:"start_s,omitempty"`    // compiling and the first weights
	CPU     float64   `json:"cpu_step_s,omitempty"` // processor time of a step, all threads
	Steps   []float64 `json:"steps_s,omitempty"`
}

// stepOptions are how to run the project's steps.
type stepOptions struct {
	threads, steps, warmup int
	profile                string
}

func newStep() *cobra.Command {
	o := stepOptions{}
	c := &cobra.Command{
		Use:     "step MODEL",
		Short:   "Time the project's training steps and print one JSON object",
		Example: "  go run ./bench step gpt_small --steps 20 --profile step.pprof",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			m, err := runSteps(cmd.Context(), args[0], o)
			if err != nil {
				return err
			}
			return printJSON(m)
		},
	}
	c.Flags().IntVar(&o.threads, "threads", runtime.NumCPU(), "workers of the backend")
	c.Flags().IntVar(&o.steps, "steps", 5, "steps to time")
	c.Flags().IntVar(&o.warmup, "warmup", 2, "steps before them")
	c.Flags().StringVar(&o.profile, "profile", "", "file for a profile of the timed steps, for go tool pprof")
	return c
}

// runSteps trains on random tokens: forward, loss, backward and AdamW, as the peers' script.
func runSteps(ctx context.Context, name string, o stepOptions) (*measured, error) {
	m, err := findModel(name)
	if err != nil {
		return nil, err
	}
	if o.steps < 1 || o.warmup < 1 {
		return nil, fmt.Errorf("%d steps after %d: at least one of each", o.steps, o.warmup)
	}
	start := time.Now()
	t, backend, err := m.trainer(ctx, o)
	if err != nil {
		return nil, err
	}
	defer backend.Close()
	defer t.Close()
	if err := t.Initialize(ctx); err != nil {
		return nil, err
	}
	flops, err := cost.Count(t.Gradient())
	if err != nil {
		return nil, err
	}
	out := &measured{Model: name, Threads: o.threads, FLOPs: float64(flops.Contractions), Start: time.Since(start).Seconds()}
	// Steps stay queued behind the last that is timed, as in the middle of a run.
	total := o.warmup + o.steps
	var last time.Time
	var before float64
	for i := range total {
		if i == o.warmup {
			if o.profile != "" {
				stop, err := profile(o.profile)
				if err != nil {
					return nil, err
				}
				defer stop()
			}
			before, last = processorTime(), time.Now()
		}
		metrics, err := t.Next(ctx, uint64(total+queuedBehind))
		if err != nil {
			return nil, err
		}
		if i >= o.warmup {
			out.Steps = append(out.Steps, time.Since(last).Seconds())
			last = time.Now()
		}
		out.Loss = metrics.Loss
	}
	out.CPU = (processorTime() - before) / float64(o.steps)
	stats, err := backend.Stats(ctx)
	if err != nil {
		return nil, err
	}
	out.Peak = stats.PeakFLOPS
	out.Median, out.Min = median(out.Steps), slices.Min(out.Steps)
	return out, nil
}

const queuedBehind = 8 // more than are ever in flight

// profile writes one of the processor's time until stop is called.
func profile(path string) (stop func(), err error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() { pprof.StopCPUProfile(); f.Close() }, nil
}

// trainer makes a run in this process.
func (m model) trainer(ctx context.Context, o stepOptions) (*train.Trainer, *cpu.Backend, error) {
	dims := map[string]int{"batch": m.batch, "sequence": m.seq}
	module, err := gpt.Model.Build(ctx, plugin.BuildRequest{Config: json.RawMessage(m.config), Role: "causal_lm", Dims: dims})
	if err != nil {
		return nil, nil, err
	}
	types := module.Forward.Types()
	var outputs []ir.Param
	for _, r := range module.Forward.Results {
		outputs = append(outputs, ir.Param{Name: r.Name, Type: types[r.Value]})
	}
	rows := randomRows{vocab: m.vocab, length: m.seq + 1}
	binding, err := causal_lm.Objective{}.Bind(ctx, plugin.BindRequest{
		Config: json.RawMessage(`{"document_boundaries": false}`), Role: "causal_lm", Dims: dims,
		Inputs: module.Inputs(), Outputs: outputs, Rows: rows.Schema(),
	})
	if err != nil {
		return nil, nil, err
	}
	backend, err := cpu.New(cpu.Options{Threads: o.threads})
	if err != nil {
		return nil, nil, err
	}
	t, err := train.New(ctx, train.Config{
		Module: module, Binding: binding, Rows: rows, Seed: 1, GrainRows: m.batch, Grains: 1, Device: device.Local(backend),
		Optimizer: step.Optimizer{Name: "adamw", Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-8, WeightDecay: 0.1},
		Schedule:  schedule.Schedule{Name: "constant", Peak: 1e-4, Steps: 1 << 20},
	})
	if err != nil {
		backend.Close()
		return nil, nil, err
	}
	return t, backend, nil
}

// randomRows are rows of random tokens; row i is always the same.
type randomRows struct{ vocab, length int }

func (r randomRows) Schema() *arrow.Schema {
	return arrow.NewSchema([]arrow.Field{{Name: "tokens", Type: arrow.FixedSizeListOf(int32(r.length), arrow.PrimitiveTypes.Int32)}}, nil)
}
func (randomRows) Len() int64          { return 1 << 20 }
func (randomRows) Fingerprint() string { return "random" }
func (randomRows) Close() error        { return nil }

func (r randomRows) Read(_ context.Context, rows []int64) (arrow.Record, error) {
	b := array.NewRecordBuilder(memory.DefaultAllocator, r.Schema())
	defer b.Release()
	list := b.Field(0).(*array.FixedSizeListBuilder)
	values := list.ValueBuilder().(*array.Int32Builder)
	for _, row := range rows {
		list.Append(true)
		random := rand.New(rand.NewPCG(uint64(row), 0))
		for range r.length {
			values.Append(int32(random.IntN(r.vocab)))
		}
	}
	return b.NewRecord(), nil
}

func median(x []float64) float64 {
	s := slices.Sorted(slices.Values(x))
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}
