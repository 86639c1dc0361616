package config

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

type sample struct {
	width, depth int
	rate, scale  float64
	tied         bool
	act          string
}

func (s *sample) fields() []Field {
	return []Field{
		Int("width", &s.width, 8, 1, 100), Int("depth", &s.depth, 2, 1, 10), Rate("rate", &s.rate), Float("scale", &s.scale, 0.5, 0, 2),
		Bool("tied", &s.tied, true), Word("act", &s.act, "gelu", "relu"),
	}
}

func (s *sample) read(raw string) error {
	return Read(json.RawMessage(raw), []Preset{{"small", func() {}}, {"large", func() { s.width = 64 }}}, s.fields()...)
}

func TestRead(t *testing.T) {
	defaults := sample{8, 2, 0, 0.5, true, "gelu"}
	for raw, change := range map[string]func(s *sample){
		``:                              func(*sample) {},
		` {} `:                          func(*sample) {},
		`{"width": null}`:               func(*sample) {},
		`{"width": 3, "tied": false}`:   func(s *sample) { s.width, s.tied = 3, false },
		`{"preset": "large"}`:           func(s *sample) { s.width = 64 },
		`{"width":9,"preset": "large"}`: func(s *sample) { s.width = 9 },
		`{"act": "relu", "rate": 0.25, "scale": 1e-1}`: func(s *sample) { s.act, s.rate, s.scale = "relu", 0.25, 0.1 },
	} {
		s, want := sample{depth: 99, act: "left over"}, defaults
		change(&want)
		require.NoError(t, s.read(raw), raw)
		assert.Equal(t, want, s, raw)
		text, err := JSON(s.fields()...)
		require.NoError(t, err)
		var again sample
		require.NoError(t, again.read(string(text)))
		assert.Equal(t, s, again)
	}
}

func TestReadRefuses(t *testing.T) {
	for raw, want := range map[string]string{
		`{"widht": 3}`:             `field widht: there is no such field; the nearest is "width"`,
		`{"WIDTH": 3}`:             `field WIDTH: there is no such field`,
		`{"width": 3, "width": 3}`: `field width: is given twice`,
		`{"width": 0}`:             `field width: must be 1 to 100, is 0`,
		`{"width": 1.5}`:           `field width: must be a whole number of at most 64 bits, is 1.5`,
		`{"width": [1]}`:           `field width: must be a whole number of at most 64 bits, is [1]`,
		`{"rate": 1}`:              `field rate: must be at least 0 and below 1, is 1`,
		`{"scale": 1e999}`:         `field scale: must be a number within the range of float64, is 1e999`,
		`{"scale": -1}`:            `field scale: must be 0 to 2, is -1`,
		`{"tied": 1}`:              `field tied: must be true or false, is 1`,
		`{"act": "tanh"}`:          `field act: must be one of gelu, relu, is "tanh"`,
		`{"preset": "huge"}`:       `field preset: must be one of small, large, is "huge"`,
		`[]`:                       `must be a JSON object`,
		`{} {}`:                    `something follows the JSON object`,
		`{`:                        `unexpected EOF`,
		`{"width": }`:              `field "width"`,
		`{"a` + strings.Repeat("b", maxBytes) + `":1}`: "are more than 65536",
		"{\"wid\\u0000th\": 3}":                        `there is no such field; the nearest is "width"`,
	} {
		var s sample
		assert.ErrorContains(t, s.read(raw), want, raw)
	}
	assert.ErrorContains(t, Read(json.RawMessage(`{"preset": "x"}`), nil, (&sample{}).fields()...), `field preset: there is no such field`)
}

// Whatever the text, reading ends in a short error or in values that are read
// again as themselves.
func FuzzRead(f *testing.F) {
	for _, s := range []string{``, `{}`, `null`, `{"width": 3, "width": 4}`, `{"rate": -0}`, `{"\ud800": 1}`, `{"scale": 1e-320}`, `{"act": "`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		var s, again sample
		if err := s.read(raw); err != nil {
			var ce *plugin.ConfigError
			if errors.As(err, &ce) {
				assert.Less(t, len(ce.Error()), 1000)
			}
			return
		}
		text, err := JSON(s.fields()...)
		require.NoError(t, err)
		require.NoError(t, again.read(string(text)), string(text))
		require.Equal(t, s, again)
	})
}

func TestNearest(t *testing.T) {
	names := []string{"steps", "batch_size", "lr", "n_head", "n_embd", "log_every", "eval_every", "log_file"}
	for word, want := range map[string]string{
		"stpes": "steps", "STEPS": "steps", "batchsize": "batch_size", "rl": "lr", "n_hed": "n_head",
		"batch": "batch_size", "head": "n_head", "Embd": "n_embd", "eval": "eval_every",
		"every": "", "log": "", "zzz": "", "": "", "x": "", strings.Repeat("s", 100): "",
	} {
		assert.Equal(t, want, Nearest(word, names), word)
	}
	assert.EqualError(t, Unknown("zzz", names[:2]), "config field zzz: there is no such field; there are steps, batch_size")
}
