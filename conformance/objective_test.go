package conformance

import (
	"testing"

	"github.com/seedbed/seedbed/plugins/objectives/causal_lm"
	"github.com/seedbed/seedbed/plugins/objectives/masked_lm"
)

func TestCausalLM(t *testing.T) { RunObjective(t, causal_lm.Objective{}, Options{}) }

func TestMaskedLM(t *testing.T) { RunObjective(t, masked_lm.Objective{}, Options{}) }
