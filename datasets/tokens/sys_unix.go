//go:build unix

package tokens

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// syncDir makes renames in a folder durable, on file systems that can: some network and user-space ones refuse to sync a folder
// (EINVAL, ENOTSUP), and there is nothing better to ask of them.
func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = f.Sync()
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOTSUP) {
		err = nil
	}
	return errors.Join(err, f.Close())
}

// tryLock locks f for this open file, and reports whether it could.
func tryLock(f *os.File) (bool, error) {
	err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) || errors.Is(err, unix.EINTR) {
		return false, nil
	}
	return err == nil, err
}
