package plugins

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/core/device"
)

func TestFailuresAtStart(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "notes.txt")
	require.NoError(t, os.WriteFile(text, []byte("not a program"), 0o644))
	broken := filepath.Join(dir, "broken")
	require.NoError(t, os.WriteFile(broken, []byte("\x7fELF and nothing more"), 0o755))
	self, err := os.ReadFile(os.Args[0])
	require.NoError(t, err)
	sum := sha256.Sum256(self)
	with := func(s Spec, change func(*Spec)) Spec {
		change(&s)
		return s
	}
	short := Options{StartTimeout: 300 * time.Millisecond}
	for name, c := range map[string]struct {
		spec Spec
		o    Options
		is   error
		says []string
	}{
		"missing":       {Spec{Command: []string{filepath.Join(dir, "nothing")}}, Options{}, ErrMissing, []string{"nothing"}},
		"not in PATH":   {Spec{Command: []string{"seedbed-no-such-plugin"}}, Options{}, ErrMissing, nil},
		"no permission": {Spec{Command: []string{text}}, Options{}, ErrNotExecutable, []string{"permission"}},
		"no program":    {Spec{Command: []string{broken}}, Options{}, ErrNotExecutable, []string{"exec format error"}},
		"a folder":      {Spec{Command: []string{dir}}, Options{}, ErrNotExecutable, nil},
		"garbage":       {child("garbage"), Options{}, ErrGarbage, []string{"Content-Type: text/html"}},
		"exits":         {child("exits"), Options{}, ErrExited, []string{"exit status 7", "no licence found"}},
		"killed":        {child("killed"), Options{}, ErrExited, []string{"signal: killed"}},
		"hangs":         {child("hangs"), short, ErrStartTimeout, []string{"300ms"}},
		"silent":        {child("silent"), Options{}, ErrGarbage, []string{"closed its standard output"}},
		"major 2":       {child("major2"), Options{}, ErrABI, []string{"major version 2", "this host 1"}},
		"no server":     {child("no-server"), Options{}, ErrGarbage, nil},
		"other kind":    {with(child("model"), func(s *Spec) { s.Kind = KindBackend }), Options{}, ErrKind, []string{"is a model, not a backend"}},
		"other name":    {with(child("model"), func(s *Spec) { s.Name = "gpt" }), Options{}, ErrKind, []string{"plugin gpt", "test_model"}},
		"other file":    {with(child("model"), func(s *Spec) { s.SHA256 = strings.Repeat("00", 32) }), Options{}, ErrChecksum, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			begin := time.Now()
			_, err := Start(context.Background(), c.spec, c.o)
			require.Error(t, err)
			if c.is != nil {
				assert.ErrorIs(t, err, c.is)
			}
			for _, s := range c.says {
				assert.ErrorContains(t, err, s)
			}
			assert.Less(t, time.Since(begin), 20*time.Second)
		})
	}
	t.Run("pinned", func(t *testing.T) {
		p, err := Start(context.Background(), with(child("model"), func(s *Spec) { s.SHA256 = hex.EncodeToString(sum[:]) }), Options{})
		require.NoError(t, err)
		require.NoError(t, p.Close())
	})
	t.Run("given up", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
		defer cancel()
		_, err := Start(ctx, child("hangs"), Options{})
		assert.ErrorIs(t, err, context.DeadlineExceeded)
	})
}

func TestStartedByHand(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"=model")
	out, err := cmd.CombinedOutput()
	assert.Error(t, err)
	assert.Contains(t, string(out), "test_model 1.2.3 is a plugin of Seedbed, a model: scales")
}

func TestEnvironment(t *testing.T) {
	t.Setenv("SEEDBED_CPU", "portable")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	t.Setenv("SEEDBED_PLUGIN", "of the host")
	env := strings.Join(Env(), "\n")
	assert.Contains(t, env, "SEEDBED_CPU=portable")
	assert.Contains(t, env, "PATH=")
	assert.NotContains(t, env, "secret")
	assert.NotContains(t, env, "of the host")
}

func TestErrorsOfModels(t *testing.T) {
	m := start(t, "model", Options{}).Model()
	build := func(config string) error {
		_, err := m.Build(context.Background(), plugin.BuildRequest{Config: json.RawMessage(config), Role: "scale"})
		return err
	}
	var config *plugin.ConfigError
	require.ErrorAs(t, build(`{"width": -1}`), &config)
	assert.Equal(t, plugin.ConfigError{Field: "width", Msg: "must be positive, is -1"}, *config)
	assert.EqualError(t, build(`{"do": "refuse"}`), "test_model: not today")
	assert.EqualError(t, build(`{"do": "panic"}`), "plugin test_model: Build panicked: test_model: on purpose")
	assert.NoError(t, build(`{"width": 2}`), "the plugin goes on after a panic")
	assert.ErrorContains(t, build(`[]`), "not a JSON object")
}

