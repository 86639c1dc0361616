package plugin

import (
	"context"
	"time"

	"github.com/seedbed/seedbed/abi/ir"
)

// Backend compiles functions and runs them on a device. Its methods, and those
// of what it returns, are called by one goroutine at a time.
type Backend interface {
	Info() BackendInfo
	// Upload copies a dense, row-major, little-endian tensor of t.Bytes() bytes
	// to the device.
	Upload(ctx context.Context, t ir.Type, data []byte) (Buffer, error)
	// Compile prepares a verified function. It is an error, which names the op
	// and the dtype, if the backend does not know them.
	Compile(ctx context.Context, f *ir.Func) (Executable, error)
	// Close releases everything that the backend still holds.
	Close() error
}

// BackendInfo says what a backend is and what it can run.
type BackendInfo struct {
	Info
	// DTypes are the element types that it computes with.
	DTypes []ir.DType
	// Ops are the names and versions of the ops that it runs. The host replaces
	// composites that are not among them by their decompositions; a primitive
	// that is not among them cannot be run.
	Ops map[string]int
}

// StatsReporter is a Backend that says what it holds. It is for people and for
// planning memory; it decides no result.
type StatsReporter interface {
	Stats(ctx context.Context) (Stats, error)
}

// Stats says what a backend is and holds. A zero stands for what it does not
// know.
type Stats struct {
	Device      string  // such as "cpu avx512"
	Workers     int     // that run at the same time
	PeakFLOPS   float64 // of f32 fused multiply-adds (2 each) a second, all workers together, measured
	BufferBytes int64   // of all buffers now
	Buffers     int
	Executables int
	PeakBytes   int64 // most that buffers, scratch and constants took together
	FreeBytes   int64 // that the device may still hand out
	Runs        int64
	RunNanos    int64 // wall clock of all runs
}

// Profiler is a Backend that can record what its runs do, for people.
type Profiler interface {
	// Profile returns what was recorded since the last call, which is forgotten,
	// and says whether runs from now on are recorded.
	Profile(ctx context.Context, record bool) (Profile, error)
}

// MaxProfiledOps bounds what one Profile holds.
const MaxProfiledOps = 1 << 20

// Profile is what runs did.
type Profile struct {
	Runs []ProfiledRun // in order
	// PeakBytes is the most that all workers together read and write in a
	// second in memory that no cache holds, measured; 0 if it is not known.
	PeakBytes float64
}

// ProfiledRun is one run of a function.
type ProfiledRun struct {
	Function string
	Begin    time.Time
	Took     time.Duration
	Ops      []ProfiledOp // in order; none overlaps another
}

// ProfiledOp is an op, or several that ran as one.
type ProfiledOp struct {
	Name        string        // names in the op table, joined by "+"
	Types       string        // of the operands and results that went through memory
	Begin, Took time.Duration // since the run began
	// FLOPs are those of its matrix products and convolutions, an fma counted as
	// 2, as the normative decompositions have them.
	FLOPs int64
	Bytes int64 // of its operands and results, each counted once
}

// Buffer is a tensor on the device.
type Buffer interface {
	Type() ir.Type
	// Download copies the tensor, as Upload takes it, to dst, which has
	// Type().Bytes() bytes.
	Download(ctx context.Context, dst []byte) error
	// Release frees the tensor. A buffer is not used after it.
	Release()
}

// Executable is a compiled function.
type Executable interface {
	// Memory says what a run needs besides its arguments.
	Memory() Memory
	// Execute runs the function on one argument for each parameter and returns
	// one buffer for each result. Arguments that are donated are released by
	// it, and their memory may become that of results, whether it fails or not.
	Execute(ctx context.Context, args []Argument) ([]Buffer, error)
	// Release frees what the executable holds.
	Release()
}

// Argument is what a parameter of a function is given: a buffer, or the bytes
// of a tensor in the host's memory, which are not changed and not kept.
type Argument struct {
	Buffer Buffer
	Donate bool
	Data   []byte // where Buffer is nil
}

// Memory counts bytes on the device.
type Memory struct {
	Results int64 // the results that no donated argument can make room for
	Scratch int64 // while it runs; executables of one backend share it
}
