package recipe

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	documents "github.com/seedbed/seedbed/datasets/text"
	"github.com/seedbed/seedbed/datasets/tokens"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestDefaultIsTheEmptyRecipe(t *testing.T) {
	d := Default()
	for _, text := range []string{"", "# nothing\n", "---\n", "{}", "~", "model: {}\n"} {
		r, err := Parse("r.yaml", []byte(text), nil)
		require.NoError(t, err, "%q", text)
		assert.Equal(t, string(d.YAML()), string(r.YAML()), "%q", text)
	}
	assert.NoError(t, d.Check())
	assert.Equal(t, 8, d.Train.Grain)
	assert.Equal(t, 1024, d.Data.VocabSize)
}

func TestYAMLRoundTrip(t *testing.T) {
	text := `seed: 18446744073709551615
model:
  plugin: ./my model
  config: {z: [1, 2.5, {"b": null, a: "x: \u2028\t\"\\"}], a: 1e-9, "yes": yes, "n.o": -3, big: 18446744073709551615, e: 1e300}
data: {paths: [a b, "*.go", "#x", 'it''s', é], include: ["*.go"], tokenizer: "3"}
optimizer: {name: sgd, momentum: 0.9, lr: 1}
train: {steps: 1e3, batch_size: 12, grain: 2, shards: 3}
`
	r, err := Parse("r.yaml", []byte(text), nil)
	require.NoError(t, err)
	assert.Equal(t, `{"a":1e-9,"big":18446744073709551615,"e":1e+300,"n.o":-3,"yes":"yes","z":[1,2.5,{"a":"x: \u2028\t\"\\","b":null}]}`, string(r.Model.Config))
	assert.Equal(t, 1000, r.Train.Steps)
	assert.Equal(t, uint64(1<<64-1), r.Seed)
	assert.Equal(t, []string{"a b", "*.go", "#x", "it's", "é"}, r.Data.Paths)
	assert.Equal(t, 0, r.Data.VocabSize, "a given tokenizer has its own size")
	for name, out := range map[string][]byte{"plain": r.YAML(), "commented": r.Commented()} {
		back, err := Parse("r.yaml", out, nil)
		require.NoError(t, err, "%s:\n%s", name, out)
		assert.Equal(t, string(r.YAML()), string(back.YAML()), name)
	}
	assert.NoError(t, r.Check())
}

func compiled(t testing.TB) *jsonschema.Schema {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schema()))
	require.NoError(t, err)
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	require.NoError(t, c.AddResource(SchemaID, doc))
	s, err := c.Compile(SchemaID)
	require.NoError(t, err)
	return s
}

// instance reads YAML as a JSON schema's validator wants it.
func instance(t testing.TB, text []byte) any {
	errs := &collector{}
	n := (&reader{source: "r.yaml", errs: errs}).read(text, "")
	require.NoError(t, errs.err())
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(appendJSON(nil, n)))
	require.NoError(t, err)
	return v
}

func FuzzParse(f *testing.F) {
	d := Default()
	f.Add(d.YAML(), "train.steps=3")
	f.Add([]byte("model:\n  config:\n    a: |\n      x\n    \"b c\": [1, {d: é}]\n"), "model.config.q=[1, {a: b}]")
	f.Add([]byte("a: &x 1\nb: *x\n<<: {}\n"), "=")
	f.Add([]byte("train: {steps: 1, steps: 2"), "data.paths=[x")
	f.Add([]byte("? [a]\n: 'x\n\n y'\n- z"), "a.b.c.d=.nan")
	schema := compiled(f)
	f.Fuzz(func(t *testing.T, text []byte, set string) {
		var sets []string
		if set != "" {
			sets = []string{set}
		}
		r, err := Parse("r.yaml", text, sets)
		if err != nil {
			require.Nil(t, r)
			var errs *Errors
			require.ErrorAs(t, err, &errs)
			require.NotEmpty(t, errs.List)
			require.LessOrEqual(t, len(errs.List), maxErrors)
			lines := strings.Count(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(string(text)), "\n") + 1
			for _, e := range errs.List {
				require.True(t, e.Source == "r.yaml" || strings.HasPrefix(e.Source, "--set "), e.Source)
				require.LessOrEqual(t, e.Line, lines)
				require.NotContains(t, e.Error(), "\n", "an error is one line")
			}
			return
		}
		out := r.YAML()
		back, err := Parse("r.yaml", out, nil)
		require.NoError(t, err, "%s", out)
		require.Equal(t, string(out), string(back.YAML()))
		require.True(t, json.Valid(r.Model.Config))
		require.NoError(t, schema.Validate(instance(t, out)))
	})
}

