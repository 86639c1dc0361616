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
	Advise(b)
	return b, nil
}

// Advise asks that what of b makes whole huge pages lies on such. It is a wish: without it the pages are small.
func Advise(b []byte) {
	head := -int(uintptr(unsafe.Pointer(unsafe.SliceData(b)))) & (huge - 1)
	if whole := (len(b) - head) &^ (huge - 1); whole > 0 {
		_ = unix.Madvise(b[head:][:whole], unix.MADV_HUGEPAGE)
	}
}

func release(b []byte) { unmap(unsafe.Pointer(unsafe.SliceData(b)), len(b)) }

// unmap cannot fail on what reserve mapped.
func unmap(p unsafe.Pointer, n int) {
	if n > 0 {
		_ = unix.MunmapPtr(p, uintptr(n))
	}
}
