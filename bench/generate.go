package main

import (
	"context"
	_ "embed"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"time"

	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/core/generate"
	"github.com/seedbed/seedbed/core/initial"
	"github.com/seedbed/seedbed/core/safetensors"
	"github.com/spf13/cobra"
)

//go:embed hf_generate.py
var hfGenerate []byte

// generation is how fast both sides generate, one sequence, greedily, with a key-value cache.
type generation struct {
	Model   string    `json:"model"`
	CPU     string    `json:"cpu"`
	Threads int       `json:"threads"`
	Torch   string    `json:"torch"`
	Prompt  int       `json:"prompt_tokens"`
	New     int       `json:"new_tokens"`
	Ratio   float64   `json:"ratio"` // of the project's tokens a second to transformers'
	Ratios  []float64 `json:"ratios"`
	Peer    float64   `json:"peer_tokens_per_s"`
	Own     float64   `json:"tokens_per_s"`
	// Same is how many of the first tokens both choose alike: where two are nearly as likely, rounding decides.
	Same int `json:"same_tokens"`
}

// generateOptions are how to generate.
type generateOptions struct {
	prompt, tokens, pairs, threads int
	python                         string
	json                           bool
}

// hfConfigs are the models' configurations for transformers.
var hfConfigs = map[string]string{
	"gpt_small": `{"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"], "n_layer": 6, "n_head": 6, "n_embd": 384, "n_positions": 256, "vocab_size": 4096}`,
	"gpt2":      `{"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"], "n_layer": 12, "n_head": 12, "n_embd": 768, "n_positions": 1024, "vocab_size": 50257}`,
}

func newGenerate() *cobra.Command {
	o := generateOptions{}
	c := &cobra.Command{
		Use:   "generate MODEL",
		Short: "Generate with Hugging Face transformers and with the project in turn and print the ratio of tokens a second",
		Long: "Draws weights, lets transformers' generate and the project go on greedily from the same prompt with the same weights, both with a key-value cache, in\n" +
			"turn, and prints the ratio of their tokens a second. The prompt's own pass is in both. Models: gpt_small, gpt2.",
		Example: "  go run ./bench generate gpt2 --pairs 5 --json",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if hfConfigs[args[0]] == "" {
				return fmt.Errorf("unknown model %q; there are gpt_small and gpt2", args[0])
			}
			if o.pairs < 1 || o.prompt < 1 || o.tokens < 1 {
				return fmt.Errorf("%d pairs of %d tokens after %d: at least one of each", o.pairs, o.tokens, o.prompt)
			}
			g, err := runGeneration(cmd.Context(), args[0], o)
			if err != nil {
				return err
			}
			if o.json {
				return printJSON(g)
			}
			_, err = fmt.Printf("%s on %s, %d threads: %d tokens after %d: transformers (torch %s) %.1f tokens/s, Seedbed %.1f; ratio %.2f, from %.2f to %.2f over %d pairs; the first %d tokens are the same\n",
				g.Model, g.CPU, g.Threads, g.New, g.Prompt, g.Torch, g.Peer, g.Own, g.Ratio, slices.Min(g.Ratios), slices.Max(g.Ratios), len(g.Ratios), g.Same)
			return err
		},
	}
	f := c.Flags()
	f.IntVar(&o.prompt, "prompt", 32, "tokens of the prompt")
	f.IntVar(&o.tokens, "tokens", 96, "tokens to generate")
	f.IntVar(&o.pairs, "pairs", 5, "how often both sides run")
	f.IntVar(&o.threads, "threads", runtime.NumCPU(), "threads of each side")
	f.StringVar(&o.python, "python", "", "Python interpreter that has torch and transformers; default one in a virtual environment made for it")
	f.BoolVar(&o.json, "json", false, "print one JSON object")
	return c
}

// writer generates with the project, its model and backend in processes of their own.
type writer struct {
	parties   *parties
	generator *generate.Generator
	values    map[string][]byte
	module    *plugin.Module
	prompt    []int32
}

