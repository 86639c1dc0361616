package train

import (
	"context"
	"fmt"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/datasets"
)

// grainBatch is the batch of one grain, or the error of making it.
type grainBatch struct {
	at     plugin.Position
	fields [][]byte
	err    error
}

// batches makes the batches of a run in order, some ahead of their use.
type batches struct {
	c      *Config
	order  datasets.Order
	ready  chan grainBatch
	free   chan [][]byte
	cancel context.CancelFunc
}

// newBatches begins with the first grain of a step.
func newBatches(ctx context.Context, c *Config, step uint64) *batches {
	ctx, cancel := context.WithCancel(ctx)
	b := &batches{
		c:      c,
		order:  datasets.Order{Seed: c.Seed, Len: c.Rows.Len(), Shuffle: true},
		ready:  make(chan grainBatch, c.Prefetch),
		free:   make(chan [][]byte, c.Prefetch+2),
		cancel: cancel,
	}
	// One is being made and one used while Prefetch wait.
	for range cap(b.free) {
		b.free <- newFields(c.Binding.Batch())
	}
	go b.run(ctx, step)
	return b
}

func newFields(params []ir.Param) [][]byte {
	fields := make([][]byte, len(params))
	for i, p := range params {
		fields[i] = make([]byte, p.Type.Bytes())
	}
	return fields
}

func (b *batches) run(ctx context.Context, step uint64) {
	defer close(b.ready)
	for ; ; step++ {
		for grain := range b.c.Grains {
			var x grainBatch
			select {
			case x.fields = <-b.free:
			case <-ctx.Done():
				return
			}
			x.at = plugin.Position{Seed: b.c.Seed, Step: step, Grain: uint64(grain)}
			x.err = b.fill(ctx, x)
			select {
			case b.ready <- x:
			case <-ctx.Done():
				return
			}
			if x.err != nil {
				return
			}
		}
	}
}

// fill makes the batch at a position: sample number step * batch + grain *
// rows + i of the run is its i-th row.
func (b *batches) fill(ctx context.Context, x grainBatch) error {
	first := (int64(x.at.Step)*int64(b.c.Grains) + int64(x.at.Grain)) * int64(b.c.GrainRows)
	rows := make([]int64, b.c.GrainRows)
	for i := range rows {
		_, rows[i] = b.order.At(first + int64(i))
	}
	record, err := b.c.Rows.Read(ctx, rows)
	if err != nil {
		return fmt.Errorf("step %d: reading rows: %w", x.at.Step, err)
	}
	defer record.Release()
	if err := b.c.Binding.Transform(ctx, record, x.at, x.fields); err != nil {
		return fmt.Errorf("step %d, grain %d: objective: %w", x.at.Step, x.at.Grain, err)
	}
	return nil
}

// next returns the batch of the grain that follows, to be given back.
func (b *batches) next(ctx context.Context, want plugin.Position) (grainBatch, error) {
	select {
	case x, ok := <-b.ready:
		switch {
		case !ok:
			return x, fmt.Errorf("step %d: no more batches are made after an earlier error", want.Step)
		case x.err != nil:
			return x, x.err
		case x.at != want:
			return x, fmt.Errorf("step %d, grain %d: the batch at hand is of step %d, grain %d", want.Step, want.Grain, x.at.Step, x.at.Grain)
		}
		return x, nil
	case <-ctx.Done():
		return grainBatch{}, ctx.Err()
	}
}

func (b *batches) giveBack(x grainBatch) { b.free <- x.fields }

func (b *batches) close() {
	b.cancel()
	for range b.ready { // until run has ended
	}
}
