package pool

import (
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

// ErrClosed is returned by For after Close.
var ErrClosed = errors.New("pool: closed")

const (
	// How long a worker without work looks for more before it sleeps, and how long the caller watches for the last
	// workers to finish before it does. Waking a sleeping thread takes 5 to 50 microseconds.
	workerSpin = 30 * time.Microsecond
	callerSpin = 100 * time.Microsecond

	maxWorkers = 1 << 12
)

// Pool is a fixed set of workers. Loops of several goroutines run one after another. A body must not start a loop on its own pool.
type Pool struct {
	mu      sync.Mutex // held while a loop runs
	workers []*worker  // without the caller
	stopped sync.WaitGroup

	// The loop. Written before state opens it, unchanged until the last worker has left.
	body func(worker, i int)
	n    int64

	_     [64]byte // next and state are written by all
	next  atomic.Int64
	_     [56]byte
	state atomic.Uint64 // see the constants below
	_     [56]byte

	drained chan struct{} // the last worker to leave tells a sleeping caller
	failure atomic.Pointer[PanicError]
	closed  bool
}

// state holds the number of workers inside the loop, two flags, and the loop's number.
const (
	countMask = 1<<16 - 1
	open      = 1 << 16 // workers may enter
	waiting   = 1 << 17 // the caller sleeps until the count falls to zero
	quit      = 1 << 18
	oneLoop   = 1 << 19
)

type worker struct {
	index  int
	asleep atomic.Bool
	wake   chan struct{}
}

// PanicError is what For returns when a body panicked.
type PanicError struct {
	Index int    // the index that was running
	Value any    // of the panic
	Stack []byte // where
}

func (e *PanicError) Error() string {
	return fmt.Sprintf("pool: index %d of a parallel loop panicked: %v\n%s", e.Index, e.Value, e.Stack)
}

// Unwrap returns the panic's value if it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// New starts a pool of n workers, 1 <= n <= 4096, of which the caller of For is worker 0. Close ends them.
func New(n int) (*Pool, error) {
	if n < 1 || n > maxWorkers {
		return nil, fmt.Errorf("pool: %d workers; use 1 to %d", n, maxWorkers)
	}
	p := &Pool{drained: make(chan struct{}, 1)}
	for i := 1; i < n; i++ {
		w := &worker{index: i, wake: make(chan struct{}, 1)}
		p.workers = append(p.workers, w)
		p.stopped.Add(1)
		go p.run(w)
	}
	return p, nil
}

// Workers returns the number of workers, the caller among them.
func (p *Pool) Workers() int { return len(p.workers) + 1 }

// For calls body(worker, i) once for each i in [0, n) and returns when all calls have. worker, in [0, Workers()), is not used
// by two calls at once. If a body panics, indices not yet begun are dropped and the first panic is returned as a *PanicError.
func (p *Pool) For(n int, body func(worker, i int)) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return ErrClosed
	}
	if n <= 0 {
		return nil
	}
	p.body, p.n = body, int64(n)
	p.failure.Store(nil)
	p.next.Store(0)
	helpers := min(len(p.workers), n-1)
	if helpers > 0 {
		p.state.Add(oneLoop | open)
		for _, w := range p.workers[:helpers] {
			w.rouse()
		}
	}
	p.drain(0)
	if helpers > 0 {
		p.close()
	}
	p.body = nil
	if err := p.failure.Load(); err != nil {
		return err
	}
	return nil
}

// close lets no more workers in and waits until those inside have left.
func (p *Pool) close() {
	s := p.state.Add(^uint64(open - 1)) // minus open
	if s&countMask == 0 {
		return
	}
	for t := (spinner{limit: callerSpin}); t.again(); {
		if p.state.Load()&countMask == 0 {
			return
		}
	}
	for {
		s = p.state.Load()
		if s&countMask == 0 {
			return
		}
		if p.state.CompareAndSwap(s, s|waiting) {
			<-p.drained
			p.state.Add(^uint64(waiting - 1))
			return
		}
	}
}

// Close waits for a running loop and ends the workers. It may be called more than once.
func (p *Pool) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	p.closed = true
	p.state.Add(quit)
	for _, w := range p.workers {
		w.rouse()
	}
	p.stopped.Wait()
}

// run is a worker's life.
func (p *Pool) run(w *worker) {
	defer p.stopped.Done()
	var last uint64 // the loop it was in
	for {
		s := p.await(w, last)
		if s&quit != 0 {
			return
		}
		if !p.state.CompareAndSwap(s, s+1) {
			continue
		}
		last = s / oneLoop
		p.drain(w.index)
		if s := p.state.Add(^uint64(0)); s&waiting != 0 && s&countMask == 0 {
			p.drained <- struct{}{}
		}
	}
}

// await returns the state when there is a loop that w has not been in, or the pool quits.
func (p *Pool) await(w *worker, last uint64) uint64 {
	due := func() (uint64, bool) {
		s := p.state.Load()
		return s, s&quit != 0 || s&open != 0 && s/oneLoop != last
	}
	for {
		for t := (spinner{limit: workerSpin}); t.again(); {
			if s, ok := due(); ok {
				return s
			}
		}
		w.asleep.Store(true)
		if s, ok := due(); ok {
			if !w.asleep.CompareAndSwap(true, false) {
				<-w.wake // someone has seen it asleep and sends
			}
			return s
		}
		<-w.wake
	}
}

func (w *worker) rouse() {
	if w.asleep.CompareAndSwap(true, false) {
		w.wake <- struct{}{}
	}
}

// drain takes indices until there are none left.
func (p *Pool) drain(worker int) {
	i := int64(-1)
	defer func() {
		if v := recover(); v != nil {
			p.failure.CompareAndSwap(nil, &PanicError{Index: int(i), Value: v, Stack: debug.Stack()})
			p.next.Store(p.n)
		}
	}()
	for {
		if i = p.next.Add(1) - 1; i >= p.n {
			return
		}
		p.body(worker, int(i))
	}
}

// spinner bounds a wait in time and lets other goroutines run meanwhile.
type spinner struct {
	limit time.Duration
	began time.Time
	n     int
}

func (s *spinner) again() bool {
	if s.n++; s.n%32 != 0 {
		return true
	}
	if s.began.IsZero() {
		s.began = time.Now()
	} else if time.Since(s.began) > s.limit {
		return false
	}
	runtime.Gosched()
	return true
}
