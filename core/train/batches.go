package train

import (
	"context"
	"fmt"
	"sync"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/datasets"
)

// source says what batches are made of.
type source struct {
	binding plugin.Binding
	rows    datasets.Dataset
	// grain returns where the n-th grain is and its rows; no rows after the
	// last grain.
	grain     func(n uint64) (at plugin.Position, rows []int64)
	newFields NewFields
}

// NewFields returns a buffer of Type.Bytes() bytes for each field of a batch,
// and what gives them back.
type NewFields func(fields []ir.Param) (buffers [][]byte, release func())

func heapFields(fields []ir.Param) ([][]byte, func()) {
	buffers := make([][]byte, len(fields))
	for i, f := range fields {
		buffers[i] = make([]byte, f.Type.Bytes())
	}
	return buffers, func() {}
}

// batch is the batch of one grain.
type batch struct {
	at      plugin.Position
	fields  [][]byte
	release func()
	made    chan error // gets one value when the fields are filled
}

// batches makes batches, several at the same time and some ahead of their use,
// and gives them out in order.
type batches struct {
	source
	credits chan struct{} // one for each batch that may be made ahead
	free    chan *batch
	ready   chan *batch // in order, made or being made
	cancel  context.CancelFunc
	making  sync.WaitGroup
}

// newBatches begins with grain number first. At most ahead batches are made
// or being made at a time, while held are in use.
func newBatches(ctx context.Context, s source, first uint64, ahead, held int) *batches {
	ctx, cancel := context.WithCancel(ctx)
	b := &batches{
		source:  s,
		credits: make(chan struct{}, ahead),
		free:    make(chan *batch, ahead+held),
		ready:   make(chan *batch, ahead),
		cancel:  cancel,
	}
	for range ahead {
		b.credits <- struct{}{}
	}
	for range ahead + held {
		fields, release := s.newFields(s.binding.Batch())
		b.free <- &batch{fields: fields, release: release}
	}
	b.making.Go(func() { b.run(ctx, first) })
	return b
}

func (b *batches) run(ctx context.Context, n uint64) {
	defer close(b.ready)
	for ; ; n++ {
		at, rows := b.grain(n)
		if len(rows) == 0 {
			return
		}
		select {
		case <-b.credits:
		case <-ctx.Done():
			return
		}
		var x *batch
		select {
		case x = <-b.free:
		case <-ctx.Done():
			return
		}
		x.at, x.made = at, make(chan error, 1)
		b.making.Go(func() { x.made <- b.fill(ctx, x, rows) })
		b.ready <- x // has room: there are as many credits
	}
}

func (b *batches) fill(ctx context.Context, x *batch, rows []int64) error {
	record, err := b.rows.Read(ctx, rows)
	if err != nil {
		return fmt.Errorf("reading rows: %w", err)
	}
	defer record.Release()
	if err := b.binding.Transform(ctx, record, x.at, x.fields); err != nil {
		return fmt.Errorf("objective: %w", err)
	}
	return nil
}

// next returns the batch of the grain that follows, to be given back when
// nothing reads it any more; nil after the last.
func (b *batches) next(ctx context.Context) (*batch, error) {
	var x *batch
	select {
	case x = <-b.ready:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if x == nil {
		return nil, nil
	}
	select {
	case err := <-x.made:
		b.credits <- struct{}{}
		return x, err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (b *batches) giveBack(x *batch) { b.free <- x }

// close ends the making. Batches that were not given back may still be read by
// the device and keep their fields.
func (b *batches) close() {
	b.cancel()
	b.making.Wait()
	for x := range b.ready {
		x.release()
	}
	for {
		select {
		case x := <-b.free:
			x.release()
		default:
			return
		}
	}
}
