package plugins

import (
	"bytes"
	"log/slog"
	"slices"
	"strings"
	"sync"
)

// Bounds on what is kept of a plugin's standard error.
const (
	maxLines = 20
	maxLine  = 400
)

// lines logs what a plugin writes line by line and keeps the last, or, where its
// runtime tells of its end, what that begins with.
type lines struct {
	log *slog.Logger

	mu      sync.Mutex
	rest    []byte // of a line that has not ended
	kept    []string
	crashed bool // a line of kept says why the process ends
}

// crashes are what the lines of Go's runtime begin with that say why a process
// ends. Hundreds of others follow, of stacks and registers.
var crashes = []string{"panic: ", "fatal error: ", "SIGSEGV: ", "SIGBUS: ", "SIGFPE: ", "SIGILL: ", "SIGABRT: ", "SIGQUIT: "}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(b)
	for len(b) > 0 {
		line, after, ended := bytes.Cut(b, []byte("\n"))
		l.rest = append(l.rest, line[:min(len(line), maxLine-len(l.rest))]...)
		if !ended {
			break
		}
		l.end()
		b = after
	}
	return n, nil
}

func (l *lines) end() {
	line := string(bytes.ToValidUTF8(bytes.TrimRight(l.rest, "\r"), []byte("?")))
	l.rest = l.rest[:0]
	if line == "" {
		return
	}
	l.log.Debug(line)
	crash := slices.ContainsFunc(crashes, func(s string) bool { return strings.HasPrefix(line, s) })
	switch full := len(l.kept) == maxLines; {
	case crash && (full || !l.crashed):
		l.crashed = true
		l.kept = l.kept[max(len(l.kept)-maxLines/2, 0):] // what came before may be its cause
	case full && l.crashed:
		return
	}
	if l.kept = append(l.kept, line); len(l.kept) > maxLines {
		l.kept = l.kept[1:]
	}
}

func (l *lines) last() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.rest) > 0 {
		l.end()
	}
	return append([]string(nil), l.kept...)
}
