package run

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/core/checkpoint"
	"github.com/seedbed/seedbed/core/generate"
	"github.com/seedbed/seedbed/core/plugins"
	"github.com/seedbed/seedbed/datasets/tokenizer"
)

// Writing is what Generate is asked to do.
type Writing struct {
	Checkpoint string // the folder of a checkpoint
	Backend    string // a name or path; empty is the recipe's
	Prompt     string // may be empty: the text then begins as a document does
	generate.Sampling
	Seed      uint64
	MaxTokens int
	DataPlane plugins.DataPlane
	Start     Start
	// Text gets the text piece by piece, the prompt not included. Its error
	// ends the writing.
	Text func(piece string) error
}

// Written is what Generate did.
type Written struct {
	Tokens  int
	Step    uint64 // steps that the model was trained for
	Weights string // its weights_sha256
}

// Generate lets the model of a checkpoint continue a prompt. What it writes
// depends on the weights, the prompt, the sampling and the seed alone.
func Generate(ctx context.Context, w Writing) (_ *Written, err error) {
	if err := w.Sampling.Check(); err != nil {
		return nil, err
	}
	c, r, err := openTrained(w.Checkpoint)
	if err != nil {
		return nil, err
	}
	if w.Backend != "" {
		r.Backend.Plugin = w.Backend
	}
	tok, err := tokenizerOf(c)
	if err != nil {
		return nil, err
	}
	memory, err := plugins.NewMemory(w.DataPlane)
	if err != nil {
		return nil, err
	}
	defer memory.Close()
	processes := &crew{start: w.Start, memory: memory}
	defer processes.close()
	model, err := processes.add(ctx, plugins.KindModel, r.Model.Plugin)
	if err != nil {
		return nil, err
	}
	if info := model.Info(); !slices.Contains(info.Roles, causalLM) {
		return nil, fmt.Errorf("model %s plays %v; only models of role %s generate text", info.Name, info.Roles, causalLM)
	}
	backend, err := processes.add(ctx, plugins.KindBackend, r.Backend.Plugin)
	if err != nil {
		return nil, err
	}
	device := backend.Device()

	build := func(ctx context.Context, sequence int) (*plugin.Module, error) {
		return model.Model().Build(ctx, plugin.BuildRequest{Config: r.Model.Config, Role: causalLM, Dims: sequenceDims(sequence)})
	}
	m, err := build(ctx, r.Train.SequenceLength)
	if err != nil {
		return nil, r.PluginError("model", err)
	}
	bytes := int64(processBytes)
	for _, p := range m.State() {
		bytes += int64(p.Type.Bytes())
	}
	if err := fits(bytes, "its parameters alone; generate where there is more"); err != nil {
		return nil, fmt.Errorf("%s: %w", c.Path, err)
	}
	parameters, err := upload(ctx, device, c, m)
	if err != nil {
		return nil, err
	}
	g, err := generate.New(ctx, generate.Config{
		Device: device, Build: build, Context: r.Train.SequenceLength,
		Parameter: func(name string) plugin.Buffer { return parameters[name] },
	})
	if err != nil {
		return nil, err
	}
	defer g.Close()
	n, err := write(ctx, g, tok, w.Prompt, generate.Options{Sampling: w.Sampling, Seed: w.Seed, MaxTokens: w.MaxTokens}, w.Text)
	return &Written{Tokens: n, Step: c.Manifest.Step, Weights: c.Manifest.WeightsSHA256}, err
}

// tokenizerOf reads the tokenizer of a checkpoint.
func tokenizerOf(c *checkpoint.Checkpoint) (*tokenizer.Tokenizer, error) {
	text, err := c.ReadFile(tokenizerFile, tokenizer.MaxFileSize)
	if err != nil {
		return nil, err
	}
	t, err := tokenizer.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(c.Path, tokenizerFile), err)
	}
	return t, nil
}
