package checkpoint

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
)

const lockFile = ".lock"

// ErrInUse is wrapped where another run holds the lock of an output folder.
var ErrInUse = errors.New("the output folder is in use by another run")

// DirLock is held by the one run that may write to an output folder.
type DirLock struct{ f *os.File }

// held keeps locks from the garbage collector, which would close the file of one that the caller does not keep, and so drop it.
var held sync.Map // of *DirLock

// Lock takes the lock of dir, which it makes if need be, for this process. If another holds it, the error wraps ErrInUse and names
// its process id. The system drops the lock when the process ends, however it ends.
func Lock(dir string) (*DirLock, error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, fmt.Errorf("lock output folder: %w", err)
	}
	// The file stays when the lock goes: if it were removed, two runs could each hold a lock of their own file.
	f, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, fmt.Errorf("lock output folder: %w", explain(err))
	}
	ok, err := tryLock(f)
	if err == nil && !ok {
		err = fmt.Errorf("%w, process %s; wait for it, stop it, or use another folder", ErrInUse, holder(f))
	}
	if err == nil {
		err = f.Truncate(0)
	}
	if err == nil {
		_, err = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("lock output folder %s: %w", dir, err)
	}
	l := &DirLock{f}
	held.Store(l, nil)
	return l, nil
}

// holder returns the process id in the lock file.
func holder(f *os.File) string {
	b, err := io.ReadAll(io.LimitReader(f, 32))
	if pid, convErr := strconv.Atoi(strings.TrimSpace(string(b))); err == nil && convErr == nil {
		return strconv.Itoa(pid)
	}
	return "unknown (it is just starting)"
}

// Unlock lets the folder go.
func (l *DirLock) Unlock() error {
	held.Delete(l)
	return l.f.Close()
}
