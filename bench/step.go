package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"slices"
	"strconv"
	"time"

	"github.com/seedbed/seedbed/abi/cost"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/core/device"
	"github.com/seedbed/seedbed/core/plugins"
	"github.com/seedbed/seedbed/core/profile"
	"github.com/seedbed/seedbed/core/train"
	"github.com/seedbed/seedbed/plugins/backends/cpu"
	"github.com/spf13/cobra"
)

// measured is what one side says of a model: the fields that it shares with the peers' script. Times are in seconds.
type measured struct {
	Model    string  `json:"model"`
	Threads  int     `json:"threads"`
	Median   float64 `json:"step_s"`
	Min      float64 `json:"min_s"`
	FLOPs    float64 `json:"flops"`
	Loss     float64 `json:"loss"`
	Peak     float64 `json:"peak_flops,omitempty"` // of fused multiply-adds, all threads
	Compiled float64 `json:"compiled_s,omitempty"` // plugins started and programs compiled
	Start    float64 `json:"start_s,omitempty"`    // and the first weights drawn and uploaded
	CPU      float64 `json:"cpu_step_s,omitempty"` // processor time of a step, all threads: of the one process, or of the backend's
	// In three processes: the backend's time without work, and the processor time of the host and the objective, of a step each.
	Idle   float64   `json:"idle_step_s,omitempty"`
	Others float64   `json:"others_cpu_step_s,omitempty"`
	Steps  []float64 `json:"steps_s,omitempty"`
	// Ops is where the time of the steps goes, if they were recorded.
	Ops *profile.Report `json:"ops,omitempty"`
}

// stepOptions are how to run the project's steps.
type stepOptions struct {
	threads, steps, warmup int
	inProcess              bool
	profile                string
	ops, types             bool
}

