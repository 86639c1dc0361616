package mutants

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/conformance/backend"
	"github.com/seedbed/seedbed/conformance/cases"
)

// whole is a mutant of the backend beside its ops, to be found by the cases
// that match only, of op where it is given.
func whole(class, name, op, only string, make func(threads int) *wrong) *Mutant {
	return &Mutant{Kind: "backend", Class: class, Name: name, Op: op, Only: only, units: backendUnits(make)}
}

// on makes a backend whose every run is f's.
func on(f func(p *wrongProgram, args []plugin.Argument) ([]plugin.Buffer, error)) func(int) *wrong {
	return func(int) *wrong { return &wrong{execute: f} }
}

// bump changes the lowest bit of the first element of a result.
func bump(out []plugin.Buffer) {
	for _, b := range out {
		if x := b.(*wrongBuffer).x; len(x.b) > 0 {
			x.b[0] ^= 1
			return
		}
	}
}

// right runs and passes the results through f.
func right(f func(p *wrongProgram, args []plugin.Argument, out []plugin.Buffer)) func(int) *wrong {
	return on(func(p *wrongProgram, args []plugin.Argument) ([]plugin.Buffer, error) {
		out, err := p.run(args)
		if err == nil {
			f(p, args, out)
		}
		return out, err
	})
}

