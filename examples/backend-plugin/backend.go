package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
)

// Backend is the plugin. Its zero value is ready; all it holds is Go memory.
type Backend struct{}

// version is that of the ops' semantics which this backend implements.
const version = 1

// dtypes are those that it computes with: all that the Exact profile requires.
var dtypes = []ir.DType{ir.F32, ir.BF16, ir.F16, ir.I32, ir.I64, ir.U8, ir.U32, ir.U64, ir.Bool}

// Info claims the primitives of the table. The host hands composites, such as
// softmax, over as their decompositions.
func (Backend) Info() plugin.BackendInfo {
	claimed := map[string]int{"while": version, "case": version}
	for name := range makers {
		claimed[name] = version
	}
	return plugin.BackendInfo{
		Info:   plugin.Info{Name: "closures", Version: "1.0.0", Doc: "an interpreter of closures that claims primitives only"},
		DTypes: dtypes,
		Ops:    claimed,
	}
}

// Upload unpacks a tensor's bytes into words.
func (Backend) Upload(_ context.Context, t ir.Type, data []byte) (plugin.Buffer, error) {
	if err := known(t); err != nil {
		return nil, err
	}
	if len(data) != t.Bytes() {
		return nil, fmt.Errorf("%v has %d bytes, is given %d", t, t.Bytes(), len(data))
	}
	return &buffer{t: t, words: unpack(t.DType, data)}, nil
}

func known(t ir.Type) error {
	if !slices.Contains(dtypes, t.DType) {
		return fmt.Errorf("the backend closures does not know dtype %v", t.DType)
	}
	return t.Check()
}

// Compile makes closures of the ops.
func (Backend) Compile(_ context.Context, f *ir.Func) (plugin.Executable, error) {
	if err := f.Verify(); err != nil {
		return nil, err
	}
	c, err := compile(f)
	if err != nil {
		return nil, err
	}
	e := &executable{code: c}
	types := f.Types()
	for _, t := range types {
		e.memory.Scratch += int64(8 * t.Elements()) // nothing is freed before the end
	}
	for _, r := range f.Results {
		e.memory.Results += int64(8 * types[r.Value].Elements())
	}
	return e, nil
}

// Close has nothing to free.
func (Backend) Close() error { return nil }

// buffer is a tensor; words is nil once it is released.
type buffer struct {
	t     ir.Type
	words []word
}

func (b *buffer) Type() ir.Type { return b.t }
func (b *buffer) Release()      { b.words = nil }

func (b *buffer) Download(_ context.Context, dst []byte) error {
	if b.words == nil {
		return fmt.Errorf("the buffer %v was released", b.t)
	}
	if len(dst) != b.t.Bytes() {
		return fmt.Errorf("%v has %d bytes, there is room for %d", b.t, b.t.Bytes(), len(dst))
	}
	pack(b.t.DType, dst, b.words)
	return nil
}

type executable struct {
	*code
	memory plugin.Memory
}

func (e *executable) Memory() plugin.Memory { return e.memory }
func (e *executable) Release()              {}

// Execute runs the closures in order. Values are never written twice, so that
// arguments and results may share memory.
func (e *executable) Execute(ctx context.Context, args []plugin.Argument) ([]plugin.Buffer, error) {
	defer func() {
		for _, a := range args {
			if a.Donate && a.Buffer != nil {
				a.Buffer.Release()
			}
		}
	}()
	if len(args) != len(e.params) {
		return nil, fmt.Errorf("func %s takes %d arguments, is given %d", e.name, len(e.params), len(args))
	}
	in := make([][]word, len(args))
	for i, a := range args {
		p := e.params[i]
		if a.Buffer == nil {
			if len(a.Data) != p.Type.Bytes() {
				return nil, fmt.Errorf("func %s: argument %q: %v has %d bytes, is given %d", e.name, p.Name, p.Type, p.Type.Bytes(), len(a.Data))
			}
			in[i] = unpack(p.Type.DType, a.Data)
			continue
		}
		b, ok := a.Buffer.(*buffer)
		if !ok || b.words == nil || !b.t.Equal(p.Type) {
			return nil, fmt.Errorf("func %s: argument %q must be a buffer of this backend, %v, that was not released", e.name, p.Name, p.Type)
		}
		in[i] = b.words
	}
	out, err := e.run(ctx, in)
	if err != nil {
		return nil, err
	}
	buffers := make([]plugin.Buffer, len(out))
	for i, words := range out {
		buffers[i] = &buffer{e.results[i], words}
	}
	return buffers, nil
}
