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
	c         Config
	buckets   []int // sequences that programs are made for, ascending
	windows   map[int]*window
	rooms     map[int]*room // by the tokens that there is room for
	kept      *kept         // nil for nothing
	forgetful error         // why nothing is kept of the model
}

// window is a program that gives logits, and keys and values to keep.
type window struct {
	device.Program
	params   []ir.Param
	vocab    int
	sequence int // it takes
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
	g := &Generator{c: c, windows: map[int]*window{}, rooms: map[int]*room{}}
	for n := firstBucket; n < c.Context; n *= 2 {
		g.buckets = append(g.buckets, n)
	}
	g.buckets = append(g.buckets, c.Context)
	_, err := g.window(ctx, 1)
	return g, err
}

// Close frees the programs.
func (g *Generator) Close() {
	g.forget()
	for _, w := range g.windows {
		w.Release()
	}
	for _, r := range g.rooms {
		r.release()
	}
	clear(g.windows)
	clear(g.rooms)
}

// bucket returns the shortest sequence that programs are made for and that has
// n tokens, at most the context.
func (g *Generator) bucket(n int) int {
	i, _ := slices.BinarySearch(g.buckets, n)
	return g.buckets[i]
}

// window returns the shortest program that takes n tokens, at most the context.
func (g *Generator) window(ctx context.Context, n int) (*window, error) {
	sequence := g.bucket(n)
	if w := g.windows[sequence]; w != nil {
		return w, nil
	}
	m, err := g.c.Build(ctx, sequence)
	if err != nil {
		return nil, err
	}
	f, err := lastLogits(m, sequence)
	if err != nil {
		return nil, fmt.Errorf("generate: model: %w", err)
	}
	w, err := g.compile(ctx, m, f)
	if err != nil {
		return nil, err
	}
	w.sequence = sequence
	g.windows[sequence] = w
	return w, nil
}

// compile makes a program of a function of a module.
func (g *Generator) compile(ctx context.Context, m *plugin.Module, f *ir.Func) (*window, error) {
	for _, p := range m.State() {
		switch b := g.c.Parameter(p.Name); {
		case b == nil:
			return nil, fmt.Errorf("generate: there are no values for parameter %q", p.Name)
		case !b.Type().Equal(p.Type):
			return nil, fmt.Errorf("generate: parameter %q is %v, its values are %v", p.Name, p.Type, b.Type())
		}
	}
	vocab := f.Types()[f.Results[0].Value].Elements()
	p, err := g.program(ctx, f)
	if err != nil {
		return nil, err
	}
	return &window{Program: p, params: f.Params, vocab: vocab}, nil
}

// program makes a program of a function.
func (g *Generator) program(ctx context.Context, f *ir.Func) (device.Program, error) {
	p, err := device.Compile(ctx, g.c.Device, f, nil)
	if err != nil {
		return nil, fmt.Errorf("generate: %w", err)
	}
	return p, nil
}

var errDraws = errors.New("the model draws random bits beside dropout, and there is no rule for them here")

// outputs returns what a module computes when it is used, for a sequence of the
// given length, and its values that are the role's outputs.
func outputs(m *plugin.Module, sequence int) (forward *ir.Func, h, e ir.Value, err error) {
	fail := func(format string, args ...any) (*ir.Func, ir.Value, ir.Value, error) {
		return nil, 0, 0, fmt.Errorf(format, args...)
	}
	if err := m.Check(); err != nil {
		return nil, 0, 0, err
	}
	ids := ir.T(ir.I32, 1, sequence)
	for _, p := range m.Inputs() {
		switch p.Name {
		case inputIDs, positionIDs, segmentIDs:
			if !p.Type.Equal(ids) {
				return fail("the input %q is %v, must be %v", p.Name, p.Type, ids)
			}
		case step.State:
		default:
			return fail("the input %q is not one of role causal_lm: %s, %s, %s", p.Name, inputIDs, positionIDs, segmentIDs)
		}
	}
	if forward, err = step.WithoutDropout(m.Evaluation()); err != nil {
		return nil, 0, 0, err
	}
	i, k := forward.Result(hidden), forward.Result(outputEmbedding)
	if i < 0 || k < 0 {
		return fail("role causal_lm has the outputs %s and %s, one is not there", hidden, outputEmbedding)
	}
	if forward.Param(step.State) >= 0 {
		return nil, 0, 0, errDraws
	}
	h, e = forward.Results[i].Value, forward.Results[k].Value
	types := forward.Types()
	if t := types[h]; t.DType != ir.F32 || t.Rank() != 3 || t.Shape[0] != 1 || t.Shape[1] != sequence {
		return fail("the output %s is %v, must be f32[1,%d,E]", hidden, t, sequence)
	}
	if t := types[e]; t.DType != ir.F32 || t.Rank() != 2 {
		return fail("the output %s is %v, must be f32[V,E]", outputEmbedding, t)
	}
	return forward, h, e, nil
}

