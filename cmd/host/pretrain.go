package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/seedbed/seedbed/core/plugins"
	"github.com/seedbed/seedbed/core/recipe"
	"github.com/seedbed/seedbed/core/run"
	examples "github.com/seedbed/seedbed/examples/recipes"
	"github.com/spf13/cobra"
)

// runsDir holds the folders of runs that were given no other.
const runsDir = "runs"

func newPretrain() *cobra.Command {
	var sets, data []string
	var out, backend, plane string
	var threads int
	var seed uint64
	var callTimeout time.Duration
	resume, asJSON := false, false
	c := &cobra.Command{
		Use:   "pretrain [RECIPE] [--data PATH...]",
		Short: "Train a model from its first step to its last, or go on with a run",
		Long: `Train a model as a recipe says: without one, a small GPT on the sources of the Go toolchain for about three minutes on two cores.
RECIPE is a file or one of "host recipe list". See "host recipe show" for what a recipe can say. --set and the other flags win over it.

Progress goes to standard error, results to standard output. With --json, all goes to standard output, one JSON object a line:
an "event":"step" for every step, others in between, an "event":"done" at the end. Steps count from 1.

Without --out a run makes a folder of its own below ` + runsDir + `/, and --resume goes on with the latest there. A resumed run
takes its recipe from its folder if none is named; keys that results depend on must be as they were, but train.steps may grow.

Ctrl-C stops after the step under way, with a checkpoint, and exits with code 130; pressed again it stops at once.`,
		Example: `  host pretrain
  host pretrain bert
  host pretrain --data books/ notes.txt.gz --set train.steps=1000
  host pretrain my.yaml --out runs/a --backend ./my-backend --threads 4
  host pretrain --resume --out runs/a --set train.steps=2000
  host pretrain --json --set train.steps=50 > log.jsonl`,
		RunE: func(cmd *cobra.Command, a []string) error {
			if cmd.Flags().Changed("data") {
				var more []string
				a, more = splitPaths(a)
				data = append(data, more...)
			}
			if err := args(cobra.MaximumNArgs(1))(cmd, a); err != nil {
				return err
			}
			switch p := plugins.DataPlane(plane); p {
			case plugins.PlaneAuto, plugins.PlaneMemory, plugins.PlaneGRPC:
			default:
				return usagef("pretrain: --data-plane %s: there are auto, memory and grpc", plane)
			}
			if callTimeout <= 0 {
				return usagef("pretrain: --call-timeout %v: must be positive, such as 90s", callTimeout)
			}
			flags := recipeFlags(cmd, data, backend, threads)
			if cmd.Flags().Changed("seed") {
				flags = append(flags, "seed="+strconv.FormatUint(seed, 10))
			}
			flags = append(flags, sets...)
			// A folder is only made for a recipe that is good.
			var r *recipe.Recipe
			var err error
			if resume && out == "" {
				if out, err = latestRun(); err != nil {
					return err
				}
			}
			if resume && len(a) == 0 {
				text, err := run.RecipeText(out)
				if err != nil {
					return err
				}
				if r, err = parseRecipe(filepath.Join(out, "recipe.yaml"), text, flags); err != nil {
					return err
				}
			} else if r, err = readRecipe(cmd.InOrStdin(), a, flags); err != nil {
				return err
			}
			if out == "" {
				if out, err = newRun(); err != nil {
					return err
				}
			}
			var show renderer = newText(cmd.ErrOrStderr(), cmd.OutOrStdout(), r.Train.LogEvery)
			if asJSON {
				show = &jsonRenderer{cmd.OutOrStdout()}
			}
			result, err := run.Pretrain(cmd.Context(), run.Job{
				Recipe: r, Out: out, Resume: resume, DataPlane: plugins.DataPlane(plane), Start: starter(r.Backend.Threads, callTimeout),
				Stop:   gracefully(cmd.Context(), "\nstopping after this step; Ctrl-C again stops at once"),
				Events: show.event,
			})
			if err != nil {
				show.failed()
				return err
			}
			if err := show.result(result, out); err != nil {
				return err
			}
			if result.Interrupted {
				return errInterrupted
			}
			return nil
		},
	}
	f := c.Flags()
	f.StringArrayVar(&data, "data", nil, "files, folders and patterns to learn from (repeatable; arguments that follow and do not end in .yaml count too)")
	f.StringVar(&out, "out", "", "folder of the run (default: a new one below "+runsDir+"/)")
	f.StringVar(&backend, "backend", "cpu", "backend: a name, or the path of an executable")
	f.IntVar(&threads, "threads", 0, "threads of the backend (default: one for each processor)")
	f.Uint64Var(&seed, "seed", 0, "seed of everything random")
	f.StringArrayVar(&sets, "set", nil, "replace a value of the recipe: key.path=value (repeatable)")
	f.BoolVar(&resume, "resume", false, "go on from the latest checkpoint")
	f.BoolVar(&asJSON, "json", false, "print JSON lines")
	f.StringVar(&plane, "data-plane", "auto", "how tensors travel between processes: auto, memory or grpc")
	f.DurationVar(&callTimeout, "call-timeout", 30*time.Minute, "longest that a plugin may take for one call, such as a run of a program or a batch; one that takes longer is ended and started again")
	return c
}

