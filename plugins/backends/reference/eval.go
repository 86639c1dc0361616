package reference

import (
	"context"
	"fmt"

	"github.com/seedbed/seedbed/abi/ir"
)

// Eval runs a verified function on args, one for each parameter in order, and
// returns its results in order. It errs where an argument does not have the
// parameter's type, and where a dtype or op is not known to it.
func Eval(f *ir.Func, args []Tensor) ([]Tensor, error) {
	f, err := expand(f)
	if err != nil {
		return nil, err
	}
	return eval(context.Background(), f, args)
}

// expand replaces every composite by its decomposition.
func expand(f *ir.Func) (*ir.Func, error) {
	return ir.Expand(f, func(*ir.Op) bool { return false })
}

// eval is Eval for a function of primitives.
func eval(ctx context.Context, f *ir.Func, args []Tensor) ([]Tensor, error) {
	if len(args) != len(f.Params) {
		return nil, fmt.Errorf("func %s takes %d arguments, is given %d", f.Name, len(f.Params), len(args))
	}
	values := make([]Tensor, 0, f.NumValues())
	for i, p := range f.Params {
		if !args[i].Type.Equal(p.Type) {
			return nil, fmt.Errorf("func %s: argument %q is %v, must be %v", f.Name, p.Name, args[i].Type, p.Type)
		}
		if err := args[i].check(); err != nil {
			return nil, fmt.Errorf("func %s: argument %q: %w", f.Name, p.Name, err)
		}
		values = append(values, args[i])
	}
	for i := range f.Ops {
		op := &f.Ops[i]
		in := make([]Tensor, len(op.Operands))
		for k, v := range op.Operands {
			in[k] = values[v]
		}
		out := make([]Tensor, len(op.Results))
		for k, t := range op.Results {
			var err error
			if out[k], err = New(t); err != nil {
				return nil, &ir.Error{Func: f.Name, Op: i, Name: op.Name, Msg: err.Error()}
			}
		}
		if err := run(ctx, op, in, out); err != nil {
			return nil, &ir.Error{Func: f.Name, Op: i, Name: op.Name, Msg: err.Error()}
		}
		for _, x := range out {
			x.store()
		}
		values = append(values, out...)
	}
	results := make([]Tensor, len(f.Results))
	for i, r := range f.Results {
		results[i] = values[r.Value]
	}
	return results, nil
}

// run computes one primitive.
func run(ctx context.Context, op *ir.Op, in, out []Tensor) error {
	switch op.Name {
	case "while":
		return while(ctx, op, in, out)
	case "case":
		return branch(ctx, op, in, out)
	}
	if kernel, ok := kernels[op.Name]; ok {
		return kernel(op, in, out[0])
	}
	if kernel, ok := severals[op.Name]; ok {
		return kernel(op, in, out)
	}
	if fn, ok := unaries[op.Name]; ok {
		return fn.run(in[0], out[0])
	}
	if fn, ok := binaries[op.Name]; ok {
		return fn.run(in[0], in[1], out[0])
	}
	return fmt.Errorf("the reference backend does not know the op")
}
