package train

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/core/device"
	"github.com/seedbed/seedbed/core/schedule"
	"github.com/seedbed/seedbed/core/step"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// fakeDevice computes nothing: each run takes a time and gives its number. It
// holds its caller to the rules of device.Device.
type fakeDevice struct {
	t       *testing.T
	runTime time.Duration
	// failRun is the number of the run that fails, failQueue that of the one
	// that cannot be queued; -1 for none. hang is the first that never ends.
	failRun, failQueue, hang int
	failCompile              string // the name of the function that does not compile

	mu       sync.Mutex
	programs int      // compiled and not released
	first    *ir.Func // of the first values
	queued   []string // names of functions
	ended    int
	most     int // of runs queued and not ended at the same time
	alive    int // buffers
	last     chan struct{}
	running  sync.WaitGroup
	failure  error
}

var errFake = errors.New("the fake failed")

func newFakeDevice(t *testing.T) *fakeDevice {
	last := make(chan struct{})
	close(last)
	d := &fakeDevice{t: t, runTime: 10 * time.Millisecond, failRun: -1, failQueue: -1, hang: -1, last: last}
	t.Cleanup(d.running.Wait)
	return d
}

type fakeBuffer struct {
	d    *fakeDevice
	typ  ir.Type
	run  *fakeRun // that makes it
	gone bool
}

func (d *fakeDevice) buffer(t ir.Type, run *fakeRun) *fakeBuffer {
	d.alive++
	return &fakeBuffer{d: d, typ: t, run: run}
}

func (b *fakeBuffer) Type() ir.Type { return b.typ }
func (b *fakeBuffer) Release() {
	b.d.mu.Lock()
	defer b.d.mu.Unlock()
	assert.False(b.d.t, b.gone, "release of a buffer that is gone")
	b.gone = true
	b.d.alive--
}
func (b *fakeBuffer) Download(ctx context.Context, dst []byte) error {
	assert.False(b.d.t, b.gone, "download of a buffer that is gone")
	clear(dst)
	if b.run == nil {
		return nil
	}
	_, err := b.run.Wait(ctx)
	return err
}

func (d *fakeDevice) Info() plugin.BackendInfo {
	ops := map[string]int{}
	for _, o := range ir.OpDefs() {
		ops[o.Name] = o.Version
	}
	return plugin.BackendInfo{Info: plugin.Info{Name: "fake"}, Ops: ops}
}

func (d *fakeDevice) Upload(_ context.Context, t ir.Type, data []byte) (plugin.Buffer, error) {
	assert.Len(d.t, data, t.Bytes())
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.buffer(t, nil), nil
}

func (d *fakeDevice) Profile(context.Context, bool) (plugin.Profile, error) {
	return plugin.Profile{}, nil
}
func (d *fakeDevice) Stats(context.Context) (plugin.Stats, error) { return plugin.Stats{}, nil }
func (d *fakeDevice) Close() error                                { return nil }

func (d *fakeDevice) Compile(_ context.Context, f *ir.Func, host []string) (device.Program, error) {
	if f.Name == d.failCompile {
		return nil, errFake
	}
	d.programs++
	if f.Name == firstValues {
		d.first = f
	}
	return &fakeProgram{d, f, host}, nil
}

type fakeProgram struct {
	d    *fakeDevice
	f    *ir.Func
	host []string
}

func (p *fakeProgram) Memory() plugin.Memory {
	return map[string]plugin.Memory{
		"grain": {Results: 1000, Scratch: 300}, "next": {Results: 1, Scratch: 200},
		"combine": {Results: 2, Scratch: 100}, "update": {Results: 3, Scratch: 400},
	}[p.f.Name]
}
func (p *fakeProgram) Release() { p.d.programs-- }

type fakeRun struct {
	results []plugin.Buffer
	ended   chan struct{}
	host    [][]byte
	err     error
}

