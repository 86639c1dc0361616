// Package rpc is what host and plugin put around every call between them, the
// same on both sides: the handshake by which they find each other, the stamp
// and the check of every message, and the form of errors.
//
// It imports abi/ir, abi/v1, abi/wire and gRPC. Start reading at handshake.go.
package rpc
