package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

// errInterrupted ends a command that was interrupted and has said so.
var errInterrupted = errors.New("interrupted")

// signals follows Ctrl-C and SIGTERM. The first ends the context, unless the
// command asked for it with gracefully; then the second does, and what is not
// over within endTime is left as it is. One more ends the process where it
// stands.
type signals struct {
	c      chan os.Signal
	cancel context.CancelFunc

	mu    sync.Mutex
	stop  chan struct{} // closed by the first signal; nil if not asked for
	text  string        // told then
	count int
}

// endTime is how long a command that was interrupted a second time may wait for
// plugins that are busy. They end with this process; checkpoints appear whole
// or not at all.
const endTime = time.Second

type signalsKey struct{}

func interruptible() (context.Context, *signals) {
	s := &signals{c: make(chan os.Signal, 4)}
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	signal.Notify(s.c, os.Interrupt, syscall.SIGTERM)
	go func() {
		for range s.c {
			s.receive()
		}
	}()
	return context.WithValue(ctx, signalsKey{}, s), s
}

func (s *signals) receive() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count++
	switch {
	case s.stop != nil && s.count == 1:
		fmt.Fprintln(os.Stderr, s.text)
		close(s.stop)
	case s.count == 1:
		s.cancel()
	case s.stop != nil && s.count == 2:
		s.cancel()
		time.AfterFunc(endTime, func() { os.Exit(exitInterrupted) })
	default:
		os.Exit(exitInterrupted)
	}
}

func (s *signals) interrupted() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count > 0
}

func (s *signals) close() {
	signal.Stop(s.c)
	close(s.c)
	s.cancel()
}

// gracefully returns a channel that the first signal closes, after it has told
// the user text. In a context of another origin nothing closes it.
func gracefully(ctx context.Context, text string) <-chan struct{} {
	s, ok := ctx.Value(signalsKey{}).(*signals)
	if !ok {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stop == nil {
		s.stop, s.text = make(chan struct{}), text
	}
	return s.stop
}
