//go:build unix

package backend

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/conformance/report"
	"github.com/seedbed/seedbed/conformance/suite"
	"github.com/seedbed/seedbed/core/plugins"
	"github.com/seedbed/seedbed/plugins/backends/cpu"
	"github.com/seedbed/seedbed/plugins/backends/reference"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// childEnv makes this test binary a plugin: "cpu", or a call and what goes
// wrong in it, such as "execute hang".
const childEnv = "SEEDBED_TEST_BACKEND"

func TestMain(m *testing.M) {
	switch what := os.Getenv(childEnv); {
	case what == "":
		os.Exit(m.Run())
	case what == "cpu":
		threads, _ := strconv.Atoi(os.Getenv(ThreadsEnv)) // 0 where it is not given
		b, err := cpu.New(cpu.Options{Threads: threads})
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		plugin.ServeBackend(b)
	default:
		call, way, _ := strings.Cut(what, " ")
		if call == "start" {
			misbehave(way)
			os.Exit(0)
		}
		plugin.ServeBackend(&faulty{call: call, way: way})
	}
}

// misbehave does what the plugin's author never meant.
func misbehave(way string) error {
	switch way {
	case "panic":
		panic("not today")
	case "crash": // outside the call, where nothing can recover
		go panic("no weights")
		select {}
	case "abort":
		_ = syscall.Kill(os.Getpid(), syscall.SIGABRT)
		select {}
	case "exit":
		os.Exit(3)
	case "kill":
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	case "hang":
		time.Sleep(time.Hour)
	case "error":
		return errors.New("the device is on fire")
	case "flood":
		line := strings.Repeat("noise ", 2000)
		for range 200 {
			fmt.Fprintln(os.Stderr, line)
		}
		os.Exit(4)
	case "garbage":
		fmt.Println("Content-Type: text/html")
		time.Sleep(time.Hour)
	case "silent":
		os.Stdout.Close()
		time.Sleep(time.Hour)
	case "major":
		fmt.Println("1|2|unix|/nowhere|grpc|")
		time.Sleep(time.Hour)
	case "nobody":
		fmt.Println("1|1|unix|/nowhere/at/all|grpc|")
		time.Sleep(time.Hour)
	}
	return nil
}

// faulty is the reference, which misbehaves in one of its calls.
type faulty struct {
	reference.Backend
	call, way string
}

func (f *faulty) at(call string) error {
	if f.call == call {
		return misbehave(f.way)
	}
	return nil
}

func (f *faulty) Upload(ctx context.Context, t ir.Type, data []byte) (plugin.Buffer, error) {
	if err := f.at("upload"); err != nil {
		return nil, err
	}
	b, err := f.Backend.Upload(ctx, t, data)
	return &faultyBuffer{b, f}, err
}

func (f *faulty) Compile(ctx context.Context, fn *ir.Func) (plugin.Executable, error) {
	if err := f.at("compile"); err != nil {
		return nil, err
	}
	e, err := f.Backend.Compile(ctx, fn)
	return &faultyProgram{e, f}, err
}

type faultyBuffer struct {
	plugin.Buffer
	f *faulty
}

func (b *faultyBuffer) Download(ctx context.Context, dst []byte) error {
	if err := b.f.at("download"); err != nil {
		return err
	}
	return b.Buffer.Download(ctx, dst)
}

type faultyProgram struct {
	plugin.Executable
	f *faulty
}

func (p *faultyProgram) Execute(ctx context.Context, args []plugin.Argument) ([]plugin.Buffer, error) {
	if err := p.f.at("execute"); err != nil {
		return nil, err
	}
	for i := range args {
		if b, ok := args[i].Buffer.(*faultyBuffer); ok {
			args[i].Buffer = b.Buffer
		}
	}
	out, err := p.Executable.Execute(ctx, args)
	if p.f.call == "results" && err == nil {
		other, _ := p.f.Backend.Upload(ctx, ir.T(ir.F32, 3), make([]byte, 12)) // it is valid
		switch p.f.way {
		case "few":
			out = out[:1]
		case "many":
			out = append(out, other)
		case "none":
			out = nil
		case "nil":
			out[0] = nil
		case "another shape":
			out[0] = other
		}
	}
	return out, err
}

func child(what string) plugins.Spec {
	return plugins.Spec{Command: []string{os.Args[0]}, Env: []string{childEnv + "=" + what}}
}