func (r *fakeRun) Results() []plugin.Buffer { return r.results }
func (r *fakeRun) Wait(ctx context.Context) ([][]byte, error) {
	select {
	case <-r.ended:
		return r.host, r.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// hostValues are what the fake gives as results of an update.
var hostValues = map[string]float32{step.GradNorm: 3, step.SumPrefix + step.Loss: 6, step.SumPrefix + step.Weight: 4, step.SumPrefix + "hits": 5}

func (p *fakeProgram) Queue(ctx context.Context, args []plugin.Argument) (device.Run, error) {
	d := p.d
	d.mu.Lock()
	defer d.mu.Unlock()
	assert.Len(d.t, args, len(p.f.Params))
	type data struct{ given, was []byte }
	var reads []data
	for i, a := range args {
		switch b, ok := a.Buffer.(*fakeBuffer); {
		case ok:
			assert.False(d.t, b.gone, "func %s: %q is gone", p.f.Name, p.f.Params[i].Name)
			assert.True(d.t, b.typ.Equal(p.f.Params[i].Type), "func %s: %q", p.f.Name, p.f.Params[i].Name)
			if a.Donate && !b.gone {
				b.gone = true
				d.alive--
			}
		default:
			assert.Nil(d.t, a.Buffer)
			assert.Len(d.t, a.Data, p.f.Params[i].Type.Bytes(), "func %s: %q", p.f.Name, p.f.Params[i].Name)
			reads = append(reads, data{a.Data, bytes.Clone(a.Data)})
		}
	}
	types := p.f.Types()
	if p.f.Name == firstValues { // at once, and it does not count
		r := &fakeRun{ended: make(chan struct{})}
		close(r.ended)
		for _, x := range p.f.Results {
			r.results = append(r.results, d.buffer(types[x.Value], nil))
		}
		return r, nil
	}
	n := len(d.queued)
	d.queued = append(d.queued, p.f.Name)
	if n == d.failQueue {
		return nil, fmt.Errorf("queue: %w", errFake)
	}
	if d.failure != nil {
		return nil, fmt.Errorf("an earlier run has failed: %w", d.failure)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	d.most = max(d.most, n+1-d.ended)
	r := &fakeRun{ended: make(chan struct{})}
	for _, x := range p.f.Results {
		if !slices.Contains(p.host, x.Name) {
			r.results = append(r.results, d.buffer(types[x.Value], r))
			continue
		}
		r.results = append(r.results, nil)
		v, ok := hostValues[x.Name]
		assert.True(d.t, ok, x.Name)
		r.host = append(r.host, binary.LittleEndian.AppendUint32(nil, math.Float32bits(v)))
	}
	before := d.last
	d.last = r.ended
	if d.hang >= 0 && n >= d.hang {
		return r, nil
	}
	d.running.Go(func() {
		<-before
		time.Sleep(d.runTime)
		d.mu.Lock()
		defer d.mu.Unlock()
		d.ended++
		for _, x := range reads {
			assert.Equal(d.t, x.was, x.given, "the bytes of an argument changed before its run ended")
		}
		if n == d.failRun {
			d.failure = errFake
		}
		if d.failure != nil {
			r.err = fmt.Errorf("run: %w", d.failure)
		}
		close(r.ended)
	})
	return r, nil
}

// fakeRows are rows of one number, their index.
type fakeRows struct {
	n    int64
	fail func(rows []int64) error
}

func (r fakeRows) Schema() *arrow.Schema {
	return arrow.NewSchema([]arrow.Field{{Name: "n", Type: arrow.PrimitiveTypes.Int64}}, nil)
}
func (r fakeRows) Len() int64          { return r.n }
func (r fakeRows) Fingerprint() string { return "fake" }
func (r fakeRows) Close() error        { return nil }
func (r fakeRows) Read(_ context.Context, rows []int64) (arrow.Record, error) {
	if r.fail != nil {
		if err := r.fail(rows); err != nil {
			return nil, err
		}
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, r.Schema())
	defer b.Release()
	b.Field(0).(*array.Int64Builder).AppendValues(rows, nil)
	return b.NewRecord(), nil
}

// fakeBinding makes x [2] of two rows, and notes where it was asked to.
type fakeBinding struct {
	loss *ir.Func
	took time.Duration
	fail func(at plugin.Position) error

	mu         sync.Mutex
	at         []plugin.Position
	rows       map[plugin.Position][]int64
	busy, most int // Transforms at the same time
}

func (b *fakeBinding) Loss() *ir.Func    { return b.loss }
func (b *fakeBinding) Batch() []ir.Param { return []ir.Param{{Name: "x", Type: ir.T(ir.F32, 2)}} }
func (b *fakeBinding) Transform(ctx context.Context, rows arrow.Record, at plugin.Position, fields [][]byte) error {
	b.mu.Lock()
	b.at = append(b.at, at)
	b.rows[at] = slices.Clone(rows.Column(0).(*array.Int64).Int64Values())
	b.busy++
	b.most = max(b.most, b.busy)
	b.mu.Unlock()
	defer func() {
		b.mu.Lock()
		b.busy--
		b.mu.Unlock()
	}()
	if b.took > 0 {
		select {
		case <-time.After(b.took):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if b.fail != nil {
		if err := b.fail(at); err != nil {
			return err
		}
	}
	binary.LittleEndian.PutUint64(fields[0], at.Step<<32|at.Grain)
	return nil
}

func (b *fakeBinding) made() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.at)
}

// fakeConfig is a run of 3 grains a step on the device.
func fakeConfig(t *testing.T, d device.Device) (Config, *fakeBinding) {
	b := ir.NewBuilder("forward")
	w := b.Param("w", ir.T(ir.F32, 2))
	x := b.Param("x", ir.T(ir.F32, 2))
	state := b.Param(step.State, ir.T(ir.U32, 4))
	b.Return("y", b.Dropout(b.Mul(w, x), state, 0.5))
	forward, err := b.Func()
	require.NoError(t, err)
	m := &plugin.Module{Forward: forward, Parameters: []plugin.Parameter{{Name: "w", Type: ir.T(ir.F32, 2), Init: plugin.Init{Kind: plugin.InitOnes}}}}
	b = ir.NewBuilder("loss")
	y := b.Param("y", ir.T(ir.F32, 2))
	b.Return("hits", b.ReduceSum(y, 0))
	b.Return(step.Loss, b.ReduceDot(y, y, 0))
	b.Return(step.Weight, b.Full(ir.T(ir.F32), 2))
	loss, err := b.Func()
	require.NoError(t, err)
	binding := &fakeBinding{loss: loss, rows: map[plugin.Position][]int64{}}
	return Config{
		Module: m, Binding: binding, Rows: fakeRows{n: 100},
		Optimizer: step.Optimizer{Name: "adamw", Beta1: 0.9, Beta2: 0.99, Epsilon: 1e-8},
		Schedule:  schedule.Schedule{Name: "linear", Peak: 1, Steps: 10},
		Seed:      5, GrainRows: 2, Grains: 3, Device: d,
	}, binding
}

// countFields counts the batches that there is memory for.
func countFields(n *int) NewFields {
	return func(fields []ir.Param) ([][]byte, func()) {
		*n++
		x, _ := heapFields(fields)
		return x, func() { *n-- }
	}
}
