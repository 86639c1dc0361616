package tokens

import (
	"errors"
	"os"

	win "golang.org/x/sys/windows" // the package has a type windows
)

// syncDir does nothing: folders cannot be synced here, and renames are journalled by the file system.
func syncDir(string) error { return nil }

// tryLock locks f, which nobody reads, for this open file, and reports whether it could.
func tryLock(f *os.File) (bool, error) {
	err := win.LockFileEx(win.Handle(f.Fd()), win.LOCKFILE_EXCLUSIVE_LOCK|win.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, &win.Overlapped{})
	if errors.Is(err, win.ERROR_LOCK_VIOLATION) {
		return false, nil
	}
	return err == nil, err
}