func TestSeveralObjectives(t *testing.T) {
	r, err := Parse("r.yaml", []byte("objective:\n  plugin: masked_lm\n  weight: 0.5\n  also:\n  - {plugin: ./pairs, config: {b: 1, a: [x]}, weight: 2}\n  - plugin: other\n"), nil)
	require.NoError(t, err)
	want := []Weighted{
		{"masked_lm", json.RawMessage(`{}`), 0.5},
		{"./pairs", json.RawMessage(`{"a":["x"],"b":1}`), 2},
		{"other", json.RawMessage(`{}`), 1},
	}
	assert.Equal(t, want, r.Objective.All())
	assert.Equal(t, "r.yaml:5:35", r.Where(ObjectiveSection(1) + ".config.b").String()[:11])
	back, err := Parse("again", r.YAML(), nil)
	require.NoError(t, err)
	assert.Equal(t, want, back.Objective.All())
	assert.Empty(t, Differences(r, back))
	require.NoError(t, r.Check())
	back.Objective.Also[0].Weight = 3
	assert.Equal(t, "objective.also", Differences(r, back)[0].Path)
}

func TestSchemaAgreesWithParse(t *testing.T) {
	schema := compiled(t)
	d := Default()
	require.NoError(t, schema.Validate(instance(t, d.YAML())))

	// Every bound of every field, from both sides.
	cases := map[string]bool{"nope: 1": false, "train: 3": false, "train: {nope: 1}": false, "train: []": false}
	for i := range fields {
		f := &fields[i]
		try := func(ok bool, values ...string) {
			for _, v := range values {
				section, key := f.split()
				if section == "" {
					cases[key+": "+v] = ok
				} else {
					cases[section+": {"+key+": "+v+"}"] = ok
				}
			}
		}
		try(false, "null")
		switch f.kind {
		case integer:
			try(true, f.min, f.max)
			try(false, "-1", "1.5", "x", "[]", "{}", "true", `"1"`)
			if f.max == "18446744073709551615" {
				continue
			}
			try(false, f.max+"0")
			try(f.zero != "" || f.min == "0", "0")
			if f.min == "257" {
				try(false, "256")
			}
		case number:
			try(!f.openMin, f.min)
			try(!f.openMax, f.max)
			try(false, "-1e-9", f.max+"1", "x", "[]")
			try(true, "0.5")
		case pair:
			try(true, "[0, 0.5]")
			try(false, "[0]", "[0, 0, 0]", "[0, 1]", "[-1, 0]", "[x, 0]", "0", "[]")
		case boolean:
			try(true, "true", "false")
			try(false, "yes", "1", `"true"`)
		case words:
			try(true, f.choices...)
			try(false, "x", "1", `""`, "[]")
		case text:
			try(true, "x", `"1"`)
			try(!f.nonEmpty, `""`)
			try(false, "1", "true", "[]", `"\n"`, strings.Repeat("x", maxTextBytes+1))
		case texts:
			try(true, "[]", "[x, y]")
			try(false, "x", "[1]", `["\n"]`, `[""]`)
		case config:
			try(true, "{}", "{a: {b: [1]}}")
			try(false, "[]", "x", "1")
		}
	}
	for text, ok := range cases {
		err := schema.Validate(instance(t, []byte(text)))
		assert.Equal(t, ok, err == nil, "schema: %s: %v", shorten(text), err)
		_, err = Parse("r.yaml", []byte(text), nil)
		if !ok {
			assert.Error(t, err, "Parse: %s", shorten(text))
		} else if err != nil {
			// Only what holds between fields may be wrong.
			assert.Regexp(t, `must divide|leave it out|nothing to validate|must name files|is no format|not of the form`, err.Error(), "Parse: %s", shorten(text))
		}
	}
	assert.Greater(t, len(cases), 200)
}

func TestReferenceAndCommentsNameEveryField(t *testing.T) {
	d := Default()
	commented, reference := string(d.Commented()), Reference()
	for i := range fields {
		f := &fields[i]
		assert.Contains(t, reference, fmt.Sprintf("| `%s` |", f.path))
		flat := strings.Join(strings.Fields(strings.ReplaceAll(commented, "#", "")), " ")
		assert.Contains(t, flat, strings.Join(strings.Fields(f.doc+" "+f.about()), " "))
	}
	for _, line := range strings.Split(commented, "\n") {
		if strings.Contains(line, "#") && strings.Count(line, " ") > 3 {
			assert.LessOrEqual(t, len(line), 100, line)
		}
	}
}

