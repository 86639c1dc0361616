package plugins

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"time"

	"github.com/hashicorp/go-plugin/runner"

	"github.com/seedbed/seedbed/abi/rpc"
)

// drainTime is how long the output of a process that has ended is still read,
// where a process that it started holds the pipe open.
const drainTime = time.Second

// reapTime is how long a process that has closed its standard output may take
// to be reaped before it counts as one that lives.
const reapTime = 250 * time.Millisecond

// process is a plugin's process: a group of its own, so that it can be ended
// with whatever it starts, and a pipe that tells it when the host ends. It is
// reaped as soon as it ends.
type process struct {
	cmd            *exec.Cmd
	stdout, stderr *os.File
	life           *os.File // the plugin ends when this is closed
	first          firstLine
	lines          *lines
	startErr       error
	sockets        string // the folder of its socket

	exited  chan struct{} // closed when the process is reaped
	drained chan struct{} // closed when its standard error has been read

	mu     sync.Mutex
	over   bool
	killed bool // by the host

	quiet chan struct{} // closed when its standard output has been read to the end
}

var _ runner.Runner = (*process)(nil)

// newProcess prepares a process. files are inherited as descriptors from 4 on.
func newProcess(path string, args, env []string, files []*os.File, out *lines) (*process, error) {
	cmd := exec.Command(path, args...)
	cmd.Env = env
	ownGroup(cmd)
	return &process{cmd: cmd, lines: out, exited: make(chan struct{}), drained: make(chan struct{}), quiet: make(chan struct{})}, inherit(cmd, files)
}

// Start starts the process.
func (p *process) Start(context.Context) (err error) {
	defer func() { p.startErr = err }()
	var opened, inherited []*os.File
	closeAll := func(files []*os.File) {
		for _, f := range files {
			f.Close()
		}
	}
	pipe := func() (r, w *os.File) {
		if err != nil {
			return nil, nil
		}
		if r, w, err = os.Pipe(); err == nil {
			opened = append(opened, r, w)
		}
		return r, w
	}
	var outW, errW, lifeR *os.File
	p.stdout, outW = pipe()
	p.stderr, errW = pipe()
	lifeR, p.life = pipe()
	if err != nil {
		closeAll(opened)
		return err
	}
	inherited = []*os.File{outW, errW, lifeR}
	p.cmd.Stdout, p.cmd.Stderr = outW, errW
	if passesFiles {
		p.cmd.ExtraFiles = append([]*os.File{lifeR}, p.cmd.ExtraFiles...)
		p.cmd.Env = append(p.cmd.Env, rpc.EnvLife+"=3")
	} else {
		p.cmd.Env = append(p.cmd.Env, rpc.EnvHost+"="+strconv.Itoa(os.Getpid()))
	}
	// A time limit may end the process from another goroutine.
	p.mu.Lock()
	if p.killed {
		err = errors.New("it was given up before it began")
	} else {
		err = p.cmd.Start()
	}
	p.mu.Unlock()
	if err != nil {
		closeAll(opened)
		return err
	}
	closeAll(inherited)
	go p.reap()
	return nil
}

// reap waits for the process, then ends what it has left behind.
func (p *process) reap() {
	_ = p.cmd.Wait() // ProcessState says how it ended
	p.mu.Lock()
	p.over = true
	killGroup(p.cmd.Process)
	p.mu.Unlock()
	end := time.Now().Add(drainTime)
	_ = p.stdout.SetReadDeadline(end)
	_ = p.stderr.SetReadDeadline(end)
	p.life.Close()
	close(p.exited)
}

// Kill ends the process and all that belong to its group. One whose standard
// output has ended may be about to be reaped, and gets the time for that: how it
// ended is then its own doing.
func (p *process) Kill(context.Context) error {
	select {
	case <-p.quiet:
		p.waitExit(reapTime)
	default:
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over {
		return nil
	}
	p.killed = true
	if p.cmd.Process != nil {
		killGroup(p.cmd.Process)
	}
	return nil
}

// wasKilled reports whether the host's Kill ended the process, rather than
// came late.
func (p *process) wasKilled() bool {
	<-p.exited
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.killed && p.cmd.ProcessState.ExitCode() < 0
}

// Wait returns when the process has ended.
func (p *process) Wait(context.Context) error {
	<-p.exited
	return nil
}

// Stdout carries go-plugin's handshake.
func (p *process) Stdout() io.ReadCloser { return &tee{p.stdout, &p.first, p.quiet} }

// Stderr carries what the plugin has to say.
func (p *process) Stderr() io.ReadCloser { return &tee{p.stderr, p.lines, p.drained} }

// Name is the executable.
func (p *process) Name() string { return p.cmd.Path }

// ID is the number of the process; empty where it was not started.
func (p *process) ID() string {
	if p.cmd.Process == nil {
		return ""
	}
	return strconv.Itoa(p.cmd.Process.Pid)
}

// waitedFor are the processes that an answer takes, beside the host's.
func (p *process) waitedFor() []int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd.Process == nil {
		return nil
	}
	return []int{p.cmd.Process.Pid}
}

// Diagnose says nothing: Start does.
func (p *process) Diagnose(context.Context) string { return "" }

// PluginToHost and HostToPlugin: both are on one machine.
func (p *process) PluginToHost(network, address string) (string, string, error) {
	return network, address, nil
}
func (p *process) HostToPlugin(network, address string) (string, string, error) {
	return network, address, nil
}

// waitExit reports whether the process ends within d.
func (p *process) waitExit(d time.Duration) bool {
	select {
	case <-p.exited:
		return true
	case <-time.After(d):
		return false
	}
}

// ending says how the process ended, such as "signal: killed", once its last
// words have been read.
func (p *process) ending() (how string, last []string) {
	<-p.exited
	select {
	case <-p.drained:
	case <-time.After(drainTime):
	}
	return p.cmd.ProcessState.String(), p.lines.last()
}

// tee passes on what is read.
type tee struct {
	*os.File
	to   io.Writer
	done chan struct{} // closed at the end
}

func (t *tee) Read(b []byte) (int, error) {
	n, err := t.File.Read(b)
	if n > 0 {
		_, _ = t.to.Write(b[:n])
	}
	if err != nil {
		if t.done != nil {
			close(t.done)
			t.done = nil
		}
		t.File.Close()
		err = io.EOF
	}
	return n, err
}

// firstLine keeps the beginning of a stream up to the end of its first line.
type firstLine struct {
	mu   sync.Mutex
	text []byte
	full bool
}

func (f *firstLine) Write(b []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := len(b)
	if f.full {
		return n, nil
	}
	if i := bytes.IndexByte(b, '\n'); i >= 0 {
		b, f.full = b[:i], true
	}
	f.text = append(f.text, b[:min(len(b), maxLine-len(f.text))]...)
	return n, nil
}

func (f *firstLine) get() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return string(bytes.TrimSpace(f.text))
}

// notStarted is the refusal of a plugin that the operating system did not start.
func (p *Plugin) notStarted(err error) error {
	var path *os.PathError
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, exec.ErrNotFound) {
		return p.refuse(ErrMissing, "check the path, or build the plugin first")
	}
	if errors.As(err, &path) {
		err = path.Err
	}
	return p.refuse(ErrNotExecutable, fmt.Sprintf("%v; it must be a program for this system with permission to execute", err))
}
