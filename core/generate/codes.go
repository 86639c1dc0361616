package generate

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/numerics"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/core/device"
	"github.com/seedbed/seedbed/core/step"
)

// Names of role token_prior and code_decoder, and of what is added to them.
const (
	textIDs        = "text_ids"
	imageCodes     = "image_codes"
	imageLogits    = "image_logits"
	reconstruction = "reconstruction"
	place          = "generate.place" // of the code that is next, i32[1]
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

// Prior generates the codes of images from texts, with a model of role
// token_prior. It is for one goroutine.
type Prior struct {
	rows, text, codes, vocab int
	next                     *device.Function
}

// NewPrior prepares a module for as many images at a time as it is built for.
// held returns its parameters and buffers on the device, which stay the
// caller's.
func NewPrior(ctx context.Context, d device.Device, m *plugin.Module, held func(name string) plugin.Buffer) (*Prior, error) {
	p, f, err := nextCode(m)
	if err == nil {
		p.next, err = device.NewFunction(ctx, d, f, held)
	}
	if err != nil {
		return nil, fmt.Errorf("generate codes: %w", err)
	}
	return p, nil
}

// nextCode returns the function that gives the logits f32[B,K] of one code of
// each image.
func nextCode(m *plugin.Module) (*Prior, *ir.Func, error) {
	if err := m.Check(); err != nil {
		return nil, nil, err
	}
	text, err := input(m, textIDs)
	if err != nil {
		return nil, nil, err
	}
	codes, err := input(m, imageCodes)
	if err != nil {
		return nil, nil, err
	}
	next := ir.Param{Name: place, Type: ir.T(ir.I32, 1)}
	b, x, err := step.Application(m, "next_code", []string{imageLogits}, next)
	if err != nil {
		return nil, nil, err
	}
	t := b.Type(x[0])
	if rows, n := codes.Shape[0], codes.Shape[1]; t.DType != ir.F32 || t.Rank() != 3 || t.Shape[0] != rows || t.Shape[1] != n || text.Shape[0] != rows {
		return nil, nil, fmt.Errorf("the model's %s is %v, its %s %v and its %s %v: they do not fit", textIDs, text, imageCodes, codes, imageLogits, t)
	}
	at := b.Gather(1, x[0], x[1])
	b.Return(logitsOfCode, b.Reshape(at, t.Shape[0], t.Shape[2]))
	f, err := finish(b)
	return &Prior{rows: t.Shape[0], text: text.Shape[1], codes: t.Shape[1], vocab: t.Shape[2]}, f, err
}

const logitsOfCode = "generate.code"

// TextLen is the number of tokens of a text.
func (p *Prior) TextLen() int { return p.text }

// Close frees the program.
func (p *Prior) Close() { p.next.Release() }

// Codes generates the codes of images, N of each. texts has TextLen tokens of
// each image. The n-th code of an image depends on its text, seed, its number
// among numbers, n and the codes before alone, whatever other images there are.
func (p *Prior) Codes(ctx context.Context, texts []int32, s Sampling, seed uint64, numbers []uint32) ([]int32, error) {
	if err := s.Check(); err != nil {
		return nil, fmt.Errorf("generate codes: %w", err)
	}
	if len(texts) != p.rows*p.text || len(numbers) != p.rows {
		return nil, fmt.Errorf("generate codes: %d tokens and %d numbers for %d images of %d tokens", len(texts), len(numbers), p.rows, p.text)
	}
	codes := make([]int32, p.rows*p.codes)
	for n := range p.codes {
		out, err := p.next.Run(ctx, map[string][]byte{textIDs: int32Bytes(texts), imageCodes: int32Bytes(codes), place: int32Bytes([]int32{int32(n)})})
		if err != nil {
			return nil, fmt.Errorf("generate codes: %w", err)
		}
		l := floats(out[logitsOfCode])
		for r := range p.rows {
			draws := numerics.Stream{Seed: seed, Stream: numbers[r], Step: samplingStep}
			codes[r*p.codes+n], err = s.choose(l[r*p.vocab:][:p.vocab], draws.UniformAt(uint64(n)))
			if err != nil {
				return nil, fmt.Errorf("generate codes: image %d, code %d: %w", r, n, err)
			}
		}
	}
	return codes, nil
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
