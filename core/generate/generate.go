package generate

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/numerics"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/core/device"
	"github.com/seedbed/seedbed/core/step"
)

// Config says what generates.
type Config struct {
	Device device.Device
	// Build returns the module of role causal_lm for the dimensions batch 1 and
	// sequence. Its parameters are the same for every sequence.
	Build func(ctx context.Context, sequence int) (*plugin.Module, error)
	// Parameter returns a parameter or buffer on the device by name; nil if there
	// is none.
	// It stays the caller's.
	Parameter func(name string) plugin.Buffer
	// Context is the largest sequence that the model takes, in tokens.
	Context int
}

// Options say what is generated.
type Options struct {
	Sampling
	Seed uint64
	// MaxTokens bounds how many tokens are generated; at least 1.
	MaxTokens int
	// Stop ends the text when it is generated, and is not given out; negative
	// for none.
	Stop int32
}

// Generator generates from one model. It is for one goroutine.
type Generator struct {
	c       Config
	buckets []int // sequences that programs are made for, ascending
	windows map[int]*window
}

// window is a program for one length of sequence.
type window struct {
	device.Program
	params []ir.Param
	vocab  int
}

// Names of inputs and outputs of role causal_lm, and of what is added to them.
const (
	inputIDs        = "input_ids"
	positionIDs     = "position_ids"
	segmentIDs      = "segment_ids"
	hidden          = "hidden"
	outputEmbedding = "output_embedding"
	last            = "generate.last" // index of the last token, i32[1]
	logits          = "generate.logits"
)

// firstBucket is the shortest sequence that a program is made for; each is
// twice as long as the one before.
const firstBucket = 32

// New checks that the model can generate. Programs are compiled when they are
// first needed.
func New(ctx context.Context, c Config) (*Generator, error) {
	if c.Context < 1 {
		return nil, fmt.Errorf("generate: a context of %d tokens; it must be positive", c.Context)
	}
	g := &Generator{c: c, windows: map[int]*window{}}
	for n := firstBucket; n < c.Context; n *= 2 {
		g.buckets = append(g.buckets, n)
	}
	g.buckets = append(g.buckets, c.Context)
	_, err := g.window(ctx, 1)
	return g, err
}

// Close frees the programs.
func (g *Generator) Close() {
	for _, w := range g.windows {
		w.Release()
	}
	clear(g.windows)
}

// window returns the shortest program that takes n tokens.
func (g *Generator) window(ctx context.Context, n int) (*window, error) {
	i, _ := slices.BinarySearch(g.buckets, n)
	if i == len(g.buckets) {
		return nil, fmt.Errorf("generate: %d tokens are more than the context of %d", n, g.c.Context)
	}
	sequence := g.buckets[i]
	if w := g.windows[sequence]; w != nil {
		return w, nil
	}
	m, err := g.c.Build(ctx, sequence)
	if err != nil {
		return nil, err
	}
	f, vocab, err := lastLogits(m, sequence)
	if err != nil {
		return nil, fmt.Errorf("generate: model: %w", err)
	}
	for _, p := range m.State() {
		switch b := g.c.Parameter(p.Name); {
		case b == nil:
			return nil, fmt.Errorf("generate: there are no values for parameter %q", p.Name)
		case !b.Type().Equal(p.Type):
			return nil, fmt.Errorf("generate: parameter %q is %v, its values are %v", p.Name, p.Type, b.Type())
		}
	}
	if f, err = device.Lower(f, g.c.Device.Info()); err != nil {
		return nil, err
	}
	p, err := g.c.Device.Compile(ctx, f, nil)
	if err != nil {
		return nil, fmt.Errorf("generate: %w", err)
	}
	w := &window{Program: p, params: f.Params, vocab: vocab}
	g.windows[sequence] = w
	return w, nil
}

// lastLogits returns the function that gives the logits f32[V] of the token
// after number last of a sequence.
func lastLogits(m *plugin.Module, sequence int) (f *ir.Func, vocab int, err error) {
	if err := m.Check(); err != nil {
		return nil, 0, err
	}
	ids := ir.T(ir.I32, 1, sequence)
	for _, p := range m.Inputs() {
		switch p.Name {
		case inputIDs, positionIDs, segmentIDs:
			if !p.Type.Equal(ids) {
				return nil, 0, fmt.Errorf("the input %q is %v, must be %v", p.Name, p.Type, ids)
			}
		case step.State:
		default:
			return nil, 0, fmt.Errorf("the input %q is not one of role causal_lm: %s, %s, %s", p.Name, inputIDs, positionIDs, segmentIDs)
		}
	}
	forward, err := step.WithoutDropout(m.Evaluation())
	if err != nil {
		return nil, 0, err
	}
	h, e := forward.Result(hidden), forward.Result(outputEmbedding)
	if h < 0 || e < 0 {
		return nil, 0, fmt.Errorf("role causal_lm has the outputs %s and %s, one is not there", hidden, outputEmbedding)
	}
	if forward.Param(step.State) >= 0 {
		return nil, 0, errors.New("the model draws random bits beside dropout, and there is no rule for them here")
	}
	b := ir.NewBuilder("last_logits")
	var args []ir.Value
	for _, p := range forward.Params {
		args = append(args, b.Param(p.Name, p.Type))
	}
	at := b.Param(last, ir.T(ir.I32, 1))
	out := b.Inline(forward, args)
	if t := b.Type(out[h]); b.Err() == nil && (t.DType != ir.F32 || t.Rank() != 3 || t.Shape[0] != 1 || t.Shape[1] != sequence) {
		return nil, 0, fmt.Errorf("the output %s is %v, must be f32[1,%d,E]", hidden, t, sequence)
	}
	if t := b.Type(out[e]); b.Err() == nil && (t.DType != ir.F32 || t.Rank() != 2) {
		return nil, 0, fmt.Errorf("the output %s is %v, must be f32[V,E]", outputEmbedding, t)
	}
	vocab = b.Dim(out[e], 0)
	row := b.Reshape(b.Gather(1, out[h], at), 1, b.Dim(out[h], 2))
	b.Return(logits, b.Reshape(b.Linear(row, out[e]), vocab))
	f, err = b.Func()
	return f, vocab, err
}

