package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/cpu"
)

// jsonEvent is a line that host pretrain --json prints.
type jsonEvent struct {
	Event         string  `json:"event"`
	Step          int     `json:"step"`
	Loss          float64 `json:"loss"`
	ValLoss       float64 `json:"val_loss"`
	UnigramLoss   float64 `json:"unigram_loss"`
	BigramLoss    float64 `json:"bigram_loss"`
	Plugin        string  `json:"plugin"`
	From          int     `json:"from"`
	Checkpoint    string  `json:"checkpoint"`
	WeightsSHA256 string  `json:"weights_sha256"`
}

// identity is a small run in a folder of its own.
type identity struct {
	dir    string // with recipe.yaml and data
	recipe string
}

func newIdentity(t *testing.T) identity {
	dir := t.TempDir()
	require.NoError(t, writeNumbers(filepath.Join(dir, "data"), 15))
	recipe := filepath.Join(dir, "recipe.yaml")
	require.NoError(t, os.WriteFile(recipe, []byte(fmt.Sprintf(`
seed: 7
model: {config: {vocab_size: 261, n_positions: 10, n_embd: 12, n_layer: 1, n_head: 2, resid_pdrop: 0.1}}
data: {paths: [%s], vocab_size: 261, validation_fraction: 0.2, cache_dir: %s}
train: {steps: 60, batch_size: 4, grain: 1, shards: 2, sequence_length: 10, eval_every: 25, eval_sequences: 4}
optimizer: {lr: 0.01}
schedule: {warmup_steps: 5}
checkpoint: {every: 10}
`, strconv.Quote(filepath.Join(dir, "data")), strconv.Quote(filepath.Join(dir, "cache")))), 0o666))
	return identity{dir, recipe}
}

// command is host pretrain --json of the run in the folder out.
func (x identity) command(out string, env []string, args ...string) *exec.Cmd {
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	cmd := exec.Command(self, append([]string{asHost, "pretrain", x.recipe, "--json", "--out", out}, args...)...)
	cmd.Env = append(os.Environ(), env...)
	return cmd
}

// gated is a command whose run holds before a step, counted from 1 and done
// alone, until open is called; step 0 is none.
func (x identity) gated(out string, step int, args ...string) (cmd *exec.Cmd, open func()) {
	plugin, err := exec.LookPath("gated")
	if err != nil {
		panic(err)
	}
	file := fmt.Sprintf("%s-gate-%d", out, step)
	args = append(args, "--set", "objective.plugin="+plugin, "--set", "train.in_flight=1")
	cmd = x.command(out, []string{fmt.Sprintf("%s=%d %s", gateEnv, step, file)}, args...)
	return cmd, func() {
		if err := os.WriteFile(file, nil, 0o666); err != nil {
			panic(err)
		}
	}
}

// run runs to the end; seen, if not nil, gets every event when it comes.
func (x identity) run(t *testing.T, cmd *exec.Cmd, seen func(jsonEvent)) []jsonEvent {
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	var events []jsonEvent
	for s := bufio.NewScanner(out); s.Scan(); {
		var e jsonEvent
		require.NoError(t, json.Unmarshal(s.Bytes(), &e), "%s", s.Text())
		events = append(events, e)
		if seen != nil {
			seen(e)
		}
	}
	err = cmd.Wait()
	if seen == nil {
		require.NoError(t, err, "%s", stderr.String())
	}
	return events
}

// last returns the "done" event.
func last(t *testing.T, events []jsonEvent) jsonEvent {
	require.NotEmpty(t, events)
	e := events[len(events)-1]
	require.Equal(t, "done", e.Event)
	require.Equal(t, 60, e.Step)
	require.Len(t, e.WeightsSHA256, 64)
	return e
}

func count(events []jsonEvent, event string) (n int) {
	for _, e := range events {
		if e.Event == event {
			n++
		}
	}
	return n
}

