package generate

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/numerics"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/core/device"
	"github.com/seedbed/seedbed/core/step"
)

// Names of roles token_prior, token_prior_step and code_decoder, and of what is
// added to them.
const (
	textIDs        = "text_ids"
	imageCodes     = "image_codes"
	imageLogits    = "image_logits"
	textLogits     = "text_logits"
	tokenIDs       = "token_ids"
	reconstruction = "reconstruction"
	pixels         = "generate.pixels"
)

func int32Bytes(values []int32) []byte {
	data := make([]byte, 0, 4*len(values))
	for _, v := range values {
		data = binary.LittleEndian.AppendUint32(data, uint32(v))
	}
	return data
}

// input returns the type of a module's input i32[B,N].
func input(m *plugin.Module, name string) (ir.Type, error) {
	for _, p := range m.Inputs() {
		if p.Name == name && p.Type.DType == ir.I32 && p.Type.Rank() == 2 {
			return p.Type, nil
		}
	}
	return ir.Type{}, fmt.Errorf("the model takes no %s i32[B,N]", name)
}

// finish returns the function that a builder has made, which draws nothing.
func finish(b *ir.Builder) (*ir.Func, error) {
	f, err := b.Func()
	if err == nil && f.Param(step.State) >= 0 {
		err = errDraws
	}
	return f, err
}

// Prior generates the codes of images from texts, with a model of roles
// token_prior, which says how long its sequences are, and token_prior_step, of
// which it computes one token after the other: keys and values of those before
// stay on the device. It is for one goroutine.
type Prior struct {
	rows, text, vocab, codes, codebook int

	device device.Device
	next   device.Program
	params []ir.Param
	keeps  []ir.Type
	held   func(name string) plugin.Buffer
}

// NewPrior prepares modules of both roles, built for as many images at a time.
// held returns their parameters and buffers on the device, which stay the
// caller's.
func NewPrior(ctx context.Context, d device.Device, whole, one *plugin.Module, held func(name string) plugin.Buffer) (*Prior, error) {
	p := &Prior{device: d, held: held}
	f, err := p.nextCode(whole, one)
	if err == nil {
		p.params = f.Params
		p.next, err = device.Compile(ctx, d, f, []string{logitsOfCode})
	}
	if err != nil {
		return nil, fmt.Errorf("generate codes: %w", err)
	}
	return p, nil
}

// nextCode returns the function that gives the logits f32[B,K] of the code after
// a token of each image, and then keys and values.
func (p *Prior) nextCode(whole, one *plugin.Module) (*ir.Func, error) {
	for _, m := range []*plugin.Module{whole, one} {
		if err := m.Check(); err != nil {
			return nil, err
		}
	}
	text, err := input(whole, textIDs)
	if err != nil {
		return nil, err
	}
	codes, err := input(whole, imageCodes)
	if err != nil {
		return nil, err
	}
	output := func(m *plugin.Module, name string) (ir.Type, error) {
		for _, o := range m.Outputs() {
			if o.Name == name && o.Type.DType == ir.F32 && o.Type.Rank() == 3 {
				return o.Type, nil
			}
		}
		return ir.Type{}, fmt.Errorf("the model gives no %s f32[B,N,K]", name)
	}
	words, err := output(whole, textLogits)
	if err != nil {
		return nil, err
	}
	out, err := output(one, imageLogits)
	if err != nil {
		return nil, err
	}
	rows := text.Shape[0]
	for _, name := range []string{tokenIDs, positionIDs} {
		t, err := input(one, name)
		if err != nil {
			return nil, err
		}
		if want := ir.T(ir.I32, rows, 1); !t.Equal(want) {
			return nil, fmt.Errorf("the model's %s is %v, must be %v", name, t, want)
		}
	}
	if codes.Shape[0] != rows || out.Shape[0] != rows || out.Shape[1] != 1 {
		return nil, fmt.Errorf("the model's %s is %v, its %s %v and its %s of one token %v: they do not fit", textIDs, text, imageCodes, codes, imageLogits, out)
	}
	p.rows, p.text, p.vocab, p.codes, p.codebook = rows, text.Shape[1], words.Shape[2], codes.Shape[1], out.Shape[2]

	forward, err := step.WithoutDropout(one.Evaluation())
	if err != nil {
		return nil, err
	}
	ops, ok := attentions(forward)
	if !ok {
		return nil, errors.New("the model's attention for one token is not causal and plain")
	}
	types := forward.Types()
	for _, op := range ops {
		for _, v := range op.Operands[1:3] {
			t := types[v]
			p.keeps = append(p.keeps, t.With(t.Shape[0], p.text+p.codes, t.Shape[2], t.Shape[3]))
		}
	}
	b := ir.NewBuilder("next_code")
	values, keep := continued(b, forward, ops, p.keeps)
	if b.Err() == nil {
		b.Return(logitsOfCode, b.Reshape(values[forward.Results[forward.Result(imageLogits)].Value], rows, p.codebook))
	}
	for i, v := range keep {
		b.Return(fmt.Sprint(keptPrefix, i), v)
	}
	return finish(b)
}