// recipeFlags are what the flags data, backend and threads set of a recipe.
func recipeFlags(cmd *cobra.Command, data []string, backend string, threads int) (sets []string) {
	if len(data) > 0 {
		list, _ := json.Marshal(data) // strings always have JSON
		sets = append(sets, "data.paths="+string(list))
	}
	if cmd.Flags().Changed("backend") {
		sets = append(sets, "backend.plugin="+strconv.Quote(backend))
	}
	if cmd.Flags().Changed("threads") {
		sets = append(sets, "backend.threads="+strconv.Itoa(threads))
	}
	return sets
}

// splitPaths tells the recipe among arguments from paths of data.
func splitPaths(a []string) (recipes, paths []string) {
	for _, x := range a {
		ext := filepath.Ext(x)
		if _, built := examples.Find(x); len(recipes) == 0 && (built || ext == ".yaml" || ext == ".yml") {
			recipes = append(recipes, x)
		} else {
			paths = append(paths, x)
		}
	}
	return recipes, paths
}

// runName is the name of a run's folder by its number.
func runName(n int) string { return filepath.Join(runsDir, fmt.Sprintf("%03d", n)) }

// lastRun returns the highest number of a folder below runsDir, 0 if there is
// none.
func lastRun() (int, error) {
	entries, err := os.ReadDir(runsDir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return 0, err
	}
	last := 0
	for _, e := range entries {
		if n, err := strconv.Atoi(e.Name()); err == nil && e.IsDir() && strings.TrimLeft(e.Name(), "0123456789") == "" && filepath.Join(runsDir, e.Name()) == runName(n) {
			last = max(last, n)
		}
	}
	return last, nil
}

func latestRun() (string, error) {
	n, err := lastRun()
	if err == nil && n == 0 {
		err = fmt.Errorf("there is no run below %s/: name its folder by --out", runsDir)
	}
	return runName(n), err
}

// newRun makes the folder of a new run.
func newRun() (string, error) {
	if err := os.MkdirAll(runsDir, 0o777); err != nil {
		return "", fmt.Errorf("%w: name a folder by --out", err)
	}
	n, err := lastRun()
	if err != nil {
		return "", err
	}
	for {
		n++
		if err := os.Mkdir(runName(n), 0o777); !errors.Is(err, os.ErrExist) { // another run may be as quick
			return runName(n), err
		}
	}
}

// isUsage tells a mistake in the command line or a recipe from a failure.
func isUsage(err error) bool {
	var usage *usageError
	var inRecipe *recipe.Error
	var process *plugins.Error
	switch {
	case errors.As(err, &usage):
		return true
	case errors.As(err, &process), errors.Is(err, run.ErrMemory):
		return false
	}
	return errors.As(err, &inRecipe)
}
