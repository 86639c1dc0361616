package backend

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/abi/wire"
	"github.com/seedbed/seedbed/conformance/cases"
	"github.com/seedbed/seedbed/core/device"
)

// refuse checks that an invalid program is refused with the right error
// wherever a program crosses a border: by the verifier and on the wire.
func refuse(v *cases.Invalid) error {
	err := v.Func.Verify()
	if err == nil {
		return fmt.Errorf("the verifier takes it\n%s", v.Func)
	}
	var at *ir.Error
	switch {
	case !errors.As(err, &at):
		return fmt.Errorf("the error is a %T, not an *ir.Error: %w", err, err)
	case at.Op != v.Op:
		return fmt.Errorf("the error names op %d, not %d: %w\n%s", at.Op, v.Op, err, v.Func)
	case !strings.Contains(at.Msg, v.Says):
		return fmt.Errorf("the error does not say %q: %w\n%s", v.Says, err, v.Func)
	}
	m, err := wire.ToProto(&ir.Program{Funcs: []*ir.Func{v.Func}})
	if err == nil {
		if _, err = wire.FromProto(m); err == nil {
			return fmt.Errorf("it crosses the wire\n%s", v.Func)
		}
	}
	return nil
}

// sound is a program that every backend runs; misuse is tried on it.
func sound() *ir.Func {
	b := ir.NewBuilder("sound")
	x, y := b.Param("x", ir.T(ir.F32, 5)), b.Param("y", ir.T(ir.F32, 5))
	b.Return("sum", b.Add(x, y))
	b.Return("product", b.Mul(x, y))
	f, _ := b.Func() // it is valid as it stands
	return f
}

// soundCase is a case of it.
func soundCase() *cases.Case {
	c := &cases.Case{Name: "sound", Func: sound(), Args: [][]byte{make([]byte, 20), make([]byte, 20)}}
	c.Args[0][3], c.Args[1][7] = 0x40, 0x40
	return c
}

// misuses are wrong calls that must give an error, no crash.
var misuses = []struct {
	name string
	call func(ctx context.Context, d device.Device, p *program) error
}{
	{"no arguments", func(ctx context.Context, _ device.Device, p *program) error { return p.call(ctx) }},
	{"an argument too few", func(ctx context.Context, _ device.Device, p *program) error { return p.call(ctx, make([]byte, 20)) }},
	{"an argument too many", func(ctx context.Context, _ device.Device, p *program) error {
		return p.call(ctx, make([]byte, 20), make([]byte, 20), make([]byte, 20))
	}},
	{"bytes too few", func(ctx context.Context, _ device.Device, p *program) error {
		return p.call(ctx, make([]byte, 20), make([]byte, 16))
	}},
	{"bytes too many", func(ctx context.Context, _ device.Device, p *program) error {
		return p.call(ctx, make([]byte, 20), make([]byte, 24))
	}},
	{"no bytes", func(ctx context.Context, _ device.Device, p *program) error {
		return p.call(ctx, make([]byte, 20), nil)
	}},
	{"a buffer of another shape", func(ctx context.Context, d device.Device, p *program) error {
		return p.withBuffer(ctx, d, ir.T(ir.F32, 4))
	}},
	{"a buffer of another rank", func(ctx context.Context, d device.Device, p *program) error {
		return p.withBuffer(ctx, d, ir.T(ir.F32, 5, 1))
	}},
	{"a buffer of another dtype", func(ctx context.Context, d device.Device, p *program) error {
		return p.withBuffer(ctx, d, ir.T(ir.I32, 5))
	}},
	{"upload of bytes too few", func(ctx context.Context, d device.Device, _ *program) error {
		_, err := d.Upload(ctx, ir.T(ir.F32, 5), make([]byte, 19))
		return err
	}},
	{"upload of bytes too many", func(ctx context.Context, d device.Device, _ *program) error {
		_, err := d.Upload(ctx, ir.T(ir.F32, 5), make([]byte, 21))
		return err
	}},
	{"upload of no dtype", func(ctx context.Context, d device.Device, _ *program) error {
		_, err := d.Upload(ctx, ir.Type{DType: 200, Shape: []int{1}}, make([]byte, 1))
		return err
	}},
	{"upload of a negative size", func(ctx context.Context, d device.Device, _ *program) error {
		_, err := d.Upload(ctx, ir.T(ir.F32, -1), nil)
		return err
	}},
	{"upload of an absurd size", func(ctx context.Context, d device.Device, _ *program) error {
		_, err := d.Upload(ctx, ir.T(ir.F32, 1<<30, 1<<30, 1<<30), nil)
		return err
	}},
	{"download to too little room", func(ctx context.Context, d device.Device, _ *program) error {
		b, err := d.Upload(ctx, ir.T(ir.F32, 5), make([]byte, 20))
		if err != nil {
			return nil // which is what is reported: the good call failed
		}
		return b.Download(ctx, make([]byte, 19))
	}},
	{"download of a released buffer", func(ctx context.Context, d device.Device, _ *program) error {
		b, err := d.Upload(ctx, ir.T(ir.F32, 5), make([]byte, 20))
		if err != nil {
			return nil
		}
		b.Release()
		return b.Download(ctx, make([]byte, 20))
	}},
	{"a released argument", func(ctx context.Context, d device.Device, p *program) error {
		b, err := d.Upload(ctx, ir.T(ir.F32, 5), make([]byte, 20))
		if err != nil {
			return nil
		}
		b.Release()
		_, err = p.run(ctx, []plugin.Argument{{Buffer: b}, {Data: make([]byte, 20)}})
		return err
	}},
	{"a donated argument once more", func(ctx context.Context, d device.Device, p *program) error {
		b, err := d.Upload(ctx, ir.T(ir.F32, 5), make([]byte, 20))
		if err != nil {
			return nil
		}
		if _, err := p.run(ctx, []plugin.Argument{{Buffer: b, Donate: true}, {Data: make([]byte, 20)}}); err != nil {
			return nil
		}
		_, err = p.run(ctx, []plugin.Argument{{Buffer: b}, {Data: make([]byte, 20)}})
		return err
	}},
	{"a cancelled context", func(ctx context.Context, _ device.Device, p *program) error {
		ctx, cancel := context.WithCancel(ctx)
		cancel()
		return p.call(ctx, make([]byte, 20), make([]byte, 20))
	}},
}

// call runs the program on host bytes.
func (p *program) call(ctx context.Context, args ...[]byte) error {
	in := make([]plugin.Argument, len(args))
	for i, a := range args {
		in[i].Data = a
	}
	_, err := p.run(ctx, in)
	return err
}

// withBuffer runs the program with a buffer of type t as its first argument.
func (p *program) withBuffer(ctx context.Context, d device.Device, t ir.Type) error {
	b, err := d.Upload(ctx, t, make([]byte, t.Bytes()))
	if err != nil {
		return nil
	}
	_, err = p.run(ctx, []plugin.Argument{{Buffer: b}, {Data: make([]byte, 20)}})
	return err
}

// misused checks that a wrong call gives an error and that a device opened
// after it computes as if nothing had been.
func (s *session) misused(ctx context.Context, call func(ctx context.Context, d device.Device, p *program) error) error {
	f := sound()
	refused := errors.New("refused")
	err := s.do(ctx, func(ctx context.Context, d device.Device, info plugin.BackendInfo) error {
		p, err := compile(ctx, d, info, f)
		if err != nil {
			return err
		}
		if err := call(ctx, d, p); err == nil {
			return errors.New("it gives no error")
		}
		return refused
	})
	if !errors.Is(err, refused) {
		return err
	}
	return s.hold(ctx, soundCase())
}
