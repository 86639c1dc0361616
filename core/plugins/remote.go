package plugins

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"

	abiv1 "github.com/seedbed/seedbed/abi/v1"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/abi/wire"
	"github.com/seedbed/seedbed/core/device"
	"github.com/seedbed/seedbed/core/patience"
)

// remote is a backend in a process of its own. The caller of Queue waits for
// nothing: a goroutine sends runs, another receives what came of them, and a
// third releases what runs that have not ended may still use.
type remote struct {
	p      *Plugin
	client abiv1.BackendClient

	mu          sync.Mutex
	idle        *sync.Cond // something came to rest
	buffers     map[uint64]bool
	executables map[uint64]bool
	queued      []*run // not sent yet
	sent        []*run // without an answer yet
	asked       uint64 // runs ever queued
	ended       uint64 // runs that have ended
	garbage     []garbage
	err         error // nothing runs after it
	closed      bool

	stream    abiv1.Backend_ExecuteClient // nil until the first run
	cancel    context.CancelFunc
	overtime  *patience.Timer // of the run that runs
	sending   bool
	releasing bool
}

// garbage is what is released once that many runs have ended.
type garbage struct {
	number     uint64
	executable bool
	after      uint64
}

var _ device.Device = (*remote)(nil)

var errDeviceClosed = errors.New("the device is closed")

func newRemote(p *Plugin) *remote {
	d := &remote{p: p, client: abiv1.NewBackendClient(p.conn), buffers: map[uint64]bool{}, executables: map[uint64]bool{}}
	d.idle = sync.NewCond(&d.mu)
	d.overtime = patience.New(p.timeout, p.process.waitedFor, func() { p.overtime("Execute") })
	return d
}

func (d *remote) Info() plugin.BackendInfo {
	i := d.p.info
	i.Info, i.DTypes, i.Ops = d.p.Info(), slices.Clone(i.DTypes), maps.Clone(i.Ops)
	return i
}

func (d *remote) Stats(ctx context.Context) (plugin.Stats, error) {
	var m *abiv1.StatsResponse
	err := d.p.call(ctx, "Stats", func(ctx context.Context) (err error) {
		m, err = d.client.Stats(ctx, &abiv1.StatsRequest{})
		return err
	})
	if err != nil {
		return plugin.Stats{}, err
	}
	if len(m.Device) > wire.MaxShortDocLen || !(m.PeakFlopsPerS >= 0 && m.PeakFlopsPerS < 1e30) {
		return plugin.Stats{}, d.broken("Stats", fmt.Errorf("a device of %d bytes, a peak of %v", len(m.Device), m.PeakFlopsPerS))
	}
	return plugin.Stats{
		Device: m.Device, Workers: int(m.Workers), PeakFLOPS: m.PeakFlopsPerS,
		BufferBytes: int64(m.BufferBytes), Buffers: int(m.Buffers), Executables: int(m.Executables),
		PeakBytes: int64(m.PeakBytes), FreeBytes: int64(m.FreeBytes), Runs: int64(m.Runs), RunNanos: int64(m.RunNs),
	}, nil
}

// broken is the error of an answer that breaks the rules.
func (d *remote) broken(call string, err error) error {
	return fmt.Errorf("plugin %s: %s breaks the ABI: %w", d.p.info.Name, call, err)
}

// number gives out a number; used is the map of what it is for.
func (d *remote) number(used map[uint64]bool) uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := d.p.numbers.Add(1)
	used[n] = true
	return n
}

// maxMemory bounds what an executable can take, so that sums of a few are still
// sums: no machine has as much.
const maxMemory = 1 << 60

func (d *remote) Compile(ctx context.Context, f *ir.Func, host []string) (device.Program, error) {
	results, err := device.HostResults(f, host)
	if err != nil {
		return nil, err
	}
	program := &ir.Program{Funcs: []*ir.Func{f}}
	m, err := wire.ToProto(program)
	if err != nil {
		return nil, err
	}
	x := &remoteProgram{d: d, number: d.number(d.executables), name: f.Name, params: f.Params, host: results}
	types := f.Types()
	for _, r := range f.Results {
		x.results = append(x.results, types[r.Value])
	}
	var out *abiv1.CompileResponse
	err = d.p.call(ctx, "Compile", func(ctx context.Context) (err error) {
		out, err = d.client.Compile(ctx, &abiv1.CompileRequest{Executable: x.number, Program: m, Profile: abiv1.Profile_PROFILE_EXACT})
		return err
	})
	if err != nil {
		d.mu.Lock()
		delete(d.executables, x.number)
		d.mu.Unlock()
		if of := said(""); errors.As(err, &of) {
			err = fmt.Errorf("plugin %s: Compile: %w", d.p.info.Name, err)
		}
		return nil, err
	}
	x.memory = plugin.Memory{Results: int64(out.ResultBytes), Scratch: int64(out.ScratchBytes)}
	if got, want := fmt.Sprintf("%x", out.ProgramSha256), program.Hash(); got != want {
		err = fmt.Errorf("it compiled program %s, not %s", clip(got, 64), want)
	} else if max(out.ResultBytes, out.ScratchBytes) > maxMemory {
		err = fmt.Errorf("an executable takes %d bytes, more than 2^60", max(out.ResultBytes, out.ScratchBytes))
	}
	if err != nil {
		x.Release()
		return nil, d.broken("Compile", err)
	}
	return x, nil
}

