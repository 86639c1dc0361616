package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
)

// peersOptions are what both sides are run with.
type peersOptions struct {
	scripts, python      string
	pairs, steps, warmup int
	threads              int
	strongest, json      bool
	out                  string
}

func newPeers() *cobra.Command {
	o := peersOptions{}
	c := &cobra.Command{
		Use:   "peers [MODEL...]",
		Short: "Run training steps of PyTorch and of the project in turn and print their ratio",
		Long: "Installs PyTorch, torchvision and transformers from PyPI into a virtual environment in the user's cache folder (once), then runs the peer's\n" +
			"script and the project in turn, each in processes of its own, and prints the ratio of their step times. A ratio above 1 means\n" +
			"that the project is faster. Without MODEL it is all: " + strings.Join(slices.Sorted(maps.Keys(models)), ", ") + ".",
		Example: "  go run ./bench peers gpt_small\n  go run ./bench peers gpt_small gpt2 --pairs 7 --strongest --out docs/performance/peers.json",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				args = slices.Sorted(maps.Keys(models))
			}
			for _, name := range args {
				if _, err := findModel(name); err != nil {
					return err
				}
			}
			if o.pairs < 1 || o.steps < 1 {
				return fmt.Errorf("%d pairs of %d steps: at least one of each", o.pairs, o.steps)
			}
			_, err := runPeers(cmd.Context(), args, o)
			return err
		},
	}
	f := c.Flags()
	f.StringVar(&o.scripts, "peers", filepath.FromSlash("../shared/peers"), "folder of the peers' scripts")
	f.StringVar(&o.python, "python", "", "Python interpreter that has torch and transformers; default one in a virtual environment made for it")
	f.IntVar(&o.pairs, "pairs", 5, "how often both sides run")
	f.IntVar(&o.steps, "steps", 5, "steps that each run times; their median counts")
	f.IntVar(&o.warmup, "warmup", 2, "steps before them")
	f.IntVar(&o.threads, "threads", runtime.NumCPU(), "threads of each side")
	f.BoolVar(&o.strongest, "strongest", false, "also PyTorch with its MKL let onto the widest vectors (needs cc), eager and compiled")
	f.BoolVar(&o.json, "json", false, "print one JSON object a comparison")
	f.StringVar(&o.out, "out", "", "file of comparisons, in which these take the place of those of the same model and peer; a plot is drawn beside it")
	return c
}

// comparison is what a model's pairs gave. Times are in seconds, medians over pairs.
type comparison struct {
	Model   string `json:"model"`
	Peer    string `json:"peer"`
	CPU     string `json:"cpu"`
	Threads int    `json:"threads"`
	Torch   string `json:"torch"`

	Ratio     float64   `json:"ratio"` // of the peer's step time to the project's
	Ratios    []float64 `json:"ratios"`
	PeerStep  float64   `json:"peer_step_s"`
	Step      float64   `json:"step_s"`
	PeakFLOPS float64   `json:"peak_flops"` // of fused multiply-adds, all threads
	PeerShare float64   `json:"peer_peak_share"`
	Share     float64   `json:"peak_share"`
	// Peak resident bytes of all processes of a side together.
	PeerBytes int64 `json:"peer_peak_bytes"`
	Bytes     int64 `json:"peak_bytes"`
}

// variant is a way to run the peer.
type variant struct {
	name string
	args []string
	env  []string
}

func runPeers(ctx context.Context, names []string, o peersOptions) (all []*comparison, err error) {
	script := filepath.Join(o.scripts, "torch_train.py")
	if _, err := os.Stat(script); err != nil {
		return nil, fmt.Errorf("the peers' script: %w; name its folder by --peers", err)
	}
	python, err := environment(ctx, o.python)
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	variants := []variant{{name: asInstalled}}
	if o.strongest {
		preload, remove, err := mklPreload(ctx, o.scripts)
		if err != nil {
			return nil, err
		}
		defer remove()
		env := []string{"LD_PRELOAD=" + preload}
		variants = append(variants, variant{"PyTorch, MKL let onto the widest vectors", nil, env},
			variant{"PyTorch compiled, MKL let onto the widest vectors", []string{"--mode", "compile"}, env})
	}
	for _, name := range names {
		list, err := compare(ctx, name, python, script, self, variants, o)
		if err != nil {
			return nil, err
		}
		for _, c := range list {
			if err := c.print(o.json); err != nil {
				return nil, err
			}
			if o.out != "" { // model by model: a long run that is ended has written what it had
				if err := mergeComparisons(o.out, c); err != nil {
					return nil, err
				}
			}
		}
		all = append(all, list...)
	}
	return all, nil
}

