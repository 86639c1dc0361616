package backend

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/conformance/suite"
	"github.com/seedbed/seedbed/core/device"
	"github.com/seedbed/seedbed/core/patience"
	"github.com/seedbed/seedbed/core/plugins"
)

// Target is a backend to be tested.
type Target struct {
	// Open starts the backend with a number of threads, 0 for its own choice.
	// Several may be open at once.
	Open func(ctx context.Context, threads int) (device.Device, error)
	// process is what starts it, where it is a process.
	process *plugins.Spec
}

// InProcess makes a target of a backend in this process. A backend that has no
// threads ignores their number.
func InProcess(open func(threads int) (plugin.Backend, error)) Target {
	return Target{Open: func(_ context.Context, threads int) (device.Device, error) {
		b, err := open(threads)
		if err != nil {
			return nil, err
		}
		return device.Local(b), nil
	}}
}

// caseTime is how long one run of a small program may take.
const caseTime = 60 * time.Second

// session is an open target that is opened again after an error, since a
// device is then good for nothing else. It is for one goroutine.
type session struct {
	target  Target
	threads int
	device  device.Device
	info    plugin.BackendInfo
}

// sessions hands out sessions to workers.
type sessions struct {
	target Target
	mu     sync.Mutex
	free   map[int][]*session
}

func newSessions(t Target) *sessions { return &sessions{target: t, free: map[int][]*session{}} }

func (p *sessions) get(threads int) *session {
	p.mu.Lock()
	defer p.mu.Unlock()
	if l := p.free[threads]; len(l) > 0 {
		p.free[threads] = l[:len(l)-1]
		return l[len(l)-1]
	}
	return &session{target: p.target, threads: threads}
}

func (p *sessions) put(s *session) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.free[s.threads] = append(p.free[s.threads], s)
}

// close closes every session that was put back.
func (p *sessions) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var errs []error
	for _, l := range p.free {
		for _, s := range l {
			errs = append(errs, s.close())
		}
	}
	p.free = map[int][]*session{}
	return errors.Join(errs...)
}

func (s *session) close() error {
	if s.device == nil {
		return nil
	}
	d := s.device
	s.device = nil
	return suite.Guard(func() error { return d.Close() })
}

// do runs f on the device within caseTime, of which the second half does not
// count what this process and the backend's wait for a processor. The device is
// closed after an error, and left behind if it hangs.
func (s *session) do(ctx context.Context, f func(ctx context.Context, d device.Device, info plugin.BackendInfo) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var process atomic.Int64 // the backend's, if it has one and is open
	tell := func(d device.Device) {
		if p, ok := d.(*processDevice); ok {
			process.Store(int64(p.process.PID()))
		}
	}
	tell(s.device)
	limit := patience.AfterFunc(caseTime, func() []int { return []int{int(process.Load())} }, func() {
		cancel(fmt.Errorf("it took more than %v", caseTime))
	})
	defer limit.Stop()
	type outcome struct {
		device device.Device
		info   plugin.BackendInfo
		err    error
	}
	o := outcome{device: s.device, info: s.info}
	done := make(chan outcome, 1)
	go func() {
		o.err = suite.Guard(func() (err error) {
			if o.device == nil {
				if o.device, err = s.target.Open(ctx, s.threads); err != nil {
					o.device = nil
					return fmt.Errorf("it does not start: %w", err)
				}
				tell(o.device)
				o.info = o.device.Info()
			}
			return f(ctx, o.device, o.info)
		})
		done <- o
	}()
	select {
	case o := <-done:
		s.device, s.info = o.device, o.info
		if o.err != nil && !errors.Is(o.err, errUnclaimed) {
			_ = s.close() // its own error is the one to tell
		}
		return o.err
	case <-ctx.Done():
		s.device = nil // a hanging device is left behind
		return fmt.Errorf("no answer: %w", context.Cause(ctx))
	}
}

// run compiles f, lowered to what the backend claims, runs it once and returns
// the bytes of its results.
func (s *session) run(ctx context.Context, f *ir.Func, args [][]byte) (results [][]byte, err error) {
	err = s.do(ctx, func(ctx context.Context, d device.Device, info plugin.BackendInfo) error {
		p, err := compile(ctx, d, info, f)
		if err != nil {
			return err
		}
		defer p.Release()
		in := make([]plugin.Argument, len(args))
		for i, a := range args {
			in[i].Data = a
		}
		results, err = p.run(ctx, in)
		return err
	})
	return results, err
}

// program is a compiled function.
type program struct {
	device.Program
	types []ir.Type // of the results
	host  []int     // by result: its place among the host's, or -1
}

// errUnclaimed is the error of a case that is not even sent to the backend.
var errUnclaimed = errors.New("the backend does not claim what the case needs")

func compile(ctx context.Context, d device.Device, info plugin.BackendInfo, f *ir.Func) (*program, error) {
	lowered, err := device.Lower(f, info)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errUnclaimed, err)
	}
	p := &program{}
	var host []string
	types := lowered.Types()
	for _, r := range lowered.Results {
		t := types[r.Value]
		at := -1
		if t.Bytes() <= device.MaxHostBytes {
			at = len(host)
			host = append(host, r.Name)
		}
		p.types, p.host = append(p.types, t), append(p.host, at)
	}
	if p.Program, err = d.Compile(ctx, lowered, host); err != nil {
		return nil, fmt.Errorf("compiling: %w", err)
	}
	return p, nil
}

// run queues one run and returns the bytes of every result.
func (p *program) run(ctx context.Context, in []plugin.Argument) ([][]byte, error) {
	run, err := p.Queue(ctx, in)
	if err != nil {
		return nil, fmt.Errorf("running: %w", err)
	}
	host, err := run.Wait(ctx)
	if err != nil {
		return nil, fmt.Errorf("running: %w", err)
	}
	buffers := run.Results()
	if len(buffers) != len(p.types) {
		return nil, fmt.Errorf("the run gives %d results of %d", len(buffers), len(p.types))
	}
	out := make([][]byte, len(p.types))
	for i, t := range p.types {
		if k := p.host[i]; k >= 0 {
			out[i] = host[k]
			continue
		}
		out[i] = make([]byte, t.Bytes())
		if err := buffers[i].Download(ctx, out[i]); err != nil {
			return nil, fmt.Errorf("downloading result %d: %w", i, err)
		}
		buffers[i].Release()
	}
	for i, t := range p.types {
		if len(out[i]) != t.Bytes() {
			return nil, fmt.Errorf("result %d has %d bytes, %v has %d", i, len(out[i]), t, t.Bytes())
		}
	}
	return out, nil
}