// Each kind of data has fields of its own, and refuses those of others.
func TestKindsOfData(t *testing.T) {
	for text, want := range map[string]string{
		"{kind: samples, paths: [x], captions: true, vocab_size: 300}": "",
		"{kind: samples, paths: [x], format: jsonl, label: y}":         "",
		"{kind: shapes, rows: 7, alike: true, label: color}":           "",
		"{kind: shapes, captions: true, tokenizer: t.json}":            "",
		"{tokenizer_model: wordpiece}":                                 "",
		"{kind: shape}":                                                `data.kind: must be one of text, samples, shapes, not "shape"; did you mean shapes?`,
		"{kind: samples}":                                              "data.paths: must name files or a folder",
		"{kind: samples, paths: [x], format: text}":                    "data.format: text is no format of data.kind samples",
		"{format: parquet}":                                            "data.format: parquet is no format of data.kind text",
		"{kind: shapes, paths: [x]}":                                   "data.paths: shapes are drawn, not read: leave it out",
		"{kind: shapes, label: shape}":                                 "data.label: must be one of form, color, size, texture, count",
		"{kind: shapes, tokenizer_model: unigram}":                     "data.tokenizer_model: no tokenizer is trained: leave it out",
		"{tokenizer: t.json, tokenizer_model: unigram}":                "data.tokenizer_model: no tokenizer is trained: leave it out",
		"{kind: shapes, vocab_size: 300}":                              "data.vocab_size: the data has no tokens without data.captions: leave it out",
		"{image_size: 32}":                                             "data.image_size: only shapes are drawn",
		"{captions: true}":                                             "data.captions: text is tokens anyway: leave it out",
	} {
		r, err := Parse("r.yaml", []byte("data: "+text), nil)
		if want != "" {
			require.ErrorContains(t, err, "r.yaml:1:")
			assert.ErrorContains(t, err, want, text)
			continue
		}
		require.NoError(t, err, text)
		back, err := Parse("r.yaml", r.YAML(), nil)
		require.NoError(t, err, text)
		assert.Equal(t, string(r.YAML()), string(back.YAML()))
		assert.NoError(t, r.Check(), text)
	}
	r, err := Parse("r.yaml", []byte("{data: {kind: shapes}, train: {batch_size: 512}}"), nil)
	require.NoError(t, err)
	assert.Equal(t, 256, r.Train.Grain)
	assert.Equal(t, 0, r.Data.VocabSize)
	_, err = Parse("r.yaml", []byte("{data: {kind: shapes}, train: {sequence_length: 16}}"), nil)
	assert.ErrorContains(t, err, "r.yaml:1:49: train.sequence_length: the data has no tokens without data.captions")
}

// The table restates bounds of package tokens; both must move together.
func TestDataBoundsAreThoseOfTokens(t *testing.T) {
	d := Default()
	config := func() tokens.Config {
		fraction := d.Data.ValidationFraction
		return tokens.Config{
			Paths: d.Data.Paths, Options: documents.Options{Format: d.Data.Format, TextField: d.Data.TextField, Document: d.Data.Document, Include: d.Data.Include},
			VocabSize: d.Data.VocabSize, TrainBytes: d.Data.TrainBytes, SequenceLength: d.Train.SequenceLength, ValidationFraction: &fraction, CacheDir: "cache",
		}
	}
	_, err := config().WithDefaults()
	require.NoError(t, err)
	for _, c := range []struct {
		path string
		set  func(*tokens.Config, int)
	}{
		{"data.vocab_size", func(c *tokens.Config, n int) { c.VocabSize = n }},
		{"train.sequence_length", func(c *tokens.Config, n int) { c.SequenceLength = n }},
	} {
		f := fieldAt(c.path)
		var lo, hi int
		_, err := fmt.Sscan(f.min+" "+f.max, &lo, &hi)
		require.NoError(t, err)
		for n, ok := range map[int]bool{lo: true, hi: true, lo - 1: false, hi + 1: false} {
			k := config()
			c.set(&k, n)
			_, err := k.WithDefaults()
			assert.Equal(t, ok, err == nil, "%s = %d: %v", c.path, n, err)
		}
	}
	for _, path := range []string{"data.format", "data.document"} {
		for _, word := range append(fieldAt(path).choices, "other") {
			if slices.Contains(sampleFormats, word) {
				continue
			}
			k := config()
			if path == "data.format" {
				k.Format = word
			} else {
				k.Document = word
			}
			_, err := k.WithDefaults()
			assert.Equal(t, word != "other", err == nil, "%s = %s: %v", path, word, err)
		}
	}
}
