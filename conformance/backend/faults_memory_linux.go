package backend

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/conformance/cases"
	"github.com/seedbed/seedbed/conformance/suite"
	"github.com/seedbed/seedbed/core/device"
	"github.com/seedbed/seedbed/core/plugins"
)

// shortages are calls that need more memory than is left.
var shortages = []moment{
	{"in an upload", func(ctx context.Context, d device.Device, _ *cases.Case, strike func()) error {
		strike()
		t := ir.T(ir.F32, 64<<20)
		_, err := d.Upload(ctx, t, make([]byte, t.Bytes()))
		return err
	}},
	{"in a run", func(ctx context.Context, d device.Device, _ *cases.Case, strike func()) error {
		b := ir.NewBuilder("large")
		b.Return("y", b.BroadcastTo(b.Param("x", ir.T(ir.F32, 1)), 64<<20))
		f, err := b.Func()
		if err != nil {
			return err
		}
		p, err := compile(ctx, d, d.Info(), f)
		if err != nil {
			return err
		}
		strike()
		_, err = p.run(ctx, hostArguments(&cases.Case{Args: [][]byte{make([]byte, 4)}}))
		return err
	}},
}

// addMemoryFaults adds memory that runs out once the plugin is there: it says
// so, or ends.
func (s *Suites) addMemoryFaults(spec plugins.Spec) {
	name := func(i int) string { return "faults/no more memory/" + shortages[i].name }
	s.add(suite.Unit{Suite: "faults", Name: "no more memory"}, len(shortages), name, func(ctx context.Context, session *session, i int) ([]byte, error) {
		fault, err := befall(ctx, spec, shortages[i], func(p *plugins.Plugin) error { return limitMemory(p.PID(), 64<<20) })
		switch {
		case err != nil:
			return nil, err
		case !errors.Is(fault, plugins.ErrDied) && !strings.Contains(fault.Error(), "memory"):
			return nil, fmt.Errorf("the process has not ended, and the error does not speak of memory: %w", fault)
		}
		return nil, session.hold(ctx, soundCase())
	})
}

// limitMemory leaves a process so many bytes of address space.
func limitMemory(pid int, more uint64) error {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return err
	}
	var pages uint64
	if _, err := fmt.Sscan(string(data), &pages); err != nil {
		return err
	}
	limit := unix.Rlimit{Cur: pages*uint64(os.Getpagesize()) + more}
	limit.Max = limit.Cur
	return unix.Prlimit(pid, unix.RLIMIT_AS, &limit, nil)
}
