//go:build !unix

package plugins

import "errors"

func stop(int) error { return errors.ErrUnsupported }
