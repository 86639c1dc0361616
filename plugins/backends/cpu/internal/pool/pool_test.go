package pool

import (
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func newPool(t testing.TB, n int) *Pool {
	p, err := New(n)
	require.NoError(t, err)
	t.Cleanup(p.Close)
	return p
}

func TestEachIndexRunsOnce(t *testing.T) {
	for _, workers := range []int{1, 2, 3, 8, 64} { // more than there are cores, too
		p := newPool(t, workers)
		assert.Equal(t, workers, p.Workers())
		for n := range 200 {
			counts := make([]atomic.Int32, n)
			busy := make([]atomic.Bool, workers)
			err := p.For(n, func(w, i int) {
				assert.True(t, busy[w].CompareAndSwap(false, true), "worker %d is used twice at once", w)
				counts[i].Add(1)
				busy[w].Store(false)
			})
			require.NoError(t, err)
			for i := range counts {
				require.EqualValues(t, 1, counts[i].Load(), "%d workers, index %d of %d", workers, i, n)
			}
		}
	}
}

func TestWorkersTakePart(t *testing.T) {
	const workers = 3
	p := newPool(t, workers)
	for range 10 { // awake and asleep
		var inside sync.WaitGroup
		inside.Add(workers)
		require.NoError(t, p.For(workers, func(_, _ int) { // ends only if all are inside at once
			inside.Done()
			inside.Wait()
		}))
		time.Sleep(2 * workerSpin)
	}
}

func TestCallerWaitsForSleepyWorkers(t *testing.T) {
	p := newPool(t, 2)
	var finished atomic.Int32
	for n := range 20 {
		require.NoError(t, p.For(2, func(w, _ int) {
			if w != 0 {
				time.Sleep(3 * callerSpin)
			}
			finished.Add(1)
		}))
		require.EqualValues(t, 2*(n+1), finished.Load())
	}
}

func TestManyLoopsOnBusyCores(t *testing.T) {
	var stop atomic.Bool
	var hogs sync.WaitGroup
	for range 2 * runtime.GOMAXPROCS(0) {
		hogs.Go(func() {
			for !stop.Load() {
			}
		})
	}
	p := newPool(t, 4)
	var sum atomic.Int64
	for range 50 {
		require.NoError(t, p.For(10, func(_, i int) { sum.Add(int64(i)) }))
	}
	stop.Store(true)
	hogs.Wait()
	assert.EqualValues(t, 50*45, sum.Load())
}

func TestLoopsOfSeveralGoroutinesQueue(t *testing.T) {
	p := newPool(t, 3)
	var callers sync.WaitGroup
	var sum atomic.Int64
	for range 4 {
		callers.Go(func() {
			for range 100 {
				assert.NoError(t, p.For(5, func(_, i int) { sum.Add(int64(i)) }))
			}
		})
	}
	callers.Wait()
	assert.EqualValues(t, 4*100*10, sum.Load())
}

func TestPanicIsAnError(t *testing.T) {
	cause := errors.New("cause")
	for _, workers := range []int{1, 3} {
		p := newPool(t, workers)
		err := p.For(100, func(_, i int) {
			if i == 7 {
				panic(cause)
			}
		})
		var e *PanicError
		require.ErrorAs(t, err, &e)
		assert.Equal(t, 7, e.Index)
		assert.ErrorIs(t, err, cause)
		assert.Contains(t, err.Error(), "TestPanicIsAnError")
		require.NoError(t, p.For(100, func(_, _ int) {}), "the pool still works")
	}
}

func TestClose(t *testing.T) {
	before := runtime.NumGoroutine()
	p, err := New(5)
	require.NoError(t, err)
	require.NoError(t, p.For(5, func(_, _ int) {}))
	time.Sleep(2 * workerSpin)
	p.Close()
	p.Close()
	assert.ErrorIs(t, p.For(1, func(_, _ int) {}), ErrClosed)
	for range 1000 { // a goroutine is gone a moment after it is done
		if runtime.NumGoroutine() > before {
			time.Sleep(time.Millisecond)
		}
	}
	assert.LessOrEqual(t, runtime.NumGoroutine(), before)
}

func TestNewRefuses(t *testing.T) {
	for _, n := range []int{-1, 0, maxWorkers + 1} {
		_, err := New(n)
		assert.ErrorContains(t, err, "workers; use 1 to 4096")
	}
}

func TestForDoesNotAllocate(t *testing.T) {
	p := newPool(t, 2)
	body := func(_, _ int) {}
	assert.Zero(t, testing.AllocsPerRun(1000, func() { _ = p.For(4, body) }))
}

func BenchmarkFor(b *testing.B) {
	p := newPool(b, runtime.GOMAXPROCS(0))
	body := func(_, _ int) {}
	for b.Loop() {
		_ = p.For(p.Workers(), body)
	}
}