// compare runs the peer's variants and the project in turn, the project after the first variant: each is compared with the project's run of its round.
func compare(ctx context.Context, name, python, script, self string, variants []variant, o peersOptions) (all []*comparison, err error) {
	m := models[name]
	common := []string{name, "--threads", strconv.Itoa(o.threads), "--steps", strconv.Itoa(o.steps), "--warmup", strconv.Itoa(o.warmup)}
	peers := make([]runs, len(variants))
	var own runs
	for range o.pairs {
		for i, v := range variants {
			args := slices.Concat([]string{script}, common, []string{"--batch", strconv.Itoa(m.batch), "--seq", strconv.Itoa(m.seq)}, v.args)
			if err := peers[i].run(ctx, python, args, v.env); err != nil {
				return nil, fmt.Errorf("%s: %s: %w", name, v.name, err)
			}
			if i > 0 {
				continue
			}
			if err := own.run(ctx, self, slices.Concat([]string{"step"}, common), nil); err != nil {
				return nil, fmt.Errorf("%s: the project: %w", name, err)
			}
		}
	}
	for i, v := range variants {
		c := &comparison{Model: name, Peer: v.name, CPU: processorName(), Threads: o.threads, Torch: peers[i].last.Torch, PeakFLOPS: own.peak, PeerBytes: peers[i].bytes, Bytes: own.bytes}
		for k, step := range own.steps {
			c.Ratios = append(c.Ratios, peers[i].steps[k]/step)
		}
		c.Ratio, c.PeerStep, c.Step = median(c.Ratios), median(peers[i].steps), median(own.steps)
		c.PeerShare, c.Share = own.last.FLOPs/c.PeerStep/c.PeakFLOPS, own.last.FLOPs/c.Step/c.PeakFLOPS
		all = append(all, c)
	}
	return all, nil
}

// runs are those of one side.
type runs struct {
	steps []float64
	peak  float64 // the highest
	bytes int64   // the most
	last  *side
}

func (r *runs) run(ctx context.Context, name string, args, env []string) error {
	s, bytes, err := runSide(ctx, name, args, env)
	if err != nil {
		return err
	}
	r.steps, r.peak, r.bytes, r.last = append(r.steps, s.Median), max(r.peak, s.Peak), max(r.bytes, bytes), s
	return nil
}

const asInstalled = "PyTorch as installed"

func (c *comparison) print(asJSON bool) error {
	if asJSON {
		return printJSON(c)
	}
	const mib = 1 << 20
	fmt.Printf("%s on %s, %d threads, peak %.0f GFLOP/s, torch %s\n", c.Model, c.CPU, c.Threads, c.PeakFLOPS/1e9, c.Torch)
	fmt.Printf("  %-52s %8s %10s %10s\n", "", "s/step", "% of peak", "peak MiB")
	fmt.Printf("  %-52s %8.3f %10.1f %10d\n", c.Peer, c.PeerStep, 100*c.PeerShare, c.PeerBytes/mib)
	fmt.Printf("  %-52s %8.3f %10.1f %10d\n", "Seedbed", c.Step, 100*c.Share, c.Bytes/mib)
	_, err := fmt.Printf("  ratio of step times: median %.2f, from %.2f to %.2f over %d pairs\n\n", c.Ratio, slices.Min(c.Ratios), slices.Max(c.Ratios), len(c.Ratios))
	return err
}

// side is what one run of either side prints.
type side struct {
	measured
	Torch string `json:"torch"`
}

// runSide runs a command whose last line is a JSON object, and returns with it the most memory that it and its children held.
func runSide(ctx context.Context, name string, args, env []string) (*side, int64, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), env...)
	var out, problems bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problems
	if err := cmd.Start(); err != nil {
		return nil, 0, err
	}
	memory := watchMemory(cmd.Process.Pid)
	err := cmd.Wait()
	peak := memory()
	if err != nil {
		return nil, 0, fmt.Errorf("%s %s: %w\n%s", filepath.Base(name), strings.Join(args, " "), err, strings.TrimSpace(problems.String()))
	}
	lines := bytes.Split(bytes.TrimSpace(out.Bytes()), []byte("\n"))
	var s side
	if err := json.Unmarshal(lines[len(lines)-1], &s); err != nil {
		return nil, 0, fmt.Errorf("%s printed no JSON object: %w", filepath.Base(name), err)
	}
	if !(s.Median > 0) {
		return nil, 0, fmt.Errorf("%s told no step time: %s", filepath.Base(name), lines[len(lines)-1])
	}
	return &s, peak, nil
}

// environment returns the interpreter that was chosen, or if it is empty that of a virtual environment with PyTorch and transformers, which
// it makes if need be.
func environment(ctx context.Context, chosen string) (string, error) {
	if chosen != "" {
		return chosen, nil
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "seedbed", "peers")
	python := filepath.Join(dir, "bin", "python")
	if runtime.GOOS == "windows" {
		python = filepath.Join(dir, "Scripts", "python.exe")
	}
	if exec.CommandContext(ctx, python, "-c", "import tokenizers, torch, torchvision, transformers").Run() == nil {
		return python, nil
	}
	fmt.Fprintf(os.Stderr, "bench: installing PyTorch, torchvision and transformers into %s\n", dir)
	for _, c := range [][]string{{"python3", "-m", "venv", dir}, {python, "-m", "pip", "install", "--quiet", "torch", "torchvision", "transformers"}} {
		cmd := exec.CommandContext(ctx, c[0], c[1:]...)
		cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
		if err := cmd.Run(); err != nil {
			return "", fmt.Errorf("installing the peers: %s: %w", strings.Join(c, " "), err)
		}
	}
	return python, nil
}

// mklPreload builds the library that makes MKL take the processor for Intel's.
func mklPreload(ctx context.Context, scripts string) (library string, remove func(), err error) {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return "", nil, err
	}
	remove = func() { os.RemoveAll(dir) }
	library = filepath.Join(dir, "mkl_as_intel.so")
	if out, err := exec.CommandContext(ctx, "cc", "-shared", "-fPIC", "-o", library, filepath.Join(scripts, "mkl_as_intel.c")).CombinedOutput(); err != nil {
		remove()
		return "", nil, errors.Join(fmt.Errorf("building the library for --strongest: %w", err), errors.New(string(out)))
	}
	return library, remove, nil
}
