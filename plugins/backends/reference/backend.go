package reference

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
)

// Backend is the executable specification of the kernel ABI as a plugin: it
// runs one op at a time and claims no composite. Its zero value is ready.
type Backend struct{}

var _ plugin.Backend = Backend{}

// Info lists every primitive that the backend runs.
func (Backend) Info() plugin.BackendInfo {
	ops := map[string]int{}
	for _, d := range ir.OpDefs() {
		_, a := kernels[d.Name]
		_, b := unaries[d.Name]
		_, c := binaries[d.Name]
		_, e := severals[d.Name]
		if a || b || c || e || control[d.Name] {
			ops[d.Name] = d.Version
		}
	}
	return plugin.BackendInfo{
		Info:   plugin.Info{Name: "reference", Version: "1.0.0", Doc: "plain Go, one op at a time: what the Exact profile means"},
		DTypes: slices.Clone(known),
		Ops:    ops,
	}
}

// Upload decodes a tensor.
func (Backend) Upload(_ context.Context, t ir.Type, data []byte) (plugin.Buffer, error) {
	x, err := Decode(t, data)
	if err != nil {
		return nil, err
	}
	return &buffer{x}, nil
}

// Compile checks that every op and dtype of the function is known.
func (b Backend) Compile(_ context.Context, f *ir.Func) (plugin.Executable, error) {
	if err := f.Verify(); err != nil {
		return nil, err
	}
	ops := b.Info().Ops
	for _, p := range f.Params {
		if !slices.Contains(known, p.Type.DType) {
			return nil, fmt.Errorf("func %s: parameter %q: the reference backend does not know dtype %v", f.Name, p.Name, p.Type.DType)
		}
	}
	// Composites are run as their decompositions, whoever expands them.
	expanded, err := expand(f)
	if err != nil {
		return nil, err
	}
	e := &executable{f: expanded}
	for i := range expanded.Ops {
		op := &expanded.Ops[i]
		if _, ok := ops[op.Name]; !ok {
			return nil, &ir.Error{Func: f.Name, Op: i, Name: op.Name, Msg: "the reference backend does not know the op"}
		}
		for _, t := range op.Results {
			if !slices.Contains(known, t.DType) {
				return nil, &ir.Error{Func: f.Name, Op: i, Name: op.Name, Msg: fmt.Sprintf("the reference backend does not know dtype %v", t.DType)}
			}
			// Nothing is freed before the end. Integers are kept as int64.
			e.scratch += int64(t.Elements()) * hostSize(t.DType)
		}
	}
	types := expanded.Types()
	for _, r := range expanded.Results {
		e.results += int64(types[r.Value].Elements()) * hostSize(types[r.Value].DType)
	}
	return e, nil
}

// Close does nothing: tensors belong to Go's garbage collector.
func (Backend) Close() error { return nil }

func hostSize(d ir.DType) int64 {
	if d == ir.F32 || d.IsHalf() {
		return 4
	}
	return 8
}

type buffer struct{ x Tensor }

func (b *buffer) Type() ir.Type { return b.x.Type }
func (b *buffer) Release()      { b.x = Tensor{Type: b.x.Type} }

func (b *buffer) Download(_ context.Context, dst []byte) error {
	if err := b.x.check(); err != nil {
		return fmt.Errorf("the buffer was released: %w", err)
	}
	return b.x.Encode(dst)
}

type executable struct {
	f                *ir.Func
	results, scratch int64
}

func (e *executable) Memory() plugin.Memory {
	return plugin.Memory{Results: e.results, Scratch: e.scratch}
}

func (e *executable) Release() {}

func (e *executable) Execute(ctx context.Context, args []plugin.Argument) ([]plugin.Buffer, error) {
	defer func() {
		for _, a := range args {
			if a.Donate && a.Buffer != nil {
				a.Buffer.Release()
			}
		}
	}()
	if len(args) != len(e.f.Params) {
		return nil, fmt.Errorf("func %s takes %d arguments, is given %d", e.f.Name, len(e.f.Params), len(args))
	}
	in := make([]Tensor, len(args))
	for i, a := range args {
		switch b, ok := a.Buffer.(*buffer); {
		case ok:
			in[i] = b.x
		case a.Buffer != nil:
			return nil, fmt.Errorf("func %s: argument %q is a buffer of another backend", e.f.Name, e.f.Params[i].Name)
		default:
			x, err := Decode(e.f.Params[i].Type, a.Data)
			if err != nil {
				return nil, fmt.Errorf("func %s: argument %q: %w", e.f.Name, e.f.Params[i].Name, err)
			}
			in[i] = x
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, errors.Join(fmt.Errorf("func %s was not run", e.f.Name), err)
	}
	out, err := eval(ctx, e.f, in)
	if err != nil {
		return nil, err
	}
	buffers := make([]plugin.Buffer, len(out))
	for i, x := range out {
		buffers[i] = &buffer{x}
	}
	return buffers, nil
}
