package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A small GPT learns from text what counting words does not tell. The run is the
// same to the bit on every machine, so that its loss is; bench learning trains
// larger ones for longer.
func TestItLearns(t *testing.T) {
	t.Parallel()
	data, err := filepath.Abs(filepath.FromSlash("../../../shared/data/wikitext2"))
	require.NoError(t, err)
	if _, err := os.Stat(data); err != nil {
		t.Skipf("no text to learn from: %v", err)
	}
	x := identity{dir: t.TempDir()}
	x.recipe = filepath.Join(x.dir, "recipe.yaml")
	require.NoError(t, os.WriteFile(x.recipe, []byte(fmt.Sprintf(`
model:
  config: {vocab_size: 512, n_positions: 64, n_embd: 96, n_layer: 2, n_head: 4, norm: rms_norm, position: rotary, mlp: gated, activation: silu, bias: false}
data: {vocab_size: 512, document: line, validation_fraction: 0.1, cache_dir: %s}
train: {steps: 700, batch_size: 8, sequence_length: 64, eval_every: 0}
optimizer: {lr: 0.006}
schedule: {warmup_steps: 20}
checkpoint: {every: 0}
`, strconv.Quote(filepath.Join(x.dir, "cache")))), 0o666))
	events := x.run(t, x.command(filepath.Join(x.dir, "out"), nil, "--data", data), nil)
	done := events[len(events)-1]
	require.Equal(t, "done", done.Event)
	require.Equal(t, 700, done.Step)
	t.Logf("validation loss %.4f, bigrams %.4f, unigrams %.4f", done.ValLoss, done.BigramLoss, done.UnigramLoss)
	assert.Less(t, done.ValLoss, done.BigramLoss-0.1)
	assert.Less(t, done.BigramLoss, done.UnigramLoss-1)
}
