package reference

import (
	"context"

	"github.com/seedbed/seedbed/abi/ir"
)

// control are the primitives that run functions of their own.
var control = map[string]bool{"while": true, "case": true}

func while(ctx context.Context, op *ir.Op, in, out []Tensor) error {
	state := in
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		more, err := eval(ctx, op.Regions[0], state)
		if err != nil {
			return err
		}
		if more[0].Int[0] == 0 {
			copy(out, state)
			return nil
		}
		if state, err = eval(ctx, op.Regions[1], state); err != nil {
			return err
		}
	}
}

func branch(ctx context.Context, op *ir.Op, in, out []Tensor) error {
	i, last := in[0].Int[0], len(op.Regions)-1
	if i < 0 || i > int64(last) {
		i = int64(last)
	}
	results, err := eval(ctx, op.Regions[i], in[1:])
	if err != nil {
		return err
	}
	copy(out, results)
	return nil
}
