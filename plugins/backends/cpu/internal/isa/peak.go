package isa

import (
	"runtime"
	"sync"
	"time"
)

const (
	peakSlices = 10
	peakSlice  = 2 * time.Millisecond
)

// Peak measures the peak of float32 fused multiply-adds in GFLOP/s (an fma counts 2) of that many cores running at once, in about 20 ms.
// It is the hardware's peak with the vectors of p; for Portable, whose kernels cannot come near it, the peak of the machine's
// widest path, so that shares of the peak can be compared. Where there is no assembly it is that of independent scalar chains in Go.
func Peak(p Path, threads int) float64 {
	if p == Portable {
		for _, q := range Paths() {
			if q.Supported() {
				p = q
			}
		}
	}
	best := make([]float64, max(threads, 1))
	var start, done sync.WaitGroup
	start.Add(len(best))
	for i := range best {
		done.Add(1)
		go func() {
			defer done.Done()
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			rounds := calibrate(p)
			start.Done()
			start.Wait()
			for range peakSlices {
				// The best slice is the one that was interrupted least.
				best[i] = max(best[i], rate(p, rounds))
			}
		}()
	}
	done.Wait()
	sum := 0.0
	for _, r := range best {
		sum += r
	}
	return sum
}

// calibrate returns the rounds that take about one slice.
func calibrate(p Path) int {
	const probe = 10000
	rate(p, probe) // wakes the vector units
	return max(1, int(rate(p, probe)*float64(peakSlice.Nanoseconds())/float64(flopsPerRound(p))))
}

// rate returns GFLOP/s over that many rounds.
func rate(p Path, rounds int) float64 {
	t := time.Now()
	fmaRounds(p, rounds)
	return float64(rounds) * float64(flopsPerRound(p)) / float64(max(time.Since(t).Nanoseconds(), 1))
}

// scalarRounds is the loop for machines without assembly: 8 chains, each a multiplication and an addition a round.
//
//go:noinline
func scalarRounds(rounds int, a, b float32) (sum float32) {
	var x0, x1, x2, x3, x4, x5, x6, x7 float32
	for range rounds {
		x0, x1, x2, x3 = x0*a+b, x1*a+b, x2*a+b, x3*a+b
		x4, x5, x6, x7 = x4*a+b, x5*a+b, x6*a+b, x7*a+b
	}
	return x0 + x1 + x2 + x3 + x4 + x5 + x6 + x7
}
