package plugins

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	abiv1 "github.com/seedbed/seedbed/abi/v1"

	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/abi/rpc"
	"github.com/seedbed/seedbed/core/patience"
)

// call makes a call that ends with its context and within the time limit; a
// plugin that does not answer is ended.
func (p *Plugin) call(ctx context.Context, name string, f func(ctx context.Context) error) error {
	stop := p.limit(name)
	defer stop()
	return p.explain(ctx, name, f(ctx))
}

// hold makes a call during which the plugin may touch a slot. It is not given
// up while the plugin might: when its context ends, the plugin has settleTime
// to finish and is ended otherwise.
func (p *Plugin) hold(ctx context.Context, name string, f func(ctx context.Context) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	inLimit := p.limit(name)
	defer inLimit()
	inner, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	stop := context.AfterFunc(ctx, func() {
		select {
		case <-time.After(settleTime):
			p.condemn(ErrHung, fmt.Sprintf("%s was given up and did not end within %v", name, settleTime))
		case <-inner.Done():
		}
	})
	defer stop()
	return p.explain(ctx, name, f(inner))
}

// limit ends the plugin unless the function returned is called in time.
func (p *Plugin) limit(name string) (stop func()) {
	if p.timeout < 0 {
		return func() {}
	}
	return patience.AfterFunc(p.timeout, p.process.waitedFor, func() { p.overtime(name) }).Stop
}

func (p *Plugin) overtime(name string) {
	p.condemn(ErrHung, fmt.Sprintf("%s took more than %v, and the plugin was ended; raise the time limit (host pretrain --call-timeout) if it may", name, p.timeout))
}

// said is what a plugin says is wrong with what it was asked for. Who asked says
// which plugin.
type said string

func (s said) Error() string { return string(s) }

// explain turns what a call returned into what the caller should know.
func (p *Plugin) explain(ctx context.Context, name string, err error) error {
	if err == nil {
		return nil
	}
	var answer *rpc.AnswerError
	if errors.As(err, &answer) {
		return fmt.Errorf("plugin %s: %s: %w", p.info.Name, name, err)
	}
	s, ok := status.FromError(err)
	if !ok && !errors.Is(err, errCut) {
		return err // this side's
	}
	lost := !ok || s.Code() == codes.Unavailable
	if p.verdict.Load() != nil && (lost || s.Code() == codes.Canceled) {
		return p.final(name)
	}
	if lost && p.process.waitExit(3*time.Second) {
		return p.final(name)
	}
	if !ok {
		return fmt.Errorf("plugin %s: %w", p.info.Name, err)
	}
	if lost { // nothing says what the process still does, so that it does no more
		p.condemn(ErrLost, fmt.Sprintf("%s, during %s, and the plugin was ended", s.Message(), name))
		return p.final(name)
	}
	switch s.Code() {
	case codes.Canceled, codes.DeadlineExceeded:
		if ctx.Err() != nil {
			return ctx.Err()
		}
	case codes.InvalidArgument:
		for _, d := range s.Details() {
			if c, ok := d.(*abiv1.ConfigError); ok {
				return &plugin.ConfigError{Field: c.Field, Msg: c.Message}
			}
		}
		return said(s.Message())
	case codes.Internal:
		if unreadable(s.Message()) {
			return fmt.Errorf("plugin %s: %s: its answer cannot be read: %s", p.info.Name, name, s.Message())
		}
		return said(s.Message())
	}
	return fmt.Errorf("plugin %s: %s: %v: %s", p.info.Name, name, s.Code(), s.Message())
}

// unreadable reports whether an error was found by this side in what a plugin
// sent, rather than told by it: gRPC gives both the same code.
func unreadable(msg string) bool {
	return msg == io.ErrUnexpectedEOF.Error() || slices.ContainsFunc([]string{"grpc: ", "cardinality violation", "stream terminated by ", "malformed "}, func(s string) bool {
		return strings.HasPrefix(msg, s)
	})
}

// errCut says that a stream ended where an answer was due.
var errCut = errors.New("the plugin ended the stream early")

// final is the error of a process that has ended or is about to.
func (p *Plugin) final(during string) error {
	how, last := p.process.ending()
	e := Error{Plugin: p.info.Name, Err: ErrDied, Msg: how}
	if v := p.verdict.Load(); v != nil {
		e = *v
	} else if during != "" {
		e.Msg += ", during " + during
	}
	if !errors.Is(&e, errClosed) {
		e.Stderr = last
	}
	return &e
}