// The same recipe gives the same weights, whatever computes them and whatever
// happens meanwhile, through real processes.
func TestIdentity(t *testing.T) {
	t.Parallel()
	x := newIdentity(t)
	want := last(t, x.run(t, x.command(filepath.Join(x.dir, "first"), nil), nil))
	t.Logf("weights %s, validation loss %v", want.WeightsSHA256, want.ValLoss)

	has := map[string]bool{
		"portable": true,
		"avx2":     cpu.X86.HasAVX2 && cpu.X86.HasFMA,
		"avx512":   cpu.X86.HasAVX512F && cpu.X86.HasAVX512DQ && cpu.X86.HasAVX512BW && cpu.X86.HasAVX512VL,
		"neon":     runtime.GOARCH == "arm64",
	}
	// A backend in a module of its own, which claims primitives only.
	closures := filepath.Join(x.dir, "closures.exe") // a name that every system runs
	build := exec.Command("go", "build", "-o", closures, ".")
	build.Dir = filepath.Join("..", "..", "examples", "backend-plugin")
	built, err := build.CombinedOutput()
	require.NoError(t, err, "%s", built)

	five := []string{"--set", "train.in_flight=5", "--set", "train.prefetch=7", "--set", "train.eval_every=0", "--set", "checkpoint.every=0"}
	for name, c := range map[string]struct {
		path string // of SEEDBED_CPU
		args []string
	}{
		// A step has four grains, in two chains: five steps are up to twenty
		// grains in flight.
		"reference, a step at a time": {"", []string{"--backend", "reference", "--set", "train.in_flight=1", "--set", "train.prefetch=1"}},
		"reference, five at a time":   {"", append([]string{"--backend", "reference"}, five...)},
		"closures":                    {"", []string{"--backend", closures}},
		"cpu, a step at a time":       {"", []string{"--set", "train.in_flight=1", "--set", "train.prefetch=1"}},
		"cpu, five at a time":         {"", five},
		"portable, 1 thread":          {"portable", []string{"--threads", "1"}},
		"avx2, 1 thread, in messages": {"avx2", []string{"--threads", "1", "--data-plane", "grpc"}},
		"avx2, 2 threads, in memory":  {"avx2", []string{"--threads", "2", "--data-plane", "memory"}},
		"avx512, 2 threads":           {"avx512", []string{"--threads", "2"}},
		"neon, 2 threads":             {"neon", []string{"--threads", "2"}},
		"3 threads, seed by a flag":   {"", []string{"--threads", "3", "--seed", "7"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if !has[c.path] && c.path != "" {
				t.Skipf("this processor has no %s", c.path)
			}
			if slices.Contains(c.args, "memory") && runtime.GOOS != "linux" {
				t.Skip("memory files are Linux's")
			}
			var env []string
			if c.path != "" {
				env = append(env, "SEEDBED_CPU="+c.path)
			}
			got := last(t, x.run(t, x.command(filepath.Join(t.TempDir(), "out"), env, c.args...), nil))
			assert.Equal(t, want.WeightsSHA256, got.WeightsSHA256)
			assert.Equal(t, want.ValLoss, got.ValLoss)
		})
	}
	t.Run("another seed", func(t *testing.T) {
		t.Parallel()
		got := last(t, x.run(t, x.command(filepath.Join(t.TempDir(), "out"), nil, "--seed", "8"), nil))
		assert.NotEqual(t, want.WeightsSHA256, got.WeightsSHA256)
	})

	if runtime.GOOS != "linux" {
		return // the processes of a run are found in /proc
	}
	for kind, name := range map[string]string{"backend": "backend/cpu", "objective": "gated"} {
		t.Run(kind+" killed", func(t *testing.T) {
			t.Parallel()
			at := 1 + rand.IntN(59)
			t.Logf("killed after step %d", at)
			cmd, open := x.gated(filepath.Join(t.TempDir(), "out"), at+1)
			killed := false
			events := x.run(t, cmd, func(e jsonEvent) {
				if e.Event == "step" && e.Step == at && !killed {
					for pid, line := range children(cmd.Process.Pid) {
						if strings.Contains(line, name) {
							killed = true
							require.NoError(t, kill(pid))
						}
					}
					open()
				}
			})
			require.True(t, killed)
			require.Equal(t, 1, count(events, "restart"))
			assert.Equal(t, 60, count(events, "step"), "each step is told once")
			assert.Equal(t, want.WeightsSHA256, last(t, events).WeightsSHA256)
		})
	}
	t.Run("host killed and resumed", func(t *testing.T) {
		t.Parallel()
		at, folder := 1+rand.IntN(59), filepath.Join(t.TempDir(), "out")
		t.Logf("killed after step %d", at)
		cmd, _ := x.gated(folder, at+1)
		final := "step" // what is told last before the gate
		if at%10 == 0 {
			final = "checkpoint"
		}
		var plugins map[int]string
		x.run(t, cmd, func(e jsonEvent) {
			if e.Event == final && e.Step == at {
				plugins = children(cmd.Process.Pid)
				require.NoError(t, kill(cmd.Process.Pid))
			}
		})
		require.Len(t, plugins, 3)
		for pid := range plugins {
			assert.Eventually(t, func() bool { return !alive(pid) }, 10*time.Second, 10*time.Millisecond, "no plugin outlives its host")
		}
		cmd, _ = x.gated(folder, 0, "--resume")
		events := x.run(t, cmd, nil)
		assert.Equal(t, want.WeightsSHA256, last(t, events).WeightsSHA256)
		assert.Equal(t, 60-at/10*10, count(events, "step"), "it goes on from the latest checkpoint")
	})
}

func kill(pid int) error {
	p, err := os.FindProcess(pid)
	if err != nil {
		return err
	}
	return p.Kill()
}

// children returns the command lines of a process's children.
func children(pid int) map[int]string {
	found := map[int]string{}
	for _, stat := range procs() {
		if stat.parent == pid {
			line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", stat.pid))
			found[stat.pid] = strings.ReplaceAll(string(line), "\x00", " ")
		}
	}
	return found
}

func alive(pid int) bool {
	for _, p := range procs() {
		if p.pid == pid {
			return p.state != "Z"
		}
	}
	return false
}

type proc struct {
	pid, parent int
	state       string
}

func procs() []proc {
	var list []proc
	entries, _ := fs.Glob(os.DirFS("/proc"), "[0-9]*/stat")
	for _, e := range entries {
		data, err := os.ReadFile("/proc/" + e)
		if err != nil {
			continue // it has ended
		}
		pid, _, _ := strings.Cut(e, "/")
		_, after, _ := strings.Cut(string(data), ") ") // what is in brackets may hold anything
		f := strings.Fields(after)
		if len(f) < 2 {
			continue
		}
		var p proc
		p.pid, _ = strconv.Atoi(pid)
		p.state = f[0]
		p.parent, _ = strconv.Atoi(f[1])
		list = append(list, p)
	}
	return list
}
