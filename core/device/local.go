package device

import (
	"context"
	"errors"
	"fmt"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
)

// Local makes a device of a backend in this process: a run has ended when Queue
// returns. Closing the device closes the backend.
func Local(b plugin.Backend) Device { return local{b} }

type local struct{ plugin.Backend }

func (l local) Stats(ctx context.Context) (plugin.Stats, error) {
	if s, ok := l.Backend.(plugin.StatsReporter); ok {
		return s.Stats(ctx)
	}
	return plugin.Stats{}, nil
}

func (l local) Profile(ctx context.Context, record bool) (plugin.Profile, error) {
	if p, ok := l.Backend.(plugin.Profiler); ok {
		return p.Profile(ctx, record)
	}
	return plugin.Profile{}, CannotProfile(l.Info().Name)
}

// CannotProfile is the error of a backend that cannot record.
func CannotProfile(backend string) error {
	return fmt.Errorf("backend %s cannot record what its runs do: %w", backend, errors.ErrUnsupported)
}

func (l local) Compile(ctx context.Context, f *ir.Func, host []string) (Program, error) {
	results, err := HostResults(f, host)
	if err != nil {
		return nil, err
	}
	p := localProgram{host: results}
	p.Executable, err = l.Backend.Compile(ctx, f)
	return p, err
}

type localProgram struct {
	plugin.Executable
	host []int // results that come to the host
}

func (p localProgram) Queue(ctx context.Context, args []plugin.Argument) (Run, error) {
	out, err := p.Execute(ctx, args)
	if err != nil {
		return nil, err
	}
	r := localRun{results: out}
	for _, i := range p.host {
		data := make([]byte, out[i].Type().Bytes())
		if err := out[i].Download(ctx, data); err != nil {
			return nil, err
		}
		out[i].Release()
		out[i] = nil
		r.host = append(r.host, data)
	}
	return r, nil
}

type localRun struct {
	results []plugin.Buffer
	host    [][]byte
}

func (r localRun) Results() []plugin.Buffer               { return r.results }
func (r localRun) Wait(context.Context) ([][]byte, error) { return r.host, nil }
