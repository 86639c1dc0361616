package plugins

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	abiv1 "github.com/seedbed/seedbed/abi/v1"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/abi/rpc"
	"github.com/seedbed/seedbed/core/device"
	"github.com/seedbed/seedbed/core/patience"
)

// Times that are not options.
const (
	defaultStartTimeout = 30 * time.Second
	defaultCallTimeout  = 30 * time.Minute
	// A plugin that is asked to end has this long.
	closeTime = 2 * time.Second
	// A call that was given up has this long to leave shared memory alone.
	settleTime = 10 * time.Second
)

// Plugin is a plugin's process.
type Plugin struct {
	kind     Kind
	info     plugin.BackendInfo // of other kinds, Info alone
	minor    int
	process  *process
	client   *goplugin.Client
	conn     *grpc.ClientConn
	memory   *Memory // nil where tensors travel in messages
	timeout  time.Duration
	log      *slog.Logger
	close    sync.Once
	verdict  atomic.Pointer[Error] // why the host ended the process
	bindings atomic.Uint32
	numbers  atomic.Uint64 // latest of a buffer or executable, whichever device has it
}

// Start starts a plugin and asks it who it is. The error is an *Error where
// the process is at fault. The context bounds the start alone. Close ends the
// process; it ends as well when this process ends, however that happens.
func Start(ctx context.Context, s Spec, o Options) (*Plugin, error) {
	if len(s.Command) == 0 || s.Command[0] == "" {
		return nil, errors.New("plugin: the command is empty")
	}
	p := &Plugin{timeout: cmp.Or(o.CallTimeout, defaultCallTimeout), log: o.Logger}
	p.info.Name = cmp.Or(s.Name, s.Command[0])
	if p.log == nil {
		p.log = slog.Default()
	}
	p.log = p.log.With("plugin", p.info.Name)
	if o.Memory.Plane() == PlaneMemory {
		p.memory = o.Memory
	}
	path, err := exec.LookPath(s.Command[0])
	if err != nil && !errors.Is(err, exec.ErrDot) {
		return nil, p.notStarted(err)
	}
	if s.SHA256 != "" {
		if err := p.pinned(path, s.SHA256); err != nil {
			return nil, err
		}
	}
	var files []*os.File
	if p.memory != nil {
		files = append(files, p.memory.segment.File())
	}
	// What follows go-plugin's own variables is the process's.
	p.process, err = newProcess(path, s.Command[1:], append(Env(), s.Env...), files, &lines{log: p.log})
	if err != nil {
		return nil, fmt.Errorf("plugin %s: %w", p.info.Name, err)
	}
	if err := p.start(ctx, s, cmp.Or(o.StartTimeout, defaultStartTimeout)); err != nil {
		p.end()
		return nil, err
	}
	return p, nil
}

// start brings the process up. Whatever hangs is ended at the time limit, so
// that every step returns.
func (p *Plugin) start(ctx context.Context, s Spec, limit time.Duration) error {
	timer := patience.AfterFunc(limit, p.process.waitedFor, func() {
		p.condemn(ErrStartTimeout, fmt.Sprintf("it was not ready within %v", limit))
	})
	defer timer.Stop()
	stop := context.AfterFunc(ctx, func() { _ = p.process.Kill(ctx) })
	defer stop()

	p.client = goplugin.NewClient(&goplugin.ClientConfig{
		HandshakeConfig:  rpc.Handshake,
		Plugins:          goplugin.PluginSet{rpc.PluginSet: &goplugin.NetRPCUnsupportedPlugin{}},
		AllowedProtocols: []goplugin.Protocol{goplugin.ProtocolGRPC},
		AutoMTLS:         true,
		SkipHostEnv:      true,
		StartTimeout:     patience.Most*limit + time.Minute, // the timer comes first
		Logger:           hclog.NewNullLogger(),
		GRPCDialOptions:  rpc.DialOptions(),
		UnixSocketConfig: &goplugin.UnixSocketConfig{TempDir: socketFolder()},
		RunnerFunc: func(_ hclog.Logger, cmd *exec.Cmd, dir string) (runner.Runner, error) {
			p.process.sockets = dir
			p.process.cmd.Env = append(p.process.cmd.Env, cmd.Env...)
			return p.process, nil
		},
	})
	protocol, err := p.client.Client()
	if err == nil {
		p.conn = protocol.(*goplugin.GRPCClient).Conn
		err = p.describe(ctx)
	}
	if err == nil {
		err = p.expect(s)
	}
	if err == nil {
		return nil
	}
	return p.diagnose(ctx, err)
}

// socketFolder is where the folder of a plugin's socket is made; the path of a
// socket has about 100 bytes on most systems.
func socketFolder() string {
	if dir := os.TempDir(); runtime.GOOS != "windows" && len(dir) > 55 {
		return "/tmp"
	}
	return ""
}

