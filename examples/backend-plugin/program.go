package main

import (
	"context"
	"fmt"
	"maps"

	"github.com/seedbed/seedbed/abi/ir"
)

// kernel computes the results of one op. Results are zero words before.
type kernel func(ctx context.Context, in, out [][]word) error

// site is an op where it stands: what a maker of kernels needs to know.
type site struct {
	*ir.Op
	in, out []ir.Type
}

// makers make the kernels of primitives that run no functions of their own.
var makers = map[string]func(s site) kernel{}

// add adds makers; the files of ops call it when the program starts.
func add(group map[string]func(s site) kernel) { maps.Copy(makers, group) }

// code is a function whose ops have become kernels.
type code struct {
	name    string
	params  []ir.Param
	results []ir.Type
	steps   []step
	returns []ir.Value
	values  int
}

type step struct {
	run      kernel
	operands []ir.Value
	out      []ir.Type
	name     string
}

// compile refuses, by its name, an op or a dtype that it does not know.
func compile(f *ir.Func) (*code, error) {
	types := f.Types()
	c := &code{name: f.Name, params: f.Params, values: len(types)}
	for _, p := range f.Params {
		if err := known(p.Type); err != nil {
			return nil, fmt.Errorf("func %s: parameter %q: %w", f.Name, p.Name, err)
		}
	}
	for i := range f.Ops {
		op := &f.Ops[i]
		wrong := func(err error) error { return &ir.Error{Func: f.Name, Op: i, Name: op.Name, Msg: err.Error()} }
		for _, t := range op.Results {
			if err := known(t); err != nil {
				return nil, wrong(err)
			}
		}
		s := site{Op: op, out: op.Results}
		for _, v := range op.Operands {
			s.in = append(s.in, types[v])
		}
		k, err := s.kernel()
		if err != nil {
			return nil, wrong(err)
		}
		c.steps = append(c.steps, step{k, op.Operands, op.Results, op.Name})
	}
	for _, r := range f.Results {
		c.returns = append(c.returns, r.Value)
		c.results = append(c.results, types[r.Value])
	}
	return c, nil
}

func (s site) kernel() (kernel, error) {
	if s.Version != version {
		return nil, fmt.Errorf("the backend closures knows version %d of the op, not %d", version, s.Version)
	}
	if m, ok := makers[s.Name]; ok {
		return m(s), nil
	}
	regions := make([]*code, len(s.Regions))
	for i, r := range s.Regions {
		var err error
		if regions[i], err = compile(r); err != nil {
			return nil, err
		}
	}
	switch s.Name {
	case "while":
		return func(ctx context.Context, in, out [][]word) error { return while(ctx, regions[0], regions[1], in, out) }, nil
	case "case":
		number := integers(s.in[0].DType)
		return func(ctx context.Context, in, out [][]word) error {
			i, last := number(in[0][0]), len(regions)-1
			if i < 0 || i > int64(last) {
				i = int64(last)
			}
			results, err := regions[i].run(ctx, in[1:])
			copy(out, results)
			return err
		}, nil
	}
	return nil, fmt.Errorf("the backend closures does not know the op")
}

func while(ctx context.Context, condition, body *code, state, out [][]word) error {
	for {
		more, err := condition.run(ctx, state)
		if err != nil {
			return err
		}
		if more[0][0] == 0 {
			copy(out, state)
			return nil
		}
		if state, err = body.run(ctx, state); err != nil {
			return err
		}
	}
}

// run computes the results on arguments, whose words are only read.
func (c *code) run(ctx context.Context, args [][]word) ([][]word, error) {
	values := append(make([][]word, 0, c.values), args...)
	for _, s := range c.steps {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("func %s was not run to its end: %w", c.name, err)
		}
		in, out := make([][]word, len(s.operands)), make([][]word, len(s.out))
		for i, v := range s.operands {
			in[i] = values[v]
		}
		for i, t := range s.out {
			out[i] = make([]word, t.Elements())
		}
		if err := s.run(ctx, in, out); err != nil {
			return nil, fmt.Errorf("func %s: %s: %w", c.name, s.name, err)
		}
		values = append(values, out...)
	}
	results := make([][]word, len(c.returns))
	for i, v := range c.returns {
		results[i] = values[v]
	}
	return results, nil
}
