package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
)

// paper is a recipe of a paper's size, and how many rows of it are a step here: the paper's own batches take minutes to days on a few
// cores.
type paper struct {
	recipe   string
	rows     int
	side     int // of images; 0 for text
	captions bool
}

var papers = []paper{
	{recipe: "gpt-paper", rows: 4},
	{recipe: "bert-paper", rows: 16},
	{recipe: "t5-paper", rows: 16},
	{recipe: "resnet-paper", rows: 32, side: 224},
	{recipe: "vit-paper", rows: 32, side: 224},
	{recipe: "vit-masked-paper", rows: 32, side: 224},
	{recipe: "mae-paper", rows: 32, side: 224},
	{recipe: "simclr-paper", rows: 32, side: 224},
	{recipe: "clip-paper", rows: 32, side: 224, captions: true},
	{recipe: "clip-resnet-paper", rows: 32, side: 224, captions: true},
	{recipe: "dvae-paper", rows: 8, side: 128},
}

// paperStep is what two steps of a recipe took.
type paperStep struct {
	Recipe     string  `json:"recipe"`
	Parameters int64   `json:"parameters"`
	Rows       int     `json:"rows"`  // of a step
	Paper      int     `json:"paper"` // rows of the paper's own step
	Seconds    float64 `json:"step_s"`
	PeakShare  float64 `json:"peak_share"`
	Predicted  int64   `json:"predicted_bytes"` // of memory, of all processes together
	Bytes      int64   `json:"peak_bytes"`
	Loss       float64 `json:"loss"` // of the second step
	Version    string  `json:"version"`
	Processor  string  `json:"processor"`
}

func newPaper() *cobra.Command {
	var names []string
	for _, p := range papers {
		names = append(names, p.recipe)
	}
	executable, out, asJSON := "", "", false
	c := &cobra.Command{
		Use:   "paper [RECIPE...]",
		Short: "Take two steps of each system at its paper's size",
		Long: "Takes two real steps of each recipe of a paper's size, in its processes: the model, the length and the optimizer are the paper's, the data are those that need\n" +
			"no download, and the batch is one grain. Prints the time of the second step and the memory beside the prediction. Recipes: " + strings.Join(names, ", ") + ";\n" +
			"all of them if none is named. dalle-paper, of 12 billion parameters, is not among them.",
		Example: "  go run ./bench paper resnet-paper --json",
		RunE: func(cmd *cobra.Command, args []string) error {
			chosen, err := choose("recipe", args, names, papers)
			if err != nil {
				return err
			}
			return runPapers(cmd.Context(), chosen, executable, out, asJSON)
		},
	}
	f := c.Flags()
	f.StringVar(&executable, "host", "", "executable of the host (default: it is built)")
	f.StringVar(&out, "out", "", "file of steps, in which these take the place of those of the same recipe")
	f.BoolVar(&asJSON, "json", false, "print one JSON object a recipe")
	return c
}

func runPapers(ctx context.Context, chosen []paper, executable, out string, asJSON bool) error {
	h, err := openHost(ctx, executable)
	if err != nil {
		return err
	}
	defer h.remove()
	for _, p := range chosen {
		s, err := p.run(ctx, h)
		if err != nil {
			return fmt.Errorf("%s: %w", p.recipe, err)
		}
		if asJSON {
			err = printJSON(s)
		} else {
			const gib = 1 << 30
			_, err = fmt.Printf("%-18s %5.0f million parameters  %2d rows of %5d  %6.1f s a step, %4.1f %% of peak  %5.1f GiB, predicted %5.1f  loss %.3f\n",
				s.Recipe, float64(s.Parameters)/1e6, s.Rows, s.Paper, s.Seconds, 100*s.PeakShare, float64(s.Bytes)/gib, float64(s.Predicted)/gib, s.Loss)
		}
		if err == nil && out != "" {
			err = mergePapers(out, s)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// run takes the steps.
func (p *paper) run(ctx context.Context, h *host) (*paperStep, error) {
	dir, err := os.MkdirTemp("", "seedbed-paper")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	s := &paperStep{Recipe: p.recipe, Rows: p.rows, Version: h.version, Processor: processorName()}
	if s.Paper, err = p.paperRows(ctx, h); err != nil {
		return nil, err
	}
	rows := strconv.Itoa(p.rows)
	args := []string{"pretrain", p.recipe, "--json", "--out", filepath.Join(dir, "run")}
	sets := []string{"train.steps=2", "train.batch_size=" + rows, "train.grain=" + rows, "train.eval_every=0", "schedule.warmup_steps=1",
		"data.paths=[]", "data.validation_fraction=0"}
	if p.side == 0 {
		sets = append(sets, "data.train_bytes=16777216")
	} else {
		sets = append(sets, "data.kind=shapes", "data.image_size="+strconv.Itoa(p.side), "data.rows=256", "data.label=", "data.image=", "data.text=[]")
	}
	if p.captions {
		sets = append(sets, "data.vocab_size=320")
	}
	for _, set := range sets {
		args = append(args, "--set", set)
	}
	cmd := exec.CommandContext(ctx, h.path, args...)
	var problems bytes.Buffer
	cmd.Stderr = &problems
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	memory := watchMemory(cmd.Process.Pid)
	lines, steps := bufio.NewScanner(pipe), 0
	for lines.Scan() {
		var e struct {
			Event      string  `json:"event"`
			Step       int     `json:"step"`
			Parameters int64   `json:"parameters"`
			Memory     int64   `json:"memory_bytes"`
			Loss       float64 `json:"loss"`
			Rate       float64 `json:"rows_per_s"`
			PeakShare  float64 `json:"peak_share"`
		}
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			continue // the run goes on to its end, and says there what is wrong
		}
		switch e.Event {
		case "start":
			s.Parameters, s.Predicted = e.Parameters, e.Memory
		case "step":
			steps = e.Step
			s.Loss, s.PeakShare = e.Loss, e.PeakShare
			if e.Rate > 0 {
				s.Seconds = float64(p.rows) / e.Rate
			}
		}
	}
	err = errors.Join(lines.Err(), cmd.Wait())
	s.Bytes = memory()
	if err != nil {
		return nil, fmt.Errorf("%w\n%s", err, strings.TrimSpace(problems.String()))
	}
	if steps != 2 || s.Seconds == 0 {
		return nil, fmt.Errorf("the run told of %d steps, not of 2", steps)
	}
	return s, nil
}

// paperRows returns the rows of a step by the recipe.
func (p *paper) paperRows(ctx context.Context, h *host) (int, error) {
	text, err := exec.CommandContext(ctx, h.path, "recipe", "check", p.recipe, "--json").Output()
	if err != nil {
		return 0, fmt.Errorf("host recipe check: %w", err)
	}
	var r struct{ Rows int }
	return r.Rows, json.Unmarshal(text, &r)
}

// mergePapers writes a step among those of a file.
func mergePapers(path string, s *paperStep) error {
	list, err := readList[*paperStep](path)
	if err != nil {
		return err
	}
	if slices.Contains(list, nil) {
		return fmt.Errorf("%s: an entry that is null", path)
	}
	_, err = merge(path, list, s, func(a, b *paperStep) int { return strings.Compare(a.Recipe, b.Recipe) })
	return err
}
