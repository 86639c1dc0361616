package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
)

// recipes are what rows are trained by.
//
//go:embed learning/*.yaml
var recipes embed.FS

// figure is what a row measures, and what it must be better than.
type figure struct {
	Name      string             `json:"name"`
	Value     float64            `json:"value"`
	Higher    bool               `json:"higher"` // is better
	Percent   bool               `json:"percent,omitempty"`
	Baselines map[string]float64 `json:"baselines"`
	// Goal is what the figure should reach; 0 for no more than the baselines.
	Goal float64 `json:"goal,omitempty"`
}

// better tells whether the figure is better than all baselines.
func (f *figure) better() bool {
	for _, b := range f.Baselines {
		if f.Value == b || (f.Value > b) != f.Higher {
			return false
		}
	}
	return true
}

// reached tells whether the figure is where it should be.
func (f *figure) reached() bool {
	return f.better() && (f.Goal == 0 || f.Value == f.Goal || (f.Value > f.Goal) == f.Higher)
}

// row is what one system learned.
type row struct {
	Name      string   `json:"name"`
	Learns    string   `json:"learns"` // from what
	Figures   []figure `json:"figures"`
	Steps     int      `json:"steps"`
	Seconds   float64  `json:"processor_seconds"` // of all processes of the runs
	Weights   string   `json:"weights_sha256"`
	Version   string   `json:"version"` // of the host
	Processor string   `json:"processor"`
	Pictures  []string `json:"pictures,omitempty"` // files beside the table, and what they show
	Notes     []string `json:"notes,omitempty"`
}

func newLearning() *cobra.Command {
	l := lessons{}
	asJSON := false
	var names []string
	for _, x := range systems {
		names = append(names, x.name)
	}
	c := &cobra.Command{
		Use:   "learning [ROW...]",
		Short: "Train systems on real data and compare what they learned with what is known without",
		Long: "Train systems on real data through the command line, and compare what they learned with what is known without.\n" +
			"Rows: " + strings.Join(names, ", ") + "; all of them if none is named. Results go to --results: a file for each row, curves, pictures, and\n" +
			"a table of all rows that are there. Runs are kept in --work: one that was interrupted goes on, one that is done is not trained again.",
		Example: "  go run ./bench learning gpt --json",
		RunE: func(cmd *cobra.Command, args []string) error {
			chosen, err := choose("row", args, names, systems)
			if err != nil {
				return err
			}
			return l.run(cmd.Context(), chosen, asJSON)
		},
	}
	f := c.Flags()
	f.StringVar(&l.data, "data", filepath.FromSlash("../shared/data"), "folder of the data sets")
	f.StringVar(&l.results, "results", filepath.FromSlash("docs/results"), "folder of the results; empty for none")
	f.StringVar(&l.work, "work", "", "folder of the runs (default: one in the user's cache folder)")
	f.StringVar(&l.executable, "host", "", "executable of the host (default: it is built)")
	f.IntVar(&l.threads, "threads", 0, "threads of the backend (default: one for each processor)")
	f.BoolVar(&asJSON, "json", false, "print one JSON object a row")
	return c
}

// lessons are rows under way.
type lessons struct {
	data, results, work string
	threads             int
	executable          string // of the host, if it was chosen
	host                *host
}

func (l *lessons) run(ctx context.Context, chosen []system, asJSON bool) error {
	if l.work == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return err
		}
		l.work = filepath.Join(cache, "seedbed", "learning")
	}
	for _, dir := range []string{l.work, l.results} {
		if dir == "" {
			continue
		}
		if err := os.MkdirAll(dir, 0o777); err != nil {
			return err
		}
	}
	h, err := openHost(ctx, l.executable)
	if err != nil {
		return err
	}
	defer h.remove()
	l.host = h
	var short []string
	for _, s := range chosen {
		x := &lesson{lessons: l, ctx: ctx, row: row{Name: s.name, Learns: s.learns, Version: l.host.version, Processor: processorName()}}
		if err := s.teach(x); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		for _, f := range x.row.Figures {
			if !f.better() {
				short = append(short, s.name)
				break
			}
		}
		if err := x.report(asJSON); err != nil {
			return err
		}
	}
	if len(short) > 0 {
		return fmt.Errorf("not better than a baseline: %s", strings.Join(short, ", "))
	}
	return nil
}