func wholes() []*Mutant {
	l := []*Mutant{
		whole("stale or aliased buffer", "the second run gives what the first gave", "add", "", on(func(p *wrongProgram, args []plugin.Argument) ([]plugin.Buffer, error) {
			out, err := p.run(args)
			if err != nil {
				return nil, err
			}
			if p.last != nil {
				for i := range out {
					copy(out[i].(*wrongBuffer).x.b, p.last[i].(*wrongBuffer).x.b)
				}
				return out, nil
			}
			for _, b := range out {
				p.last = append(p.last, &wrongBuffer{x: b.(*wrongBuffer).x.clone()})
			}
			return out, nil
		})),
		whole("stale or aliased buffer", "a run leaves zeros in its arguments' buffers", "multiply", "", right(func(_ *wrongProgram, args []plugin.Argument, _ []plugin.Buffer) {
			for _, a := range args {
				if b, ok := a.Buffer.(*wrongBuffer); ok && !a.Donate {
					clear(b.x.b)
				}
			}
		})),
		whole("stale or aliased buffer", "a run changes the host's arguments", "negate", "", right(func(_ *wrongProgram, args []plugin.Argument, _ []plugin.Buffer) {
			for _, a := range args {
				if len(a.Data) > 0 {
					a.Data[0] ^= 1
				}
			}
		})),
		whole("stale or aliased buffer", "all results share the memory of the first", "adamw", "", right(func(_ *wrongProgram, _ []plugin.Argument, out []plugin.Buffer) {
			for _, b := range out[1:] {
				if first := out[0].(*wrongBuffer).x; b.Type().Equal(first.Type) {
					b.(*wrongBuffer).x = first
				}
			}
		})),
		whole("stale or aliased buffer", "a donated argument is overwritten before it is read", "subtract", "", on(func(p *wrongProgram, args []plugin.Argument) ([]plugin.Buffer, error) {
			for _, a := range args {
				if b, ok := a.Buffer.(*wrongBuffer); ok && a.Donate && len(b.x.b) > 0 {
					b.x.b[len(b.x.b)-1] ^= 1
				}
			}
			return p.run(args)
		})),
		whole("stale or aliased buffer", "buffers share one place", "concatenate", "", func() func(int) *wrong {
			return func(int) *wrong {
				var place []byte
				return &wrong{upload: func(t ir.Type, data []byte) ([]byte, error) {
					if len(data) != t.Bytes() {
						return nil, errors.New("size")
					}
					if len(place) == len(data) {
						return place, nil
					}
					place = append([]byte(nil), data...)
					return place, nil
				}}
			}
		}()),
		whole("depends on threads", "with more than two threads a bit differs", "reduce", "", func(threads int) *wrong {
			return &wrong{execute: func(p *wrongProgram, args []plugin.Argument) ([]plugin.Buffer, error) {
				out, err := p.run(args)
				if err == nil && threads > 2 {
					bump(out)
				}
				return out, err
			}}
		}),
		whole("depends on threads", "with one thread a bit differs", "dot_general", "", func(threads int) *wrong {
			return &wrong{execute: func(p *wrongProgram, args []plugin.Argument) ([]plugin.Buffer, error) {
				out, err := p.run(args)
				if err == nil && threads == 1 {
					bump(out)
				}
				return out, err
			}}
		}),
		whole("device-dependent random bits", "bits depend on the number of threads", "rng_bit_generator", "", func(threads int) *wrong {
			return &wrong{op: "rng_bit_generator", fault: fault{before: func(_ *ir.Op, in []tensor) { in[0].setBits(0, in[0].bits(0)+uint64(threads)) }}}
		}),
		whole("device-dependent random bits", "bits depend on how many runs there were", "rng_bit_generator", "", right(func(p *wrongProgram, _ []plugin.Argument, out []plugin.Buffer) {
			if p.runs > 1 {
				bump(out)
			}
		})),
		whole("device-dependent random bits", "dropout draws from a counter of its own", "dropout", "", func(int) *wrong {
			n := uint64(0)
			return &wrong{op: "dropout", fault: fault{before: func(_ *ir.Op, in []tensor) {
				n++
				in[1].setBits(2, n)
			}}}
		}),
		whole("not the same every time", "every seventh run of a program differs", "", "^invariance/.*/repeated/", func(int) *wrong {
			runs := 0
			return &wrong{execute: func(p *wrongProgram, args []plugin.Argument) ([]plugin.Buffer, error) {
				out, err := p.run(args)
				if runs++; err == nil && runs%7 == 0 {
					bump(out)
				}
				return out, err
			}}
		}),
		whole("depends on placement", "arguments in buffers are read as if they began later", "add", "", on(func(p *wrongProgram, args []plugin.Argument) ([]plugin.Buffer, error) {
			for _, a := range args {
				if b, ok := a.Buffer.(*wrongBuffer); ok && len(b.x.b) > 8 && !a.Donate {
					x := b.x.clone()
					copy(x.b, b.x.b[4:])
					defer func(was tensor) { b.x = was }(b.x)
					b.x = x
				}
			}
			return p.run(args)
		})),
		whole("depends on batch slicing", "few rows are computed another way", "softmax", "", right(func(p *wrongProgram, _ []plugin.Argument, out []plugin.Buffer) {
			if t := p.f.Params[0].Type; t.Rank() > 1 && t.Shape[0] < 3 {
				bump(out)
			}
		})),
		whole("empty tensors", "an empty argument is an error", "add", "", func(int) *wrong {
			return &wrong{execute: func(p *wrongProgram, args []plugin.Argument) ([]plugin.Buffer, error) {
				for _, param := range p.f.Params {
					if param.Type.Elements() == 0 {
						return nil, errors.New("empty")
					}
				}
				return p.run(args)
			}}
		}),
		whole("empty tensors", "an empty argument panics", "reshape", "", func(int) *wrong {
			return &wrong{execute: func(p *wrongProgram, args []plugin.Argument) ([]plugin.Buffer, error) {
				for i, param := range p.f.Params {
					if param.Type.Elements() == 0 {
						_ = args[i].Data[0]
					}
				}
				return p.run(args)
			}}
		}),
		whole("empty tensors", "a sum over nothing is not a number", "reduce", "", func(int) *wrong {
			return &wrong{op: "reduce", fault: fault{after: func(op *ir.Op, in, out []tensor) {
				if in[0].len() == 0 && out[0].DType == ir.F32 && op.Attrs.Str("kind") == "sum" {
					for i := range out[0].len() {
						out[0].setBits(i, 0x7FC00000)
					}
				}
			}}}
		}),
		whole("scalars", "a scalar argument is an error", "add", "", func(int) *wrong {
			return &wrong{compile: func(f *ir.Func) error {
				for _, p := range f.Params {
					if p.Type.Rank() == 0 {
						return errors.New("scalar")
					}
				}
				return nil
			}}
		}),
		whole("high rank", "four dimensions are an error", "transpose", "", func(int) *wrong {
			return &wrong{compile: func(f *ir.Func) error {
				for _, p := range f.Params {
					if p.Type.Rank() >= 4 {
						return errors.New("rank")
					}
				}
				return nil
			}}
		}),
		whole("claims", "nothing is claimed", "add", "", claims(func(i *plugin.BackendInfo) { i.Ops = nil })),
		whole("claims", "an older version of the op", "add", "", claims(func(i *plugin.BackendInfo) { i.Ops["add"] = 0 })),
		whole("wrong count of results", "a result too few", "layer_norm", "", on(func(p *wrongProgram, args []plugin.Argument) ([]plugin.Buffer, error) {
			out, err := p.run(args)
			return out[:max(len(out)-1, 0)], err
		})),
		whole("wrong count of results", "results in reverse", "", "^fuzz/f32/", on(func(p *wrongProgram, args []plugin.Argument) ([]plugin.Buffer, error) {
			out, err := p.run(args)
			for i := range len(out) / 2 {
				out[i], out[len(out)-1-i] = out[len(out)-1-i], out[i]
			}
			return out, err
		})),
		whole("wrong type of a result", "a result is one element short", "add", "", right(func(_ *wrongProgram, _ []plugin.Argument, out []plugin.Buffer) {
			b := out[0].(*wrongBuffer)
			if n := b.x.len(); n > 1 {
				b.x = tensor{ir.T(b.x.DType, n-1), b.x.b[:(n-1)*b.x.DType.Size()]}
			}
		})),
		whole("programs of several ops", "the second of two equal ops gives the first's result", "", "^fuzz/", func(int) *wrong {
			return &wrong{execute: func(p *wrongProgram, args []plugin.Argument) ([]plugin.Buffer, error) {
				q := *p
				f := *p.f
				q.f = &f
				f.Ops = append([]ir.Op(nil), p.f.Ops...)
				last := map[string]int{}
				for i := range f.Ops {
					op := &f.Ops[i]
					key := fmt.Sprint(op.Name, op.Results)
					if k, ok := last[key]; ok && len(op.Operands) > 0 {
						op.Operands = f.Ops[k].Operands
						q.ops = append([]*ir.Func(nil), q.ops...)
						q.ops[i] = q.ops[k]
					}
					last[key] = i
				}
				return q.run(args)
			}}
		}),
		whole("long tensors", "the element after two segments of a fused loop is stale", "", "^long/", func(int) *wrong {
			return &wrong{op: "add", fault: fault{after: func(_ *ir.Op, in, out []tensor) {
				if n := out[0].len(); n > 2*2048 {
					out[0].setBits(2*2048, in[0].bits(2*2048))
				}
			}}}
		}),
		whole("long tensors", "a row that is longer than a segment is broadcast as if it ended there", "", "^long/", func(int) *wrong {
			return &wrong{op: "broadcast_in_dim", fault: fault{before: func(_ *ir.Op, in []tensor) {
				for i := 2048; i < in[0].len(); i++ {
					in[0].setBits(i, in[0].bits(i-2048))
				}
			}}}
		}),
		whole("programs of several ops", "a long program loses an addition", "", "^fuzz/", func(int) *wrong {
			return &wrong{op: "add", fault: fault{after: func(op *ir.Op, in, out []tensor) {
				if op.First > 12 {
					copy(out[0].b, in[0].b)
				}
			}}}
		}),
	}
	for _, op := range []string{"sort", "gather", "dot_general", "rng_bit_generator", "argmax", "fma"} {
		l = append(l, whole("claims", "the op is not claimed", op, "", claims(func(i *plugin.BackendInfo) { delete(i.Ops, op) })))
	}
	for _, c := range []struct {
		name, only string
		upload     func(t ir.Type, data []byte) ([]byte, error)
	}{
		{"upload takes bytes too few", "^misuse/upload of bytes too few", func(t ir.Type, data []byte) ([]byte, error) {
			return append(data, make([]byte, max(t.Bytes()-len(data), 0))...)[:t.Bytes()], nil
		}},
		{"upload takes bytes too many", "^misuse/upload of bytes too many", func(t ir.Type, data []byte) ([]byte, error) {
			return append(data, make([]byte, max(t.Bytes()-len(data), 0))...)[:t.Bytes()], nil
		}},
	} {
		l = append(l, whole("wrong calls are taken", c.name, "", c.only, func(int) *wrong { return &wrong{upload: c.upload} }))
	}
	lenient := func(f func(p *wrongProgram, args []plugin.Argument) []plugin.Argument) func(int) *wrong {
		return on(func(p *wrongProgram, args []plugin.Argument) ([]plugin.Buffer, error) { return p.run(f(p, args)) })
	}
	l = append(l,
		whole("wrong calls are taken", "missing arguments are zeros", "", "^misuse/.*argument", lenient(func(p *wrongProgram, args []plugin.Argument) []plugin.Argument {
			for i := len(args); i < len(p.f.Params); i++ {
				args = append(args, plugin.Argument{Data: make([]byte, p.f.Params[i].Type.Bytes())})
			}
			return args
		})),
		whole("wrong calls are taken", "arguments too many are ignored", "", "^misuse/an argument too many", lenient(func(p *wrongProgram, args []plugin.Argument) []plugin.Argument {
			return args[:min(len(args), len(p.f.Params))]
		})),
		whole("wrong calls are taken", "short arguments are filled up", "", "^misuse/bytes too few|^misuse/no bytes", lenient(func(p *wrongProgram, args []plugin.Argument) []plugin.Argument {
			for i := range min(len(args), len(p.f.Params)) {
				if n := p.f.Params[i].Type.Bytes(); args[i].Buffer == nil && len(args[i].Data) < n {
					args[i].Data = append(args[i].Data, make([]byte, n-len(args[i].Data))...)
				}
			}
			return args
		})),
		whole("wrong calls are taken", "long arguments are cut", "", "^misuse/bytes too many", lenient(func(p *wrongProgram, args []plugin.Argument) []plugin.Argument {
			for i := range min(len(args), len(p.f.Params)) {
				if n := p.f.Params[i].Type.Bytes(); len(args[i].Data) > n {
					args[i].Data = args[i].Data[:n]
				}
			}
			return args
		})),
		whole("wrong calls are taken", "a buffer of another type is read as it is", "", "^misuse/a buffer of", lenient(func(p *wrongProgram, args []plugin.Argument) []plugin.Argument {
			for i := range min(len(args), len(p.f.Params)) {
				if b, ok := args[i].Buffer.(*wrongBuffer); ok {
					t := p.f.Params[i].Type
					args[i] = plugin.Argument{Buffer: &wrongBuffer{x: tensor{t, append(b.x.b, make([]byte, t.Bytes())...)[:t.Bytes()]}}}
				}
			}
			return args
		})),
		whole("wrong calls are taken", "a released buffer is an argument", "", "^misuse/a (released|donated)", lenient(func(_ *wrongProgram, args []plugin.Argument) []plugin.Argument {
			for _, a := range args {
				if b, ok := a.Buffer.(*wrongBuffer); ok {
					b.lenient = true
				}
			}
			return args
		})),
		whole("state after an error", "what follows a wrong call is wrong", "", "^misuse/", func(int) *wrong { return afterError }))
	return l
}

