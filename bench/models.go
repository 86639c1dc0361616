package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// model is one that both sides know: the peers' script by its name, the project by a configuration.
type model struct {
	config         string // of the model plugin gpt
	vocab          int
	batch, seq     int
	layers, embd   int
	heads, headDim int
}

// models are those of the peers' script, without dropout.
var models = map[string]model{
	"gpt_small": {
		config: `{"n_layer": 6, "n_head": 6, "n_embd": 384, "n_positions": 256, "vocab_size": 4096, "resid_pdrop": 0, "embd_pdrop": 0}`,
		vocab:  4096, batch: 4, seq: 256, layers: 6, embd: 384, heads: 6, headDim: 64,
	},
	"gpt2": {
		config: `{"preset": "gpt2", "resid_pdrop": 0, "embd_pdrop": 0}`,
		vocab:  50257, batch: 4, seq: 256, layers: 12, embd: 768, heads: 12, headDim: 64,
	},
}

func findModel(name string) (model, error) {
	m, ok := models[name]
	if !ok {
		return m, fmt.Errorf("unknown model %q; there are %s", name, strings.Join(slices.Sorted(maps.Keys(models)), ", "))
	}
	return m, nil
}

// flops counts a forward and a backward pass as torch.utils.flop_counter does: 2 a multiply-add of matrix products, attention
// without regard to the causal mask, whose scores the backward pass computes again.
func (m model) flops() float64 {
	tokens := float64(m.batch * m.seq)
	e := float64(m.embd)
	linear := 2 * tokens * e * (float64(m.layers)*12*e + float64(m.vocab))
	attention := 2 * tokens * float64(m.seq) * float64(m.layers*m.heads*m.headDim)
	return 3*linear + 7*attention
}
