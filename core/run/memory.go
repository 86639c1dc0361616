package run

import (
	"errors"
	"fmt"
)

// ErrMemory is wrapped where a run needs more memory than the machine has.
var ErrMemory = errors.New("not enough memory")

// processBytes is what the processes of a run take besides tensors, all
// together: the Go runtime, code, queues and files' buffers.
const processBytes = 128 << 20

// fits refuses to begin what the machine's memory cannot hold. Where that is
// not known it allows all.
func fits(need int64, hint string) error {
	if have := available(); have > 0 && need > have {
		return fmt.Errorf("%w: the run needs about %s, %s are free: %s", ErrMemory, Bytes(need), Bytes(have), hint)
	}
	return nil
}

// Bytes writes a number of bytes for people.
func Bytes(n int64) string {
	const kib, mib, gib = 1 << 10, 1 << 20, 1 << 30
	switch {
	case n >= 10*gib:
		return fmt.Sprintf("%.0f GiB", float64(n)/gib)
	case n >= gib:
		return fmt.Sprintf("%.1f GiB", float64(n)/gib)
	case n >= mib:
		return fmt.Sprintf("%.0f MiB", float64(n)/mib)
	case n >= kib:
		return fmt.Sprintf("%.0f KiB", float64(n)/kib)
	}
	return fmt.Sprintf("%d bytes", n)
}
