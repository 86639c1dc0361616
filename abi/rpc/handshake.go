package rpc

import (
	goplugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/wire"
)

// Handshake is how a plugin knows that a host started it. The protocol's
// version is the ABI's major one.
var Handshake = goplugin.HandshakeConfig{
	ProtocolVersion:  ir.ABIMajor,
	MagicCookieKey:   "SEEDBED_PLUGIN",
	MagicCookieValue: "3d9f6b52c0a84e1f9c57",
}

// PluginSet is the name under which go-plugin knows the services of a plugin.
const PluginSet = "seedbed"

// Environment variables of a plugin's process beside those of go-plugin.
const (
	// EnvLife is the number of a file descriptor that reads as ended once the
	// host has: the plugin ends then.
	EnvLife = "SEEDBED_PLUGIN_LIFE"
	// EnvHost is the number of the host's process, where descriptors cannot be
	// passed: the plugin ends when that process does.
	EnvHost = "SEEDBED_PLUGIN_HOST"
)

// Windows of flow control: a connection holds a whole message, so that a
// sender does not wait for its reader in the middle of one.
const (
	streamWindow     = 8 << 20
	connectionWindow = wire.MaxMessageBytes
)

// ServerOptions are the plugin's options beside those of go-plugin.
func ServerOptions() []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.MaxRecvMsgSize(wire.MaxMessageBytes),
		grpc.MaxSendMsgSize(wire.MaxMessageBytes),
		grpc.InitialWindowSize(streamWindow),
		grpc.InitialConnWindowSize(connectionWindow),
	}
}

// DialOptions are the host's options.
func DialOptions() []grpc.DialOption {
	return []grpc.DialOption{
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(wire.MaxMessageBytes), grpc.MaxCallSendMsgSize(wire.MaxMessageBytes)),
		grpc.WithInitialWindowSize(streamWindow),
		grpc.WithInitialConnWindowSize(connectionWindow),
		grpc.WithIdleTimeout(0),
		grpc.WithDisableServiceConfig(),
		grpc.WithUnaryInterceptor(clientUnary),
		grpc.WithStreamInterceptor(clientStream),
	}
}
