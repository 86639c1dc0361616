package patience

import (
	"os"
	"sync"
	"time"
)

// Most is how many times its limit a Timer waits at the very most.
const Most = 10

// Timer calls a function at the end of a time limit, of which the second half
// does not count what the processes that are waited for have themselves waited
// for a processor: a machine with too much to do makes nothing fail, up to Most
// times the limit. A process that hangs waits for none, and one that computes
// without end has some of the time. Where the operating system does not tell
// (all but Linux), all time counts.
type Timer struct {
	limit     time.Duration
	processes func() []int
	end       func()
	waits     func(processes []int) map[int]time.Duration

	mu    sync.Mutex
	timer *time.Timer
	due   time.Time // of timer; zero while stopped
	begun time.Time
	// In the second half:
	left time.Duration         // until the end
	at   time.Time             // when it was counted last; zero in the first half
	seen map[int]time.Duration // what was waited then
}

// New makes a Timer that is stopped. processes returns the numbers of those
// that are waited for beside this one, which passes on what they do.
func New(limit time.Duration, processes func() []int, end func()) *Timer {
	return &Timer{limit: limit, processes: processes, end: end, waits: waits}
}

// AfterFunc makes a Timer that runs.
func AfterFunc(limit time.Duration, processes func() []int, end func()) *Timer {
	t := New(limit, processes, end)
	t.Reset()
	return t
}

// Reset lets the limit begin anew.
func (t *Timer) Reset() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.begun, t.at, t.left = time.Now(), time.Time{}, t.limit-t.limit/2
	t.arm(t.begun, t.limit/2)
}

// Stop ends the waiting. A function that has begun goes on.
func (t *Timer) Stop() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.due = time.Time{}
	if t.timer != nil {
		t.timer.Stop()
	}
}

func (t *Timer) arm(now time.Time, d time.Duration) {
	t.due = now.Add(d)
	if t.timer == nil {
		t.timer = time.AfterFunc(d, t.fire)
	} else {
		t.timer.Reset(d)
	}
}

// fire counts, and goes on waiting or calls the function.
func (t *Timer) fire() {
	t.mu.Lock()
	now := time.Now()
	if t.due.IsZero() || now.Before(t.due) { // stopped or begun anew just now
		t.mu.Unlock()
		return
	}
	waits := t.waits(append(t.processes(), os.Getpid()))
	if !t.at.IsZero() {
		round := now.Sub(t.at)
		t.left -= round - min(longest(t.seen, waits), round)
	}
	if t.left > t.limit/100 && now.Sub(t.begun) < Most*t.limit {
		t.seen, t.at = waits, now
		t.arm(now, t.left)
		t.mu.Unlock()
		return
	}
	t.due = time.Time{}
	t.mu.Unlock()
	t.end()
}

// longest returns how much the one that waited most has waited since.
func longest(before, after map[int]time.Duration) (d time.Duration) {
	for who, waited := range after {
		d = max(d, waited-before[who])
	}
	return d
}