const logitsOfCode = "generate.code"

// TextLen is the number of tokens of a text.
func (p *Prior) TextLen() int { return p.text }

// Close frees the program.
func (p *Prior) Close() { p.next.Release() }

// Codes generates the codes of images, N of each. texts has TextLen tokens of
// each image. The n-th code of an image depends on its text, seed, its number
// among numbers, n and the codes before alone, whatever other images there are.
func (p *Prior) Codes(ctx context.Context, texts []int32, s Sampling, seed uint64, numbers []uint32) (_ []int32, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("generate codes: %w", err)
		}
	}()
	if err := s.Check(); err != nil {
		return nil, err
	}
	if len(texts) != p.rows*p.text || len(numbers) != p.rows {
		return nil, fmt.Errorf("%d tokens and %d numbers for %d images of %d tokens", len(texts), len(numbers), p.rows, p.text)
	}
	for i, id := range texts {
		if id < 0 || int(id) >= p.vocab {
			return nil, fmt.Errorf("token %d is %d, outside the model's vocabulary 0 to %d", i, id, p.vocab-1)
		}
	}
	keep := make([]plugin.Buffer, len(p.keeps))
	defer func() {
		for _, b := range keep {
			if b != nil {
				b.Release()
			}
		}
	}()
	for i, t := range p.keeps {
		if keep[i], err = p.device.Upload(ctx, t, make([]byte, t.Bytes())); err != nil {
			return nil, err
		}
	}
	codes := make([]int32, p.rows*p.codes)
	tokens := make([]int32, p.rows) // starts
	for at := range p.text + p.codes {
		l, err := p.step(ctx, tokens, at, keep)
		if err != nil {
			return nil, err
		}
		for r := range p.rows {
			if at < p.text {
				tokens[r] = 1 + texts[r*p.text+at]
				continue
			}
			n := at - p.text
			draws := numerics.Stream{Seed: seed, Stream: numbers[r], Step: samplingStep}
			code, err := s.choose(l[r*p.codebook:][:p.codebook], draws.UniformAt(uint64(n)))
			if err != nil {
				return nil, fmt.Errorf("image %d, code %d: %w", r, n, err)
			}
			codes[r*p.codes+n] = code
			tokens[r] = int32(1+p.vocab) + code
		}
	}
	return codes, nil
}

