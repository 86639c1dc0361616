package cpu

import (
	"context"

	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/plugins/backends/cpu/internal/isa"
)

// counts are what a backend has done.
type counts struct {
	executables int
	runs, nanos int64
	peak        float64 // GFLOP/s, 0 until it is measured
}

var _ plugin.StatsReporter = (*Backend)(nil)

// Stats says what the backend holds. The first call measures the peak, which takes about 20 ms of all workers.
func (b *Backend) Stats(ctx context.Context) (plugin.Stats, error) {
	if err := ctx.Err(); err != nil {
		return plugin.Stats{}, err
	}
	workers := b.pool.Workers()
	if b.stats.peak == 0 {
		b.stats.peak = isa.Peak(b.path, workers)
	}
	blocks, live, peak := b.pages.Usage()
	if b.arena != nil {
		blocks, live = blocks-1, live-int64(len(b.arena))
	}
	return plugin.Stats{
		Device:      "cpu " + b.path.String(),
		Workers:     workers,
		PeakFLOPS:   b.stats.peak * 1e9,
		BufferBytes: live,
		Buffers:     blocks,
		Executables: b.stats.executables,
		PeakBytes:   peak,
		FreeBytes:   freeBytes(),
		Runs:        b.stats.runs,
		RunNanos:    b.stats.nanos,
	}, nil
}
