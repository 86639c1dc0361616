package rpc

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/wire"
)

// ours reports whether a method belongs to the ABI; go-plugin has its own on
// the same connection.
func ours(method string) bool { return strings.HasPrefix(method, "/seedbed.abi.v1.") }

// stamp sets the version that a message needs. Everything is of minor 0 yet.
func stamp(m any) {
	p, ok := m.(proto.Message)
	if !ok {
		return
	}
	r := p.ProtoReflect()
	if f := r.Descriptor().Fields().ByName("abi_major"); f != nil {
		r.Set(f, protoreflect.ValueOfUint32(ir.ABIMajor))
	}
}

// check returns the status of a message that this side must refuse.
func check(m any) error {
	p, ok := m.(proto.Message)
	if !ok {
		return status.Error(codes.Internal, "not a protobuf message")
	}
	err := wire.Check(p)
	var version *wire.VersionError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &version):
		return status.Error(codes.FailedPrecondition, err.Error())
	}
	return status.Error(codes.InvalidArgument, err.Error())
}

// Interceptors are the server's part: every request is checked and every
// response stamped, errors become what status makes of them, and a panic ends
// no more than its call: report gets it with its stack.
func Interceptors(toStatus func(error) error, report func(method string, panicked any, stack []byte) error) []grpc.ServerOption {
	guard := func(method string, err *error) {
		if r := recover(); r != nil {
			*err = report(method, r, debug.Stack())
		}
	}
	return []grpc.ServerOption{
		grpc.UnaryInterceptor(func(ctx context.Context, req any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (resp any, err error) {
			if !ours(info.FullMethod) {
				return handle(ctx, req)
			}
			defer guard(info.FullMethod, &err)
			if err := check(req); err != nil {
				return nil, err
			}
			if resp, err = handle(ctx, req); err != nil {
				return nil, toStatus(err)
			}
			stamp(resp)
			return resp, nil
		}),
		grpc.StreamInterceptor(func(srv any, s grpc.ServerStream, info *grpc.StreamServerInfo, handle grpc.StreamHandler) (err error) {
			if !ours(info.FullMethod) {
				return handle(srv, s)
			}
			defer guard(info.FullMethod, &err)
			if err := handle(srv, serverStream{s}); err != nil {
				return toStatus(err)
			}
			return nil
		}),
	}
}

type serverStream struct{ grpc.ServerStream }

func (s serverStream) SendMsg(m any) error {
	stamp(m)
	return s.ServerStream.SendMsg(m)
}

func (s serverStream) RecvMsg(m any) error {
	if err := s.ServerStream.RecvMsg(m); err != nil {
		return err
	}
	return check(m)
}

func clientUnary(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	if !ours(method) {
		return invoke(ctx, method, req, reply, cc, opts...)
	}
	stamp(req)
	if err := invoke(ctx, method, req, reply, cc, opts...); err != nil {
		return err
	}
	return answer(check(reply))
}

func clientStream(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, open grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	s, err := open(ctx, desc, cc, method, opts...)
	if err != nil || !ours(method) {
		return s, err
	}
	return checkedStream{s}, nil
}

type checkedStream struct{ grpc.ClientStream }

func (s checkedStream) SendMsg(m any) error {
	stamp(m)
	return s.ClientStream.SendMsg(m)
}

func (s checkedStream) RecvMsg(m any) error {
	if err := s.ClientStream.RecvMsg(m); err != nil {
		return err
	}
	return answer(check(m))
}

// answer marks what is wrong with an answer rather than with a request.
func answer(err error) error {
	if err == nil {
		return nil
	}
	return &AnswerError{errors.New(status.Convert(err).Message())}
}

// AnswerError says that a plugin gave an answer that breaks the rules of the
// ABI.
type AnswerError struct{ Err error }

// Error returns "the plugin's answer breaks the ABI: message".
func (e *AnswerError) Error() string {
	return fmt.Sprintf("the plugin's answer breaks the ABI: %v", e.Err)
}

// Unwrap returns e.Err.
func (e *AnswerError) Unwrap() error { return e.Err }
