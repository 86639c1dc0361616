package plugins

import (
	"errors"
	"fmt"
	"strings"
)

// What can be wrong with a plugin's process. An *Error wraps one of them.
var (
	ErrMissing       = errors.New("there is no such file")
	ErrNotExecutable = errors.New("the file cannot be executed")
	ErrChecksum      = errors.New("the file is not the one that was pinned")
	ErrABI           = errors.New("the plugin speaks another ABI")
	ErrGarbage       = errors.New("the program does not speak as a plugin does")
	ErrExited        = errors.New("the plugin ended before it was ready")
	ErrStartTimeout  = errors.New("the plugin was not ready in time")
	ErrKind          = errors.New("it is another plugin than was asked for")
	ErrDied          = errors.New("the plugin's process ended")
	ErrLost          = errors.New("the connection to the plugin was lost")
	ErrHung          = errors.New("the plugin did not answer in time")
)

// Error is what went wrong with a plugin's process.
type Error struct {
	Plugin string // its name, or its command before that is known
	Err    error  // one of the errors above
	Msg    string // what exactly, and what to do
	// Stderr holds the last lines that the plugin wrote to its standard error, or
	// those around the first of a crash.
	Stderr []string
}

// Error returns the plugin, what is wrong with it and its last lines.
func (e *Error) Error() string {
	s := fmt.Sprintf("plugin %s: %v", e.Plugin, e.Err)
	if e.Msg != "" {
		s += ": " + e.Msg
	}
	if len(e.Stderr) > 0 {
		s += "\nits last lines were:\n\t" + strings.Join(e.Stderr, "\n\t")
	}
	return s
}

// Unwrap returns e.Err.
func (e *Error) Unwrap() error { return e.Err }
