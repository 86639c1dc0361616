package device

import (
	"context"
	"fmt"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
)

// Device runs programs one after the other in the order in which they are
// queued. It is for one goroutine, but Run.Wait may be called by another.
//
// After an error of a run, the runs queued after it have failed too, and the
// device can only be closed.
type Device interface {
	Info() plugin.BackendInfo
	// Upload copies a dense, row-major, little-endian tensor of t.Bytes() bytes
	// to the device.
	Upload(ctx context.Context, t ir.Type, data []byte) (plugin.Buffer, error)
	// Compile prepares a function whose ops the device runs (Lower). The results
	// named in host come to the host when a run ends; each is at most
	// MaxHostBytes. The others stay on the device.
	Compile(ctx context.Context, f *ir.Func, host []string) (Program, error)
	Stats(ctx context.Context) (plugin.Stats, error)
	// Profile returns what runs have done since the last call, and says whether
	// those that are queued from now on are recorded. It is for moments without
	// runs under way. Of a backend that cannot record, the error is
	// errors.ErrUnsupported.
	Profile(ctx context.Context, record bool) (plugin.Profile, error)
	// Close releases everything that the device holds.
	Close() error
}

// MaxHostBytes bounds a result that comes to the host with its run.
const MaxHostBytes = 64 << 10

// Program is a compiled function.
type Program interface {
	// Memory says what a run needs besides its arguments.
	Memory() plugin.Memory
	// Queue asks for a run on one argument for each parameter. Arguments may be
	// results of runs that have not ended. Those that are donated are gone with
	// the call. The bytes of an argument's Data stay unchanged until Wait.
	Queue(ctx context.Context, args []plugin.Argument) (Run, error)
	Release()
}

// Run is a run of a program that was queued.
type Run interface {
	// Results holds a buffer for each result of the function, nil for those that
	// come to the host. They can be used before the run has ended; Download
	// waits for it.
	Results() []plugin.Buffer
	// Wait returns when the run has ended, with the bytes of the host's results
	// in the order in which Compile named them.
	Wait(ctx context.Context) ([][]byte, error)
}

// Lower replaces the composites that a backend does not claim by their
// decompositions. It is an error, an *ir.Error, if the backend does not run one
// of the ops that are left.
func Lower(f *ir.Func, info plugin.BackendInfo) (*ir.Func, error) {
	claimed := func(op *ir.Op) bool { v, ok := info.Ops[op.Name]; return ok && v == op.Version }
	f, err := ir.Expand(f, claimed)
	if err != nil {
		return nil, err
	}
	return f, runs(f, info.Name, claimed)
}

// Compile compiles a function for a device, whatever ops it has: Lower comes
// first. Parameters and results stay as they are.
func Compile(ctx context.Context, d Device, f *ir.Func, host []string) (Program, error) {
	f, err := Lower(f, d.Info())
	if err != nil {
		return nil, err
	}
	return d.Compile(ctx, f, host)
}

// runs returns an error unless every op of f, and of the functions that its ops
// run, is claimed.
func runs(f *ir.Func, backend string, claimed func(op *ir.Op) bool) error {
	for i := range f.Ops {
		op := &f.Ops[i]
		if !claimed(op) {
			return &ir.Error{Func: f.Name, Op: i, Name: op.Name, Msg: fmt.Sprintf("backend %s does not run version %d of the op", backend, op.Version)}
		}
		for _, r := range op.Regions {
			if err := runs(r, backend, claimed); err != nil {
				return err
			}
		}
	}
	return nil
}

// HostResults returns the indices of the results of a function that come to the
// host. It is an error if there is none of a name, or if it is larger than
// MaxHostBytes.
func HostResults(f *ir.Func, host []string) ([]int, error) {
	types := f.Types()
	out := make([]int, len(host))
	for k, name := range host {
		i := f.Result(name)
		if i < 0 {
			return nil, fmt.Errorf("func %s has no result %q for the host", f.Name, name)
		}
		if t := types[f.Results[i].Value]; t.Bytes() > MaxHostBytes {
			return nil, fmt.Errorf("func %s: result %q %v is larger than the %d bytes that a run gives to the host", f.Name, name, t, MaxHostBytes)
		}
		out[k] = i
	}
	return out, nil
}
