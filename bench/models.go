package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/core/schedule"
	"github.com/seedbed/seedbed/core/step"
	"github.com/seedbed/seedbed/core/train"
	"github.com/seedbed/seedbed/plugins/models/bert"
	"github.com/seedbed/seedbed/plugins/models/clip"
	"github.com/seedbed/seedbed/plugins/models/gpt"
	"github.com/seedbed/seedbed/plugins/models/mae"
	"github.com/seedbed/seedbed/plugins/models/resnet"
	"github.com/seedbed/seedbed/plugins/models/t5"
	"github.com/seedbed/seedbed/plugins/models/vit"
	"github.com/seedbed/seedbed/plugins/objectives/causal_lm"
	"github.com/seedbed/seedbed/plugins/objectives/classification"
	"github.com/seedbed/seedbed/plugins/objectives/contrastive"
	"github.com/seedbed/seedbed/plugins/objectives/masked_lm"
	"github.com/seedbed/seedbed/plugins/objectives/masked_reconstruction"
	"github.com/seedbed/seedbed/plugins/objectives/span_corruption"
)

// model is one that both sides know: the peers' script by its name, the project by the configuration of two plugins.
type model struct {
	model      plugin.Model
	config     string
	objective  plugin.Objective
	settings   string // of the objective
	batch      int
	seq        int // the peers' --seq
	dims       map[string]int
	rows       randomRows
	properties map[string]string
}

// models are those of the peers' script, without dropout. A row of t5_small is as much text as 256 tokens of source and 64 of target
// have room for.
var models = map[string]model{
	"gpt_small": {
		model: gpt.Model, objective: causal_lm.Objective{}, settings: `{"document_boundaries": false}`,
		config: `{"n_layer": 6, "n_head": 6, "n_embd": 384, "n_positions": 256, "vocab_size": 4096, "resid_pdrop": 0, "embd_pdrop": 0}`,
		batch:  4, seq: 256, dims: map[string]int{"sequence": 256}, rows: randomRows{vocab: 4096, length: 257},
	},
	"gpt2": {
		model: gpt.Model, objective: causal_lm.Objective{}, settings: `{"document_boundaries": false}`,
		config: `{"preset": "gpt2", "resid_pdrop": 0, "embd_pdrop": 0}`,
		batch:  4, seq: 256, dims: map[string]int{"sequence": 256}, rows: randomRows{vocab: 50257, length: 257},
	},
	"bert_base": {
		model: bert.Model, objective: masked_lm.Objective{}, settings: `{"keep_rate": 0.1, "random_rate": 0.1}`,
		config: `{"preset": "bert-base-uncased", "hidden_dropout_prob": 0}`,
		batch:  8, seq: 128, dims: map[string]int{"sequence": 128}, rows: randomRows{vocab: 30522, length: 126},
		properties: map[string]string{"vocab_size": "30522", "pad": "0", "cls": "2", "sep": "3", "mask": "4"},
	},
	"t5_small": {
		model: t5.Model, objective: span_corruption.Objective{}, settings: `{}`,
		config: `{"preset": "t5-small", "dropout_rate": 0}`,
		batch:  4, seq: 256, dims: map[string]int{"sequence": 256, "target": 64}, rows: randomRows{vocab: 32000, length: 288},
		properties: map[string]string{"vocab_size": "32000", "end_of_text": "1", "pad": "0"},
	},
	"resnet50": {
		model: resnet.Model, config: `{"preset": "resnet-50", "num_labels": 1000}`, objective: classification.Objective{}, settings: `{"augment": "none"}`,
		batch: 16, seq: 256, rows: randomRows{side: 224, labels: 1000}, properties: map[string]string{"classes": "1000"},
	},
	"vit_b16": {
		model: vit.Model, config: `{"preset": "vit-base-patch16-224", "num_labels": 1000, "hidden_dropout_prob": 0}`,
		objective: classification.Objective{}, settings: `{"augment": "none"}`,
		batch: 8, seq: 256, rows: randomRows{side: 224, labels: 1000}, properties: map[string]string{"classes": "1000"},
	},
	"mae_vit_b16": {
		model: mae.Model, config: `{"preset": "vit-mae-base"}`, objective: masked_reconstruction.Objective{}, settings: `{"augment": "none", "norm_pix_loss": false}`,
		batch: 8, seq: 256, rows: randomRows{side: 224},
	},
	"clip_vit_b32": {
		model: clip.Model, config: `{"preset": "clip-vit-base-patch32"}`, objective: contrastive.Objective{}, settings: `{"augment": "none"}`,
		batch: 8, seq: 256, dims: map[string]int{"sequence": 77}, rows: randomRows{side: 224, vocab: 49407, length: 77, end: 49407},
		properties: map[string]string{"vocab_size": "49408", "end_of_text": "49407"},
	},
}

func findModel(name string) (model, error) {
	m, ok := models[name]
	if !ok {
		return m, fmt.Errorf("unknown model %q; there are %s", name, strings.Join(slices.Sorted(maps.Keys(models)), ", "))
	}
	return m, nil
}

// trainer makes a run.
func (m model) trainer(ctx context.Context, x *parties) (*train.Trainer, error) {
	role := m.objective.Info().Roles[0]
	dims := map[string]int{"batch": m.batch}
	maps.Copy(dims, m.dims)
	module, err := x.model.Build(ctx, plugin.BuildRequest{Config: json.RawMessage(m.config), Role: role, Dims: dims})
	if err != nil {
		return nil, err
	}
	binding, err := x.objective.Bind(ctx, plugin.BindRequest{
		Config: json.RawMessage(m.settings), Role: role, Dims: dims,
		Inputs: module.Inputs(), Outputs: module.Outputs(), Rows: m.rows.Schema(), Properties: m.properties,
	})
	if err != nil {
		return nil, err
	}
	return train.New(ctx, train.Config{
		Module: module, Binding: binding, Rows: m.rows, Seed: 1, GrainRows: m.batch, Grains: 1, Device: x.device, NewFields: x.newFields,
		Optimizer: step.Optimizer{Name: "adamw", Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-8, WeightDecay: 0.1},
		Schedule:  schedule.Schedule{Name: "constant", Peak: 1e-4, Steps: 1 << 20},
	})
}
