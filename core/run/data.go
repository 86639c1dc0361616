package run

import (
	"context"
	"strconv"

	"github.com/seedbed/seedbed/core/recipe"
	"github.com/seedbed/seedbed/datasets/text"
	"github.com/seedbed/seedbed/datasets/tokens"
)

// prepare makes the data of a recipe, or finds it in the cache.
func prepare(ctx context.Context, r *recipe.Recipe, progress func(tokens.Progress)) (*tokens.Corpus, error) {
	d := r.Data
	corpus, err := tokens.Prepare(ctx, tokens.Config{
		Paths: d.Paths,
		Options: text.Options{
			Format: d.Format, TextField: d.TextField, Document: d.Document, Include: d.Include, SkipBinary: d.SkipBinary,
		},
		Tokenizer:          d.Tokenizer,
		VocabSize:          d.VocabSize,
		TrainBytes:         d.TrainBytes,
		SequenceLength:     r.Train.SequenceLength,
		ValidationFraction: &d.ValidationFraction,
		CacheDir:           d.CacheDir,
	}, progress)
	if err != nil {
		return nil, err
	}
	return corpus, nil
}

// properties are the facts about the data that objectives are told.
func properties(c *tokens.Corpus) map[string]string {
	return map[string]string{
		"end_of_text": strconv.Itoa(int(c.EndOfText)),
		"vocab_size":  strconv.Itoa(c.Tokenizer.Size()),
	}
}
