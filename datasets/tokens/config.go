package tokens

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"github.com/seedbed/seedbed/datasets/text"
	"github.com/seedbed/seedbed/datasets/tokenizer"
)

// Config says which rows to make of which text. Zero values are the defaults.
type Config struct {
	// Paths are files, folders and patterns as text.Files takes them. None means the sources of the Go toolchain (text.GoSource),
	// about 90 MB, and Include is then chosen by it.
	Paths []string `json:"paths,omitempty" yaml:"paths,omitempty"`

	text.Options `yaml:",inline"`

	// Tokenizer is the path of a tokenizer.json with the special token <|endoftext|>. None means to train one.
	Tokenizer string `json:"tokenizer,omitempty" yaml:"tokenizer,omitempty"`

	// Model is the tokenizer to train: tokenizer.BPE (the default), tokenizer.WordPiece or tokenizer.Unigram.
	Model string `json:"model,omitempty" yaml:"model,omitempty"`

	// VocabSize is how many tokens to train; default 8192. With Tokenizer it must be 0 or that tokenizer's size.
	VocabSize int `json:"vocab_size,omitempty" yaml:"vocab_size,omitempty"`

	// TrainBytes is how much text of the training split the tokenizer is trained on: whole documents chosen by their hash until
	// they have this many bytes; default 256 MiB.
	TrainBytes int64 `json:"train_bytes,omitempty" yaml:"train_bytes,omitempty"`

	// SequenceLength is the number of inputs in a row, which has one token more; required.
	SequenceLength int `json:"sequence_length,omitempty" yaml:"sequence_length,omitempty"`

	// ValidationFraction is the part of documents that go to the validation split; default 0.01; 0 makes none.
	ValidationFraction *float64 `json:"validation_fraction,omitempty" yaml:"validation_fraction,omitempty"`

	// CacheDir is where tokens are kept; default "seedbed/tokens" in the user's cache folder.
	CacheDir string `json:"cache_dir,omitempty" yaml:"cache_dir,omitempty"`

	// Workers is the number of goroutines; default one for each processor. Rows do not depend on it.
	Workers int `json:"workers,omitempty" yaml:"workers,omitempty"`
}

const maxSequenceLength = 1 << 24

// WithDefaults returns the configuration with every default but Paths filled in, or an error that names the field that is out
// of range.
func (c Config) WithDefaults() (Config, error) {
	var err error
	if c.Options, err = c.Options.WithDefaults(); err != nil {
		return c, err
	}
	if c.Tokenizer == "" && c.VocabSize == 0 {
		c.VocabSize = 8192
	}
	if c.VocabSize != 0 && (c.VocabSize < 257 || c.VocabSize > tokenizer.MaxVocabSize) {
		return c, fmt.Errorf("vocab_size: %d is outside [257, %d]: 256 bytes and %s are always in it", c.VocabSize, tokenizer.MaxVocabSize, tokenizer.EndOfText)
	}
	if c.Model != "" && c.Model != tokenizer.BPE && c.Model != tokenizer.WordPiece && c.Model != tokenizer.Unigram {
		return c, fmt.Errorf("model: %q is not %s, %s or %s", c.Model, tokenizer.BPE, tokenizer.WordPiece, tokenizer.Unigram)
	}
	if c.Model == tokenizer.BPE || c.Tokenizer != "" {
		c.Model = "" // the default; and a given tokenizer is what it is
	}
	if c.TrainBytes == 0 {
		c.TrainBytes = 256 << 20
	}
	if c.TrainBytes < 0 {
		return c, fmt.Errorf("train_bytes: %d is negative", c.TrainBytes)
	}
	if c.SequenceLength < 1 || c.SequenceLength > maxSequenceLength {
		return c, fmt.Errorf("sequence_length: %d is outside [1, %d]", c.SequenceLength, maxSequenceLength)
	}
	if c.ValidationFraction == nil {
		fraction := 0.01
		c.ValidationFraction = &fraction
	}
	if f := *c.ValidationFraction; !(f >= 0 && f < 1) {
		return c, fmt.Errorf("validation_fraction: %v is outside [0, 1)", f)
	}
	if c.CacheDir == "" {
		dir, err := os.UserCacheDir()
		if err != nil {
			return c, fmt.Errorf("cache_dir: no cache folder is known here: name one: %w", err)
		}
		c.CacheDir = filepath.Join(dir, "seedbed", "tokens")
	}
	if c.Workers == 0 {
		c.Workers = runtime.GOMAXPROCS(0)
	}
	if c.Workers < 0 || c.Workers > 1<<12 {
		return c, fmt.Errorf("workers: %d is outside [1, %d]", c.Workers, 1<<12)
	}
	return c, nil
}