// lastLogits returns the function that gives the logits f32[V] of the token
// after number last of a sequence, and then the keys and values of all.
func lastLogits(m *plugin.Module, sequence int) (*ir.Func, error) {
	forward, h, e, err := outputs(m, sequence)
	if err != nil {
		return nil, err
	}
	b := ir.NewBuilder("last_logits")
	var values []ir.Value
	for _, p := range forward.Params {
		values = append(values, b.Param(p.Name, p.Type))
	}
	at := b.Param(last, ir.T(ir.I32, 1))
	for i := range forward.Ops {
		values = append(values, b.CopyOp(&forward.Ops[i], values)...)
	}
	if b.Err() == nil {
		row := b.Reshape(b.Gather(1, values[h], at), 1, b.Dim(values[h], 2))
		b.Return(logits, b.Reshape(b.Linear(row, values[e]), b.Dim(values[e], 0)))
	}
	ops, _ := attentions(forward)
	for i, op := range ops {
		for k, v := range op.Operands[1:3] {
			b.Return(fmt.Sprint(keptPrefix, 2*i+k), values[v])
		}
	}
	return b.Func()
}

// Logits returns the logits of the token that follows tokens, of which it sees
// the last ones that fit its context.
func (g *Generator) Logits(ctx context.Context, tokens []int32) ([]float32, error) {
	tokens = tokens[windowStart(len(tokens), g.c.Context):]
	if len(tokens) == 0 {
		return nil, errors.New("generate: there is no token to begin with; an end-of-text token begins a document")
	}
	vocab := g.windows[g.buckets[0]].vocab // which New made
	for i, id := range tokens {
		if id < 0 || int(id) >= vocab {
			return nil, fmt.Errorf("generate: token %d is %d, outside the model's vocabulary 0 to %d", i, id, vocab-1)
		}
	}
	if g.kept.follows(tokens) {
		return g.next(ctx, tokens)
	}
	g.forget()
	w, err := g.window(ctx, len(tokens))
	if err != nil {
		return nil, err
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
	out, buffers, err := w.run(ctx, args)
	if err != nil {
		return nil, err
	}
	return out, g.keep(ctx, w, tokens, out, buffers)
}

// run runs the program and returns the logits, and the keys and values.
func (w *window) run(ctx context.Context, args []plugin.Argument) (logits []float32, kept []plugin.Buffer, err error) {
	run, err := w.Queue(ctx, args)
	if err != nil {
		return nil, nil, fmt.Errorf("generate: %w", err)
	}
	results := run.Results()
	defer results[0].Release()
	defer func() {
		if err != nil {
			for _, b := range results[1:] {
				b.Release()
			}
		}
	}()
	if _, err := run.Wait(ctx); err != nil {
		return nil, nil, fmt.Errorf("generate: %w", err)
	}
	data := make([]byte, results[0].Type().Bytes())
	if err := results[0].Download(ctx, data); err != nil {
		return nil, nil, fmt.Errorf("generate: %w", err)
	}
	return floats(data), results[1:], nil
}

func floats(data []byte) []float32 {
	x := make([]float32, len(data)/4)
	for i := range x {
		x[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))
	}
	return x
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