func newWriter(ctx context.Context, name string, o generateOptions) (w *writer, err error) {
	m := models[name]
	w = &writer{values: map[string][]byte{}}
	if w.parties, err = inProcesses(ctx, name, o.threads); err != nil {
		return nil, err
	}
	build := func(ctx context.Context, sequence int) (*plugin.Module, error) {
		return w.parties.model.Build(ctx, plugin.BuildRequest{Config: json.RawMessage(m.config), Role: "causal_lm", Dims: map[string]int{"batch": 1, "sequence": sequence}})
	}
	if w.module, err = build(ctx, 1); err != nil {
		return nil, err
	}
	buffers := map[string]plugin.Buffer{}
	for i, p := range w.module.Parameters {
		values, err := initial.Values(p, i, 1)
		if err != nil {
			return nil, err
		}
		var data []byte
		for _, v := range values {
			data = binary.LittleEndian.AppendUint32(data, math.Float32bits(v))
		}
		if buffers[p.Name], err = w.parties.device.Upload(ctx, p.Type, data); err != nil {
			return nil, err
		}
		w.values[p.Name] = data
	}
	for i := range o.prompt {
		w.prompt = append(w.prompt, int32((7*i+3)%m.rows.vocab))
	}
	w.generator, err = generate.New(ctx, generate.Config{Device: w.parties.device, Build: build, Context: o.prompt + o.tokens, Parameter: func(name string) plugin.Buffer { return buffers[name] }})
	return w, err
}

// write generates, and returns the tokens and how long it took.
func (w *writer) write(ctx context.Context, n int) (tokens []int32, seconds float64, err error) {
	begin := time.Now()
	for id, err := range w.generator.Tokens(ctx, w.prompt, generate.Options{MaxTokens: n, Stop: -1}) {
		if err != nil {
			return nil, 0, err
		}
		tokens = append(tokens, id)
	}
	return tokens, time.Since(begin).Seconds(), w.generator.Forgetful()
}

// save writes the weights for transformers.
func (w *writer) save(dir, config string) error {
	var list []safetensors.Tensor
	for _, p := range w.module.Parameters {
		list = append(list, safetensors.Tensor{Name: p.Name, Type: p.Type, Data: safetensors.Bytes(w.values[p.Name])})
	}
	f, err := os.Create(filepath.Join(dir, "model.safetensors"))
	if err != nil {
		return err
	}
	defer f.Close()
	if err := safetensors.Write(f, list, map[string]string{"format": "pt"}); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "config.json"), []byte(config), 0o666)
}

func runGeneration(ctx context.Context, name string, o generateOptions) (*generation, error) {
	python, err := environment(ctx, o.python)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	script := filepath.Join(dir, "hf_generate.py")
	if err := os.WriteFile(script, hfGenerate, 0o666); err != nil {
		return nil, err
	}
	w, err := newWriter(ctx, name, o)
	if err != nil {
		return nil, err
	}
	defer w.parties.close()
	if err := w.save(dir, hfConfigs[name]); err != nil {
		return nil, err
	}
	if _, _, err := w.write(ctx, o.tokens); err != nil { // compiles what is needed
		return nil, err
	}
	g := &generation{Model: name, CPU: processorName(), Threads: o.threads, Prompt: o.prompt, New: o.tokens}
	var peers, owns []float64
	for range o.pairs {
		out, err := exec.CommandContext(ctx, python, script, dir, strconv.Itoa(o.threads), strconv.Itoa(o.prompt), strconv.Itoa(o.tokens), "1").Output()
		if err != nil {
			return nil, fmt.Errorf("transformers: %w", err)
		}
		var peer struct {
			Seconds float64 `json:"step_s"`
			Tokens  []int32 `json:"tokens"`
			Torch   string  `json:"torch"`
		}
		if err := json.Unmarshal(out, &peer); err != nil || !(peer.Seconds > 0) {
			return nil, fmt.Errorf("transformers told no time: %s", out)
		}
		tokens, seconds, err := w.write(ctx, o.tokens)
		if err != nil {
			return nil, err
		}
		g.Torch, g.Same = peer.Torch, 0
		for g.Same < min(len(tokens), len(peer.Tokens)) && tokens[g.Same] == peer.Tokens[g.Same] {
			g.Same++
		}
		g.Ratios = append(g.Ratios, peer.Seconds/seconds)
		peers, owns = append(peers, float64(o.tokens)/peer.Seconds), append(owns, float64(o.tokens)/seconds)
	}
	g.Ratio, g.Peer, g.Own = median(g.Ratios), median(peers), median(owns)
	return g, nil
}
