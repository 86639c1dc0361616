//go:build unix

package main

import (
	"bufio"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// live is a host that runs, with what it prints.
type live struct {
	*exec.Cmd
	out, err *bufio.Scanner
}

func begin(t *testing.T, cmd *exec.Cmd) live {
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	stderr, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	limit := time.AfterFunc(2*time.Minute, func() { _ = cmd.Process.Kill() }) // a test that would hang
	t.Cleanup(func() { limit.Stop(); _ = cmd.Process.Kill() })
	return live{cmd, bufio.NewScanner(out), bufio.NewScanner(stderr)}
}

// event waits for an event of one of some steps.
func (l live) event(t *testing.T, event string, steps ...int) (e jsonEvent) {
	for l.out.Scan() {
		e = jsonEvent{}
		require.NoError(t, json.Unmarshal(l.out.Bytes(), &e))
		if e.Event == event && slices.Contains(steps, e.Step) {
			return e
		}
	}
	rest, _ := l.end()
	require.Fail(t, "the host ended", "before %s %v: %s", event, steps, rest)
	return e
}

// says waits for a line of standard error.
func (l live) says(t *testing.T, text string) {
	for l.err.Scan() {
		if strings.Contains(l.err.Text(), text) {
			return
		}
	}
	require.Fail(t, "the host ended", "and did not say %q", text)
}

// end waits for the end, and returns the rest of standard error and the exit
// code.
func (l live) end() (stderr string, code int) {
	for l.out.Scan() {
	}
	for l.err.Scan() {
		stderr += l.err.Text() + "\n"
	}
	_ = l.Wait() // the code says it
	return stderr, l.ProcessState.ExitCode()
}

// Ctrl-C and SIGTERM stop a run after the step under way, and a second run in
// its folder is refused; whatever happens, it goes on to the same weights.
func TestInterrupt(t *testing.T) {
	t.Parallel()
	x := newIdentity(t)
	want := last(t, x.run(t, x.command(filepath.Join(x.dir, "whole"), nil), nil))
	folder := filepath.Join(x.dir, "stopped")

	stop := func(step int, sig syscall.Signal, meanwhile func(pid int), args ...string) {
		cmd, open := x.gated(folder, step, args...)
		l := begin(t, cmd)
		l.event(t, "step", step-1)
		if meanwhile != nil {
			meanwhile(l.Process.Pid)
		}
		require.NoError(t, l.Process.Signal(sig))
		l.says(t, "stopping after this step")
		open()
		saved := l.event(t, "checkpoint", step-1, step) // the signal may come before the step is begun
		got := l.event(t, "stopped", saved.Step)
		assert.Equal(t, saved.Checkpoint, got.Checkpoint)
		assert.Len(t, got.WeightsSHA256, 64)
		stderr, code := l.end()
		assert.Empty(t, stderr)
		assert.Equal(t, exitInterrupted, code)
		_, err := command("checkpoint", "verify", got.Checkpoint)
		assert.NoError(t, err)
	}
	stop(13, syscall.SIGINT, func(pid int) {
		for _, resume := range []string{"--resume", "--resume=false"} {
			second, _ := x.gated(folder, 0, resume)
			stderr, code := begin(t, second).end()
			assert.Equal(t, exitFailure, code)
			assert.Contains(t, stderr, "the output folder is in use by another run, process "+strconv.Itoa(pid)+";")
		}
	})
	stop(27, syscall.SIGTERM, nil, "--resume")

	// A second signal does not wait for the step, which takes for ever here.
	cmd, _ := x.gated(folder, 32, "--resume")
	l := begin(t, cmd)
	l.event(t, "step", 31)
	require.NoError(t, l.Process.Signal(syscall.SIGINT))
	l.says(t, "stopping after this step")
	at := time.Now()
	require.NoError(t, l.Process.Signal(syscall.SIGINT))
	_, code := l.end()
	assert.Equal(t, exitInterrupted, code)
	assert.Less(t, time.Since(at), 8*time.Second, "a plugin that is busy has 10 s to finish otherwise")

	cmd, _ = x.gated(folder, 0, "--resume")
	events := x.run(t, cmd, nil)
	assert.Equal(t, want.WeightsSHA256, last(t, events).WeightsSHA256)
	assert.Equal(t, 60-30, count(events, "step"), "from the checkpoint after step 30")
}
