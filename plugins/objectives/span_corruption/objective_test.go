package span_corruption

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/abi/plugin/batch"
	"github.com/seedbed/seedbed/abi/plugin/batch/batchtest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const rows, vocab, known = 2, 80, 60

var properties = map[string]string{"end_of_text": "1", "vocab_size": "60"}

func request(config string, source, target, length int) plugin.BindRequest {
	in, out := ir.T(ir.I32, rows, source), ir.T(ir.I32, rows, target)
	return plugin.BindRequest{
		Config:     json.RawMessage(config),
		Role:       "seq2seq_lm",
		Inputs:     []ir.Param{{Name: "decoder_input_ids", Type: out}, {Name: "decoder_segment_ids", Type: out}, {Name: "input_ids", Type: in}, {Name: "segment_ids", Type: in}},
		Outputs:    []ir.Param{{Name: "hidden", Type: ir.T(ir.F32, rows, target, 4)}, {Name: "output_embedding", Type: ir.T(ir.F32, vocab, 4)}},
		Rows:       batchtest.Schema(batchtest.Column{Name: "tokens", Length: length}),
		Properties: maps.Clone(properties),
	}
}

func text(length int) (tokens []int32) {
	for r := range rows {
		for i := range length {
			tokens = append(tokens, int32(2+(7*r+i)%(known-2)))
		}
	}
	return tokens
}

// trim cuts a row where padding begins.
func trim(row []int32, pad int32) []int32 {
	if i := slices.Index(row, pad); i >= 0 {
		return row[:i]
	}
	return row
}

// Source and target together are the text: each sentinel of the source stands
// for what follows it in the target. Sizes are those of the paper.
func TestTransform(t *testing.T) {
	for _, c := range []struct {
		config                 string
		source, target, length int
		text, noise, spans     int
	}{
		{``, 60, 20, 51, 51, 8, 3},
		{``, 40, 20, 51, 44, 7, 2}, // the source has less room: 37 + 2 + 1
		{``, 60, 7, 51, 29, 4, 1},  // the target has less room
		{`{"noise_density": 0.5, "mean_noise_span_length": 2.5}`, 60, 60, 40, 40, 20, 8},
	} {
		p, err := Objective{}.Bind(t.Context(), request(c.config, c.source, c.target, c.length))
		require.NoError(t, err)
		b := p.(*binding)
		assert.Equal(t, []int{c.text, c.noise, c.spans}, []int{b.text, b.noise, b.spans})
		rec := batchtest.Record(t, batchtest.Column{Name: "tokens", Length: c.length, Values: text(c.length)})
		firsts := map[int]int{}
		for step := range 100 {
			got := batchtest.Make(t, b, rec, plugin.Position{Seed: 3, Step: uint64(step)}).Ints
			for r := range rows {
				source := trim(got["input_ids"][r*c.source:][:c.source], 0)
				target := trim(got["labels"][r*c.target:][:c.target], batch.IgnoreIndex)
				segments := got["segment_ids"][r*c.source:][:c.source]
				assert.Len(t, trim(segments, -1), len(source))
				assert.Len(t, source, c.text-c.noise+c.spans+1)
				assert.Len(t, target, c.noise+c.spans+1)
				inputs := got["decoder_input_ids"][r*c.target:][:c.target]
				assert.Equal(t, append([]int32{0}, target[:len(target)-1]...), inputs[:len(target)])
				require.Equal(t, int32(1), source[len(source)-1])
				require.Equal(t, int32(1), target[len(target)-1])
				missing := map[int32][]int32{}
				for _, id := range target[:len(target)-1] {
					if id > vocab-1-int32(c.spans) {
						missing[id] = nil
						firsts[0]++
					} else {
						last := int32(vocab - len(missing))
						missing[last] = append(missing[last], id)
					}
				}
				assert.Len(t, missing, c.spans)
				var whole []int32
				for i, id := range source[:len(source)-1] {
					if part, ok := missing[id]; ok {
						assert.NotEmpty(t, part)
						whole = append(whole, part...)
						if len(missing) == 1 {
							firsts[i]++
						}
						continue
					}
					whole = append(whole, id)
				}
				require.Equal(t, text(c.length)[r*c.length:][:c.text], whole)
			}
		}
		assert.Equal(t, c.spans*100*rows, firsts[0])
	}
}

// Every division of 6 into 3 parts, of which there are 10, is as likely.
func TestLengths(t *testing.T) {
	counts := map[[3]int]int{}
	draws := batch.NewDraws(plugin.Position{Seed: 5}, stream, 1, 0)
	for range 10000 {
		l := lengths(6, 3, draws)
		counts[[3]int(l)]++
		require.Equal(t, 6, l[0]+l[1]+l[2])
	}
	assert.Len(t, counts, 10)
	for l, n := range counts {
		assert.InDelta(t, 1000, n, 150, "%v", l) // 5 standard deviations
	}
}

func TestBindRefuses(t *testing.T) {
	change := func(c func(r *plugin.BindRequest)) plugin.BindRequest {
		r := request(``, 60, 20, 51)
		c(&r)
		return r
	}
	for want, r := range map[string]plugin.BindRequest{
		`field noise: there is no such field; the nearest is "noise_density"`:                 request(`{"noise": 1}`, 60, 20, 51),
		"a source of 2 and a target of 20 tokens have no room":                                request(``, 2, 20, 51),
		"field eos_token_id: -1 is outside the model's vocabulary":                            change(func(r *plugin.BindRequest) { delete(r.Properties, "end_of_text") }),
		"field eos_token_id: 80 is outside":                                                   request(`{"eos_token_id": 80}`, 60, 20, 51),
		"field sentinel_token_id: must be given: the last 3 of the model's 80 tokens are not": change(func(r *plugin.BindRequest) { r.Properties["vocab_size"] = "78" }),
		"field sentinel_token_id: 80 and the 2 below it must be in":                           request(`{"sentinel_token_id": 80}`, 60, 20, 51),
		"field pad_token_id: 80 is outside the model's vocabulary":                            request(`{"pad_token_id": 80}`, 60, 20, 51),
		"the dataset has 81 tokens, the model 80":                                             change(func(r *plugin.BindRequest) { r.Properties["vocab_size"] = "81" }),
		`needs a model of role seq2seq_lm, not "causal_lm"`:                                   change(func(r *plugin.BindRequest) { r.Role = "causal_lm" }),
		`the model has no output "hidden"`:                                                    change(func(r *plugin.BindRequest) { r.Outputs = r.Outputs[1:] }),
		`the model takes no input_ids`:                                                        change(func(r *plugin.BindRequest) { r.Inputs = r.Inputs[:2] }),
		`the dataset has no column "tokens"`:                                                  change(func(r *plugin.BindRequest) { r.Rows = batchtest.Schema() }),
	} {
		_, err := Objective{}.Bind(t.Context(), r)
		assert.ErrorContains(t, err, want)
	}
	p, err := Objective{}.Bind(t.Context(), request(``, 60, 20, 51))
	require.NoError(t, err)
	tokens := text(51)
	tokens[51] = known
	_, err = batchtest.Transform(p, batchtest.Record(t, batchtest.Column{Name: "tokens", Length: 51, Values: tokens}), plugin.Position{})
	assert.ErrorContains(t, err, "row 1, token 0 is 60, outside the vocabulary 0 to 59")
}