// diagnose says why a plugin did not start.
func (p *Plugin) diagnose(ctx context.Context, err error) error {
	var known *Error
	switch {
	case errors.As(err, &known):
		return err
	case p.verdict.Load() != nil && p.process.startErr == nil:
		return p.final("")
	case p.verdict.Load() != nil:
		return p.verdict.Load() // before the process began
	case ctx.Err() != nil:
		return fmt.Errorf("plugin %s: the start was given up: %w", p.info.Name, context.Cause(ctx))
	case p.process.startErr != nil:
		return p.notStarted(p.process.startErr)
	}
	line := p.process.first.get()
	parts := strings.Split(line, "|")
	switch {
	case len(parts) >= 4 && (parts[0] != fmt.Sprint(goplugin.CoreProtocolVersion) || parts[1] != fmt.Sprint(ir.ABIMajor)):
		return p.refuse(ErrABI, fmt.Sprintf("it speaks major version %s, this host %d; use a plugin that was built for it", clip(parts[1], 20), ir.ABIMajor))
	case line != "" && len(parts) < 4:
		_ = p.process.Kill(ctx)
		_, last := p.process.ending()
		return &Error{Plugin: p.info.Name, Err: ErrGarbage, Msg: fmt.Sprintf("it began with %q; is it a plugin of Seedbed?", clip(line, 80)), Stderr: last}
	case p.process.waitExit(time.Second):
		how, last := p.process.ending()
		if p.process.wasKilled() {
			return &Error{Plugin: p.info.Name, Err: ErrGarbage, Msg: "it closed its standard output without a word", Stderr: last}
		}
		return &Error{Plugin: p.info.Name, Err: ErrExited, Msg: how, Stderr: last}
	}
	switch status.Code(err) {
	case codes.FailedPrecondition:
		return p.refuse(ErrABI, status.Convert(err).Message())
	case codes.Unimplemented:
		return p.refuse(ErrGarbage, "it does not answer Describe; is it a plugin of Seedbed?")
	}
	return p.refuse(ErrGarbage, err.Error())
}

func (p *Plugin) refuse(kind error, msg string) error {
	return &Error{Plugin: p.info.Name, Err: kind, Msg: msg}
}

// pinned compares the executable with what was pinned.
func (p *Plugin) pinned(path, want string) error {
	sum, err := hex.DecodeString(want)
	if err != nil || len(sum) != sha256.Size {
		return fmt.Errorf("plugin %s: the pinned SHA-256 %q is not 64 hexadecimal digits", p.info.Name, clip(want, 80))
	}
	same, err := (&goplugin.SecureConfig{Checksum: sum, Hash: sha256.New()}).Check(path)
	if err != nil {
		return fmt.Errorf("plugin %s: reading it for its SHA-256: %w", p.info.Name, err)
	}
	if !same {
		return p.refuse(ErrChecksum, fmt.Sprintf("%s has another SHA-256 than %s", path, want))
	}
	return nil
}

// expect compares the plugin with what was asked for.
func (p *Plugin) expect(s Spec) error {
	if s.Kind != "" && s.Kind != p.kind {
		return p.refuse(ErrKind, fmt.Sprintf("it is a %s, not a %s", p.kind, s.Kind))
	}
	if s.Name != "" && s.Name != p.info.Name {
		return &Error{Plugin: s.Name, Err: ErrKind, Msg: fmt.Sprintf("%s is %s %s", strings.Join(s.Command, " "), p.kind, p.info.Name)}
	}
	return nil
}

// Info says who the plugin is.
func (p *Plugin) Info() plugin.Info {
	i := p.info.Info
	i.Roles = slices.Clone(i.Roles)
	return i
}

// Kind says what the plugin is.
func (p *Plugin) Kind() Kind { return p.kind }

// ABI returns the major and the highest minor version that the plugin speaks.
func (p *Plugin) ABI() (major, minor int) { return ir.ABIMajor, p.minor }

// PID returns the number of the plugin's process.
func (p *Plugin) PID() int { return p.process.cmd.Process.Pid }

// Plane says how the plugin's tensors travel: PlaneMemory or PlaneGRPC.
func (p *Plugin) Plane() DataPlane { return p.memory.Plane() }

// Exited is closed when the plugin's process has ended.
func (p *Plugin) Exited() <-chan struct{} { return p.process.exited }

// Model returns the plugin as a model; nil where it is of another kind.
func (p *Plugin) Model() plugin.Model {
	if p.kind != KindModel {
		return nil
	}
	return &model{p: p, client: abiv1.NewModelClient(p.conn)}
}

// Objective returns the plugin as an objective; nil where it is of another
// kind.
func (p *Plugin) Objective() plugin.Objective {
	if p.kind != KindObjective {
		return nil
	}
	return &objective{p: p, client: abiv1.NewObjectiveClient(p.conn)}
}

// Device returns the plugin as a device; nil where it is not a backend. Every
// call returns another device, with buffers, programs and a queue of its own.
// Closing one releases what it holds and leaves the process and the others.
func (p *Plugin) Device() device.Device {
	if p.kind != KindBackend {
		return nil
	}
	return newRemote(p)
}

// Close ends the process: it is asked to end, and killed where it does not
// within 2 s. It returns when the process is gone.
func (p *Plugin) Close() error {
	p.verdict.CompareAndSwap(nil, &Error{Plugin: p.info.Name, Err: errClosed})
	p.end()
	return nil
}

var errClosed = errors.New("the plugin was closed")

// end takes the process down and waits for it.
func (p *Plugin) end() {
	p.close.Do(func() {
		if p.process.cmd.Process == nil {
			if p.process.sockets != "" {
				os.RemoveAll(p.process.sockets)
			}
			return
		}
		// go-plugin waits for the answer to its request without a limit.
		timer := time.AfterFunc(closeTime, func() { _ = p.process.Kill(context.Background()) })
		defer timer.Stop()
		if p.conn == nil {
			_ = p.process.Kill(context.Background())
		}
		p.client.Kill()
		_ = p.process.Kill(context.Background())
		<-p.process.exited
		os.RemoveAll(p.process.sockets)
	})
}

// condemn ends the process for a reason, which is then that of whatever fails.
func (p *Plugin) condemn(kind error, msg string) {
	p.verdict.CompareAndSwap(nil, &Error{Plugin: p.info.Name, Err: kind, Msg: msg})
	_ = p.process.Kill(context.Background())
}

func clip(s string, n int) string {
	if len(s) > n {
		return s[:n] + "..."
	}
	return s
}
