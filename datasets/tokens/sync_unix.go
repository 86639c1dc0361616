//go:build unix

package tokens

import (
	"errors"
	"os"
	"syscall"
)

// syncDir makes renames in a folder durable, on file systems that can: some network and user-space ones refuse to sync a folder
// (EINVAL, ENOTSUP), and there is nothing better to ask of them.
func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = f.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOTSUP) {
		err = nil
	}
	return errors.Join(err, f.Close())
}
