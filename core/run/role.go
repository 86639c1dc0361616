package run

import (
	"slices"
	"strings"

	"github.com/seedbed/seedbed/core/recipe"
)

// roleDims are the dimensions that a role leaves open besides batch; see
// docs/roles.md. A role a+b has those of both.
var roleDims = map[string][]string{
	"causal_lm":          {"sequence"},
	"masked_lm":          {"sequence"},
	"next_sentence":      {"sequence"},
	"seq2seq_lm":         {"sequence", "target"},
	"text_classifier":    {"sequence"},
	"image_classifier":   {},
	"masked_autoencoder": {},
	"masked_patches":     {},
	"dual_encoder":       {"sequence"},
	"two_view_encoder":   {},
	"discrete_vae":       {},
	"code_decoder":       {},
	"token_prior":        {},
	"token_prior_step":   {},
}

// apart tells whether the rows of a grain have nothing to do with each other
// under a role's objectives, so that rows can be evaluated in grains of any size.
// Others compare them: fewer are easier to tell from each other.
func apart(role string) bool {
	for _, part := range strings.Split(role, "+") {
		if _, known := roleDims[part]; !known || part == "dual_encoder" || part == "two_view_encoder" || part == "next_sentence" {
			return false
		}
	}
	return true
}

// dims are the sizes that a recipe gives the dimensions of a role. Of a role
// that is not known here it is those that the data has.
func dims(r *recipe.Recipe, role string, batch int) (map[string]int, error) {
	d := map[string]int{"batch": batch}
	for _, part := range strings.Split(role, "+") {
		names, known := roleDims[part]
		if !known && r.Data.Tokens() {
			names = []string{"sequence"}
		}
		if slices.Contains(names, "sequence") {
			if !r.Data.Tokens() {
				return nil, r.Errorf("data.captions", "must be true: a model of role %s takes captions", role)
			}
			d["sequence"] = r.Train.SequenceLength
		}
		if slices.Contains(names, "target") || !known && r.Train.TargetLength > 0 {
			d["target"] = r.Train.TargetLength
		}
	}
	if n, ok := d["target"]; ok && n == 0 {
		return nil, r.Errorf("train.target_length", "must be given: a model of role %s turns a sequence into another, of this many tokens", role)
	}
	return d, nil
}
