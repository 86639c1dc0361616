package main

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/core/device"
	"github.com/seedbed/seedbed/plugins/backends/cpu"
)

// programTime is what runs of one program took, and what the machine can do.
type programTime struct {
	median, best float64 // seconds of a run
	peakFLOPS    float64 // of all threads
	peakBytes    float64 // a second, read and written; 0 if it was not measured
}

// timeProgram runs a function on the cpu backend, with normal numbers for its parameters. memory tells whether its speed is measured.
func timeProgram(ctx context.Context, f *ir.Func, threads int, memory bool) (*programTime, error) {
	backend, err := cpu.New(cpu.Options{Threads: threads})
	if err != nil {
		return nil, err
	}
	defer backend.Close()
	if f, err = device.Lower(f, backend.Info()); err != nil {
		return nil, err
	}
	e, err := backend.Compile(ctx, f)
	if err != nil {
		return nil, err
	}
	var args []plugin.Argument
	for _, p := range f.Params {
		x, err := backend.Upload(ctx, p.Type, normal(p.Type))
		if err != nil {
			return nil, err
		}
		args = append(args, plugin.Argument{Buffer: x})
	}
	run := func() error {
		out, err := e.Execute(ctx, args)
		for _, x := range out {
			x.Release()
		}
		return err
	}
	// Runs until both enough of them and enough time for the clock and the caches to settle.
	const runs, atLeast = 5, 300 * time.Millisecond
	var times []float64
	for start := time.Now(); len(times) < runs || time.Since(start) < atLeast; {
		began := time.Now()
		if err := run(); err != nil {
			return nil, err
		}
		times = append(times, time.Since(began).Seconds())
	}
	stats, err := backend.Stats(ctx)
	if err != nil {
		return nil, err
	}
	t := &programTime{median: median(times), best: slices.Min(times), peakFLOPS: stats.PeakFLOPS}
	if !memory {
		return t, nil
	}
	if _, err = backend.Profile(ctx, true); err != nil {
		return nil, err
	}
	if err := run(); err != nil {
		return nil, err
	}
	p, err := backend.Profile(ctx, false)
	t.peakBytes = p.PeakBytes
	return t, err
}

// normal returns a tensor of normal numbers.
func normal(t ir.Type) []byte {
	r := rand.New(rand.NewPCG(1, 1))
	b := make([]byte, 0, t.Bytes())
	for range t.Elements() {
		v := math.Float32bits(float32(r.NormFloat64()))
		b = append(b, byte(v), byte(v>>8), byte(v>>16), byte(v>>24))
	}
	return b
}
