//go:build unix

package backend

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"time"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/conformance/cases"
	"github.com/seedbed/seedbed/conformance/suite"
	"github.com/seedbed/seedbed/core/device"
	"github.com/seedbed/seedbed/core/plugins"
)

// wireFault is what can befall what a plugin says, at some of the moments. want is
// the error, or says a part of its text.
type wireFault struct {
	name    string
	harm    func() harm
	moments []moment
	want    error
	says    string
}

var wires = []wireFault{
	{"cut off", cutOff, []moment{idle, withProgram, withBuffer, queueing, afterRun}, plugins.ErrLost, ""},
	{"stalled", stalled, []moment{idle, withProgram, withBuffer, queueing, afterRun}, plugins.ErrHung, ""},
	{"truncated", message(func(m []byte) []byte { return m[:5+(len(m)-5)/2] }), []moment{idle, withProgram, withBuffer}, nil, ""},
	{"oversized", message(func(m []byte) []byte { binary.BigEndian.PutUint32(m[1:], 1<<31-1); return m }), []moment{idle, withProgram, withBuffer}, nil, "larger than max"},
	{"garbled", message(func(m []byte) []byte { return append(m[:5], strings.Repeat("\xff", len(m)-5)...) }), []moment{idle, withProgram, withBuffer}, nil, "its answer cannot be read"},
	{"lost", message(func([]byte) []byte { return nil }), []moment{idle, queueing}, nil, ""},
	{"said twice", twice, []moment{idle, queueing}, nil, ""},
	{"of another major", stamped(1, 9), []moment{idle, withProgram, withBuffer}, nil, "breaks the ABI: "},
	{"of a newer minor", stamped(2, 99), []moment{idle, withProgram}, nil, "breaks the ABI: "},
	{"out of memory", reset(11), []moment{idle, withProgram, withBuffer, queueing}, nil, "ResourceExhausted"},
	{"given up", reset(2), []moment{withProgram}, nil, ""},
	{"goes away", goesAway, []moment{withProgram}, plugins.ErrLost, ""},
	{"lost credits", lostCredits, []moment{uploading}, plugins.ErrHung, ""},
}

func cutOff() harm  { return func(frame) ([]frame, bool) { return nil, true } }
func stalled() harm { return func(frame) ([]frame, bool) { return nil, false } }

// lostCredits keeps from the host what it may still send.
func lostCredits() harm {
	return func(f frame) ([]frame, bool) {
		if f.kind == creditsFrame {
			return nil, false
		}
		return []frame{f}, false
	}
}

// message changes the first message: a flag, its length in 4 bytes and that many
// bytes.
func message(change func(m []byte) []byte) func() harm {
	return func() harm {
		done := false
		return func(f frame) ([]frame, bool) {
			if f.kind == dataFrame && len(f.payload) > 5 && !done {
				done = true
				if f.payload = change(f.payload); f.payload == nil {
					return nil, false
				}
			}
			return []frame{f}, false
		}
	}
}

// stamped adds a field to every message: the last value counts.
func stamped(field, value byte) func() harm {
	return message(func(m []byte) []byte {
		m = append(m, field<<3, value)
		binary.BigEndian.PutUint32(m[1:], uint32(len(m)-5))
		return m
	})
}

func twice() harm {
	return func(f frame) ([]frame, bool) {
		if f.kind == dataFrame {
			return []frame{f, f}, false
		}
		return []frame{f}, false
	}
}

// reset ends the call with a code of HTTP/2 in the place of its answer.
func reset(code uint32) func() harm {
	return func() harm {
		return func(f frame) ([]frame, bool) {
			if f.kind == dataFrame {
				return []frame{{kind: resetFrame, stream: f.stream, payload: binary.BigEndian.AppendUint32(nil, code)}}, false
			}
			return []frame{f}, false
		}
	}
}

// goesAway says that no call was begun, and ends.
func goesAway() harm {
	return func(frame) ([]frame, bool) { return []frame{{kind: goAwayFrame, payload: make([]byte, 8)}}, true }
}

// addWireFaults adds the faults of the connection.
func (s *Suites) addWireFaults(spec plugins.Spec) {
	for _, w := range wires {
		name := func(i int) string { return "faults/" + w.name + "/" + w.moments[i].name }
		s.add(suite.Unit{Suite: "faults", Name: w.name}, len(w.moments), name, func(ctx context.Context, session *session, i int) ([]byte, error) {
			t, behind, err := newTap(spec)
			if err != nil {
				return nil, err
			}
			fault, err := befall(ctx, behind, w.moments[i], func(*plugins.Plugin) error { t.strike(w.harm()); return nil })
			if err := errors.Join(err, t.close()); err != nil {
				return nil, err
			}
			var e *plugins.Error
			switch {
			case w.want != nil && (!errors.Is(fault, w.want) || !errors.As(fault, &e)):
				return nil, fmt.Errorf("the error is not a *plugins.Error that says %q: %w", w.want.Error(), fault)
			case !strings.Contains(fault.Error(), w.says):
				return nil, fmt.Errorf("the error does not say %q: %w", w.says, fault)
			}
			return nil, session.hold(ctx, soundCase())
		})
	}
}

// befall starts a plugin, brings it to a moment and strikes. It returns the
// error that the host gives then, which names the plugin. The time limit is
// longer than the host waits for the end of a process whose connection is lost.
func befall(ctx context.Context, spec plugins.Spec, m moment, strike func(p *plugins.Plugin) error) (fault, err error) {
	p, err := plugins.Start(ctx, spec, plugins.Options{CallTimeout: 4 * time.Second})
	if err != nil {
		return nil, err
	}
	fault = m.run(ctx, p.Device(), soundCase(), func() { err = strike(p) })
	if err := errors.Join(err, p.Close()); err != nil {
		return fault, err
	}
	switch {
	case fault == nil:
		return nil, errors.New("no call gives an error")
	case !strings.Contains(fault.Error(), p.Info().Name):
		return fault, fmt.Errorf("the error does not name the plugin %s: %w", p.Info().Name, fault)
	case syscall.Kill(p.PID(), 0) == nil:
		return fault, errors.New("the process is still there")
	}
	return fault, nil
}

// uploading is a tensor that needs more credits than a call begins with.
var uploading = moment{"in an upload", func(ctx context.Context, d device.Device, _ *cases.Case, strike func()) error {
	strike()
	t := ir.T(ir.F32, 24<<18)
	b, err := d.Upload(ctx, t, make([]byte, t.Bytes()))
	if err == nil {
		b.Release()
	}
	return err
}}
