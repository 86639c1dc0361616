package conformance

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/core/device"
	"github.com/stretchr/testify/require"
)

// queueDevice runs a backend on a goroutine of its own, as one in another
// process does: Queue returns before the run has begun. It holds a caller to
// the rules of device.Device: what is donated is not used again.
type queueDevice struct {
	device.Device
	t    *testing.T
	jobs chan func()
	done sync.WaitGroup
}

func newQueueDevice(t *testing.T, b plugin.Backend) *queueDevice {
	d := &queueDevice{Device: device.Local(b), t: t, jobs: make(chan func(), 1024)}
	d.done.Go(func() {
		for job := range d.jobs {
			job()
		}
	})
	t.Cleanup(func() {
		close(d.jobs)
		d.done.Wait()
	})
	return d
}

// queueBuffer is a tensor that will exist when made is closed.
type queueBuffer struct {
	d    *queueDevice
	typ  ir.Type
	made chan struct{}
	b    plugin.Buffer
	err  error
	gone bool // for the caller
}

func (b *queueBuffer) Type() ir.Type { return b.typ }
func (b *queueBuffer) Download(ctx context.Context, dst []byte) error {
	require.False(b.d.t, b.gone, "download of a buffer that was given away")
	<-b.made
	if b.err != nil {
		return b.err
	}
	return b.b.Download(ctx, dst)
}
func (b *queueBuffer) Release() { b.gone = true }

func (d *queueDevice) Upload(ctx context.Context, t ir.Type, data []byte) (plugin.Buffer, error) {
	x, err := d.Device.Upload(ctx, t, data)
	made := make(chan struct{})
	close(made)
	return &queueBuffer{d: d, typ: t, made: made, b: x}, err
}

func (d *queueDevice) Compile(ctx context.Context, f *ir.Func, host []string) (device.Program, error) {
	p, err := d.Device.Compile(ctx, f, host)
	return &queueProgram{Program: p, d: d, f: f, host: host}, err
}

type queueProgram struct {
	device.Program
	d    *queueDevice
	f    *ir.Func
	host []string
}

type queueRun struct {
	results []plugin.Buffer
	ended   chan struct{}
	host    [][]byte
	err     error
}

func (r *queueRun) Results() []plugin.Buffer { return r.results }
func (r *queueRun) Wait(ctx context.Context) ([][]byte, error) {
	select {
	case <-r.ended:
		return r.host, r.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *queueProgram) Queue(_ context.Context, args []plugin.Argument) (device.Run, error) {
	r := &queueRun{ended: make(chan struct{})}
	types := p.f.Types()
	var results []*queueBuffer
	for _, x := range p.f.Results {
		b := &queueBuffer{d: p.d, typ: types[x.Value], made: r.ended}
		results = append(results, b)
		if slices.Contains(p.host, x.Name) {
			r.results = append(r.results, nil)
		} else {
			r.results = append(r.results, b)
		}
	}
	given := make([]plugin.Argument, len(args))
	for i, a := range args {
		given[i] = plugin.Argument{Donate: a.Donate, Data: a.Data}
		if a.Buffer == nil {
			require.NotNil(p.d.t, a.Data, "func %s: nothing for %q", p.f.Name, p.f.Params[i].Name)
			continue
		}
		b := a.Buffer.(*queueBuffer)
		require.False(p.d.t, b.gone, "func %s: %q was given away", p.f.Name, p.f.Params[i].Name)
		b.gone = a.Donate
	}
	p.d.jobs <- func() {
		defer close(r.ended)
		for i, a := range args {
			if a.Buffer != nil {
				b := a.Buffer.(*queueBuffer)
				if b.err != nil {
					r.err = fmt.Errorf("an earlier run failed: %w", b.err)
				}
				given[i].Buffer = b.b
			}
		}
		var run device.Run
		if r.err == nil {
			run, r.err = p.Program.Queue(context.Background(), given)
		}
		if r.err != nil {
			for _, b := range results {
				b.err = r.err
			}
			return
		}
		for i, b := range run.Results() {
			results[i].b = b
		}
		r.host, r.err = run.Wait(context.Background())
	}
	return r, nil
}
