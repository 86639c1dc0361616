package run

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"

	"github.com/seedbed/seedbed/abi/wire"
	"github.com/seedbed/seedbed/core/recipe"
	"github.com/seedbed/seedbed/datasets"
	"github.com/seedbed/seedbed/datasets/samples"
	"github.com/seedbed/seedbed/datasets/shapes"
	"github.com/seedbed/seedbed/datasets/text"
	"github.com/seedbed/seedbed/datasets/tokenizer"
	"github.com/seedbed/seedbed/datasets/tokens"
)

// data is what a run learns from, ready for use.
type data struct {
	Train      datasets.Dataset
	Validation datasets.Dataset // nil if there is none
	Stats      DataStats
	// properties are the facts about the data that objectives are told; see
	// docs/roles.md.
	properties map[string]string
	tokenizer  *tokenizer.Tokenizer // nil without tokens
	codes      string               // the weights' hash of what made codes; empty without
	close      func() error
}

// DataStats says what there is to learn from.
type DataStats struct {
	Text           *tokens.Stats // nil where rows are not pieces of text
	TrainRows      int64
	ValidationRows int64
	Classes        []string // of labels, nil if there are none
	Skipped        int64    // bad samples left out
	Reasons        []string // why, of the first few
}

// prepare makes the data of a recipe, or finds it in a cache.
func prepare(ctx context.Context, r *recipe.Recipe, progress func(tokens.Progress)) (*data, error) {
	var d *data
	var err error
	switch r.Data.Kind {
	case recipe.Samples:
		d, err = prepareSamples(ctx, r, progress)
	case recipe.Shapes:
		d, err = prepareShapes(r)
	default:
		d, err = prepareText(ctx, r, progress)
	}
	if err == nil && r.Data.Captions {
		err = d.addCaptions(ctx, r, progress)
	}
	if err != nil {
		if d != nil {
			err = errors.Join(err, d.close())
		}
		return nil, err
	}
	d.Stats.TrainRows = d.Train.Len()
	if d.Validation != nil {
		d.Stats.ValidationRows = d.Validation.Len()
	}
	if d.Stats.Classes != nil {
		d.properties["classes"] = strconv.Itoa(len(d.Stats.Classes))
	}
	return d, nil
}

func prepareText(ctx context.Context, r *recipe.Recipe, progress func(tokens.Progress)) (*data, error) {
	d := r.Data
	tokenizer, err := tokenizerFileOf(r)
	if err != nil {
		return nil, err
	}
	corpus, err := tokens.Prepare(ctx, tokens.Config{
		Paths: d.Paths,
		Options: text.Options{
			Format: d.Format, TextField: d.TextField, Document: d.Document, Include: d.Include, SkipBinary: d.SkipBinary,
		},
		Tokenizer:          tokenizer,
		Model:              d.TokenizerModel,
		VocabSize:          d.VocabSize,
		TrainBytes:         d.TrainBytes,
		SequenceLength:     r.Train.SequenceLength,
		ValidationFraction: &d.ValidationFraction,
		CacheDir:           d.CacheDir,
	}, progress)
	if err != nil {
		return nil, err
	}
	return &data{
		Train: corpus.Train, Validation: corpus.Validation, close: corpus.Close, Stats: DataStats{Text: &corpus.Stats},
		tokenizer: corpus.Tokenizer, properties: tokenProperties(corpus.Tokenizer, corpus.EndOfText),
	}, nil
}

func prepareSamples(ctx context.Context, r *recipe.Recipe, progress func(tokens.Progress)) (*data, error) {
	progress(tokens.Progress{Stage: "samples"})
	c := r.Data
	format := c.Format
	if format == "auto" {
		format = ""
	}
	s, err := samples.Open(ctx, samples.Config{
		Paths: c.Paths, Format: format, Image: c.Image, Label: c.Label, Text: c.Text, TextB: c.TextB, Header: c.Header,
		Classes: c.Classes, FirstLabel: c.FirstLabel, OnBadSample: c.OnBadSample, Check: c.CheckImages, MaxPixels: c.MaxPixels, MinSide: c.MinSide, CacheDir: c.CacheDir,
	})
	if err != nil {
		return nil, fmt.Errorf("prepare data: %w", err)
	}
	d := &data{
		Train: s.Data, close: s.Close, properties: map[string]string{},
		Stats: DataStats{Classes: s.Classes, Skipped: s.Skipped, Reasons: s.Reasons},
	}
	if c.ValidationFraction > 0 {
		if d.Train, d.Validation, err = s.Split(c.ValidationFraction); err != nil {
			return d, fmt.Errorf("prepare data: %w", err)
		}
	}
	return d, nil
}

