package recipe

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestDifferences(t *testing.T) {
	parse := func(sets ...string) *Recipe {
		r, err := Parse("r.yaml", nil, sets)
		require.NoError(t, err)
		return r
	}
	base := parse("data.include=[a]")
	assert.Empty(t, Differences(base, parse("data.include=[a]", "backend.plugin=reference", "backend.threads=3", "data.paths=[x]", "data.cache_dir=c",
		"train.prefetch=5", "train.in_flight=1", "train.log_every=1", "train.eval_every=0", "train.eval_sequences=1", "checkpoint.every=1", "checkpoint.keep=9")),
		"keys on which results do not depend")
	assert.Equal(t, []Difference{
		{"seed", "0", "1"},
		{"model.config.n_head", "", "8"},
		{"model.config.n_layer", string("4"), "2"},
		{"data.include", `["a"]`, "[]"},
		{"optimizer.betas", "[0.9, 0.95]", "[0.9, 0.99]"},
	}, Differences(parse("data.include=[a]", "model.config={n_layer: 4}"), parse("seed=1", "model.config={n_layer: 2, n_head: 8}", "optimizer.betas=[0.9, 0.99]")))

	// Every key counts unless the table says otherwise, and those are few.
	free := map[string]bool{}
	for _, f := range fields {
		if f.free {
			free[f.path] = true
		}
	}
	assert.Len(t, free, 12)
}
