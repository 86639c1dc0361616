package plugins

import (
	"log/slog"
	"time"
)

// Kind says what a plugin is.
type Kind string

// The kinds of plugins.
const (
	KindModel     Kind = "model"
	KindObjective Kind = "objective"
	KindBackend   Kind = "backend"
)

// Spec says which plugin to start.
type Spec struct {
	// Command is the executable, a path or a name to be found in PATH, and its
	// arguments.
	Command []string
	// Kind and Name are what the plugin must be; empty means any.
	Kind Kind
	Name string
	// SHA256 is that of the executable in hexadecimal; empty means any.
	SHA256 string
	// Env is added to the few variables of the host's environment that plugins
	// get (see Env), as "KEY=value".
	Env []string
}

// Options say how a plugin is run. The zero value is good.
type Options struct {
	// Memory is the shared memory of the run; nil means that all tensors travel
	// in messages. It is the same for all plugins of a run, so that what the
	// objective writes is where the backend reads.
	Memory *Memory
	// StartTimeout bounds how long the plugin may take until it has said who it
	// is. Default 30 s. Of this and of CallTimeout the second half does not count
	// what the plugin waits for a processor (see core/patience).
	StartTimeout time.Duration
	// CallTimeout bounds how long the plugin may take for one call; a plugin
	// that takes longer is killed, and the error is ErrHung. Runs that are
	// queued are counted one by one. Default 30 min; negative means no bound.
	CallTimeout time.Duration
	// Logger gets what the plugin writes to its standard error, line by line,
	// at level Debug. Default slog.Default().
	Logger *slog.Logger
}
