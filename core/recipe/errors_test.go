package recipe

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestErrors(t *testing.T) {
	long := strings.Repeat("x", 100)
	for _, c := range []struct {
		name, text string
		sets       []string
		want       string // the whole text of the error
	}{
		{"unknown section", "trian: {steps: 3}", nil, "r.yaml:1:1: trian: unknown key; did you mean train?"},
		{"unknown key", "train:\n  stpes: 3", nil, "r.yaml:2:3: train.stpes: unknown key; did you mean train.steps?"},
		{"key of another section", "train:\n  lr: 3", nil, "r.yaml:2:3: train.lr: unknown key; did you mean optimizer.lr?"},
		{"key of a section at the top", "momentum: 1", nil, "r.yaml:1:1: momentum: unknown key; did you mean optimizer.momentum?"},
		{"key near nothing", "checkpoint: {zzzzzz: 1}", nil, "r.yaml:1:14: checkpoint.zzzzzz: unknown key; valid keys are every, keep"},
		{"section is a scalar", "checkpoint: 3", nil, "r.yaml:1:13: checkpoint: must be a mapping with some of the keys every, keep, not 3; leave it out for the defaults"},
		{"section is empty", "seed: 1\ncheckpoint:\n", nil, "r.yaml:2:1: checkpoint: must be a mapping with some of the keys every, keep, not nothing; leave it out for the defaults"},
		{"recipe is a list", "- 1", nil, "r.yaml:1:1: a recipe is a mapping, such as \"train: {steps: 100}\", not a list"},
		{"out of range", "train:\n  steps: 0", nil, "r.yaml:2:10: train.steps: must be an integer in [1, 1000000000], not 0"},
		{"below, 0 allowed", "backend: {threads: -2}", nil, "r.yaml:1:20: backend.threads: must be an integer in [1, 4096], or 0: one for each processor, not -2"},
		{"fraction for an integer", "train: {steps: 1.5}", nil, "r.yaml:1:16: train.steps: must be an integer in [1, 1000000000], not 1.5"},
		{"string for a number", "optimizer: {lr: fast}", nil, "r.yaml:1:17: optimizer.lr: must be a number in [0, 1000], not \"fast\""},
		{"open bound", "optimizer: {eps: 0}", nil, "r.yaml:1:18: optimizer.eps: must be a number in (0, 1], not 0"},
		{"open bound of a pair", "optimizer: {betas: [0.9, 1]}", nil, "r.yaml:1:26: optimizer.betas[1]: must be a number in [0, 1), not 1"},
		{"length of a pair", "optimizer: {betas: [0.9]}", nil, "r.yaml:1:20: optimizer.betas: must be a list of two numbers in [0, 1), not a list"},
		{"boolean by another name", "data: {skip_binary: yes}", nil, "r.yaml:1:21: data.skip_binary: must be true or false, not \"yes\""},
		{"word nearly right", "optimizer: {name: adam}", nil, "r.yaml:1:19: optimizer.name: must be one of adamw, sgd, lars, not \"adam\"; did you mean adamw?"},
		{"word", "schedule: {name: 3}", nil, "r.yaml:1:18: schedule.name: must be one of cosine, linear, constant, not the number 3; put it in quotes if it is meant as a string"},
		{"word near nothing", "schedule: {name: whatever}", nil, "r.yaml:1:18: schedule.name: must be one of cosine, linear, constant, not \"whatever\""},
		{"number for a string", "data:\n  cache_dir: 7", nil, "r.yaml:2:14: data.cache_dir: must be a string, not the number 7; put it in quotes if it is meant as a string"},
		{"list for a string", "model: {plugin: [gpt]}", nil, "r.yaml:1:17: model.plugin: must be a string that is not empty, not a list"},
		{"empty string", "model: {plugin: ''}", nil, "r.yaml:1:17: model.plugin: must not be empty"},
		{"control character", `data: {cache_dir: "a\tb"}`, nil, `r.yaml:1:19: data.cache_dir: "a\tb" has the control character U+0009`},
		{"long string", "data: {cache_dir: " + strings.Repeat("x", 4097) + "}", nil, "r.yaml:1:19: data.cache_dir: has 4097 bytes; at most 4096 are allowed"},
		{"string for a list", "data: {paths: a}", nil, `r.yaml:1:15: data.paths: must be a list of strings, not "a"`},
		{"item of a list", "data:\n  paths:\n    - a\n    - true", nil, "r.yaml:4:7: data.paths[1]: must be a string, not true; put it in quotes if it is meant as a string"},
		{"long list", "data: {paths: [" + strings.Repeat("a,", 4097) + "]}", nil, "r.yaml:1:15: data.paths: has 4097 items; at most 4096 are allowed"},
		{"pattern", "data: {include: ['[']}", nil, `r.yaml:1:18: data.include[0]: "[" is not a pattern: it has a bad [...] or ends in \`},
		{"config is a list", "model: {config: [1]}", nil, "r.yaml:1:17: model.config: must be a mapping, not a list"},
		{"null", "train:\n  log_every:\n", nil, "r.yaml:2:3: train.log_every: has no value; it must be an integer in [1, 1000000000]; leave the key out for the default"},
		{"null list", "data: {paths: ~}", nil, "r.yaml:1:8: data.paths: has no value; it must be a list of strings; leave the key out for the default"},
		{"duplicate", "train:\n  steps: 1\n  steps: 1", nil, "r.yaml:3:3: train.steps: the key is there twice, first at line 2"},
		{"duplicate in a config", "model:\n  config: {a: 1, \"a\": 2}", nil, "r.yaml:2:18: model.config.a: the key is there twice, first at line 2"},
		{"key that is no string", "model:\n  config: {1: 2}", nil, "r.yaml:2:12: model.config: the key 1 is not a string: put it in quotes"},
		{"NaN", "optimizer:\n  lr: .NaN", nil, "r.yaml:2:7: optimizer.lr: .NaN is not a finite number; put it in quotes if it is a string"},
		{"infinity", "optimizer:\n  lr: -.inf", nil, "r.yaml:2:7: optimizer.lr: -.inf is not a finite number; put it in quotes if it is a string"},
		{"infinity in a config", "model: {config: {a: [inf]}}", nil, "r.yaml:1:22: model.config.a[0]: inf is not a finite number; put it in quotes if it is a string"},
		{"overflow", "optimizer: {lr: 1e999}", nil, "r.yaml:1:17: optimizer.lr: 1e999 is too large for a 64-bit number"},
		{"integer overflow", "seed: 18446744073709551616", nil, "r.yaml:1:7: seed: 18446744073709551616 is too large for a 64-bit integer"},
		{"octal", "seed: 017", nil, "r.yaml:1:7: seed: 017 is a number to some readers of YAML and not to others: write it in decimal, or in quotes if it is a string"},
		{"hexadecimal", "seed: 0x1F", nil, "r.yaml:1:7: seed: 0x1F is a number to some readers of YAML and not to others: write it in decimal, or in quotes if it is a string"},
		{"underscores in a config", "model: {config: {n: 1_000}}", nil, "r.yaml:1:21: model.config.n: 1_000 is a number to some readers of YAML and not to others: write it in decimal, or in quotes if it is a string"},
		{"anchor", "seed: &a 1", nil, "r.yaml:1:7: YAML anchors (&) are not allowed; put a string that begins with & in quotes"},
		{"alias", "data: {include: [*.go]}", nil, "r.yaml:1:18: YAML aliases (*) are not allowed; put a string that begins with * in quotes"},
		{"merge key", "train:\n  <<: {steps: 1}", nil, "r.yaml:2:3: YAML merge keys (<<) are not allowed; write the keys out"},
		{"tag", "seed: !!int 1", nil, "r.yaml:1:7: YAML tags (!) are not allowed; put a string that begins with ! in quotes"},
		{"explicit key", "? seed\n: 1", nil, "r.yaml:1:1: YAML's \"? key\" is not allowed; write key: value"},
		{"directive", "%YAML 1.2\n---\nseed: 1", nil, "r.yaml:1:1: YAML directives (%) are not allowed"},
		{"two documents", "seed: 1\n---\nseed: 2", nil, "r.yaml:2:1: a second YAML document: a recipe is one"},
		{"syntax", "train: {steps: 1", nil, "r.yaml:1:8: not valid YAML: could not find flow mapping end token '}'"},
		{"line ends of other systems", "# a\r\n\r\ntrain:\r  steps: 0\r\n", nil, "r.yaml:4:10: train.steps: must be an integer in [1, 1000000000], not 0"},
		{"byte order mark", "\ufeffseed: x", nil, `r.yaml:1:7: seed: must be an integer in [0, 18446744073709551615], not "x"`},
		{"after texts of many lines", "data:\n  cache_dir: \"a\n    b\"\n  tokenizer: >-\n    a\n    b\n\n  format: x", nil, `r.yaml:8:11: data.format: must be one of auto, text, jsonl, folder, zip, tar, idx, csv, tsv, parquet, arrow, lines, not "x"`},
		{"tab", "train:\n\tsteps: 1", nil, "r.yaml:2:1: not valid YAML: found character '\t' that cannot start any token"},
		{"not UTF-8", "seed: 1\n# \xff", nil, "r.yaml:2:3: the text is not UTF-8: byte 0xff"},
		{"control character in the text", "seed: 1\n#é\x00", nil, "r.yaml:2:3: the character U+0000 may not be in YAML; in a string in double quotes, escape it"},
		{"too long", strings.Repeat("#\n", 1<<19+1), nil, "r.yaml: the text has 1048578 bytes; at most 1048576 are read"},
		{"too deep", "model: {config: {a: " + strings.Repeat("[", 40) + strings.Repeat("]", 40) + "}}", nil, "r.yaml:1:50: nested more than 32 deep"},
		{"too deep in blocks", strings.Repeat("- ", 40), nil, "r.yaml:1:65: nested more than 32 deep"},

		{"grain", "train:\n  batch_size: 8\n  grain: 3", nil, "r.yaml:3:10: train.grain: must divide train.batch_size (8): valid are 1, 2, 4, 8, not 3"},
		{"shards of grains", "train:\n  grain: 4\n  shards: 4", nil, "r.yaml:3:11: train.shards: must divide the number of grains, train.batch_size / train.grain (2): valid are 1, 2, not 4"},
		{"shards of a batch", "train:\n  shards: 3", nil, "r.yaml:2:11: train.shards: must divide train.batch_size (8): valid are 1, 2, 4, 8, not 3"},
		{"validation on nothing", "data: {validation_fraction: 0}", nil, "r.yaml: train.eval_every: there is nothing to validate on: data.validation_fraction is 0; make it larger, or this 0"},
		{"momentum of adamw", "optimizer: {momentum: 0.9}", nil, "r.yaml:1:23: optimizer.momentum: only sgd and lars have momentum; adamw has betas: leave it out"},
		{"weight of one objective", "objective: {weight: 2}", nil, "r.yaml:1:21: objective.weight: only one of several objectives has a weight: leave it out"},
		{"objectives are a list", "objective: {also: {plugin: x}}", nil, "r.yaml:1:20: objective.also: must be a list of mappings with the keys plugin, config and weight, not a mapping"},
		{"an objective is a mapping", "objective: {also: [x]}", nil, "r.yaml:1:20: objective.also[0]: must be a mapping with the keys plugin, config, weight, not \"x\""},
		{"key of an objective", "objective:\n  also:\n  - {plugin: x}\n  - {plugn: x, weight: 0}", nil, "r.yaml:4:6: objective.also[1].plugn: unknown key; did you mean objective.also[1].plugin?\nr.yaml:4:6: objective.also[1]: needs a plugin, such as {plugin: sentence_pairs}\nr.yaml:4:24: objective.also[1].weight: must be a number in (0, 1000000], not 0"},
		{"frozen pattern", "train: {freeze: [\"[\"]}", nil, "r.yaml:1:18: train.freeze[0]: \"[\" is not a pattern: it has a bad [...] or ends in \\"},
		{"betas of sgd", "optimizer: {name: sgd, betas: [0.5, 0.5]}", nil, "r.yaml:1:31: optimizer.betas: only adamw has betas: leave it out"},
		{"eps of sgd", "optimizer: {name: sgd, eps: 1}", nil, "r.yaml:1:29: optimizer.eps: only adamw has eps: leave it out"},
		{"end of a constant", "schedule: {name: constant, min_lr_ratio: 0}", nil, "r.yaml:1:42: schedule.min_lr_ratio: the constant schedule has no end to decay to: leave it out"},

		{"set: no value", "", []string{"train.steps"}, "--set train.steps: must be key.path=value, such as train.steps=100"},
		{"set: no key", "", []string{"=3"}, "--set =3: must be key.path=value, such as train.steps=100"},
		{"set: empty part", "", []string{"train..steps=3"}, "--set train..steps=3: the path has an empty part"},
		{"set: unknown key", "", []string{"train.stpes=3"}, "--set train.stpes=3: train.stpes: unknown key; did you mean train.steps?"},
		{"set: range", "train: {steps: 3}", []string{"train.steps=0"}, "--set train.steps=0: train.steps: must be an integer in [1, 1000000000], not 0"},
		{"set: empty", "", []string{"train.steps="}, "--set train.steps=: train.steps: must be an integer in [1, 1000000000], not \"\""},
		{"set: null", "", []string{"train.steps=~"}, "--set train.steps=~: train.steps: has no value; it must be an integer in [1, 1000000000]; leave the key out for the default"},
		{"set: comment", "", []string{"train.steps=#"}, "--set train.steps=#: train.steps: the value must be a scalar, [a list] or {a: mapping}; put a string with ': ' or '#' in quotes"},
		{"set: block mapping", "", []string{"train=steps: 3"}, "--set train=steps: 3: train: the value must be a scalar, [a list] or {a: mapping}; put a string with ': ' or '#' in quotes"},
		{"set: syntax", "", []string{"data.paths=[a"}, "--set data.paths=[a: data.paths: not valid YAML: sequence end token ']' not found"},
		{"set: alias", "", []string{"data.include=[*.go]"}, "--set data.include=[*.go]: data.include: YAML aliases (*) are not allowed; put a string that begins with * in quotes"},
		{"set: item", "", []string{"data.paths.0=a"}, "--set data.paths.0=a: data.paths: has no parts: set it whole; it must be a list of strings"},
		{"set: part of a scalar", "model: {config: {a: 1}}", []string{"model.config.a.b=2"}, "--set model.config.a.b=2: model.config.a: is 1, which has no key b: set it whole"},
		{"set: cross-check", "", []string{"train.grain=3"}, "--set train.grain=3: train.grain: must divide train.batch_size (8): valid are 1, 2, 4, 8, not 3"},
		{"set: newline", "", []string{"train.steps=\"a\nb\""}, `--set "train.steps=\"a\nb\"": train.steps: must be an integer in [1, 1000000000], not "a b"`},
		{"set: long", "", []string{"train." + long + "=1"}, "--set train." + long[:51] + "...: train." + long + ": unknown key; valid keys are steps, batch_size, sequence_length, target_length, grain, shards, prefetch, in_flight, log_every, eval_every, eval_sequences, freeze, ema_decay"},
		{"set: too many", "", make([]string, 1001), "--set: there are 1001; at most 1000 are allowed"},
		{"set: deep", "", []string{strings.Repeat("a.", 40) + "a=1"}, "--set a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a...: nested more than 32 deep"},

		{"several, in order", "train:\n  steps: 0\nseed: -1", []string{"backend.threads=x", "backend.plugin=[]"},
			"r.yaml:2:10: train.steps: must be an integer in [1, 1000000000], not 0\n" +
				"r.yaml:3:7: seed: must be an integer in [0, 18446744073709551615], not -1\n" +
				"--set backend.threads=x: backend.threads: must be an integer in [1, 4096], or 0: one for each processor, not \"x\"\n" +
				"--set backend.plugin=[]: backend.plugin: must be a string that is not empty, not a list"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := Parse("r.yaml", []byte(c.text), c.sets)
			require.Nil(t, r)
			require.EqualError(t, err, c.want)
			one := (*Error)(nil)
			require.ErrorAs(t, err, &one)
		})
	}
}

func TestAtMostTenErrors(t *testing.T) {
	var text strings.Builder
	for i := range 13 {
		fmt.Fprintf(&text, "key%d: 1\n", i)
	}
	_, err := Parse("", []byte(text.String()), nil)
	lines := strings.Split(err.Error(), "\n")
	require.Len(t, lines, 11)
	assert.True(t, strings.HasPrefix(lines[0], "recipe:1:1: key0: "))
	assert.Equal(t, "and 3 more errors", lines[10])
}

func TestSets(t *testing.T) {
	for _, c := range []struct {
		name, text string
		sets       []string
		want       string // a line of the canonical text
		config     string // of the model, unless empty
	}{
		{"scalar", "train: {steps: 5}", []string{"train.steps=7"}, "  steps: 7\n", ""},
		{"later ones win", "", []string{"seed=1", "seed=2"}, "seed: 2\n", ""},
		{"mends a bad value", "train: {steps: bad}", []string{"train.steps=7"}, "  steps: 7\n", ""},
		{"flow list", "", []string{`data.paths=[a, "b c"]`}, `  paths: ["a", "b c"]` + "\n", ""},
		{"section", "train: {steps: 5, log_every: 3}", []string{"train={log_every: 4}"}, "  steps: 1000\n", ""},
		{"empty string", "data: {tokenizer: x}", []string{"data.tokenizer="}, `  tokenizer: ""` + "\n", ""},
		{"equals sign", "", []string{"data.cache_dir=a=b"}, `  cache_dir: "a=b"` + "\n", ""},
		{"config of the default", "", []string{"model.config.n_layer=2"}, "", `{"n_embd":128,"n_head":4,"n_layer":2,"n_positions":256,"vocab_size":1024}`},
		{"config of another plugin", "", []string{"model.config.n_layer=2", "model.plugin=llama"}, "  plugin: llama\n", `{"n_layer":2}`},
		{"config of the text", "model: {config: {a: {b: 1}}}", []string{"model.config.a.c=[1, {d: ~}]"}, "", `{"a":{"b":1,"c":[1,{"d":null}]}}`},
		{"plugin alone", "", []string{"model.plugin=llama"}, "", `{}`},
		{"whole config", "", []string{"model.config={}"}, "", `{}`},
		{"grain follows the batch", "", []string{"train.batch_size=96"}, "  grain: 32\n", ""},
		{"grain follows the shards", "", []string{"train.shards=4"}, "  grain: 2\n", ""},
		{"grain of long sequences", "", []string{"train.sequence_length=100000"}, "  grain: 1\n", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := Parse("r.yaml", []byte(c.text), c.sets)
			require.NoError(t, err)
			assert.Contains(t, string(r.YAML()), c.want)
			if c.config != "" {
				assert.Equal(t, c.config, string(r.Model.Config))
			}
		})
	}
}

func TestPluginErrorsHaveAPlace(t *testing.T) {
	text := "model:\n  plugin: gpt\n  config:\n    n_head: 3\n    layers:\n      - {kind: x}\n    \"a b\": 1\n"
	r, err := Parse("r.yaml", []byte(text), []string{"model.config.n_layer=0"})
	require.NoError(t, err)
	for _, c := range []struct{ field, want string }{
		{"n_head", "r.yaml:4:13: model.config.n_head: bad"},
		{"layers[0].kind", "r.yaml:6:16: model.config.layers[0].kind: bad"},
		{"layers[0].size", "r.yaml:6:10: model.config.layers[0].size: bad"},
		{"n_layer", "--set model.config.n_layer=0: model.config.n_layer: bad"},
		{`["a b"]`, `r.yaml:7:12: model.config["a b"]: bad`},
		{"n_embd", "r.yaml:4:5: model.config.n_embd: bad"},
		{"", "r.yaml:4:5: model.config: bad"},
	} {
		cause := &plugin.ConfigError{Field: c.field, Msg: "bad"}
		err := r.PluginError("model", fmt.Errorf("build: %w", cause))
		assert.EqualError(t, err, c.want)
		assert.ErrorIs(t, err, error(cause))
	}
	assert.EqualError(t, r.PluginError("model", io.EOF), "r.yaml:2:11: model.plugin: EOF")
	assert.EqualError(t, r.PluginError("objective", io.EOF), "r.yaml: objective.plugin: EOF")
	assert.NoError(t, r.PluginError("model", nil))
	wrapped := r.Errorf("backend.plugin", "no such plugin: %w", io.EOF)
	assert.EqualError(t, wrapped, "r.yaml: backend.plugin: no such plugin: EOF")
	assert.ErrorIs(t, wrapped, io.EOF)
}

func TestCheckRefusesWhatParseWould(t *testing.T) {
	zero := 0.0
	for _, c := range []struct {
		name, path string
		change     func(*Recipe)
	}{
		{"range", "train.steps", func(r *Recipe) { r.Train.Steps = -1 }},
		{"grain", "train.grain", func(r *Recipe) { r.Train.Grain = 3 }},
		{"unresolved grain", "train.grain", func(r *Recipe) { r.Train.Grain = 0 }},
		{"NaN", "optimizer.lr", func(r *Recipe) { r.Optimizer.LR = zero / zero }},
		{"infinity", "optimizer.max_grad_norm", func(r *Recipe) { r.Optimizer.MaxGradNorm = 1 / zero }},
		{"config is no JSON", "", func(r *Recipe) { r.Model.Config = []byte("{") }},
		{"config is not canonical", "model.config", func(r *Recipe) { r.Model.Config = []byte(`{"b":1, "a":2}`) }},
		{"no config", "model.config", func(r *Recipe) { r.Model.Config = nil }},
		{"not UTF-8", "data.cache_dir", func(r *Recipe) { r.Data.CacheDir = "\xff" }},
		{"control character", "data.paths[0]", func(r *Recipe) { r.Data.Paths = []string{"\x00"} }},
		{"word", "schedule.name", func(r *Recipe) { r.Schedule.Name = "step" }},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := Default()
			c.change(&r)
			one := (*Error)(nil)
			require.ErrorAs(t, r.Check(), &one)
			assert.Equal(t, c.path, one.Path)
		})
	}
	r := Default()
	r.Data.Paths = nil
	assert.NoError(t, r.Check(), "no list is an empty list")
}

// The parser is quadratic in places; the bounds keep the worst to a moment.
func TestHostileTextsEndSoon(t *testing.T) {
	const n = maxBytes - 64
	keys := func(limit int) string {
		var b strings.Builder
		for i := 0; b.Len() < n && i < limit; i++ {
			fmt.Fprintf(&b, "k%d: 1\n", i)
		}
		return b.String()
	}
	for name, text := range map[string]string{
		"keys":          keys(1 << 30),
		"allowed keys":  keys(maxTokens/3 - 1),
		"same key":      strings.Repeat("a: 1 # x\n", n/9),
		"list":          "a: [" + strings.Repeat("1, ", n/3) + "]",
		"brackets":      strings.Repeat("[", n),
		"braces":        strings.Repeat("{a: ", n/4),
		"dashes":        strings.Repeat("- ", n/2),
		"colons":        strings.Repeat("a: ", n/3),
		"comments":      strings.Repeat("#\n", n/2),
		"long scalar":   "a: " + strings.Repeat("x", n),
		"long quoted":   `a: "` + strings.Repeat(`\n`, n/2) + `"`,
		"quotes":        strings.Repeat("'", n),
		"literal":       "a: |\n" + strings.Repeat("  x\n", n/4),
		"folded":        "a:\n" + strings.Repeat("  x\n", n/4),
		"spaces":        "a:" + strings.Repeat(" ", n) + "1",
		"empty lines":   strings.Repeat("\n", n) + "a: 1",
		"indents":       keysDeeper(300),
		"documents":     strings.Repeat("---\n", n/4),
		"question mark": strings.Repeat("? ", n/2),
	} {
		start := time.Now()
		_, err := Parse("r.yaml", []byte(text), nil)
		assert.Error(t, err, name)
		t.Log(name, time.Since(start))
		assert.Less(t, time.Since(start), 20*time.Second, name)
	}
}

func keysDeeper(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	return b.String()
}

func TestDeepestConfigRoundTrips(t *testing.T) {
	deep := strings.Repeat(`{"k": [`, 14) + "1" + strings.Repeat("]}", 14)
	r, err := Parse("r.yaml", []byte("model: {config: {a: "+deep+"}}"), nil)
	require.NoError(t, err)
	require.NoError(t, r.Check())
	for _, path := range []string{"a", "a.a", "a.a.a.a"} {
		_, err = Parse("r.yaml", nil, []string{"model.config." + path + "=" + deep})
		if err == nil {
			r, err = Parse("r.yaml", nil, []string{"model.config." + path + "=" + deep})
			require.NoError(t, err)
			require.NoError(t, r.Check())
		} else {
			require.ErrorContains(t, err, "nested more than 32 deep")
		}
	}
}