func prepareShapes(r *recipe.Recipe) (*data, error) {
	c := shapesConfig(&r.Data)
	d := &data{close: func() error { return nil }, properties: map[string]string{}, Stats: DataStats{Classes: c.Classes()}}
	var err error
	if d.Train, err = shapes.Open(c); err != nil {
		return nil, fmt.Errorf("prepare data: %w", err)
	}
	if f := r.Data.ValidationFraction; f > 0 {
		c.Split, c.Rows = "validation", max(1, int64(math.Round(f*float64(c.Rows))))
		if d.Validation, err = shapes.Open(c); err != nil {
			return nil, fmt.Errorf("prepare data: %w", err)
		}
	}
	return d, nil
}

func shapesConfig(d *recipe.Data) shapes.Config {
	return shapes.Config{Size: d.ImageSize, Rows: d.Rows, Seed: d.Seed, Alike: d.Alike, Label: d.Label}
}

// addCaptions turns texts into tokens, of a tokenizer that is given or trained
// on those of the training split.
func (d *data) addCaptions(ctx context.Context, r *recipe.Recipe, progress func(tokens.Progress)) error {
	c := r.Data
	var err error
	if c.Tokenizer != "" {
		err = d.readTokenizer(r)
	} else {
		progress(tokens.Progress{Stage: "train"})
		learnFrom := d.Train
		if c.Kind == recipe.Shapes { // the captions are those of larger pictures
			small := shapesConfig(&c)
			small.Size = 8
			if learnFrom, err = shapes.Open(small); err != nil {
				return err
			}
		}
		if d.tokenizer, err = tokens.TrainOnCaptions(ctx, learnFrom, c.TrainBytes, tokenizer.TrainOptions{Model: c.TokenizerModel, VocabSize: c.VocabSize}); err != nil {
			return fmt.Errorf("prepare data: %w", err)
		}
		err = d.tellTokens()
	}
	if err != nil {
		return err
	}
	if size := d.tokenizer.Size(); c.Tokenizer == "" && size < c.VocabSize {
		progress(tokens.Progress{Stage: "train", Warning: fmt.Sprintf("vocab_size: %d tokens were asked for, and the captions have enough for %d", c.VocabSize, size)})
	}
	for _, split := range []*datasets.Dataset{&d.Train, &d.Validation} {
		if *split == nil {
			continue
		}
		if *split, err = tokens.Captions(*split, d.tokenizer, r.Train.SequenceLength); err != nil {
			return fmt.Errorf("prepare data: %w", err)
		}
	}
	return nil
}

// readTokenizer reads the tokenizer that a recipe names.
func (d *data) readTokenizer(r *recipe.Recipe) error {
	path, err := tokenizerFileOf(r)
	if err != nil {
		return err
	}
	if d.tokenizer, err = tokens.ReadTokenizer(path, r.Data.VocabSize); err != nil {
		return fmt.Errorf("prepare data: %w", err)
	}
	return d.tellTokens()
}

// tellTokens adds what objectives are told of the tokenizer.
func (d *data) tellTokens() error {
	end, err := d.tokenizer.EndOfText()
	if err != nil {
		return err
	}
	for name, value := range tokenProperties(d.tokenizer, end) {
		d.properties[name] = value
	}
	return nil
}

// tokenizerFileOf is the file of the tokenizer that a recipe names, by itself or
// by the checkpoint or run that has it; empty if one is trained.
func tokenizerFileOf(r *recipe.Recipe) (string, error) {
	path := r.Data.Tokenizer
	if info, err := os.Stat(path); path == "" || err != nil || !info.IsDir() {
		return path, nil // reading it says what is wrong
	}
	file := filepath.Join(path, tokenizerFile)
	if _, err := os.Stat(file); err == nil {
		return file, nil // of a checkpoint, or as of Hugging Face
	}
	c, _, err := openTrained(path)
	if err != nil {
		return "", r.Errorf("data.tokenizer", "%w", err)
	}
	return filepath.Join(c.Path, tokenizerFile), nil
}

// tokenProperties are the properties of tokens.
func tokenProperties(t *tokenizer.Tokenizer, end int32) map[string]string {
	p := map[string]string{"end_of_text": strconv.Itoa(int(end)), "vocab_size": strconv.Itoa(t.Size())}
	for name, spellings := range map[string][]string{
		"cls": {"[CLS]"}, "sep": {"[SEP]"}, "mask": {"[MASK]", "<mask>"}, "pad": {"[PAD]", "<pad>"},
	} {
		if id, ok := t.SpecialID(spellings...); ok {
			p[name] = strconv.Itoa(int(id))
		}
	}
	if bits := hex.EncodeToString(t.ContinuesWord()); bits != "" && len(bits) <= wire.MaxPropertyLen {
		p["continues_word"] = bits
	}
	return p
}

// rowTokens is the number of tokens of a row of text, 0 of other rows.
func rowTokens(r *recipe.Recipe) int64 {
	if r.Data.Kind != recipe.Text {
		return 0
	}
	return int64(r.Train.SequenceLength)
}