// queueTwo queues a run of the named function and one of another after it.
func queueTwo(t *testing.T, p *Plugin, name string) (first, second error) {
	ctx := context.Background()
	d := p.Device()
	x := floats(4, func(i int) float32 { return float32(i) })
	bad, err := d.Compile(ctx, function(t, name, 4), nil)
	require.NoError(t, err)
	good, err := d.Compile(ctx, function(t, "good", 4), []string{"sum"})
	require.NoError(t, err)
	args := []plugin.Argument{{Data: x}, {Data: x}}
	r1, err := bad.Queue(ctx, args)
	require.NoError(t, err)
	r2, err := good.Queue(ctx, args)
	if err != nil {
		return err, err
	}
	_, first = r1.Wait(ctx)
	_, second = r2.Wait(ctx)
	assert.Error(t, r1.Results()[0].Download(ctx, make([]byte, 16)))
	_, err = good.Queue(ctx, args)
	assert.Error(t, err, "nothing runs after an error")
	assert.Error(t, d.Close())
	return first, second
}

func TestErrorsOfRuns(t *testing.T) {
	for name, want := range map[string]string{
		"fails":  "test_backend: out of luck",
		"panics": "panicked: in Execute",
	} {
		t.Run(name, func(t *testing.T) {
			p := start(t, "backend", Options{})
			first, second := queueTwo(t, p, name)
			assert.ErrorContains(t, first, want)
			assert.ErrorContains(t, second, "nothing runs on the device after an earlier error")
			// The process goes on.
			_, err := p.Device().Upload(context.Background(), ir.T(ir.F32), make([]byte, 4))
			assert.NoError(t, err)
		})
	}
}

func TestDeath(t *testing.T) {
	for name, says := range map[string][]string{
		"dies":   {"exit status 9", "during Execute", "something terrible"},
		"killed": {"signal: killed", "during Execute"},
	} {
		t.Run(name, func(t *testing.T) {
			p := start(t, "backend", Options{})
			begin := time.Now()
			first, second := queueTwo(t, p, name)
			assert.ErrorIs(t, first, ErrDied)
			assert.ErrorIs(t, second, ErrDied)
			for _, s := range append(says, "plugin test_backend") {
				assert.ErrorContains(t, first, s)
			}
			assert.Less(t, time.Since(begin), 5*time.Second)
			_, err := p.Device().Stats(context.Background())
			assert.ErrorIs(t, err, ErrDied)
		})
	}
	t.Run("in Transform", func(t *testing.T) {
		p := start(t, "objective", Options{Memory: planes(t)["memory"]})
		rows := records(t)["all"]
		b := bind(t, p, rows.Schema())
		fields, release := p.memory.NewFields(b.Batch())
		defer release()
		err := b.Transform(context.Background(), rows, plugin.Position{Seed: 668}, fields)
		assert.ErrorIs(t, err, ErrDied)
		assert.ErrorContains(t, err, "during Transform")
	})
	t.Run("from outside", func(t *testing.T) {
		p := start(t, "backend", Options{})
		process, err := os.FindProcess(p.PID())
		require.NoError(t, err)
		require.NoError(t, process.Kill())
		<-p.Exited()
		_, err = p.Device().Compile(context.Background(), function(t, "f", 1), nil)
		assert.ErrorIs(t, err, ErrDied)
	})
	t.Run("closed", func(t *testing.T) {
		p := start(t, "model", Options{})
		m := p.Model()
		require.NoError(t, p.Close())
		_, err := m.Build(context.Background(), plugin.BuildRequest{Role: "scale"})
		assert.ErrorContains(t, err, "the plugin was closed")
		assert.NotErrorIs(t, err, ErrDied)
	})
}

func TestHangs(t *testing.T) {
	o := Options{CallTimeout: 500 * time.Millisecond}
	t.Run("Execute", func(t *testing.T) {
		first, second := queueTwo(t, start(t, "backend", o), "stops")
		assert.ErrorIs(t, first, ErrHung)
		assert.ErrorIs(t, second, ErrHung)
		assert.ErrorContains(t, first, "Execute took more than 500ms")
	})
	t.Run("Transform", func(t *testing.T) {
		rows := records(t)["all"]
		b := bind(t, start(t, "objective", o), rows.Schema())
		fields, _ := (*Memory)(nil).NewFields(b.Batch())
		assert.ErrorIs(t, b.Transform(context.Background(), rows, plugin.Position{Seed: 669}, fields), ErrHung)
	})
}

