package plugin

import (
	"context"
	"errors"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	abiv1 "github.com/seedbed/seedbed/abi/v1"

	"github.com/seedbed/seedbed/abi/wire"
)

// maxMessage bounds the text of a status, which travels in a header.
const maxMessage = 8 << 10

// toStatus gives an error the form that plugin.proto prescribes. Whatever a
// plugin refuses is the fault of the request.
func toStatus(err error) error {
	if _, ok := status.FromError(err); ok {
		return err
	}
	var config *ConfigError
	var version *wire.VersionError
	switch {
	case errors.As(err, &config):
		s := status.New(codes.InvalidArgument, clip(err.Error(), maxMessage))
		detailed, e := s.WithDetails(&abiv1.ConfigError{Field: clip(config.Field, 1024), Message: clip(config.Msg, 4096)})
		if e != nil {
			return s.Err()
		}
		return detailed.Err()
	case errors.As(err, &version):
		return status.Error(codes.FailedPrecondition, clip(err.Error(), maxMessage))
	case errors.Is(err, context.Canceled):
		return status.Error(codes.Canceled, clip(err.Error(), maxMessage))
	case errors.Is(err, context.DeadlineExceeded):
		return status.Error(codes.DeadlineExceeded, clip(err.Error(), maxMessage))
	}
	return status.Error(codes.InvalidArgument, clip(err.Error(), maxMessage))
}

func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	const mark = " ..."
	s = s[:n-len(mark)]
	for len(s) > 0 && s[len(s)-1]&0xc0 == 0x80 { // not in the middle of a rune
		s = s[:len(s)-1]
	}
	if len(s) > 0 && s[len(s)-1] >= 0xc0 {
		s = s[:len(s)-1]
	}
	return s + mark
}
