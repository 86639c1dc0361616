package mutants

import (
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"slices"
	"sync"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/plugins/backends/reference"
)

// tensor is a value as bytes, with typed access.
type tensor struct {
	ir.Type
	b []byte
}

func zeros(t ir.Type) tensor { return tensor{t, make([]byte, t.Bytes())} }

func (x tensor) clone() tensor { return tensor{x.Type, slices.Clone(x.b)} }

func (x tensor) len() int { return x.Elements() }

func (x tensor) bits(i int) uint64 {
	var w [8]byte
	n := x.DType.Size()
	copy(w[:], x.b[i*n:(i+1)*n])
	return binary.LittleEndian.Uint64(w[:])
}

func (x tensor) setBits(i int, v uint64) {
	var w [8]byte
	binary.LittleEndian.PutUint64(w[:], v)
	n := x.DType.Size()
	copy(x.b[i*n:(i+1)*n], w[:])
}

// f32 and setF32 are for tensors of f32.
func (x tensor) f32(i int) float32       { return math.Float32frombits(uint32(x.bits(i))) }
func (x tensor) setF32(i int, v float32) { x.setBits(i, uint64(math.Float32bits(v))) }

// int returns an integer, sign-extended where its dtype is signed.
func (x tensor) int(i int) int64 {
	v := x.bits(i)
	switch x.DType {
	case ir.I32:
		return int64(int32(v))
	default:
		return int64(v)
	}
}

// fault is what a backend does wrong, when it runs an op.
type fault struct {
	// before changes the operands, which are copies.
	before func(op *ir.Op, in []tensor)
	// after changes the results.
	after func(op *ir.Op, in, out []tensor)
	// rewrite computes something else in the place of the op.
	rewrite func(b *ir.Builder, op *ir.Op, in []ir.Value) []ir.Value
}

// wrong is the reference with a fault in one op.
type wrong struct {
	op    string
	fault fault
	// hooks beyond single ops; nil for none.
	info    func(i plugin.BackendInfo) plugin.BackendInfo
	upload  func(t ir.Type, data []byte) ([]byte, error)
	execute func(e *wrongProgram, args []plugin.Argument) ([]plugin.Buffer, error)
	compile func(f *ir.Func) error
	threads int
}

func (w *wrong) Info() plugin.BackendInfo {
	i := reference.Backend{}.Info()
	i.Name = "wrong"
	i.Ops = maps.Clone(i.Ops)
	if d := ir.LookupOp(w.op); d != nil {
		i.Ops[w.op] = d.Version
	}
	if w.info != nil {
		i = w.info(i)
	}
	return i
}

func (w *wrong) Upload(_ context.Context, t ir.Type, data []byte) (plugin.Buffer, error) {
	if err := t.Check(); err != nil {
		return nil, err
	}
	if w.upload != nil {
		var err error
		if data, err = w.upload(t, data); err != nil {
			return nil, err
		}
	} else if len(data) != t.Bytes() {
		return nil, fmt.Errorf("%v has %d bytes, is given %d", t, t.Bytes(), len(data))
	}
	return &wrongBuffer{x: tensor{t, slices.Clone(data)}}, nil
}

func (w *wrong) Close() error { return nil }

func (w *wrong) Compile(_ context.Context, f *ir.Func) (plugin.Executable, error) {
	if err := f.Verify(); err != nil {
		return nil, err
	}
	if w.compile != nil {
		if err := w.compile(f); err != nil {
			return nil, err
		}
	}
	p := &wrongProgram{w: w, f: f}
	types := f.Types()
	for i := range f.Ops {
		op := &f.Ops[i]
		b := ir.NewBuilder("op")
		in := make([]ir.Value, len(op.Operands))
		for k, v := range op.Operands {
			in[k] = b.Param(fmt.Sprintf("x%d", k), types[v])
		}
		var out []ir.Value
		if op.Name == w.op && w.fault.rewrite != nil {
			out = w.fault.rewrite(b, op, in)
		}
		if out == nil { // the rewrite is about other attributes
			out = b.OpVersion(op.Name, op.Version, in, op.Attrs...)
		}
		for k, v := range out {
			b.Return(fmt.Sprintf("y%d", k), v)
		}
		g, err := b.Func()
		if err != nil {
			return nil, err
		}
		p.ops = append(p.ops, g)
	}
	return p, nil
}

