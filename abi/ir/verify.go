package ir

import (
	"fmt"
	"slices"
)

// Bounds on a program, so that one from outside cannot ask for absurd work.
const (
	MaxFuncs  = 1 << 10
	MaxOps    = 1 << 20
	MaxParams = 1 << 16
)

// Verify checks a whole program: names, numbering, every op against the op
// table, and every result. A program that passes can be printed, hashed,
// differentiated and compiled without further checks. The error is an *Error.
func (p *Program) Verify() error {
	if len(p.Funcs) == 0 || len(p.Funcs) > MaxFuncs {
		return &Error{Op: -1, Msg: fmt.Sprintf("a program has 1 to %d functions, not %d", MaxFuncs, len(p.Funcs))}
	}
	seen := map[string]bool{}
	for _, f := range p.Funcs {
		if f == nil {
			return &Error{Op: -1, Msg: "a function is missing"}
		}
		if seen[f.Name] {
			return &Error{Func: f.Name, Op: -1, Msg: "the function is defined twice"}
		}
		seen[f.Name] = true
		if err := f.Verify(); err != nil {
			return err
		}
	}
	return nil
}

// Verify checks one function by building it again.
func (f *Func) Verify() error { return f.verify(0) }

// verify is Verify for a function that lies depth regions deep.
func (f *Func) verify(depth int) error {
	at := func(op int, name, format string, args ...any) error {
		return &Error{Func: f.Name, Op: op, Name: name, Msg: fmt.Sprintf(format, args...)}
	}
	if len(f.Params) > MaxParams || len(f.Results) > MaxParams || len(f.Ops) > MaxOps {
		return at(-1, "", "too large: %d parameters, %d ops, %d results", len(f.Params), len(f.Ops), len(f.Results))
	}
	b := NewBuilder(f.Name)
	b.depth = depth
	for _, p := range f.Params {
		b.Param(p.Name, p.Type)
	}
	for i := range f.Ops {
		op := &f.Ops[i]
		if b.err != nil {
			return b.err
		}
		if int(op.First) != len(b.types) {
			return at(i, op.Name, "the first result is numbered %d, not %d", op.First, len(b.types))
		}
		for k := 1; k < len(op.Attrs); k++ {
			if op.Attrs[k-1].Name >= op.Attrs[k].Name {
				return at(i, op.Name, "attributes are not sorted by name at %q", op.Attrs[k].Name)
			}
		}
		b.OpRegions(op.Name, op.Version, op.Operands, op.Regions, op.Attrs...)
		if b.err != nil {
			return b.err
		}
		if got := b.f.Ops[i]; !slices.EqualFunc(op.Results, got.Results, Type.Equal) {
			return at(i, op.Name, "the results are %v, not %v", got.Results, op.Results)
		}
	}
	for _, r := range f.Results {
		b.Return(r.Name, r.Value)
	}
	_, err := b.Func()
	return err
}
