package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/seedbed/seedbed/core/checkpoint"
	"github.com/seedbed/seedbed/core/run"
	"github.com/spf13/cobra"
)

func newGenerate() *cobra.Command {
	var w run.Writing
	var out string
	threads, asJSON := 0, false
	c := &cobra.Command{
		Use: "generate [PROMPT]", Short: "Let a trained model continue a text",
		Long: "Let a trained model continue a text. The text is printed as it is generated, after the prompt. The same checkpoint, prompt and\n" +
			"options give the same text on every backend. PROMPT - is standard input; without one the text begins as a document does.\n" +
			"Without --checkpoint it is the latest in --out, and without that the latest run below " + runsDir + "/.",
		Example: "  host generate 'func main() {'\n" +
			"  host generate --checkpoint runs/001/step-00000200 --temperature 0.7 --top-k 50 --seed 3 'package '\n" +
			"  host generate --out runs/a --max-tokens 500 --json 'type '",
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
	f.StringVar(&w.Backend, "backend", "", "backend: a name, or the path of an executable (default: the recipe's)")
	f.IntVar(&threads, "threads", 0, "threads of the backend (default: one for each processor)")
	f.BoolVar(&asJSON, "json", false, "print one JSON object at the end")
	return c
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