type wrongBuffer struct {
	x        tensor
	released bool
	// lenient buffers can be read after their release.
	lenient bool
}

func (b *wrongBuffer) Type() ir.Type { return b.x.Type }
func (b *wrongBuffer) Release()      { b.released = true }

func (b *wrongBuffer) Download(ctx context.Context, dst []byte) error {
	if b.released && !b.lenient {
		return fmt.Errorf("the buffer was released")
	}
	if len(dst) != len(b.x.b) {
		return fmt.Errorf("%d bytes for %v", len(dst), b.x.Type)
	}
	copy(dst, b.x.b)
	return ctx.Err()
}

type wrongProgram struct {
	w    *wrong
	f    *ir.Func
	ops  []*ir.Func
	runs int
	last []plugin.Buffer
}

func (p *wrongProgram) Memory() plugin.Memory { return plugin.Memory{} }
func (p *wrongProgram) Release()              {}

func (p *wrongProgram) Execute(ctx context.Context, args []plugin.Argument) ([]plugin.Buffer, error) {
	defer func() {
		for _, a := range args {
			if a.Donate && a.Buffer != nil {
				a.Buffer.Release()
			}
		}
	}()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	p.runs++
	if p.w.execute != nil {
		return p.w.execute(p, args)
	}
	return p.run(args)
}

// run is a right run, but for the fault of the op.
func (p *wrongProgram) run(args []plugin.Argument) ([]plugin.Buffer, error) {
	if len(args) != len(p.f.Params) {
		return nil, fmt.Errorf("%d arguments for %d parameters", len(args), len(p.f.Params))
	}
	values := make([]tensor, 0, p.f.NumValues())
	for i, a := range args {
		t := p.f.Params[i].Type
		if b, ok := a.Buffer.(*wrongBuffer); ok {
			if b.released && !b.lenient || !b.x.Equal(t) {
				return nil, fmt.Errorf("argument %d is %v, released: %v", i, b.x.Type, b.released)
			}
			values = append(values, b.x)
			continue
		}
		if a.Buffer != nil || len(a.Data) != t.Bytes() {
			return nil, fmt.Errorf("argument %d is not %v", i, t)
		}
		values = append(values, tensor{t, a.Data})
	}
	for i := range p.f.Ops {
		op := &p.f.Ops[i]
		in := make([]tensor, len(op.Operands))
		for k, v := range op.Operands {
			in[k] = values[v]
		}
		mine := op.Name == p.w.op
		if mine && p.w.fault.before != nil {
			for k := range in {
				in[k] = in[k].clone()
			}
			p.w.fault.before(op, in)
		}
		out, err := eval(p.ops[i], in)
		if err != nil {
			return nil, err
		}
		if mine && p.w.fault.after != nil {
			p.w.fault.after(op, in, out)
		}
		values = append(values, out...)
	}
	results := make([]plugin.Buffer, len(p.f.Results))
	for i, r := range p.f.Results {
		results[i] = &wrongBuffer{x: values[r.Value].clone()}
	}
	return results, nil
}

// eval runs a function on the reference.
func eval(f *ir.Func, in []tensor) ([]tensor, error) {
	args := make([]reference.Tensor, len(in))
	for i, x := range in {
		var err error
		if args[i], err = reference.Decode(x.Type, x.b); err != nil {
			return nil, err
		}
	}
	results, err := reference.Eval(f, args)
	if err != nil {
		return nil, err
	}
	out := make([]tensor, len(results))
	for i, y := range results {
		out[i] = zeros(y.Type)
		if err := y.Encode(out[i].b); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// once caches a computation without arguments.
func once[T any](f func() T) func() T { return sync.OnceValue(f) }
