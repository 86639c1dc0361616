package plugin

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	abiv1 "github.com/seedbed/seedbed/abi/v1"

	"github.com/seedbed/seedbed/abi/rpc"
	"github.com/seedbed/seedbed/abi/shm"
)

// ServeModel is the whole main of a model plugin. It returns when the host has
// asked the plugin to end, and ends the process itself when the host is gone
// or did not start it.
func ServeModel(m Model) {
	i := m.Info()
	d := &abiv1.DescribeResponse{Kind: abiv1.PluginKind_PLUGIN_KIND_MODEL, Roles: sortedRoles(i.Roles)}
	serve("model", i, d, func(s *grpc.Server, _ *shm.Set) {
		abiv1.RegisterModelServer(s, &modelServer{model: m})
	})
}

// ServeObjective is the whole main of an objective plugin; see ServeModel.
func ServeObjective(o Objective) {
	i := o.Info()
	d := &abiv1.DescribeResponse{Kind: abiv1.PluginKind_PLUGIN_KIND_OBJECTIVE, Roles: sortedRoles(i.Roles)}
	serve("objective", i, d, func(s *grpc.Server, memory *shm.Set) {
		abiv1.RegisterObjectiveServer(s, &objectiveServer{objective: o, memory: memory})
	})
}

// ServeBackend is the whole main of a backend plugin; see ServeModel. The
// backend is closed at the end.
func ServeBackend(b Backend) {
	i := b.Info()
	d := &abiv1.DescribeResponse{Kind: abiv1.PluginKind_PLUGIN_KIND_BACKEND}
	err := describeBackend(d, i)
	if err != nil {
		fail(i.Info, err)
	}
	server := newBackendServer(b)
	serve("backend", i.Info, d, func(s *grpc.Server, memory *shm.Set) {
		server.memory = memory
		abiv1.RegisterBackendServer(s, server)
	})
	if err := server.close(); err != nil {
		fail(i.Info, fmt.Errorf("closing the backend: %w", err))
	}
}

func fail(i Info, err error) {
	fmt.Fprintf(os.Stderr, "plugin %s: %v\n", i.Name, err)
	os.Exit(1)
}

// serve runs the plugin's server until the host ends it.
func serve(kind string, i Info, d *abiv1.DescribeResponse, register func(*grpc.Server, *shm.Set)) {
	if err := describeInfo(d, i); err != nil {
		fail(i, err)
	}
	if os.Getenv(rpc.Handshake.MagicCookieKey) != rpc.Handshake.MagicCookieValue {
		fmt.Fprintf(os.Stderr, "%s %s is a plugin of Seedbed, a %s: %s\n"+
			"It does its work for a host, which starts it, and nothing by itself. To use it, name this\n"+
			"executable as the %s of a recipe; to see what it offers, run: host plugin info %s\n",
			i.Name, i.Version, kind, i.Doc, kind, os.Args[0])
		os.Exit(1)
	}
	watchHost()
	p := &pluginServer{describe: d, stderr: os.Stderr}
	goplugin.Serve(&goplugin.ServeConfig{
		HandshakeConfig: rpc.Handshake,
		Plugins: goplugin.PluginSet{rpc.PluginSet: services{register: func(s *grpc.Server) {
			abiv1.RegisterPluginServer(s, p)
			register(s, &p.memory)
		}}},
		GRPCServer: func(opts []grpc.ServerOption) *grpc.Server {
			opts = append(opts, rpc.ServerOptions()...)
			return grpc.NewServer(append(opts, rpc.Interceptors(toStatus, i.panicked)...)...)
		},
		Logger: hclog.NewNullLogger(),
	})
}

// panicked reports a panic in the plugin's code. The stack is for the
// plugin's author.
func (i Info) panicked(method string, value any, stack []byte) error {
	_, call, _ := strings.Cut(strings.TrimPrefix(method, "/"), "/")
	fmt.Fprintf(os.Stderr, "plugin %s: %s panicked: %v\n%s", i.Name, call, value, stack)
	return status.Errorf(codes.Internal, "plugin %s: %s panicked: %s", i.Name, call, clip(fmt.Sprint(value), maxMessage))
}

// services registers on the plugin's server. Only the host makes clients.
type services struct {
	goplugin.NetRPCUnsupportedPlugin
	register func(*grpc.Server)
}

var _ goplugin.GRPCPlugin = services{}

func (p services) GRPCServer(_ *goplugin.GRPCBroker, s *grpc.Server) error {
	p.register(s)
	return nil
}

func (services) GRPCClient(context.Context, *goplugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, errors.New("a plugin has no client")
}
