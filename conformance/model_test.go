package conformance

import (
	"testing"

	"github.com/seedbed/seedbed/plugins/models/bert"
	"github.com/seedbed/seedbed/plugins/models/gpt"
	"github.com/seedbed/seedbed/plugins/models/resnet"
)

func TestGPT(t *testing.T) { RunModel(t, gpt.Model, Options{}) }

func TestBERT(t *testing.T) { RunModel(t, bert.Model, Options{}) }

func TestResNet(t *testing.T) { RunModel(t, resnet.Model, Options{}) }
