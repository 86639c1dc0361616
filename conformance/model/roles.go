package model

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/seedbed/seedbed/abi/ir"
)

// facts are what a role asks of a model, beside its inputs (docs/roles.md).
type facts struct {
	// outputs are shapes by name: dimensions of the request, numbers, vocab,
	// views (twice the batch), or * for any size.
	outputs map[string]string
	// rows are the outputs whose row r depends on rows r of the inputs alone; of a
	// model with buffers, in evaluation.
	rows []string
	// sight says how far outputs see.
	sight []sight
}

// sight says that an output [B,S,...] at position s depends on the ids of an
// input up to s - behind, and on none after.
type sight struct {
	output, input string
	behind        int
}

// blind is behind every id: the output sees nothing of the input.
const blind = 1 << 30

var roles = map[string]facts{
	"causal_lm": {
		outputs: map[string]string{"hidden": "batch sequence *", "output_embedding": "vocab *"},
		rows:    []string{"hidden"}, sight: []sight{{"hidden", "input_ids", 0}},
	},
	"masked_lm": {
		outputs: map[string]string{"hidden": "batch sequence *", "output_embedding": "vocab *"},
		rows:    []string{"hidden"},
	},
	"next_sentence": {outputs: map[string]string{"next_sentence_logits": "batch 2"}, rows: []string{"next_sentence_logits"}},
	"seq2seq_lm": {
		outputs: map[string]string{"hidden": "batch target *", "output_embedding": "vocab *"},
		rows:    []string{"hidden"}, sight: []sight{{"hidden", "decoder_input_ids", 0}},
	},
	"text_classifier":    {outputs: map[string]string{"logits": "batch *", "features": "batch *"}, rows: []string{"logits", "features"}},
	"image_classifier":   {outputs: map[string]string{"logits": "batch *", "features": "batch *"}, rows: []string{"logits", "features"}},
	"masked_autoencoder": {outputs: map[string]string{"prediction": "batch * *", "features": "batch *"}, rows: []string{"prediction", "features"}},
	"masked_patches":     {outputs: map[string]string{"prediction": "batch * *", "features": "batch *"}, rows: []string{"prediction", "features"}},
	"dual_encoder": {
		outputs: map[string]string{"image_embeds": "batch *", "text_embeds": "batch *", "logit_scale": ""},
		rows:    []string{"image_embeds", "text_embeds"},
	},
	"two_view_encoder": {outputs: map[string]string{"embeddings": "views *", "features": "views *"}, rows: []string{"embeddings", "features"}},
	"discrete_vae":     {outputs: map[string]string{"code_logits": "batch * * *", "reconstruction": "batch * * *"}, rows: []string{"code_logits", "reconstruction"}},
	"code_decoder":     {outputs: map[string]string{"reconstruction": "batch * * *"}, rows: []string{"reconstruction"}},
	"token_prior": {
		outputs: map[string]string{"text_logits": "batch * *", "image_logits": "batch * *"},
		rows:    []string{"text_logits", "image_logits"},
		sight:   []sight{{"text_logits", "text_ids", 1}, {"image_logits", "image_codes", 1}, {"text_logits", "image_codes", blind}},
	},
}

// factsOf returns what a role asks for; one of the form a+b asks for both. Of a
// role that is not known nothing is.
func factsOf(role string) facts {
	all := facts{outputs: map[string]string{}}
	for name := range strings.SplitSeq(role, "+") {
		f := roles[name]
		for o, shape := range f.outputs {
			all.outputs[o] = shape
		}
		all.rows, all.sight = append(all.rows, f.rows...), append(all.sight, f.sight...)
	}
	return all
}

// fits reports an output of another shape than the role says.
func (s *Scenario) fits(name, shape string, dims map[string]int, t ir.Type) error {
	words := strings.Fields(shape)
	ok := t.DType == ir.F32 && t.Rank() == len(words)
	for i, w := range words {
		if !ok || w == "*" {
			continue
		}
		n, err := strconv.Atoi(w)
		switch {
		case err == nil:
		case w == "vocab":
			n = s.Vocab
		case w == "views":
			n = 2 * dims["batch"]
		default:
			n = dims[w]
		}
		ok = t.Shape[i] == n
	}
	if !ok {
		return fmt.Errorf("the output %q is %v, the role says f32[%s] for %v and a vocabulary of %d", name, t, strings.Join(words, ","), dims, s.Vocab)
	}
	return nil
}

// ids are the inputs that hold numbers of tokens or codes.
var ids = []string{"input_ids", "decoder_input_ids", "text_ids", "image_codes"}

// values says how many values an input of integers takes. Segments are one, so
// that all tokens of a row see each other.
func (s *Scenario) values(p ir.Param) int {
	switch {
	case slices.Contains(ids, p.Name):
		return max(s.Vocab, 2)
	case p.Name == "position_ids" || p.Name == "patch_sources":
		return p.Type.Shape[len(p.Type.Shape)-1]
	case p.Name == "segment_ids" || p.Name == "decoder_segment_ids":
		return 1
	}
	return 2
}
