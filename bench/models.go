package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// model is one that both sides know: the peers' script by its name, the project by a configuration.
type model struct {
	config        string // of the model plugin gpt
	vocab         int
	batch, seq    int
	embd, headDim int
}

// models are those of the peers' script, without dropout.
var models = map[string]model{
	"gpt_small": {
		config: `{"n_layer": 6, "n_head": 6, "n_embd": 384, "n_positions": 256, "vocab_size": 4096, "resid_pdrop": 0, "embd_pdrop": 0}`,
		vocab:  4096, batch: 4, seq: 256, embd: 384, headDim: 64,
	},
	"gpt2": {
		config: `{"preset": "gpt2", "resid_pdrop": 0, "embd_pdrop": 0}`,
		vocab:  50257, batch: 4, seq: 256, embd: 768, headDim: 64,
	},
}

func findModel(name string) (model, error) {
	m, ok := models[name]
	if !ok {
		return m, fmt.Errorf("unknown model %q; there are %s", name, strings.Join(slices.Sorted(maps.Keys(models)), ", "))
	}
	return m, nil
}
