package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/seedbed/seedbed/core/run"
	"github.com/spf13/cobra"
)

func newProfile() *cobra.Command {
	var sets, data []string
	var trace, backend string
	p := run.Profiling{}
	threads, asJSON := 0, false
	c := &cobra.Command{
		Use: "profile [RECIPE]", Short: "Show where the time of a training step goes",
		Long: "Run the first steps of a recipe and show where their time goes: for each op its time, its floating-point operations and bytes, what share\n" +
			"of the machine's peaks it reaches, and the least that it could take; then what is lost, and where. Operations are those of matrix products and\n" +
			"convolutions, bytes those of operands and results, each once. Both peaks, of fused multiply-adds and of memory, are measured beside the steps.\n" +
			"Ops that run as one are joined by +. Nothing is kept of what the model learns.\n\n" +
			"--trace writes what host, objectives and backend did, for chrome://tracing and ui.perfetto.dev.",
		Example: "  host profile gpt\n  host profile my.yaml --types --trace trace.json\n  host profile bert --steps 10 --json > profile.json",
		Args:    args(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) (err error) {
			if p.Steps < 1 || p.Warmup < 1 {
				return usagef("profile: --steps %d, --warmup %d: at least one of each", p.Steps, p.Warmup)
			}
			if p.Recipe, err = readRecipe(cmd.InOrStdin(), a, append(recipeFlags(cmd, data, backend, threads), sets...)); err != nil {
				return err
			}
			p.Start = starter(p.Recipe.Backend.Threads, 0)
			p.Events = newText(cmd.ErrOrStderr(), cmd.ErrOrStderr(), 0).event
			report, spans, err := run.Profile(cmd.Context(), p)
			if errors.Is(err, errors.ErrUnsupported) {
				return fmt.Errorf("%w; take another by --backend", err)
			}
			if err != nil {
				return err
			}
			if trace != "" {
				f, err := os.Create(trace)
				if err != nil {
					return err
				}
				if err := errors.Join(spans.Write(f), f.Close()); err != nil {
					return fmt.Errorf("writing %s: %w", trace, err)
				}
			}
			if asJSON {
				e := json.NewEncoder(cmd.OutOrStdout())
				e.SetEscapeHTML(false)
				return e.Encode(report)
			}
			return report.Write(cmd.OutOrStdout())
		},
	}
	f := c.Flags()
	f.IntVar(&p.Steps, "steps", 5, "steps to record")
	f.IntVar(&p.Warmup, "warmup", 2, "steps before them")
	f.BoolVar(&p.ByTypes, "types", false, "tell ops of different types apart")
	f.StringVar(&trace, "trace", "", "file for a trace of all processes")
	f.StringArrayVar(&data, "data", nil, "files, folders and patterns to learn from (repeatable)")
	f.StringVar(&backend, "backend", "cpu", "backend: a name, or the path of an executable")
	f.IntVar(&threads, "threads", 0, "threads of the backend (default: one for each processor)")
	f.StringArrayVar(&sets, "set", nil, "replace a value of the recipe: key.path=value (repeatable)")
	f.BoolVar(&asJSON, "json", false, "print one JSON object")
	return c
}
