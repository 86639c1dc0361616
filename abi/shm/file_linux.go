package shm

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

const seals = unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_SEAL

func createFile(size int64) (*os.File, error) {
	fd, err := unix.MemfdCreate("seedbed", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, fmt.Errorf("%w: memfd_create: %w", ErrUnavailable, err)
	}
	file := os.NewFile(uintptr(fd), "memfd:seedbed")
	if err := unix.Ftruncate(fd, size); err != nil {
		file.Close()
		return nil, fmt.Errorf("%w: setting the size to %d bytes: %w", ErrUnavailable, size, err)
	}
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals); err != nil {
		file.Close()
		return nil, fmt.Errorf("%w: sealing the size: %w", ErrUnavailable, err)
	}
	return file, nil
}

func openFile(descriptor uint32, size int64) (*os.File, error) {
	has, err := unix.FcntlInt(uintptr(descriptor), unix.F_GET_SEALS, 0)
	if err != nil {
		return nil, fmt.Errorf("is not a memory file: %w", err)
	}
	if has&unix.F_SEAL_SHRINK == 0 {
		return nil, errors.New("the size of the file is not sealed")
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(descriptor), &st); err != nil {
		return nil, err
	}
	if st.Size < size {
		return nil, fmt.Errorf("the file has %d bytes, the slots take %d", st.Size, size)
	}
	// A descriptor of its own, so that closing it leaves the inherited one.
	fd, err := unix.FcntlInt(uintptr(descriptor), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), "memfd:seedbed"), nil
}

func mapFile(file *os.File, size int) ([]byte, error) {
	data, err := unix.Mmap(int(file.Fd()), 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_NORESERVE)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	// A core dump would hold all of it. Where that cannot be told, it does.
	_ = unix.Madvise(data, unix.MADV_DONTDUMP)
	return data, nil
}

func unmapFile(data []byte) error { return unix.Munmap(data) }

func reserve(file *os.File, offset, n int64) error {
	for {
		if err := unix.Fallocate(int(file.Fd()), 0, offset, n); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

func free(file *os.File, offset, n int64) error {
	return unix.Fallocate(int(file.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, offset, n)
}
