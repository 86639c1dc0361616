package conformance

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/conformance/model"
	"github.com/seedbed/seedbed/plugins/models/bert"
	"github.com/seedbed/seedbed/plugins/models/clip"
	"github.com/seedbed/seedbed/plugins/models/dalle_prior"
	"github.com/seedbed/seedbed/plugins/models/dvae"
	"github.com/seedbed/seedbed/plugins/models/gpt"
	"github.com/seedbed/seedbed/plugins/models/mae"
	"github.com/seedbed/seedbed/plugins/models/resnet"
	"github.com/seedbed/seedbed/plugins/models/t5"
	"github.com/seedbed/seedbed/plugins/models/vit"
)

func TestModels(t *testing.T) {
	for _, m := range []plugin.Model{bert.Model, clip.Model, dalle_prior.Model, dvae.Model, gpt.Model, mae.Model, resnet.Model, t5.Model, vit.Model} {
		t.Run(m.Info().Name, func(t *testing.T) {
			assert.NotEmpty(t, RunModel(t, m, Options{Profile: "core"}).Receipt)
			scenarios, err := model.ByName(m.Info().Name)
			require.NoError(t, err)
			var roles []string
			for _, s := range scenarios {
				roles = append(roles, s.Role)
			}
			// One token tells little by itself: TestCodesFollowThePrior holds it to the
			// whole sequence.
			want := slices.DeleteFunc(slices.Clone(m.Info().Roles), func(role string) bool { return role == "token_prior_step" })
			assert.ElementsMatch(t, want, roles, "every role is tried")
		})
	}
}
