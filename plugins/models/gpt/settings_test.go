package gpt

import (
	"errors"
	"testing"

	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Whatever the text, parsing ends in an error or in a configuration that is
// read again as itself.
func FuzzConfig(f *testing.F) {
	for _, s := range []string{
		``, `{}`, `null`, `{"preset": "gpt2-xl", "n_layer": 3}`, `{"n_head": 4, "n_head": 4}`, `{"resid_pdrop": 0.1, "bias": false}`,
		`{"norm": "rms_norm", "position": "rotary", "mlp": "gated", "n_kv_head": 4, "head_dim": 10, "rope_theta": 5e5}`,
		`{"norm": "rms_norm"}`, `{"n_embd": 1e3}`, `{"initializer_range": -0}`, `{"\ud800": 1}`, `{"n_inner": null} `, `{"mlp": "`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		c, err := parseSettings(raw)
		if err != nil {
			var ce *plugin.ConfigError
			if errors.As(err, &ce) {
				assert.NotEmpty(t, ce.Msg)
				assert.Less(t, len(ce.Error()), 1000)
			}
			return
		}
		text, err := c.JSON()
		require.NoError(t, err)
		again, err := parseSettings(text)
		require.NoError(t, err, "%s", text)
		require.Equal(t, c, again)
	})
}

// The frequencies of head_dim 8 and theta 10000 are powers of ten; those of
// theta 5e5 are from 50-digit arithmetic.
func TestRotaryFrequencies(t *testing.T) {
	assert.Equal(t, []float32{1, 0.1, 0.01, 0.001}, rotaryFrequencies(10000, 8))
	assert.Equal(t, []float32{1, 1, 1}, rotaryFrequencies(1, 6))
	f := rotaryFrequencies(5e5, 128)
	assert.Equal(t, []float32{0.81461723385654470, 0.030634520893224040, 2.4551407911316088712e-06}, []float32{f[1], f[17], f[63]})
	assert.Empty(t, rotaryFrequencies(10000, 0))
}
