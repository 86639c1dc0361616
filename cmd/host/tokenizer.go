package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/seedbed/seedbed/datasets/text"
	"github.com/seedbed/seedbed/datasets/tokenizer"
	"github.com/spf13/cobra"
)

func newTokenizer() *cobra.Command {
	return group("tokenizer", "Train and use BPE, WordPiece and Unigram tokenizers", "  host tokenizer train --out tokenizer.json docs/",
		newTokenizerTrain(), newTokenizerEncode())
}

func newTokenizerTrain() *cobra.Command {
	var out, model string
	var size int
	var cased bool
	var opts text.Options
	c := &cobra.Command{
		Use: "train --out FILE [PATH...]", Short: "Find a vocabulary for text and save it as a Hugging Face tokenizer.json",
		Long: "Find a vocabulary for text and save it as a Hugging Face tokenizer.json.\nPATH is a file (.jsonl, .gz and .zst too), a folder or a pattern; without one, the sources of the Go toolchain are read.",
		Example: "  host tokenizer train --out tokenizer.json --vocab-size 4096 docs/\n" +
			"  host tokenizer train --out bert.json --model wordpiece --vocab-size 30522 docs/\n" +
			"  host tokenizer train --out go.json",
		RunE: func(cmd *cobra.Command, paths []string) error {
			ctx := cmd.Context()
			if out == "" {
				return usagef("train: --out FILE is required")
			}
			least := map[string]int{tokenizer.BPE: 257, tokenizer.WordPiece: 6, tokenizer.Unigram: 4}[model]
			if least == 0 {
				return usagef("train: --model %q is not %s, %s or %s", model, tokenizer.BPE, tokenizer.WordPiece, tokenizer.Unigram)
			}
			if size < least || size > tokenizer.MaxVocabSize {
				return usagef("train: --vocab-size %d is not between %d and %d", size, least, tokenizer.MaxVocabSize)
			}
			if cased && model != tokenizer.WordPiece {
				return usagef("train: --cased is for --model %s; the others keep capitals always", tokenizer.WordPiece)
			}
			if len(paths) == 0 {
				var err error
				if paths, opts, err = text.GoSource(ctx); err != nil {
					return err
				}
			}
			files, err := text.Files(ctx, paths, opts)
			if err != nil {
				return err
			}
			count, bytes := 0, int64(0)
			documents := func(yield func([]byte, error) bool) {
				for d, err := range text.Documents(ctx, files, opts, nil) {
					count++
					bytes += int64(len(d.Text))
					if !yield(d.Text, err) {
						return
					}
				}
			}
			t, err := tokenizer.Train(ctx, documents, tokenizer.TrainOptions{Model: model, VocabSize: size, Cased: cased})
			if err != nil {
				return err
			}
			if count == 0 {
				return errors.New("the paths hold no text")
			}
			if err := t.Save(out); err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.ErrOrStderr(), "%s: %d tokens from %d documents, %d bytes\n", out, t.Size(), count, bytes)
			return err
		},
	}
	c.Flags().StringVar(&out, "out", "", "the file to write (required)")
	c.Flags().StringVar(&model, "model", tokenizer.BPE, "bpe (byte-level, as GPT's), wordpiece (as BERT's) or unigram (as T5's)")
	c.Flags().IntVar(&size, "vocab-size", 8192, "number of tokens")
	c.Flags().BoolVar(&cased, "cased", false, "keep capitals and accents, with --model wordpiece")
	c.Flags().BoolVar(&opts.SkipBinary, "skip-binary", false, "leave out files that are not text")
	return c
}

func newTokenizerEncode() *cobra.Command {
	var path string
	asJSON := false
	c := &cobra.Command{
		Use: "encode --tokenizer FILE [TEXT]", Short: "Print the tokens of a text, or of standard input",
		Example: "  host tokenizer encode --tokenizer tokenizer.json 'func main() {'\n" +
			"  host tokenizer encode --tokenizer tokenizer.json --json < README.md",
		Args: args(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			if path == "" {
				return usagef("encode: --tokenizer FILE is required")
			}
			t, err := tokenizer.Load(path)
			if err != nil {
				return err
			}
			var input string
			if len(a) == 1 {
				input = a[0]
			} else {
				const limit = 256 << 20
				data, err := io.ReadAll(io.LimitReader(cmd.InOrStdin(), limit+1))
				if err != nil {
					return err
				}
				if len(data) > limit {
					return fmt.Errorf("standard input has more than %d bytes", limit)
				}
				input = string(data)
			}
			e, err := t.Encode(input)
			if err != nil {
				return err
			}
			if asJSON {
				tokens := make([]string, len(e.IDs))
				for i, id := range e.IDs {
					tokens[i] = t.Token(id)
				}
				return json.NewEncoder(cmd.OutOrStdout()).Encode(map[string]any{"ids": e.IDs, "tokens": tokens, "offsets": e.Offsets})
			}
			for i, id := range e.IDs {
				if i > 0 {
					if _, err := fmt.Fprint(cmd.OutOrStdout(), " "); err != nil {
						return err
					}
				}
				if _, err := fmt.Fprint(cmd.OutOrStdout(), id); err != nil {
					return err
				}
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout())
			return err
		},
	}
	c.Flags().StringVar(&path, "tokenizer", "", "a tokenizer.json (required)")
	c.Flags().BoolVar(&asJSON, "json", false, "print ids, tokens and offsets (code points) as one JSON object")
	return c
}
