package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/seedbed/seedbed/core/checkpoint"
	"github.com/seedbed/seedbed/core/run"
	"github.com/seedbed/seedbed/core/safetensors"
	"github.com/spf13/cobra"
)

func newEvaluate() *cobra.Command {
	var e run.Evaluation
	var sets, data []string
	var path, out, backend, tensors string
	threads, asJSON := 0, false
	c := &cobra.Command{
		Use: "evaluate [RECIPE]", Short: "Measure a trained model on data",
		Long: `Measure a trained model: the loss and the metrics of its objective on the validation split.
Without RECIPE it is that of the model's run; another one may name other data, or settings that suit its use. --set and --data win over it.
Without --checkpoint the model is the latest in --out, and without that that of the latest run below ` + runsDir + `/.

--probe instead trains a linear classifier of the model's features on the training split, whose rows need labels, and measures
it on the validation split, beside the same network without training and beside a classifier of the pixels.
--among N finds captions of images, and images of captions, among N that say what no caption of the training split says.
--zero-shot TEXT tells the classes of images by their names alone: TEXT, such as "a {}", is about a class where its name is put for {}; an
image has the class whose text is nearest. Several texts are parted by |.
--tensors FILE keeps outputs of the model and fields of its batches, named by --keep, as safetensors.`,
		Example: "  host evaluate --out runs/clip --among 500\n" +
			"  host evaluate --out runs/clip --zero-shot 'a {}|two {}s'\n" +
			"  host evaluate digits.yaml --checkpoint runs/simclr/step-00000600 --probe\n" +
			"  host evaluate --out runs/vit --train --rows 1000 --json\n" +
			"  host evaluate --out runs/dvae --rows 16 --tensors pictures.safetensors --keep pixel_values,reconstruction",
		Args: args(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			if e.Rows < 0 || e.Among < 0 || e.Among == 1 {
				return usagef("evaluate: --rows and --among must be positive, and --among more than 1")
			}
			if (tensors == "") != (len(e.Keep) == 0) {
				return usagef("evaluate: --tensors needs --keep, which names what to keep, and --keep needs --tensors")
			}
			if e.Probe && (len(e.Keep) > 0 || e.Among > 0 || e.Train) {
				return usagef("evaluate: --probe measures features on both splits, and nothing else: leave out --train, --among and --keep")
			}
			if e.ZeroShot != "" && (e.Probe || len(e.Keep) > 0 || e.Among > 0) {
				return usagef("evaluate: --zero-shot measures that alone: leave out --probe, --among and --keep")
			}
			if path == "" {
				var err error
				if path, err = latestCheckpoint(cmd, out); err != nil {
					return err
				}
			}
			var err error
			if e.Checkpoint, err = checkpoint.Open(path); err != nil {
				return err
			}
			if len(data) > 0 {
				list, _ := json.Marshal(data) // strings always have JSON
				sets = append([]string{"data.paths=" + string(list)}, sets...)
			}
			if backend != "" {
				sets = append(sets, "backend.plugin="+strconv.Quote(backend))
			}
			if len(a) == 0 {
				e.Recipe, err = parseRecipe(filepath.Join(path, "recipe"), []byte(e.Checkpoint.Manifest.Recipe), sets)
			} else {
				e.Recipe, err = readRecipe(cmd.InOrStdin(), a, sets)
			}
			if err != nil {
				return err
			}
			e.Start = starter(threads, 0)
			var show *textRenderer
			if !asJSON {
				show = newText(cmd.ErrOrStderr(), cmd.OutOrStdout(), 1)
				e.Events = show.event
			}
			got, err := run.Evaluate(cmd.Context(), e)
			if show != nil {
				show.clear()
			}
			if err != nil {
				return err
			}
			if tensors != "" {
				if err := writeTensors(tensors, got); err != nil {
					return err
				}
			}
			return printEvaluated(cmd, got, e.Checkpoint, asJSON)
		},
	}
	f := c.Flags()
	f.StringVar(&path, "checkpoint", "", "folder of a checkpoint")
	f.StringVar(&out, "out", "", "folder of a run, whose latest checkpoint is used")
	f.StringArrayVar(&data, "data", nil, "files, folders and patterns to measure on (repeatable)")
	f.StringArrayVar(&sets, "set", nil, "replace a value of the recipe: key.path=value (repeatable)")
	f.BoolVar(&e.Train, "train", false, "measure on the training split")
	f.Int64Var(&e.Rows, "rows", 0, "rows of a split at most, evenly spread over it (0: all)")
	f.BoolVar(&e.Probe, "probe", false, "measure features by a linear classifier")
	f.IntVar(&e.Among, "among", 0, "find captions and images among this many")
	f.StringVar(&e.ZeroShot, "zero-shot", "", "tell classes by this text about them, {} standing for their name")
	f.StringVar(&tensors, "tensors", "", "safetensors file to write")
	f.StringSliceVar(&e.Keep, "keep", nil, "outputs and fields to write to it")
	f.StringVar(&backend, "backend", "", "backend: a name, or the path of an executable (default: the recipe's)")
	f.IntVar(&threads, "threads", 0, "threads of the backend (default: one for each processor)")
	f.BoolVar(&asJSON, "json", false, "print one JSON object")
	return c
}

func printEvaluated(cmd *cobra.Command, e *run.Evaluated, c *checkpoint.Checkpoint, asJSON bool) error {
	if asJSON {
		v := struct {
			Rows          int64    `json:"rows"`
			LeftOut       int64    `json:"left_out,omitempty"`
			Loss          *float64 `json:"loss,omitempty"`
			Metrics       object   `json:"metrics,omitempty"`
			Checkpoint    string   `json:"checkpoint"`
			Step          uint64   `json:"step"`
			WeightsSHA256 string   `json:"weights_sha256"`
		}{e.Rows, e.LeftOut, nil, values(e.Metrics), c.Path, c.Manifest.Step, c.Manifest.WeightsSHA256}
		if !math.IsNaN(e.Loss) {
			v.Loss = &e.Loss
		}
		return json.NewEncoder(cmd.OutOrStdout()).Encode(v)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%-24s %10d%s\n", "rows", e.Rows, leftOut("  ", e.LeftOut))
	if !math.IsNaN(e.Loss) {
		fmt.Fprintf(&b, "%-24s %10.4f\n", "loss", e.Loss)
	}
	for _, m := range e.Metrics {
		fmt.Fprintf(&b, "%-24s %10.4f%s\n", m.Name, m.Value, note(m.Doc))
	}
	_, err := fmt.Fprint(cmd.OutOrStdout(), b.String())
	return err
}

// writeTensors writes what was kept, whole or not at all; captions are in the
// file's metadata, as a JSON list.
func writeTensors(path string, e *run.Evaluated) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".evaluate-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close(), os.Remove(f.Name()))
		}
	}()
	metadata := map[string]string{}
	if e.Texts != nil {
		texts, err := json.Marshal(e.Texts)
		if err != nil {
			return err
		}
		metadata["texts"] = string(texts)
	}
	w := bufio.NewWriter(f)
	if err := safetensors.Write(w, e.Kept, metadata); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
