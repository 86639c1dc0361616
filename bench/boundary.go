package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"

	"github.com/spf13/cobra"
)

// boundary says what three processes cost over one.
type boundary struct {
	Model    string    `json:"model"`
	OneStep  float64   `json:"one_process_step_s"`
	Step     float64   `json:"step_s"`
	Overhead float64   `json:"overhead"` // of a step's time, median over pairs
	All      []float64 `json:"overheads"`
	// Fastest is the overhead of the fastest step of all pairs over the fastest in one process: a shared machine's noise only
	// adds to a step.
	Fastest float64 `json:"overhead_of_fastest"`
	// Idle and Others are parts of a step with three processes, medians over pairs, which no other load disturbs much: the
	// backend's time without work, and the processor time of the host and the objective, the making of batches included, over
	// all threads. Their sum bounds what the boundary takes.
	Idle   float64 `json:"idle_share"`
	Others float64 `json:"others_share"`
}

func newBoundary() *cobra.Command {
	pairs, steps, threads, asJSON := 5, 10, runtime.NumCPU(), false
	c := &cobra.Command{
		Use:     "boundary MODEL",
		Short:   "Time steps in three plugin processes beside steps in one",
		Example: "  go run ./bench boundary gpt_small --json",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if pairs < 1 || steps < 1 {
				return fmt.Errorf("%d pairs of %d steps: at least one of each", pairs, steps)
			}
			b, err := runBoundary(cmd.Context(), args[0], pairs, steps, threads)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(b)
			}
			_, err = fmt.Printf("%s: %.4f s a step in three processes, %.4f s in one: median %+.2f %%, from %+.2f %% to %+.2f %% over %d pairs; of the fastest steps %+.2f %%\n"+
				"the backend has no work for %.2f %% of a step; the host and the objective take %.2f %% of the processors\n",
				b.Model, b.Step, b.OneStep, 100*b.Overhead, 100*slices.Min(b.All), 100*slices.Max(b.All), pairs, 100*b.Fastest, 100*b.Idle, 100*b.Others)
			return err
		},
	}
	c.Flags().IntVar(&pairs, "pairs", pairs, "how often both run")
	c.Flags().IntVar(&steps, "steps", steps, "steps that each run times; their median counts")
	c.Flags().IntVar(&threads, "threads", threads, "workers of the backend")
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return c
}

func runBoundary(ctx context.Context, name string, pairs, steps, threads int) (*boundary, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	args := []string{"step", name, "--steps", strconv.Itoa(steps), "--threads", strconv.Itoa(threads)}
	b := &boundary{Model: name}
	var one, three, fastestOne, fastest, idle, others []float64
	for range pairs {
		x, _, err := runSide(ctx, self, append(args, "--in-process"), nil)
		if err != nil {
			return nil, err
		}
		y, _, err := runSide(ctx, self, args, nil)
		if err != nil {
			return nil, err
		}
		one, three = append(one, x.Median), append(three, y.Median)
		fastestOne, fastest = append(fastestOne, x.Min), append(fastest, y.Min)
		idle, others = append(idle, y.Idle/y.Median), append(others, y.Others/y.Median/float64(threads))
		b.All = append(b.All, y.Median/x.Median-1)
	}
	b.OneStep, b.Step, b.Overhead = median(one), median(three), median(b.All)
	b.Idle, b.Others = median(idle), median(others)
	b.Fastest = slices.Min(fastest)/slices.Min(fastestOne) - 1
	return b, nil
}