// report prints the row, and writes it down beside the others.
func (x *lesson) report(asJSON bool) error {
	if asJSON {
		if err := printJSON(x.row); err != nil {
			return err
		}
	} else {
		for _, f := range x.row.Figures {
			fmt.Printf("%-8s %s\n", x.row.Name, f.String())
		}
	}
	if x.results == "" {
		return nil
	}
	text, err := json.MarshalIndent(x.row, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(x.results, x.row.Name+".json"), append(text, '\n'), 0o666); err != nil {
		return err
	}
	return writeTable(x.results)
}

// lesson is one row under way.
type lesson struct {
	*lessons
	ctx context.Context
	row row
}

// run is a run that has ended.
type run struct {
	dir  string
	done map[string]any // the last line of host pretrain --json
}

// figure returns a figure of the run's last line, or of its metrics.
func (r *run) figure(name string) (float64, error) {
	if v, ok := r.done[name].(float64); ok {
		return v, nil
	}
	if m, ok := r.done["metrics"].(map[string]any); ok {
		if v, ok := m[name].(float64); ok {
			return v, nil
		}
	}
	return 0, fmt.Errorf("the run in %s has no figure %s", r.dir, name)
}

// recipe writes a row's recipe, with settings behind it, to the work folder.
func (x *lesson) recipe(name string) (string, error) {
	text, err := recipes.ReadFile("learning/" + name + ".yaml")
	if err != nil {
		return "", err
	}
	path := filepath.Join(x.work, name+".yaml")
	return path, os.WriteFile(path, text, 0o666)
}

// paths are the flags that name data, below the data folder unless they are
// absolute.
func (x *lesson) paths(data []string) (flags []string) {
	for _, d := range data {
		if !filepath.IsAbs(d) {
			d = filepath.Join(x.data, d)
		}
		flags = append(flags, "--data", d)
	}
	return flags
}

// pretrain trains a recipe to its end, or goes on with what is there of it: the
// folder of a run has the hash of what decides its bits in its name.
func (x *lesson) pretrain(name string, data []string, sets ...string) (*run, error) {
	recipe, err := x.recipe(name)
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(recipe)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\n%q", text, sets))
	r := &run{dir: filepath.Join(x.work, name+"-"+hex.EncodeToString(sum[:4]))}
	args := append([]string{"pretrain", recipe, "--json", "--resume", "--out", r.dir}, x.paths(data)...)
	for _, s := range sets {
		args = append(args, "--set", s)
	}
	if x.threads > 0 {
		args = append(args, "--threads", strconv.Itoa(x.threads))
	}
	out, err := x.command(r.dir, nil, args...)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(out, &r.done); err != nil {
		return nil, fmt.Errorf("the run's last line: %w", err)
	}
	seconds, err := spent(r.dir)
	if err != nil {
		return nil, err
	}
	step, _ := r.done["step"].(float64)
	weights, _ := r.done["weights_sha256"].(string)
	x.row.Seconds += seconds
	x.row.Steps, x.row.Weights = int(step), weights // the last run of a row is its own
	return r, nil
}

// evaluate measures a run's checkpoint.
func (x *lesson) evaluate(r *run, args ...string) (*run, error) {
	if x.threads > 0 {
		args = append(args, "--threads", strconv.Itoa(x.threads))
	}
	out, err := x.command("", nil, append([]string{"evaluate", "--out", r.dir, "--json"}, args...)...)
	if err != nil {
		return nil, err
	}
	e := &run{dir: r.dir}
	return e, json.Unmarshal(out, &e.done)
}

// command runs the host and returns its last line. What it and its plugins take
// of the processor is added up in the folder dir, if that is given.
func (x *lesson) command(dir string, stdin io.Reader, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(x.ctx, x.host.path, args...)
	cmd.Stdin = stdin
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // it saves what it has
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
		if last = append(last[:0], lines.Bytes()...); bytes.HasPrefix(last, []byte(`{"event":"validation"`)) {
			fmt.Fprintf(os.Stderr, "%s: %s\n", x.row.Name, last)
		}
	}
	err = errors.Join(lines.Err(), cmd.Wait())
	if dir != "" {
		before, _ := spent(dir) // none yet
		now := before + cmd.ProcessState.UserTime().Seconds() + cmd.ProcessState.SystemTime().Seconds()
		err = errors.Join(err, os.WriteFile(filepath.Join(dir, "processor_seconds"), []byte(strconv.FormatFloat(now, 'f', 1, 64)), 0o666))
	}
	return last, err
}

// spent returns the processor time of a run, over all the times that it went
// on.
func spent(dir string) (float64, error) {
	text, err := os.ReadFile(filepath.Join(dir, "processor_seconds"))
	if err != nil {
		return 0, err
	}
	return strconv.ParseFloat(string(text), 64)
}
