package backend

import (
	"testing"

	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/plugins/backends/reference"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What a change must pass is at least this much, whatever becomes of the op
// table; the nightly profiles are no less.
func TestProfilesAreNotTooSmall(t *testing.T) {
	floors := map[string]int{"ops": 50_000, "every input": 50, "gradients": 1_000, "fuzz": 10_000, "long": 150, "invariance": 20_000, "invalid": 2_000, "training": 12}
	for _, p := range Profiles {
		if p.Name == "smoke" {
			continue
		}
		s, err := New(InProcess(func(int) (plugin.Backend, error) { return reference.Backend{}, nil }), Options{Profile: p, Seed: 1})
		require.NoError(t, err)
		have := map[string]int{}
		for _, u := range s.Units {
			if !u.Optional {
				have[u.Suite] += u.Cases
			}
		}
		for name, floor := range floors {
			if p.Name == "exact" && have[name] == 0 {
				continue // it has what the receipt holds, and nothing else
			}
			assert.GreaterOrEqual(t, have[name], floor, "%s of %s", name, p.Name)
		}
	}
}
