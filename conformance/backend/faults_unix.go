//go:build unix

package backend

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/seedbed/seedbed/conformance/cases"
	"github.com/seedbed/seedbed/conformance/suite"
	"github.com/seedbed/seedbed/core/device"
	"github.com/seedbed/seedbed/core/plugins"
)

// faults are what can befall a plugin's process at any time, and the error that
// the host must give for it.
var faults = []struct {
	name   string
	signal syscall.Signal
	want   error
}{
	{"killed", syscall.SIGKILL, plugins.ErrDied},
	{"segmentation fault", syscall.SIGSEGV, plugins.ErrDied},
	{"aborted", syscall.SIGABRT, plugins.ErrDied},
	{"illegal instruction", syscall.SIGILL, plugins.ErrDied},
	{"stopped", syscall.SIGSTOP, plugins.ErrHung},
}

// moment is when it befalls it: run returns the error of the next call.
type moment struct {
	name string
	run  func(ctx context.Context, d device.Device, c *cases.Case, strike func()) error
}

var moments = []moment{idle, withProgram, withBuffer, queueing, afterRun}

var (
	idle = moment{"idle", func(ctx context.Context, d device.Device, c *cases.Case, strike func()) error {
		strike()
		_, err := once(ctx, d, d.Info(), c)
		return err
	}}
	withProgram = moment{"with a program", func(ctx context.Context, d device.Device, c *cases.Case, strike func()) error {
		p, err := compile(ctx, d, d.Info(), c.Func)
		if err != nil {
			return err
		}
		strike()
		_, err = p.run(ctx, hostArguments(c))
		return err
	}}
	withBuffer = moment{"with a buffer", func(ctx context.Context, d device.Device, c *cases.Case, strike func()) error {
		b, err := d.Upload(ctx, c.Func.Params[0].Type, c.Args[0])
		if err != nil {
			return err
		}
		strike()
		return b.Download(ctx, make([]byte, len(c.Args[0])))
	}}
	queueing = moment{"between queueing and waiting", func(ctx context.Context, d device.Device, c *cases.Case, strike func()) error {
		p, err := compile(ctx, d, d.Info(), c.Func)
		if err != nil {
			return err
		}
		// Enough runs that not all have ended when it strikes.
		var runs []device.Run
		for i := range 200 {
			if i == 100 {
				strike()
			}
			r, err := p.Queue(ctx, hostArguments(c))
			if err != nil {
				return err
			}
			runs = append(runs, r)
		}
		for _, r := range runs {
			if _, err := r.Wait(ctx); err != nil {
				return err
			}
		}
		return nil
	}}
	afterRun = moment{"after a run", func(ctx context.Context, d device.Device, c *cases.Case, strike func()) error {
		if _, err := once(ctx, d, d.Info(), c); err != nil {
			return err
		}
		strike()
		_, err := d.Upload(ctx, c.Func.Params[0].Type, c.Args[0])
		return err
	}}
)

// addFaults adds the faults of a plugin's process: after each, the host says
// rightly what happened, and the next process computes as if nothing had been.
// Profiles with training have those of starting too, and those with more of it,
// which have time to wait, those of the connection and of memory.
func (s *Suites) addFaults(spec plugins.Spec, training int) {
	if training > 0 {
		s.addStartFaults(spec)
	}
	if training > 1 {
		s.addWireFaults(spec)
		s.addMemoryFaults(spec)
	}
	for _, f := range faults {
		n := len(moments)
		name := func(i int) string { return "faults/" + f.name + "/" + moments[i].name }
		s.add(suite.Unit{Suite: "faults", Name: f.name}, n, name, func(ctx context.Context, session *session, i int) ([]byte, error) {
			p, err := plugins.Start(ctx, spec, plugins.Options{CallTimeout: 2 * time.Second})
			if err != nil {
				return nil, err
			}
			c := soundCase()
			err = moments[i].run(ctx, p.Device(), c, func() {
				_ = syscall.Kill(p.PID(), f.signal) // what follows shows whether it came
				time.Sleep(20 * time.Millisecond)
			})
			if closed := p.Close(); closed != nil {
				return nil, fmt.Errorf("closing: %w", closed)
			}
			var e *plugins.Error
			switch {
			case err == nil:
				return nil, errors.New("no call gives an error")
			case !errors.Is(err, f.want) || !errors.As(err, &e):
				return nil, fmt.Errorf("the error is not a *plugins.Error that says %q: %w", f.want.Error(), err)
			case syscall.Kill(p.PID(), 0) == nil:
				return nil, errors.New("the process is still there")
			}
			return nil, session.hold(ctx, c)
		})
	}
}
