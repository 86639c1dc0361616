package masked_lm

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

const rows, sequence, vocab = 3, 42, 50

var properties = map[string]string{"cls": "1", "sep": "2", "mask": "3", "end_of_text": "0", "vocab_size": "48"}

func request(config string, change ...func(r *plugin.BindRequest)) plugin.BindRequest {
	ids := ir.T(ir.I32, rows, sequence)
	r := plugin.BindRequest{
		Config:     json.RawMessage(config),
		Role:       single,
		Inputs:     []ir.Param{{Name: "input_ids", Type: ids}, {Name: "token_type_ids", Type: ids}},
		Outputs:    []ir.Param{{Name: "hidden", Type: ir.T(ir.F32, rows, sequence, 4)}, {Name: "output_embedding", Type: ir.T(ir.F32, vocab, 4)}},
		Rows:       batchtest.Schema(batchtest.Column{Name: "tokens", Length: 43}),
		Properties: maps.Clone(properties),
	}
	for _, c := range change {
		c(&r)
	}
	return r
}

func withPairs(r *plugin.BindRequest) {
	r.Role = paired
	r.Outputs = append(r.Outputs, ir.Param{Name: "next_sentence_logits", Type: ir.T(ir.F32, rows, 2)})
}

// text is rows of tokens that differ, each row's in a range of its own, with
// some ends of documents.
func text() (tokens []int32) {
	for r := range rows {
		for i := range 43 {
			id := int32(4 + 13*r + i%13)
			if i%17 == 11 {
				id = 0
			}
			tokens = append(tokens, id)
		}
	}
	return tokens
}

func bind(t *testing.T, r plugin.BindRequest) plugin.Binding {
	b, err := Objective{r.Role}.Bind(t.Context(), r)
	require.NoError(t, err)
	return b
}

func make1(t *testing.T, b plugin.Binding, at plugin.Position) map[string][]int32 {
	return batchtest.Make(t, b, batchtest.Record(t, batchtest.Column{Name: "tokens", Length: 43, Values: text()}), at).Ints
}

// restored puts the labels back.
func restored(b map[string][]int32, slots int) []int32 {
	ids := slices.Clone(b["input_ids"])
	for i, label := range b["masked_labels"] {
		if label != batch.IgnoreIndex {
			ids[i/slots*sequence+int(b["masked_positions"][i])] = label
		}
	}
	return ids
}

// Whatever the unit: labels are what was there, special tokens stay, nothing
// is hidden twice, and the share of what is hidden is mask_rate.
func TestMasks(t *testing.T) {
	const slots = 8 // 0.2 of 40
	var want []int32
	for r := range rows {
		want = append(append(append(want, 1), text()[r*43:][:40]...), 2)
	}
	words := func(r *plugin.BindRequest) { r.Properties["continues_word"] = "aaaaaaaaaaaa" } // odd tokens go on
	for _, unit := range []string{"token", "word", "span"} {
		b := bind(t, request(`{"mask_rate": 0.2, "unit": "`+unit+`"}`, words))
		hidden, kept, masked, changed, runs := 0, 0, 0, 0, 0
		for step := range 200 {
			got := make1(t, b, plugin.Position{Seed: 7, Step: uint64(step)})
			require.Equal(t, want, restored(got, slots), unit)
			for r := range rows {
				before := int32(-1)
				for s := range slots {
					p, label := got["masked_positions"][r*slots+s], got["masked_labels"][r*slots+s]
					if label == batch.IgnoreIndex {
						assert.Zero(t, p)
						continue
					}
					require.Greater(t, p, before, "in order, none twice")
					require.Greater(t, label, int32(3), "a special token is hidden")
					if p != before+1 {
						runs++
					}
					before = p
					hidden++
					switch got["input_ids"][r*sequence+int(p)] {
					case label:
						kept++
					case 3:
						masked++
					default:
						changed++
					}
				}
			}
		}
		all := float64(hidden)
		assert.InDelta(t, 0.8, float64(masked)/all, 0.03, unit)
		assert.InDelta(t, 0.1, float64(kept)/all, 0.025, unit)
		assert.InDelta(t, 0.1, float64(changed)/all, 0.025, unit)
		// 38 of a row's tokens may be hidden; words of two tokens need not fit.
		assert.InDelta(t, 8, all/(200*rows), 0.6, unit)
		length := all / float64(runs)
		switch unit {
		case "token":
			assert.Less(t, length, 1.5)
		case "span":
			assert.Greater(t, length, 2.0)
		}
	}
}

