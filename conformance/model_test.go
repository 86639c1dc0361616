package conformance

import (
	"testing"

	"github.com/seedbed/seedbed/plugins/models/bert"
	"github.com/seedbed/seedbed/plugins/models/gpt"
)

func TestGPT(t *testing.T) { RunModel(t, gpt.Model, Options{}) }

func TestBERT(t *testing.T) { RunModel(t, bert.Model, Options{}) }