// Whatever a plugin's process does, the host gives an error that says it, the
// process is gone afterwards, and the next one computes as if nothing had been.
func TestFaultsWithin(t *testing.T) {
	good := &session{target: Process(child("cpu"))}
	defer func() { assert.NoError(t, good.close()) }()
	want := map[string]error{"kill": plugins.ErrDied, "exit": plugins.ErrDied, "hang": plugins.ErrHung, "flood": plugins.ErrDied}
	run := func(what string, check func(t *testing.T, err error)) {
		t.Run(what, func(t *testing.T) {
			p, err := plugins.Start(t.Context(), child(what), plugins.Options{CallTimeout: 1500 * time.Millisecond, StartTimeout: 5 * time.Second})
			if err == nil {
				d := p.Device()
				c := soundCase()
				if _, err = inBuffers(t.Context(), d, d.Info(), c); err == nil {
					_, err = once(t.Context(), d, d.Info(), c)
				}
				assert.NoError(t, p.Close())
				assert.ErrorIs(t, syscall.Kill(p.PID(), 0), syscall.ESRCH, "the process is still there")
			}
			check(t, err)
			assert.NoError(t, good.hold(t.Context(), soundCase()))
		})
	}
	for _, call := range []string{"compile", "upload", "execute", "download"} {
		for _, way := range []string{"panic", "exit", "kill", "hang", "error", "flood"} {
			run(call+" "+way, func(t *testing.T, err error) {
				require.Error(t, err)
				if w := want[way]; w != nil {
					assert.ErrorIs(t, err, w)
				}
				if way == "error" {
					assert.ErrorContains(t, err, "the device is on fire")
				}
			})
		}
	}
	for way, says := range map[string]string{"crash": "\n\tpanic: no weights\n", "abort": "\n\tSIGABRT: abort\n"} {
		run("execute "+way, func(t *testing.T, err error) {
			require.ErrorIs(t, err, plugins.ErrDied)
			assert.ErrorContains(t, err, says, "of a crash the text is told, not the registers")
		})
	}
	for _, way := range []string{"few", "many", "none", "nil", "another shape"} {
		run("results "+way, func(t *testing.T, err error) { require.Error(t, err) })
	}
	start := map[string]error{"exit": plugins.ErrExited, "kill": plugins.ErrExited, "hang": plugins.ErrStartTimeout, "flood": plugins.ErrExited,
		"garbage": plugins.ErrGarbage, "silent": nil, "major": plugins.ErrABI, "nobody": nil, "panic": plugins.ErrExited}
	for way, w := range start {
		run("start "+way, func(t *testing.T, err error) {
			require.Error(t, err)
			if w != nil {
				assert.ErrorIs(t, err, w)
			}
			var e *plugins.Error
			assert.ErrorAs(t, err, &e)
		})
	}
	for name, spec := range map[string]struct {
		plugins.Spec
		want error
	}{
		"missing":        {plugins.Spec{Command: []string{filepath.Join(t.TempDir(), "nothing")}}, plugins.ErrMissing},
		"not executable": {plugins.Spec{Command: []string{"process_test.go"}}, nil},
		"checksum":       {plugins.Spec{Command: []string{os.Args[0]}, SHA256: strings.Repeat("0", 64)}, plugins.ErrChecksum},
		"another kind":   {plugins.Spec{Command: []string{os.Args[0]}, Env: []string{childEnv + "=cpu"}, Kind: plugins.KindModel}, plugins.ErrKind},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := plugins.Start(t.Context(), spec.Spec, plugins.Options{})
			require.Error(t, err)
			if spec.want != nil {
				assert.ErrorIs(t, err, spec.want)
			}
		})
	}
}

// A backend in a process of its own gives the bits of one in this process, and
// withstands what befalls the process from outside.
func TestProcess(t *testing.T) {
	p, err := ProfileByName("smoke")
	require.NoError(t, err)
	p.Fuzz, p.Invalid = 10, 1
	s, err := New(Process(child("cpu")), Options{Profile: p, Seed: 1})
	require.NoError(t, err)
	s.addWireFaults(child("cpu"))
	slow := func(name string) bool { // most wait for a time limit; the full profile has them
		return slices.ContainsFunc(wires, func(w wireFault) bool { return w.name == name }) && name != "garbled" && name != "out of memory"
	}
	units := s.Units[:0]
	for i, u := range s.Units {
		if slow(u.Name) {
			continue
		}
		if u.Suite == "misuse" || u.Suite == "faults" || u.Suite == "fuzz" || i%40 == 0 {
			units = append(units, u)
		}
	}
	rep := &report.Report{}
	require.NoError(t, suite.Run(t.Context(), rep, units, suite.Options{}))
	require.NoError(t, s.Close())
	for _, f := range rep.Failures {
		t.Errorf("%s: %s", f.Case, f.Message)
	}
	t.Logf("%+v", rep.Total())
	assert.True(t, rep.Passed())
	assert.True(t, slices.ContainsFunc(rep.Units, func(u report.Unit) bool { return u.Suite == "invariance" }), "no case went in messages")
}