// A word is hidden whole or not at all.
func TestWords(t *testing.T) {
	b := bind(t, request(`{"unit": "word", "mask_rate": 0.3}`, func(r *plugin.BindRequest) { r.Properties["continues_word"] = "aaaaaaaaaaaa" }))
	for step := range 50 {
		got := make1(t, b, plugin.Position{Step: uint64(step)})
		slots := len(got["masked_labels"]) / rows
		ids := restored(got, slots)
		hidden := map[int]bool{}
		for i, label := range got["masked_labels"] {
			if label != batch.IgnoreIndex {
				hidden[i/slots*sequence+int(got["masked_positions"][i])] = true
			}
		}
		for i, id := range ids {
			if id > 3 && id%2 == 1 && ids[i-1] > 3 {
				assert.Equal(t, hidden[i-1], hidden[i], "step %d, token %d", step, i)
			}
		}
	}
}

// Draws depend on seed, step and place, not on how a step is cut into grains.
func TestDrawsDependOnThePlace(t *testing.T) {
	b := bind(t, request(``))
	at := plugin.Position{Seed: 1, Step: 2, Grain: 3}
	want := make1(t, b, at)
	assert.Equal(t, want, make1(t, b, at))
	for _, other := range []plugin.Position{{Seed: 2, Step: 2, Grain: 3}, {Seed: 1, Step: 3, Grain: 3}, {Seed: 1, Step: 2, Grain: 4}} {
		assert.NotEqual(t, want["masked_positions"], make1(t, b, other)["masked_positions"])
	}
	one := bind(t, request(``, func(r *plugin.BindRequest) {
		r.Inputs = []ir.Param{{Name: "input_ids", Type: ir.T(ir.I32, 1, sequence)}}
		r.Outputs[0].Type = ir.T(ir.F32, 1, sequence, 4)
	}))
	part := batchtest.Record(t, batchtest.Column{Name: "tokens", Length: 43, Values: text()[43:86]})
	got := batchtest.Make(t, one, part, plugin.Position{Seed: 1, Step: 2, Grain: 3*rows + 1})
	assert.Equal(t, want["input_ids"][sequence:2*sequence], got.Ints["input_ids"])
}

func TestPairs(t *testing.T) {
	for pairs, check := range map[string]func(t *testing.T, first, second []int32, r int, label int32){
		"next_sentence": func(t *testing.T, first, second []int32, r int, label int32) {
			assert.Equal(t, text()[r*43:][:19], first)
			from := int(second[0]-4) / 13
			assert.Equal(t, text()[from*43+19:][:20], second)
			assert.Equal(t, label == 1, from != r)
		},
		"sentence_order": func(t *testing.T, first, second []int32, r int, label int32) {
			a, b := text()[r*43:][:19], text()[r*43+19:][:20]
			if label == 1 {
				a, b = b, a
			}
			assert.Equal(t, a, first)
			assert.Equal(t, b, second)
		},
	} {
		b := bind(t, request(`{"pairs": "`+pairs+`"}`, withPairs))
		swapped, others := 0, map[int32]int{}
		for step := range 100 {
			got := make1(t, b, plugin.Position{Step: uint64(step)})
			ids := restored(got, len(got["masked_labels"])/rows)
			for r := range rows {
				row, kinds, label := ids[r*sequence:][:sequence], got["token_type_ids"][r*sequence:][:sequence], got["next_sentence_label"][r]
				cut := slices.Index(kinds, 1)
				require.Equal(t, []int32{1, 2, 2}, []int32{row[0], row[cut-1], row[sequence-1]})
				assert.NotContains(t, kinds[cut:], int32(0))
				check(t, row[1:cut-1], row[cut:sequence-1], r, label)
				swapped += int(label)
				others[row[cut]]++
			}
		}
		assert.InDelta(t, 150, swapped, 40, pairs)
		assert.GreaterOrEqual(t, len(others), rows)
	}
}

// sentence_pairs has the pairs of next_sentence, with nothing hidden.
func TestSentencePairs(t *testing.T) {
	r := request(`{"pairs": "sentence_order"}`, withPairs)
	with := bind(t, r)
	r.Role, r.Outputs = alone, []ir.Param{{Name: "next_sentence_logits", Type: ir.T(ir.F32, rows, 2)}}
	delete(r.Properties, "mask")
	b, err := SentencePairs.Bind(t.Context(), r)
	require.NoError(t, err)
	for step := range 3 {
		at := plugin.Position{Step: uint64(step)}
		got, want := make1(t, b, at), make1(t, with, at)
		assert.NotContains(t, got, "masked_labels")
		assert.Equal(t, restored(want, len(want["masked_labels"])/rows), got["input_ids"])
		for _, name := range []string{"next_sentence_label", "token_type_ids", "position_ids"} {
			assert.Equal(t, want[name], got[name], name)
		}
	}
	assert.Equal(t, []string{"loss", "sentence_order_accuracy", "weight"}, []string{b.Loss().Results[0].Name, b.Loss().Results[1].Name, b.Loss().Results[2].Name})
	r.Inputs = r.Inputs[1:]
	for i := range r.Inputs {
		if r.Inputs[i].Name == "input_ids" {
			r.Inputs[i].Name = "ids"
		}
	}
	_, err = SentencePairs.Bind(t.Context(), r)
	assert.ErrorContains(t, err, "the model has no input input_ids")
	r.Config = []byte(`{"mask_rate": 0.2}`)
	_, err = SentencePairs.Bind(t.Context(), r)
	assert.ErrorContains(t, err, "config field mask_rate: there is no such field")
}

