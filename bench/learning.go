package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
)

// system is a system that learns from real data: a recipe, and what its result
// is measured against.
type system struct {
	name   string
	data   []string // below the data folder
	recipe string
	// measured is the figure that the run ends with, and baselines what it must
	// be better than: keys of the run's last line.
	measured  string
	baselines []string
	higher    bool // is better
}

var systems = []system{
	{
		name: "gpt", data: []string{"wikitext2"}, measured: "val_loss", baselines: []string{"bigram_loss", "unigram_loss"},
		recipe: `
model:
  config: {vocab_size: 1024, n_positions: 128, n_embd: 128, n_layer: 4, n_head: 4, norm: rms_norm, position: rotary, mlp: gated, activation: silu, bias: false}
data: {vocab_size: 1024, document: line, validation_fraction: 0.1}
train: {steps: 1000, batch_size: 16, sequence_length: 128, eval_every: 0}
optimizer: {lr: 0.003}
schedule: {warmup_steps: 50}
checkpoint: {every: 0}
`,
	},
}

// learned is what a system learned.
type learned struct {
	System    string             `json:"system"`
	Measured  string             `json:"measured"`
	Value     float64            `json:"value"`
	Baselines map[string]float64 `json:"baselines"`
	Better    bool               `json:"better"` // than every baseline
	Seconds   float64            `json:"seconds"`
	Weights   string             `json:"weights_sha256"`
}

func newLearning() *cobra.Command {
	folder, asJSON := filepath.FromSlash("../shared/data"), false
	var names []string
	for _, s := range systems {
		names = append(names, s.name)
	}
	c := &cobra.Command{
		Use:     "learning [SYSTEM...]",
		Short:   "Train systems on real data and compare what they learned with what counting gives",
		Long:    "Train systems on real data and compare what they learned with what counting gives.\nSystems: " + strings.Join(names, ", ") + "; all of them if none is named.",
		Example: "  go run ./bench learning gpt --json",
		RunE: func(cmd *cobra.Command, args []string) error {
			chosen := systems
			if len(args) > 0 {
				chosen = nil
			}
			for _, name := range args {
				i := slices.Index(names, name)
				if i < 0 {
					return fmt.Errorf("there is no system %q; there are %s", name, strings.Join(names, ", "))
				}
				chosen = append(chosen, systems[i])
			}
			return runLearning(cmd.Context(), chosen, folder, asJSON)
		},
	}
	c.Flags().StringVar(&folder, "data", folder, "folder of the data sets")
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON object a system")
	return c
}

func runLearning(ctx context.Context, chosen []system, folder string, asJSON bool) error {
	dir, err := os.MkdirTemp("", "seedbed-learning")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	host := filepath.Join(dir, "host")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", host, "./cmd/host").CombinedOutput(); err != nil {
		return fmt.Errorf("building the host (bench runs in the project's folder): %w\n%s", err, out)
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	var worse []string
	for _, s := range chosen {
		l, err := s.learn(ctx, host, filepath.Join(dir, s.name), folder)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		if !l.Better {
			worse = append(worse, s.name)
		}
		if asJSON {
			if err := printJSON(l); err != nil {
				return err
			}
			continue
		}
		fmt.Fprintf(w, "%s\t%s %.4f", l.System, l.Measured, l.Value)
		for _, b := range s.baselines {
			fmt.Fprintf(w, "\t%s %.4f", b, l.Baselines[b])
		}
		fmt.Fprintf(w, "\t%.0f s\n", l.Seconds)
		if err := w.Flush(); err != nil {
			return err
		}
	}
	if len(worse) > 0 {
		return fmt.Errorf("not better than a baseline: %s", strings.Join(worse, ", "))
	}
	return nil
}

// learn runs a system to its end.
func (s system) learn(ctx context.Context, host, dir, folder string) (*learned, error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, err
	}
	recipe := filepath.Join(dir, "recipe.yaml")
	if err := os.WriteFile(recipe, []byte(s.recipe), 0o666); err != nil {
		return nil, err
	}
	args := []string{"pretrain", recipe, "--json", "--out", filepath.Join(dir, "run"), "--set", "data.cache_dir=" + filepath.Join(dir, "cache"), "--data"}
	for _, d := range s.data {
		args = append(args, filepath.Join(folder, d))
	}
	begin := time.Now()
	cmd := exec.CommandContext(ctx, host, args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	var last []byte
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		last = append(last[:0], lines.Bytes()...)
	}
	if err := errors.Join(lines.Err(), cmd.Wait()); err != nil {
		return nil, err
	}
	var done map[string]any
	if err := json.Unmarshal(last, &done); err != nil {
		return nil, fmt.Errorf("the run's last line: %w", err)
	}
	figure := func(key string) (v float64, err error) {
		var ok bool
		if v, ok = done[key].(float64); !ok {
			err = fmt.Errorf("the run's last line has no %s: %s", key, last)
		}
		return v, err
	}
	l := &learned{System: s.name, Measured: s.measured, Baselines: map[string]float64{}, Better: true, Seconds: time.Since(begin).Seconds()}
	l.Weights, _ = done["weights_sha256"].(string)
	if l.Value, err = figure(s.measured); err != nil {
		return nil, err
	}
	for _, b := range s.baselines {
		v, err := figure(b)
		if err != nil {
			return nil, err
		}
		l.Baselines[b] = v
		l.Better = l.Better && l.Value != v && (l.Value > v) == s.higher
	}
	return l, nil
}
