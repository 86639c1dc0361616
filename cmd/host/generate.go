package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/seedbed/seedbed/core/checkpoint"
	"github.com/seedbed/seedbed/core/run"
	"github.com/spf13/cobra"
)

func newGenerate() *cobra.Command {
	var w run.Writing
	var d run.Drawing
	var out string
	kept := pictures{}
	threads, asJSON := 0, false
	c := &cobra.Command{
		Use: "generate [PROMPT]", Short: "Let a trained model continue a text, or draw what it says",
		Long: "Let a trained model continue a text. The text is printed as it is generated, after the prompt. The same checkpoint, prompt and\n" +
			"options give the same text on every backend. PROMPT - is standard input; without one the text begins as a document does.\n" +
			"Without --checkpoint it is the latest in --out, and without that the latest run below " + runsDir + "/.\n" +
			"A model of codes of images, such as dalle_prior, draws: PROMPT is what a picture shows, or with - every line of standard input,\n" +
			"and --images pictures of each are kept in --save as PNG files. With --rerank these are candidates, of which the --best most like the\n" +
			"caption are kept, best first: by the embeddings of a model of images and texts, such as clip, as DALL-E does.",
		Example: "  host generate 'func main() {'\n" +
			"  host generate --checkpoint runs/001/step-00000200 --temperature 0.7 --top-k 50 --seed 3 'package '\n" +
			"  host generate --out runs/a --max-tokens 500 --json 'type '\n" +
			"  host generate --out runs/dalle --images 4 --save pictures 'a large red star above a small blue ring'\n" +
			"  host generate --out runs/dalle --images 16 --rerank runs/clip --best 2 'a large red star at the top'",
		Args: args(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			if w.MaxTokens < 1 {
				return usagef("generate: --max-tokens %d: must be positive", w.MaxTokens)
			}
			if err := w.Check(); err != nil {
				return usagef("generate: %w", err)
			}
			if len(a) == 1 {
				w.Prompt = a[0]
			}
			if w.Prompt == "-" {
				text, err := io.ReadAll(io.LimitReader(cmd.InOrStdin(), 1<<20))
				if err != nil {
					return err
				}
				w.Prompt = string(text)
			}
			if w.Checkpoint == "" {
				path, err := latestCheckpoint(cmd, out)
				if err != nil {
					return err
				}
				w.Checkpoint = path
			}
			w.Start = starter(threads, 0)
			if draws, err := run.Draws(w.Checkpoint); err != nil {
				return err
			} else if draws {
				return draw(cmd, w, d, kept, asJSON)
			}
			for _, name := range []string{"images", "save", "codes", "rerank", "best"} {
				if cmd.Flags().Changed(name) {
					return usagef("generate: --%s: the model of %s makes text", name, w.Checkpoint)
				}
			}
			var text strings.Builder
			begun := false
			w.Text = func(piece string) error {
				text.WriteString(piece)
				if asJSON {
					return nil
				}
				if !begun { // not before all that can be wrong with the checkpoint was looked at
					begun = true
					piece = w.Prompt + piece
				}
				_, err := io.WriteString(cmd.OutOrStdout(), piece)
				return err
			}
			done, err := run.Generate(cmd.Context(), w)
			if !asJSON {
				if done != nil && done.Tokens > 0 {
					_, _ = fmt.Fprintln(cmd.OutOrStdout())
				}
				return err
			}
			if err != nil {
				return err
			}
			return json.NewEncoder(cmd.OutOrStdout()).Encode(struct {
				Prompt        string `json:"prompt"`
				Text          string `json:"text"`
				Tokens        int    `json:"tokens"`
				Checkpoint    string `json:"checkpoint"`
				Step          uint64 `json:"step"`
				WeightsSHA256 string `json:"weights_sha256"`
			}{w.Prompt, text.String(), done.Tokens, w.Checkpoint, done.Step, done.Weights})
		},
	}
	f := c.Flags()
	f.StringVar(&w.Checkpoint, "checkpoint", "", "folder of a checkpoint")
	f.StringVar(&out, "out", "", "folder of a run, whose latest checkpoint is used")
	f.IntVar(&w.MaxTokens, "max-tokens", 200, "tokens at most; the text may end before")
	f.Float64Var(&w.Temperature, "temperature", 0.8, "below 1 likely tokens become likelier; 0 takes the likeliest")
	f.IntVar(&w.TopK, "top-k", 0, "choose among the k likeliest tokens (0: all)")
	f.Float64Var(&w.TopP, "top-p", 0, "choose among the likeliest tokens with this much probability together (0: all)")
	f.Uint64Var(&w.Seed, "seed", 0, "seed of the choices")
	f.IntVar(&d.Images, "images", 1, "pictures of each prompt, of a model that draws")
	f.StringVar(&kept.folder, "save", "pictures", "folder where they are kept")
	f.StringVar(&kept.ranker, "rerank", "", "checkpoint or run of a model of images and texts that tells which pictures show the prompt best")
	f.IntVar(&kept.best, "best", 1, "pictures of each prompt that are kept of those, with --rerank")
	f.StringVar(&d.Codes, "codes", "", "checkpoint or run of the autoencoder whose codes the model has learned (default: the recipe's)")
	f.StringVar(&w.Backend, "backend", "", "backend: a name, or the path of an executable (default: the recipe's)")
	f.IntVar(&threads, "threads", 0, "threads of the backend (default: one for each processor)")
	f.BoolVar(&asJSON, "json", false, "print one JSON object at the end")
	return c
}

