package pages

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

const huge = 2 << 20

// reserve maps size bytes, so that as many as can be lie on whole huge pages.
func reserve(size int) ([]byte, error) {
	slack := 0
	if size >= huge {
		slack = huge
	}
	p, err := unix.MmapPtr(-1, 0, nil, uintptr(size+slack), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return nil, err
	}
	if slack > 0 {
		head := -int(uintptr(p)) & (huge - 1)
		unmap(unsafe.Add(p, head+size), slack-head)
		unmap(p, head)
		p = unsafe.Add(p, head)
	}
	b := unsafe.Slice((*byte)(p), size)
	if slack > 0 {
		_ = unix.Madvise(b, unix.MADV_HUGEPAGE) // a wish: without it the pages are small
	}
	return b, nil
}

func release(b []byte) { unmap(unsafe.Pointer(unsafe.SliceData(b)), len(b)) }

// unmap cannot fail on what reserve mapped.
func unmap(p unsafe.Pointer, n int) {
	if n > 0 {
		_ = unix.MunmapPtr(p, uintptr(n))
	}
}