// Close waits for what is queued and releases everything. After an error of a
// run the backend's process is to be closed as well: what it holds is not known
// then.
func (d *remote) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil
	}
	d.closed = true
	for d.err == nil && d.asked > d.ended {
		d.idle.Wait()
	}
	for d.err == nil {
		for n := range d.buffers {
			d.garbage = append(d.garbage, garbage{number: n})
		}
		for n := range d.executables {
			d.garbage = append(d.garbage, garbage{number: n, executable: true})
		}
		clear(d.buffers)
		clear(d.executables)
		if len(d.garbage) == 0 && !d.releasing {
			break
		}
		d.collect()
		d.idle.Wait()
	}
	err := d.err
	if err == nil {
		d.err = errDeviceClosed
	}
	if d.cancel != nil {
		d.cancel()
	}
	return err
}

// queue hands a run to the sender. It is called with the lock held.
func (d *remote) queue(r *run) error {
	if d.stream == nil {
		ctx, cancel := context.WithCancel(context.Background())
		stream, err := d.client.Execute(ctx)
		if err != nil {
			cancel()
			return err
		}
		d.stream, d.cancel = stream, cancel
		go d.receive()
	}
	r.m.Sequence = d.asked
	d.asked++
	d.queued = append(d.queued, r)
	if len(d.queued)+len(d.sent) == 1 {
		d.clock()
	}
	if !d.sending {
		d.sending = true
		go d.send()
	}
	return nil
}

// clock gives the run that runs its time, with the lock held.
func (d *remote) clock() {
	d.overtime.Stop()
	if d.asked > d.ended && d.err == nil && d.p.timeout > 0 {
		d.overtime.Reset()
	}
}

// send sends runs until none is queued.
func (d *remote) send() {
	for {
		d.mu.Lock()
		batch := d.queued
		d.queued = nil
		d.sent = append(d.sent, batch...)
		if len(batch) == 0 || d.err != nil {
			d.sending = false
			d.mu.Unlock()
			return
		}
		d.mu.Unlock()
		for _, r := range batch {
			// At the end of the stream receive says why.
			if err := d.stream.Send(r.m); err != nil && !errors.Is(err, io.EOF) {
				d.fail(d.p.explain(context.Background(), "Execute", err))
				d.cancel()
			}
		}
	}
}

// receive takes the answers until the stream ends.
func (d *remote) receive() {
	for {
		m, err := d.stream.Recv()
		if err == nil {
			err = d.answer(m)
		} else {
			if errors.Is(err, io.EOF) {
				err = errCut
			}
			err = d.p.explain(context.Background(), "Execute", err)
		}
		if err != nil {
			d.fail(err)
			d.cancel()
			return
		}
	}
}

// answer ends the run that an answer is for.
func (d *remote) answer(m *abiv1.ExecuteResponse) error {
	d.mu.Lock()
	if len(d.sent) == 0 {
		d.mu.Unlock()
		return d.broken("Execute", fmt.Errorf("an answer to request %d, which was not made", m.Sequence))
	}
	r := d.sent[0]
	if err := r.check(m); err != nil {
		d.mu.Unlock()
		return d.broken("Execute", err)
	}
	d.sent = d.sent[1:]
	d.ended++
	d.clock()
	d.collect()
	d.idle.Broadcast()
	d.mu.Unlock()
	r.end(m.InlineResults, nil)
	return nil
}

// fail ends all runs: the first with the error, the others with what it means
// for them. The first failure counts.
func (d *remote) fail(err error) {
	d.mu.Lock()
	if d.err != nil {
		d.mu.Unlock()
		return
	}
	d.err = fmt.Errorf("nothing runs on the device after an earlier error: %w", err)
	runs := append(d.sent, d.queued...)
	d.sent, d.queued = nil, nil
	d.overtime.Stop()
	d.idle.Broadcast()
	d.mu.Unlock()
	for i, r := range runs {
		if i == 0 {
			r.end(nil, err)
		} else {
			r.end(nil, d.err)
		}
	}
}

// discard releases a buffer or an executable when its turn comes, with the
// lock held.
func (d *remote) discard(g garbage) {
	if d.err != nil {
		return
	}
	if g.executable {
		delete(d.executables, g.number)
	} else {
		delete(d.buffers, g.number)
	}
	d.garbage = append(d.garbage, g)
	d.collect()
}

// collect starts to release what is not in use, with the lock held.
func (d *remote) collect() {
	if !d.releasing && d.err == nil && slices.ContainsFunc(d.garbage, d.due) {
		d.releasing = true
		go d.release()
	}
}

func (d *remote) due(g garbage) bool { return g.after <= d.ended }

// release releases until nothing is due. What comes up while a request is
// under way goes with the next.
func (d *remote) release() {
	for {
		d.mu.Lock()
		m := &abiv1.ReleaseRequest{}
		d.garbage = slices.DeleteFunc(d.garbage, func(g garbage) bool {
			if !d.due(g) || len(m.Buffers)+len(m.Executables) == wire.MaxRelease {
				return false
			}
			if g.executable {
				m.Executables = append(m.Executables, g.number)
			} else {
				m.Buffers = append(m.Buffers, g.number)
			}
			return true
		})
		if len(m.Buffers)+len(m.Executables) == 0 || d.err != nil {
			d.releasing = false
			d.idle.Broadcast()
			d.mu.Unlock()
			return
		}
		d.mu.Unlock()
		err := d.p.call(context.Background(), "Release", func(ctx context.Context) error {
			_, err := d.client.Release(ctx, m)
			return err
		})
		if err != nil {
			d.fail(fmt.Errorf("releasing buffers: %w", err))
		}
	}
}