// afterError computes wrongly once any call to it has failed, however often it
// is opened.
var afterError = func() *wrong {
	failed := false
	w := &wrong{}
	w.execute = func(p *wrongProgram, args []plugin.Argument) ([]plugin.Buffer, error) {
		out, err := p.run(args)
		if err != nil {
			failed = true
		} else if failed {
			bump(out)
		}
		return out, err
	}
	return w
}()

func claims(change func(i *plugin.BackendInfo)) func(int) *wrong {
	return func(int) *wrong {
		return &wrong{info: func(i plugin.BackendInfo) plugin.BackendInfo {
			i.Ops = maps.Clone(i.Ops)
			change(&i)
			return i
		}}
	}
}

// singles are wrong in the lowest bit of one element of one case: that is
// enough to be found.
func singles() (l []*Mutant) {
	units, err := cases.Units()
	if err != nil {
		return nil
	}
	for i := 0; i < len(units); i += max(len(units)/40, 1) {
		u := units[i]
		if !u.Required() {
			continue
		}
		number := (7*i + 3) % (profile.PerCell * len(u.Cells()))
		c, err := u.Case(1, number)
		// Not a NaN, whose bits do not count, and not an empty result.
		for err == nil && !visible(c) {
			number++
			c, err = u.Case(1, number)
		}
		if err != nil {
			continue
		}
		text := c.Text()
		args := fmt.Sprint(c.Args)
		l = append(l, &Mutant{Kind: "backend", Class: "one element of one case", Op: u.Op.Name, Name: c.Name, Only: "^ops/" + u.Name() + "/",
			units: backendUnits(func(int) *wrong {
				return &wrong{op: u.Op.Name, execute: func(p *wrongProgram, in []plugin.Argument) ([]plugin.Buffer, error) {
					out, err := p.run(in)
					if err != nil || (&ir.Program{Funcs: []*ir.Func{p.f}}).String() != text {
						return out, err
					}
					var got [][]byte
					for _, a := range in {
						got = append(got, a.Data)
					}
					if fmt.Sprint(got) == args {
						bump(out)
					}
					return out, err
				}}
			})})
	}
	return l
}

// visible reports whether the lowest bit of the first element that a case gives
// counts.
func visible(c *cases.Case) bool {
	want, err := backend.Expect(c)
	if err != nil || c.Classes {
		return false
	}
	for i, w := range want {
		if len(w) > 0 {
			got := slices.Clone(w)
			got[0] ^= 1
			cases.Canonical(c.Func.Types()[c.Func.Results[i].Value].DType, got)
			return !slices.Equal(got, w)
		}
	}
	return false
}
