package patience

import (
	"os"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
)

// ends returns when the end of a limit of 10 s comes, where thread 1 has waited
// for a processor as long as told of the time since the beginning.
func ends(waited func(since time.Duration) time.Duration) time.Duration {
	begin := time.Now()
	done := make(chan time.Duration)
	t := New(10*time.Second, func() []int { return []int{7} }, func() { done <- time.Since(begin) })
	t.waits = func(processes []int) map[int]time.Duration {
		return map[int]time.Duration{1: time.Hour + waited(time.Since(begin)), 2: time.Minute}
	}
	t.Reset()
	return <-done
}

func TestWhenItEnds(t *testing.T) {
	share := func(percent float64) func(time.Duration) time.Duration {
		return func(since time.Duration) time.Duration {
			return time.Duration(since.Seconds() * percent / 100 * float64(time.Second))
		}
	}
	for name, c := range map[string]struct {
		waited      func(since time.Duration) time.Duration
		least, most time.Duration
	}{
		"nothing waited": {share(0), 10 * time.Second, 10 * time.Second},
		// The second half takes until 5 s of it were not waited.
		"half waited": {share(50), 14 * time.Second, 15 * time.Second},
		"most waited": {share(90), 50 * time.Second, 55 * time.Second},
		"all waited":  {share(100), 100 * time.Second, 105 * time.Second},
		"waited at first alone": {func(since time.Duration) time.Duration {
			return min(since, 20*time.Second)
		}, 25 * time.Second, 25 * time.Second},
		"waited before the second half": {func(since time.Duration) time.Duration {
			return min(since, 4*time.Second)
		}, 10 * time.Second, 10 * time.Second},
		"more than there was": {share(1000), 100 * time.Second, 105 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				got := ends(c.waited)
				assert.GreaterOrEqual(t, got, c.least)
				assert.LessOrEqual(t, got, c.most)
			})
		})
	}
}

func TestStopAndReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ended atomic.Int32
		timer := New(10*time.Second, func() []int { return nil }, func() { ended.Add(1) })
		timer.waits = func([]int) map[int]time.Duration { return nil }
		timer.Reset()
		for _, wait := range []time.Duration{time.Second, 7 * time.Second, 9 * time.Second} { // in both halves
			time.Sleep(wait)
			synctest.Wait()
			assert.Zero(t, ended.Load())
			timer.Reset()
		}
		time.Sleep(9 * time.Second)
		timer.Stop()
		time.Sleep(time.Minute)
		synctest.Wait()
		assert.Zero(t, ended.Load(), "it was stopped")
		timer.Reset()
		time.Sleep(10 * time.Second)
		synctest.Wait()
		assert.EqualValues(t, 1, ended.Load())
		time.Sleep(time.Minute)
		synctest.Wait()
		assert.EqualValues(t, 1, ended.Load(), "it ends once")
		timer.Stop()
	})
}

// More threads than processors wait; what the system tells grows with it.
func TestWaits(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux tells how long threads wait for a processor")
	}
	processes := []int{os.Getpid()}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4 * runtime.NumCPU()))
	before := waits(processes)
	if len(before) == 0 {
		t.Skip("this kernel keeps no schedstat")
	}
	var stop atomic.Bool
	for range 4 * runtime.NumCPU() {
		go func() {
			runtime.LockOSThread()
			for !stop.Load() {
			}
		}()
	}
	time.Sleep(time.Second)
	after := waits(processes)
	stop.Store(true)
	assert.Greater(t, longest(before, after), 200*time.Millisecond)
}
