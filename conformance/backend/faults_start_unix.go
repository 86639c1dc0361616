//go:build unix

package backend

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/seedbed/seedbed/conformance/suite"
	"github.com/seedbed/seedbed/core/plugins"
)

// starts are what can go wrong before a plugin is ready, as programs of sh that
// stand in its place; "$@" is its command.
var starts = []struct {
	name, script string
	want         error
}{
	{"garbage", `echo "Content-Type: text/html"; sleep 60`, plugins.ErrGarbage},
	{"a handshake cut short", `"$@" | head -c 7; sleep 60`, plugins.ErrStartTimeout},
	{"an endless handshake", `yes 1 | tr -d '\n' | head -c 20000000; sleep 60`, nil},
	{"another ABI", `"$@" | { IFS='|' read -r core app rest; echo "$core|9|$rest"; cat; }`, plugins.ErrABI},
	{"another protocol", `"$@" | { IFS='|' read -r core rest; echo "7|$rest"; cat; }`, nil},
	{"ends at once", `echo "no licence" >&2; exit 7`, plugins.ErrExited},
	{"silent", `exec >&-; sleep 60`, nil},
	{"never ready", `sleep 60`, plugins.ErrStartTimeout},
	{"no server behind it", `echo "1|1|unix|/nowhere/at/all|grpc|"; sleep 60`, nil},
	{"no memory", `ulimit -v 20000; exec "$@"`, plugins.ErrExited},
}

// addStartFaults adds the faults of starting.
func (s *Suites) addStartFaults(spec plugins.Spec) {
	s.add(suite.Unit{Suite: "faults", Name: "start"}, len(starts), func(i int) string { return "faults/start/" + starts[i].name }, func(ctx context.Context, session *session, i int) ([]byte, error) {
		bad := spec
		bad.Command = append([]string{"/bin/sh", "-c", starts[i].script, "sh"}, spec.Command...)
		p, err := plugins.Start(ctx, bad, plugins.Options{StartTimeout: 2 * time.Second})
		var e *plugins.Error
		switch {
		case err == nil:
			return nil, errors.Join(errors.New("it starts"), p.Close())
		case !errors.As(err, &e) || starts[i].want != nil && !errors.Is(err, starts[i].want):
			return nil, fmt.Errorf("the error is not a *plugins.Error that says %q: %w", fmt.Sprint(starts[i].want), err)
		}
		return nil, session.hold(ctx, soundCase())
	})
}