// pictures says which pictures are kept, and where.
type pictures struct {
	folder string
	ranker string // or empty
	best   int    // of each caption, with a ranker
}

// draw is generate for models of images.
func draw(cmd *cobra.Command, w run.Writing, d run.Drawing, kept pictures, asJSON bool) error {
	if cmd.Flags().Changed("max-tokens") {
		return usagef("generate: --max-tokens: the model of %s makes pictures", w.Checkpoint)
	}
	if d.Images < 1 || d.Images > 1<<16 {
		return usagef("generate: --images %d: must be 1 to %d", d.Images, 1<<16)
	}
	if cmd.Flags().Changed("best") && kept.ranker == "" {
		return usagef("generate: --best: the best pictures are chosen with --rerank")
	}
	if kept.ranker != "" && (kept.best < 1 || kept.best > d.Images) {
		return usagef("generate: --best %d: must be 1 to --images, %d", kept.best, d.Images)
	}
	d.Checkpoint, d.Backend, d.Sampling, d.Seed, d.Start = w.Checkpoint, w.Backend, w.Sampling, w.Seed, w.Start
	d.Captions = []string{w.Prompt}
	if cmd.Flags().Arg(0) == "-" {
		d.Captions = slices.DeleteFunc(strings.Split(w.Prompt, "\n"), func(l string) bool { return strings.TrimSpace(l) == "" })
	}
	if len(d.Captions) == 0 || d.Captions[0] == "" {
		return usagef("generate: say what the picture shows: a caption, or - to read one a line from standard input")
	}
	if err := os.MkdirAll(kept.folder, 0o777); err != nil {
		return err
	}
	stdout := json.NewEncoder(cmd.OutOrStdout())
	tell := func(caption, number int, similarity *float32) error {
		file := kept.file(caption, number)
		if !asJSON {
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s  %s\n", file, d.Captions[caption])
			return err
		}
		return stdout.Encode(struct {
			Event      string   `json:"event"`
			Text       string   `json:"text"`
			Image      int      `json:"image"`
			File       string   `json:"file"`
			Similarity *float32 `json:"similarity,omitempty"`
		}{"picture", d.Captions[caption], number, file, similarity})
	}
	var done *run.Drawn
	var err error
	if kept.ranker == "" {
		d.Image = func(caption, number int, m image.Image) error {
			if err := writePNG(kept.file(caption, number), m); err != nil {
				return err
			}
			return tell(caption, number, nil)
		}
		done, err = run.Draw(cmd.Context(), d)
	} else {
		done, err = kept.chosen(cmd.Context(), d, tell)
	}
	if err != nil || !asJSON {
		return err
	}
	return stdout.Encode(struct {
		Event         string `json:"event"`
		Checkpoint    string `json:"checkpoint"`
		Step          uint64 `json:"step"`
		WeightsSHA256 string `json:"weights_sha256"`
	}{"done", w.Checkpoint, done.Step, done.Weights})
}

func (p pictures) file(caption, number int) string {
	return filepath.Join(p.folder, fmt.Sprintf("%05d-%05d.png", caption+1, number+1))
}

func writePNG(path string, m image.Image) error {
	var data bytes.Buffer
	if err := png.Encode(&data, m); err != nil {
		return err
	}
	return os.WriteFile(path, data.Bytes(), 0o666)
}

// chosen draws candidates beside the pictures that are kept, and moves the best
// of each caption there.
func (p pictures) chosen(ctx context.Context, d run.Drawing, tell func(caption, number int, similarity *float32) error) (_ *run.Drawn, err error) {
	ranker, err := run.OpenRanker(p.ranker) // before the long part
	if err != nil {
		return nil, err
	}
	all := pictures{}
	if all.folder, err = os.MkdirTemp(p.folder, "candidates-"); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(all.folder)) }()
	d.Image = func(caption, number int, m image.Image) error {
		file := all.file(caption, number)
		if err := writePNG(file, m); err != nil {
			return err
		}
		return os.WriteFile(strings.TrimSuffix(file, ".png")+".txt", []byte(d.Captions[caption]), 0o666)
	}
	done, err := run.Draw(ctx, d)
	if err != nil {
		return nil, err
	}
	cosines, err := ranker.Similarities(ctx, run.Likeness{Folder: all.folder, Backend: d.Backend, DataPlane: d.DataPlane, Start: d.Start})
	if err != nil {
		return nil, err
	}
	if n := len(d.Captions) * d.Images; len(cosines) != n {
		return nil, fmt.Errorf("generate: %d of %d pictures were ranked", len(cosines), n)
	}
	for caption := range d.Captions {
		of := cosines[caption*d.Images:][:d.Images]
		order := make([]int, d.Images)
		for i := range order {
			order[i] = i
		}
		slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(of[b], of[a]) })
		for number, candidate := range order[:p.best] {
			if err := os.Rename(all.file(caption, candidate), p.file(caption, number)); err != nil {
				return nil, err
			}
			if err := tell(caption, number, &of[candidate]); err != nil {
				return nil, err
			}
		}
	}
	return done, nil
}

// latestCheckpoint finds the latest checkpoint of a run.
func latestCheckpoint(cmd *cobra.Command, out string) (string, error) {
	if out == "" {
		var err error
		if out, err = latestRun(); err != nil {
			return "", err
		}
	}
	c, skipped, err := checkpoint.Latest(out)
	if err != nil {
		return "", fmt.Errorf("%s: %w", out, errors.Join(append(skipped, err)...))
	}
	for _, err := range skipped {
		_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "warning: not used: %v\n", err)
	}
	return c.Path, nil
}
