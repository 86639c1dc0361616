package conformance

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/plugins/objectives/causal_lm"
	"github.com/seedbed/seedbed/plugins/objectives/classification"
	"github.com/seedbed/seedbed/plugins/objectives/contrastive"
	"github.com/seedbed/seedbed/plugins/objectives/discrete_vae"
	"github.com/seedbed/seedbed/plugins/objectives/masked_lm"
	"github.com/seedbed/seedbed/plugins/objectives/masked_patch_prediction"
	"github.com/seedbed/seedbed/plugins/objectives/masked_reconstruction"
	"github.com/seedbed/seedbed/plugins/objectives/nt_xent"
	"github.com/seedbed/seedbed/plugins/objectives/prefix_lm"
	"github.com/seedbed/seedbed/plugins/objectives/span_corruption"
	"github.com/seedbed/seedbed/plugins/objectives/token_prior"
)

func TestObjectives(t *testing.T) {
	for _, o := range []plugin.Objective{
		causal_lm.Objective{}, classification.Objective{}, classification.Text{}, contrastive.Objective{}, discrete_vae.Objective{}, masked_lm.Objective{}, masked_lm.NextSentence, masked_lm.SentencePairs,
		masked_patch_prediction.Objective{}, masked_reconstruction.Objective{}, nt_xent.Objective{}, prefix_lm.Objective{}, span_corruption.Objective{}, token_prior.Objective{},
	} {
		t.Run(o.Info().Name, func(t *testing.T) { assert.NotEmpty(t, RunObjective(t, o, Options{Profile: "core"}).Receipt) })
	}
}
