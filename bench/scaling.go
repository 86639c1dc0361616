package main

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"time"

	"github.com/seedbed/seedbed/abi/cost"
	"github.com/seedbed/seedbed/abi/numerics"
	"github.com/seedbed/seedbed/plugins/models/gpt"
	"github.com/seedbed/seedbed/plugins/objectives/causal_lm"
	"github.com/spf13/cobra"
)

// gptSize is a GPT and its batch.
type gptSize struct{ Width, Depth, Length, Batch, Vocab int }

func (s gptSize) model() model {
	return model{
		model: gpt.Model, objective: causal_lm.Objective{}, settings: `{"document_boundaries": false}`,
		config: fmt.Sprintf(`{"n_layer": %d, "n_head": %d, "n_embd": %d, "n_positions": %d, "vocab_size": %d, "resid_pdrop": 0, "embd_pdrop": 0}`,
			s.Depth, s.Width/64, s.Width, s.Length, s.Vocab),
		batch: s.Batch, seq: s.Length, dims: map[string]int{"sequence": s.Length}, rows: randomRows{vocab: s.Vocab, length: s.Length + 1},
	}
}

// scalingBase is the middle of what is measured; each axis is halved and doubled from here, twice.
var scalingBase = gptSize{Width: 256, Depth: 4, Length: 256, Batch: 4, Vocab: 4096}

// axis is one of its sizes.
type axis struct {
	name string
	of   func(s *gptSize) *int
}

var axes = []axis{
	{"width", func(s *gptSize) *int { return &s.Width }}, {"depth", func(s *gptSize) *int { return &s.Depth }},
	{"length", func(s *gptSize) *int { return &s.Length }}, {"batch", func(s *gptSize) *int { return &s.Batch }},
	{"vocabulary", func(s *gptSize) *int { return &s.Vocab }},
}

// scaled is how a step's cost grows along an axis: as the size to the exponent.
type scaled struct {
	Axis string  `json:"axis"`
	CPU  string  `json:"cpu"`
	Base gptSize `json:"base"`

	Sizes []int     `json:"sizes"`
	Steps []float64 `json:"step_s"`
	FLOPs []float64 `json:"flops"`
	// Exponents are slopes of straight lines through the logarithms, of the time and of the operations.
	Exponent      float64 `json:"exponent"`
	FLOPsExponent float64 `json:"flops_exponent"`
}

func newScaling() *cobra.Command {
	threads, steps, asJSON := runtime.NumCPU(), 5, false
	c := &cobra.Command{
		Use:   "scaling",
		Short: "Time steps of GPTs of growing width, depth, length, batch and vocabulary and fit exponents",
		Long: "Times training steps of a GPT (width 256, depth 4, length 256, batch 4, vocabulary 4096) with one size at a time from a quarter to four times as large,\n" +
			"and fits time = c * size^exponent; beside it the exponent of the step's floating-point operations.",
		Example: "  go run ./bench scaling --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if steps < 1 {
				return fmt.Errorf("%d steps: at least one", steps)
			}
			if !asJSON {
				fmt.Printf("%-11s %9s %9s  %s\n", "axis", "time", "FLOPs", "size: seconds a step")
			}
			for _, a := range axes {
				s, err := measureScaling(cmd.Context(), a, threads, steps)
				if err != nil {
					return err
				}
				if asJSON {
					if err := printJSON(s); err != nil {
						return err
					}
					continue
				}
				fmt.Printf("%-11s %9.2f %9.2f ", s.Axis, s.Exponent, s.FLOPsExponent)
				for i := range s.Sizes {
					fmt.Printf(" %d: %.4f", s.Sizes[i], s.Steps[i])
				}
				fmt.Println()
			}
			return nil
		},
	}
	c.Flags().IntVar(&threads, "threads", threads, "workers of the backend")
	c.Flags().IntVar(&steps, "steps", steps, "steps that each size times; the fastest counts")
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON object an axis")
	return c
}

func measureScaling(ctx context.Context, a axis, threads, steps int) (*scaled, error) {
	s := &scaled{Axis: a.name, CPU: processorName(), Base: scalingBase}
	for shift := range 5 {
		size := scalingBase
		n := a.of(&size)
		*n = *n << shift >> 2
		seconds, flops, err := fastestStep(ctx, size.model(), threads, steps)
		if err != nil {
			return nil, fmt.Errorf("%s %d: %w", a.name, *n, err)
		}
		s.Sizes, s.Steps, s.FLOPs = append(s.Sizes, *n), append(s.Steps, seconds), append(s.FLOPs, flops)
	}
	s.Exponent, s.FLOPsExponent = slope(s.Sizes, s.Steps), slope(s.Sizes, s.FLOPs)
	return s, nil
}

// fastestStep times steps in this process: what else the machine does only adds to a step.
func fastestStep(ctx context.Context, m model, threads, steps int) (seconds, flops float64, err error) {
	x, err := m.inProcess(threads)
	if err != nil {
		return 0, 0, err
	}
	defer x.close()
	t, err := m.trainer(ctx, x)
	if err != nil {
		return 0, 0, err
	}
	defer t.Close()
	if err := t.Initialize(ctx); err != nil {
		return 0, 0, err
	}
	n, err := cost.Count(t.Gradients()[0])
	if err != nil {
		return 0, 0, err
	}
	seconds = math.Inf(1)
	for i := range steps + 1 {
		begin := time.Now()
		if _, err := t.Next(ctx, uint64(i+1)); err != nil {
			return 0, 0, err
		}
		if i > 0 {
			seconds = min(seconds, time.Since(begin).Seconds())
		}
	}
	return seconds, float64(n.Contractions), nil
}

// slope is that of the line of least squares through the logarithms.
func slope(x []int, y []float64) float64 {
	var sx, sy, sxx, sxy float64
	n := float64(len(x))
	for i := range x {
		a, b := numerics.Log64(float64(x[i])), numerics.Log64(y[i])
		sx, sy, sxx, sxy = sx+a, sy+b, sxx+a*a, sxy+a*b
	}
	return (n*sxy - sx*sy) / (n*sxx - sx*sx)
}