// step returns the logits of the code after tokens at a position, to which it
// adds their keys and values.
func (p *Prior) step(ctx context.Context, tokens []int32, position int, keep []plugin.Buffer) ([]float32, error) {
	args := make([]plugin.Argument, len(p.params))
	kept := 0
	for i, x := range p.params {
		switch x.Name {
		case tokenIDs:
			args[i].Data = int32Bytes(tokens)
		case positionIDs:
			args[i].Data = int32Bytes(slices.Repeat([]int32{int32(position)}, p.rows))
		case at:
			args[i].Data = int32Bytes([]int32{int32(position)})
		case seen:
			args[i].Data = seenUpTo(position, p.text+p.codes)
		case fmt.Sprint(keptPrefix, kept):
			args[i] = plugin.Argument{Buffer: keep[kept], Donate: true}
			kept++
		default:
			if args[i].Buffer = p.held(x.Name); args[i].Buffer == nil {
				return nil, fmt.Errorf("there are no values for parameter %q", x.Name)
			}
		}
	}
	run, err := p.next.Queue(ctx, args)
	if err != nil {
		return nil, err
	}
	copy(keep, run.Results()[1:])
	out, err := run.Wait(ctx)
	if err != nil {
		return nil, err
	}
	return floats(out[0]), nil
}

// Painter makes images of codes, with a model of role code_decoder. It is for
// one goroutine.
type Painter struct {
	// Rows images at a time, of N codes each.
	Rows, N                 int
	Height, Width, Channels int
	paint                   *device.Function
}

// NewPainter is for images what NewPrior is for codes.
func NewPainter(ctx context.Context, d device.Device, m *plugin.Module, held func(name string) plugin.Buffer) (*Painter, error) {
	p, f, err := painting(m)
	if err == nil {
		p.paint, err = device.NewFunction(ctx, d, f, held)
	}
	if err != nil {
		return nil, fmt.Errorf("paint codes: %w", err)
	}
	return p, nil
}

// painting returns the function that gives the pixels f32[B,H,W,C], whole
// numbers from 0 to 255: the decoder's places m stand for values of
// 0.1 + 0.8 v/255 = logistic(m), as role discrete_vae has them.
func painting(m *plugin.Module) (*Painter, *ir.Func, error) {
	if err := m.Check(); err != nil {
		return nil, nil, err
	}
	codes, err := input(m, imageCodes)
	if err != nil {
		return nil, nil, err
	}
	b, x, err := step.Application(m, "paint", []string{reconstruction})
	if err != nil {
		return nil, nil, err
	}
	t := b.Type(x[0])
	if t.DType != ir.F32 || t.Rank() != 4 || t.Shape[0] != codes.Shape[0] || t.Shape[1]%2 != 0 {
		return nil, nil, fmt.Errorf("the model's %s is %v, its %s %v: they do not fit", reconstruction, t, imageCodes, codes)
	}
	p := &Painter{Rows: t.Shape[0], N: codes.Shape[1], Channels: t.Shape[1] / 2, Height: t.Shape[2], Width: t.Shape[3]}
	y := b.Unary("logistic", b.SliceDim(x[0], 1, 0, p.Channels))
	full := func(v float64) ir.Value { return b.Full(b.Type(y), v) }
	y = b.FMA(y, full(255/0.8), full(-0.1/0.8*255))
	y = b.Unary("round_nearest_even", b.Min(b.Max(y, full(0)), full(255)))
	b.Return(pixels, b.Transpose(y, 0, 2, 3, 1))
	f, err := finish(b)
	return p, f, err
}

// Close frees the program.
func (p *Painter) Close() { p.paint.Release() }

// Paint returns the pixels of Rows images, [Rows,Height,Width,Channels], of
// codes [Rows,N].
func (p *Painter) Paint(ctx context.Context, codes []int32) ([]uint8, error) {
	if len(codes) != p.Rows*p.N {
		return nil, fmt.Errorf("paint codes: %d codes for %d images of %d", len(codes), p.Rows, p.N)
	}
	painted, err := p.paint.Run(ctx, map[string][]byte{imageCodes: int32Bytes(codes)})
	if err != nil {
		return nil, fmt.Errorf("paint codes: %w", err)
	}
	values := floats(painted[pixels])
	if i := slices.IndexFunc(values, func(v float32) bool { return !(v >= 0 && v <= 255) }); i >= 0 {
		return nil, fmt.Errorf("paint codes: value %d of the images is %v", i, values[i])
	}
	out := make([]uint8, len(values))
	for i, v := range values {
		out[i] = uint8(v)
	}
	return out, nil
}