func newStep() *cobra.Command {
	o := stepOptions{}
	c := &cobra.Command{
		Use:     "step MODEL",
		Short:   "Time the project's training steps and print one JSON object",
		Example: "  go run ./bench step gpt_small --steps 20 --profile step.pprof",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.inProcess = o.inProcess || o.profile != ""
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
	c.Flags().BoolVar(&o.inProcess, "in-process", false, "run the plugins' code in this process, without any boundary")
	c.Flags().BoolVar(&o.ops, "ops", false, "print where the time goes, op by op, on standard error")
	c.Flags().BoolVar(&o.types, "types", false, "with --ops: tell ops of different types apart")
	c.Flags().StringVar(&o.profile, "profile", "", "file for a profile of the timed steps, for go tool pprof; implies --in-process")
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
	var x *parties
	if o.inProcess {
		x, err = m.inProcess(o.threads)
	} else {
		x, err = inProcesses(ctx, name, o.threads)
	}
	if err != nil {
		return nil, err
	}
	defer x.close()
	t, err := m.trainer(ctx, x)
	if err != nil {
		return nil, err
	}
	defer t.Close()
	compiled := time.Since(start).Seconds()
	if err := t.Initialize(ctx); err != nil {
		return nil, err
	}
	flops, err := cost.Count(t.Gradients()[0])
	if err != nil {
		return nil, err
	}
	out := &measured{Model: name, Threads: o.threads, FLOPs: float64(flops.Contractions), Compiled: compiled, Start: time.Since(start).Seconds()}
	// Steps stay queued behind the last that is timed, as in the middle of a run; a record, though, is of whole steps.
	total, queued := o.warmup+o.steps, queuedBehind
	if o.ops {
		queued = 0
	}
	var last time.Time
	var before, backendBefore float64
	for i := range total {
		if i == o.warmup {
			if o.profile != "" {
				stop, err := processorProfile(o.profile)
				if err != nil {
					return nil, err
				}
				defer stop()
			}
			before, backendBefore = processorTime()+threadsTime(x.objectivePID), threadsTime(x.backendPID)
			last = time.Now()
		}
		until := total + queued
		if o.ops && i < o.warmup {
			until = o.warmup
		}
		metrics, err := t.Next(ctx, uint64(until))
		if err != nil {
			return nil, err
		}
		if i >= o.warmup {
			out.Steps = append(out.Steps, time.Since(last).Seconds())
			last = time.Now()
			out.Idle += metrics.Idle.Seconds() / float64(o.steps)
		}
		out.Loss = metrics.Loss
		if o.ops && (i == 0 || i == o.warmup-1) { // in its first step a backend finds out what each op counts
			if _, err := x.device.Profile(ctx, true); err != nil {
				return nil, err
			}
		}
	}
	used := (processorTime() + threadsTime(x.objectivePID) - before) / float64(o.steps)
	if o.inProcess {
		out.CPU = used
	} else {
		out.Others, out.CPU = used, (threadsTime(x.backendPID)-backendBefore)/float64(o.steps)
	}
	stats, err := x.device.Stats(ctx)
	if err != nil {
		return nil, err
	}
	out.Peak = stats.PeakFLOPS
	if o.ops {
		p, err := x.device.Profile(ctx, false)
		if err != nil {
			return nil, err
		}
		if out.Ops, err = profile.New(stats, p, o.steps, o.types); err != nil {
			return nil, err
		}
		if err := out.Ops.Write(os.Stderr); err != nil {
			return nil, err
		}
	}
	out.Median, out.Min = median(out.Steps), slices.Min(out.Steps)
	return out, nil
}

const queuedBehind = 8 // more than are ever in flight

// processorProfile writes one of the processor's time until stop is called.
func processorProfile(path string) (stop func(), err error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() { pprof.StopCPUProfile(); f.Close() }, nil
}

// parties are who takes part in a run.
type parties struct {
	model     plugin.Model
	objective plugin.Objective
	device    device.Device
	newFields train.NewFields // nil for the heap
	close     func()

	objectivePID, backendPID int // 0 in one process
}

// inProcess puts the plugins' code into this process.
func (m model) inProcess(threads int) (*parties, error) {
	backend, err := cpu.New(cpu.Options{Threads: threads})
	if err != nil {
		return nil, err
	}
	return &parties{model: m.model, objective: m.objective, device: device.Local(backend), close: func() { backend.Close() }}, nil
}

// inProcesses starts three plugins, which are this executable again.
func inProcesses(ctx context.Context, name string, threads int) (*parties, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	memory, err := plugins.NewMemory(plugins.PlaneAuto)
	if err != nil {
		return nil, err
	}
	x := &parties{newFields: memory.NewFields, close: func() { memory.Close() }}
	start := func(kind plugins.Kind) (*plugins.Plugin, error) {
		p, err := plugins.Start(ctx, plugins.Spec{Command: []string{self, "serve", string(kind), name, "--threads", strconv.Itoa(threads)}, Kind: kind}, plugins.Options{Memory: memory})
		if err != nil {
			x.close()
			return nil, err
		}
		before := x.close
		x.close = func() { p.Close(); before() }
		return p, nil
	}
	for kind, use := range map[plugins.Kind]func(*plugins.Plugin){
		plugins.KindModel:     func(p *plugins.Plugin) { x.model = p.Model() },
		plugins.KindObjective: func(p *plugins.Plugin) { x.objective, x.objectivePID = p.Objective(), p.PID() },
		plugins.KindBackend:   func(p *plugins.Plugin) { x.device, x.backendPID = p.Device(), p.PID() },
	} {
		p, err := start(kind)
		if err != nil {
			return nil, err
		}
		use(p)
	}
	return x, nil
}

// newServe is what the processes that inProcesses starts run.
func newServe() *cobra.Command {
	threads := 0
	c := &cobra.Command{
		Use: "serve KIND MODEL", Short: "Serve a plugin of a model; step starts this by itself", Hidden: true, Args: cobra.ExactArgs(2),
		RunE: func(_ *cobra.Command, args []string) error {
			m, err := findModel(args[1])
			if err != nil {
				return err
			}
			switch plugins.Kind(args[0]) {
			case plugins.KindModel:
				plugin.ServeModel(m.model)
			case plugins.KindObjective:
				plugin.ServeObjective(m.objective)
			case plugins.KindBackend:
				b, err := cpu.New(cpu.Options{Threads: threads})
				if err != nil {
					return err
				}
				plugin.ServeBackend(b)
			default:
				return fmt.Errorf("there is no plugin of kind %q", args[0])
			}
			return nil
		},
	}
	c.Flags().IntVar(&threads, "threads", 0, "workers of the backend")
	return c
}

func median(x []float64) float64 {
	s := slices.Sorted(slices.Values(x))
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}