func TestBindRefuses(t *testing.T) {
	for want, r := range map[string]plugin.BindRequest{
		`config field mask_rat: there is no such field; the nearest is "mask_rate"`:                    request(`{"mask_rat": 1}`),
		"config field pairs: must be one of next_sentence, sentence_order":                             request(`{"pairs": "none"}`, withPairs),
		"config field pairs: there is no such field":                                                   request(`{"pairs": "sentence_order"}`),
		"config field random_rate: with keep_rate makes 1.5, more than 1":                              request(`{"keep_rate": 0.75, "random_rate": 0.75}`),
		`the model has no output "output_embedding"`:                                                   request(``, func(r *plugin.BindRequest) { r.Outputs = r.Outputs[:1] }),
		`their last dimensions differ`:                                                                 request(``, func(r *plugin.BindRequest) { r.Outputs[1].Type = ir.T(ir.F32, vocab, 5) }),
		`a sequence of 2 tokens has no room for 2 special ones`:                                        request(``, func(r *plugin.BindRequest) { r.Outputs[0].Type = ir.T(ir.F32, rows, 2, 4) }),
		`a grain needs at least 2 rows, has 1`:                                                         request(`{"pairs": "next_sentence"}`, withPairs, func(r *plugin.BindRequest) { r.Outputs[0].Type = ir.T(ir.F32, 1, sequence, 4) }),
		`the dataset has 51 tokens, the model 50`:                                                      request(``, func(r *plugin.BindRequest) { r.Properties["vocab_size"] = "51" }),
		`config field mask_token_id: must be given: the dataset does not say which token it is`:        request(``, func(r *plugin.BindRequest) { delete(r.Properties, "mask") }),
		`config field cls_token_id: 50 is outside the model's vocabulary 0 to 49`:                      request(`{"cls_token_id": 50}`),
		`the dataset's property "sep" is "x", not a token id`:                                          request(``, func(r *plugin.BindRequest) { r.Properties["sep"] = "x" }),
		`config field unit: is word, but the dataset does not say which`:                               request(`{"unit": "word"}`),
		`continues_word is not 48 bits`:                                                                request(`{"unit": "word"}`, func(r *plugin.BindRequest) { r.Properties["continues_word"] = "00" }),
		`the dataset's column "tokens" is fixed_size_list<item: int32, nullable>[39]; needs fixed_siz`: request(``, func(r *plugin.BindRequest) { r.Rows = batchtest.Schema(batchtest.Column{Name: "tokens", Length: 39}) }),
		`the dataset has no column "tokens"`:                                                           request(``, func(r *plugin.BindRequest) { r.Rows = batchtest.Schema() }),
		`the model takes an input "pixel_values", which the objective does not make; it makes input_`:  request(``, func(r *plugin.BindRequest) { r.Inputs[0].Name = "pixel_values" }),
		`the model's input "input_ids" is i32[3]; the objective makes i32[3,42]`:                       request(``, func(r *plugin.BindRequest) { r.Inputs[0].Type = ir.T(ir.I32, 3) }),
	} {
		_, err := Objective{r.Role}.Bind(t.Context(), r)
		assert.ErrorContains(t, err, want)
	}
	_, err := Objective{}.Bind(t.Context(), request(``, withPairs))
	assert.ErrorContains(t, err, `objective masked_lm needs a model of role masked_lm, not "masked_lm+next_sentence"`)
	_, err = NextSentence.Bind(t.Context(), request(``))
	assert.ErrorContains(t, err, `objective next_sentence needs a model of role masked_lm+next_sentence, not "masked_lm"`)
}

func TestTransformRefuses(t *testing.T) {
	b := bind(t, request(``))
	tokens := text()
	tokens[44] = 48
	_, err := batchtest.Transform(b, batchtest.Record(t, batchtest.Column{Name: "tokens", Length: 43, Values: tokens}), plugin.Position{})
	assert.ErrorContains(t, err, "row 1, token 1 is 48, outside the vocabulary 0 to 47")
	_, err = batchtest.Transform(b, batchtest.Record(t, batchtest.Column{Name: "tokens", Length: 43, Values: tokens[:86]}), plugin.Position{})
	assert.ErrorContains(t, err, "2 rows, the batch has 3")
	_, err = batchtest.Transform(b, batchtest.Record(t, batchtest.Column{Name: "tokens", Length: 41, Values: tokens[:123]}), plugin.Position{})
	assert.ErrorContains(t, err, "not lists of 43")
}