// Logits returns the logits of the token that follows tokens, of which it sees
// the last ones that fit its context.
func (g *Generator) Logits(ctx context.Context, tokens []int32) ([]float32, error) {
	tokens = tokens[windowStart(len(tokens), g.c.Context):]
	if len(tokens) == 0 {
		return nil, errors.New("generate: there is no token to begin with; an end-of-text token begins a document")
	}
	w, err := g.window(ctx, len(tokens))
	if err != nil {
		return nil, err
	}
	for i, id := range tokens {
		if id < 0 || int(id) >= w.vocab {
			return nil, fmt.Errorf("generate: token %d is %d, outside the model's vocabulary 0 to %d", i, id, w.vocab-1)
		}
	}
	args := make([]plugin.Argument, len(w.params))
	for i, p := range w.params {
		// What comes after the last token is not seen by it.
		data := make([]byte, 0, 64)
		switch p.Name {
		case inputIDs:
			for k := range p.Type.Elements() {
				data = binary.LittleEndian.AppendUint32(data, uint32(tokens[min(k, len(tokens)-1)]))
			}
		case positionIDs:
			for k := range p.Type.Elements() {
				data = binary.LittleEndian.AppendUint32(data, uint32(k))
			}
		case segmentIDs:
			data = make([]byte, p.Type.Bytes())
		case last:
			data = binary.LittleEndian.AppendUint32(data, uint32(len(tokens)-1))
		default:
			args[i] = plugin.Argument{Buffer: g.c.Parameter(p.Name)}
			continue
		}
		args[i] = plugin.Argument{Data: data}
	}
	run, err := w.Queue(ctx, args)
	if err != nil {
		return nil, fmt.Errorf("generate: %w", err)
	}
	result := run.Results()[0]
	defer result.Release()
	if _, err := run.Wait(ctx); err != nil {
		return nil, fmt.Errorf("generate: %w", err)
	}
	data := make([]byte, result.Type().Bytes())
	if err := result.Download(ctx, data); err != nil {
		return nil, fmt.Errorf("generate: %w", err)
	}
	out := make([]float32, w.vocab)
	for i := range out {
		out[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))
	}
	return out, nil
}

// windowStart is the first of n tokens that the model sees. When its context is
// full, the older half is forgotten at once, so that the start stays in place
// for half a context: what a model keeps of earlier tokens stays good as long.
func windowStart(n, context int) int {
	if n <= context {
		return 0
	}
	half := (context + 1) / 2
	return (n - context + half - 1) / half * half
}

// samplingStep is the step of the stream that choices are drawn from: one that
// no run reaches.
const samplingStep = 1<<32 - 3

// Tokens generates what follows prompt, which has at least one token. The n-th
// choice depends on the seed, n and the tokens before alone. The sequence ends
// with MaxTokens, Stop, or an error, which is the last pair.
func (g *Generator) Tokens(ctx context.Context, prompt []int32, o Options) iter.Seq2[int32, error] {
	return func(yield func(int32, error) bool) {
		if err := o.Check(); err != nil {
			yield(0, fmt.Errorf("generate: %w", err))
			return
		}
		if o.MaxTokens < 1 {
			yield(0, fmt.Errorf("generate: at most %d tokens; it must be positive", o.MaxTokens))
			return
		}
		draws := numerics.Stream{Seed: o.Seed, Step: samplingStep}
		tokens := slices.Clone(prompt)
		for n := range o.MaxTokens {
			l, err := g.Logits(ctx, tokens)
			if err != nil {
				yield(0, err)
				return
			}
			id, err := o.choose(l, draws.UniformAt(uint64(n)))
			if err != nil {
				yield(0, fmt.Errorf("generate: token %d: %w", n, err))
				return
			}
			if o.Stop >= 0 && id == o.Stop {
				return
			}
			if !yield(id, nil) {
				return
			}
			tokens = append(tokens, id)
		}
	}
}