// A process that is stopped is ended at the time limit, whatever the host waits
// for, and named.
func TestStopped(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("this system does not stop processes")
	}
	ctx := context.Background()
	for plane, memory := range planes(t) {
		o := Options{CallTimeout: time.Second, Memory: memory}
		stopped := func(t *testing.T, kind string) *Plugin {
			p := start(t, kind, o)
			require.NoError(t, stop(p.PID()))
			return p
		}
		hung := func(t *testing.T, err error, says string) {
			t.Helper()
			assert.ErrorIs(t, err, ErrHung)
			assert.ErrorContains(t, err, says+" took more than 1s")
			assert.ErrorContains(t, err, "plugin test_")
		}
		t.Run(plane, func(t *testing.T) {
			t.Run("runs queued", func(t *testing.T) {
				t.Parallel()
				p := start(t, "backend", o)
				d := p.Device()
				const n = 1 << 14
				f, err := d.Compile(ctx, function(t, "f", n), nil)
				require.NoError(t, err)
				var r device.Run
				x := make([]byte, 4*n)
				queue := func() {
					r, err = f.Queue(ctx, []plugin.Argument{{Data: x}, {Data: x}})
					require.NoError(t, err)
				}
				queue()
				_, err = r.Wait(ctx)
				require.NoError(t, err)
				require.NoError(t, stop(p.PID()))
				for range 600 { // more than a connection holds
					queue()
				}
				assert.ErrorIs(t, r.Results()[0].Download(ctx, make([]byte, 4*n)), ErrHung)
				_, err = r.Wait(ctx)
				hung(t, err, "Execute")
				assert.ErrorIs(t, d.Close(), ErrHung)
			})
			t.Run("Upload", func(t *testing.T) {
				t.Parallel()
				d := stopped(t, "backend").Device()
				_, err := d.Upload(ctx, ir.T(ir.F32, 1<<23), make([]byte, 4<<23))
				hung(t, err, "Upload")
				_, err = d.Stats(ctx)
				assert.ErrorIs(t, err, ErrHung)
			})
			t.Run("Build", func(t *testing.T) {
				t.Parallel()
				_, err := stopped(t, "model").Model().Build(ctx, plugin.BuildRequest{Role: "scale"})
				hung(t, err, "Build")
			})
			t.Run("Transform", func(t *testing.T) {
				t.Parallel()
				p := start(t, "objective", o)
				rows := records(t)["all"]
				b := bind(t, p, rows.Schema())
				require.NoError(t, stop(p.PID()))
				fields, _ := p.memory.NewFields(b.Batch())
				hung(t, b.Transform(ctx, rows, plugin.Position{}, fields), "Transform")
			})
		})
	}
	t.Run("at its start", func(t *testing.T) {
		t.Parallel()
		_, err := Start(ctx, child("stops"), Options{StartTimeout: time.Second})
		assert.ErrorIs(t, err, ErrStartTimeout)
	})
	t.Run("at its end", func(t *testing.T) {
		t.Parallel()
		p := start(t, "backend", Options{})
		require.NoError(t, stop(p.PID()))
		require.NoError(t, p.Close())
		assert.True(t, gone(p.PID()))
	})
}

func TestErrorsOfTransformLeaveTheBinding(t *testing.T) {
	rows := records(t)["all"]
	b := bind(t, start(t, "objective", Options{}), rows.Schema())
	fields, _ := (*Memory)(nil).NewFields(b.Batch())
	assert.ErrorContains(t, b.Transform(context.Background(), rows, plugin.Position{Seed: 666}, fields), "panicked: seed 666")
	assert.EqualError(t, b.Transform(context.Background(), rows, plugin.Position{Seed: 667}, fields), "the rows are wrong")
	assert.NoError(t, b.Transform(context.Background(), rows, plugin.Position{Seed: 1}, fields))
	assert.ErrorContains(t, b.Transform(context.Background(), rows, plugin.Position{}, fields[1:]), "3 buffers for 4 fields")
}

// gone reports whether a process has ended, or is no more than an entry that
// nobody has collected.
func gone(pid int) bool {
	process, err := os.FindProcess(pid)
	if err != nil || errors.Is(process.Signal(syscall.Signal(0)), os.ErrProcessDone) {
		return true
	}
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	return err == nil && strings.Contains(string(stat), ") Z ")
}

func TestNoPluginOutlivesItsHost(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"=host", "TMPDIR="+t.TempDir())
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	defer stdin.Close()
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	cmd.Stderr = os.Stderr
	require.NoError(t, cmd.Start())
	line, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err)
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	require.NoError(t, err)
	assert.False(t, gone(pid))
	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait()
	assert.Eventually(t, func() bool { return gone(pid) }, 10*time.Second, 10*time.Millisecond)
}

func TestCloseLeavesNothing(t *testing.T) {
	dir, err := os.MkdirTemp("", "sb") // t.TempDir's is too long for a socket
	require.NoError(t, err)
	defer os.RemoveAll(dir)
	t.Setenv("TMPDIR", dir)
	p, err := Start(context.Background(), child("backend"), Options{})
	require.NoError(t, err)
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.NotEmpty(t, files, "the socket is here")
	require.NoError(t, p.Close())
	require.NoError(t, p.Close())
	assert.True(t, gone(p.PID()))
	_, err = Start(context.Background(), child("exits"), Options{})
	assert.ErrorIs(t, err, ErrExited)
	files, err = os.ReadDir(dir)
	require.NoError(t, err)
	assert.Empty(t, files)
}

// A plugin's helper that keeps its output open does not keep the host.
func TestHelpersOfAPluginEndWithIt(t *testing.T) {
	if _, err := exec.LookPath("sleep"); err != nil {
		t.Skip("this system has no sleep")
	}
	p, err := Start(context.Background(), child("backend-with-helper"), Options{})
	require.NoError(t, err)
	begin := time.Now()
	require.NoError(t, p.Close())
	assert.Less(t, time.Since(begin), 15*time.Second)
}
