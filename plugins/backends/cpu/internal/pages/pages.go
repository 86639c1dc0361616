package pages

import (
	"fmt"
	"slices"
	"sync"
	"unsafe"
)

const (
	line  = 64       // blocks begin on a cache line
	page  = 4 << 10  // and large ones are whole pages
	large = 64 << 10 // smaller ones are Go's
)

// Allocator hands out blocks. It may be used by any number of goroutines.
type Allocator struct {
	mu         sync.Mutex
	free       map[int][][]byte // by size
	live, idle int64            // bytes handed out, and kept for later
	blocks     int
	peak       int64
}

// Get returns a block of n bytes that begins on a cache line. It holds zeros, or what an earlier user left. It is an error if the
// system has no more memory.
func (a *Allocator) Get(n int) ([]byte, error) {
	size := rounded(n)
	a.mu.Lock()
	defer a.mu.Unlock()
	if l := a.free[size]; len(l) > 0 {
		a.free[size] = l[:len(l)-1]
		a.idle -= int64(size)
		a.handOut(size)
		return l[len(l)-1][:n:n], nil
	}
	a.trim(a.live / 2)
	var b []byte
	if size < large {
		x := make([]byte, size+line)
		skip := -int(uintptr(unsafe.Pointer(&x[0]))) & (line - 1)
		b = x[skip:]
	} else {
		var err error
		if b, err = reserve(size); err != nil {
			return nil, fmt.Errorf("no memory for %d bytes beside the %d in use: %w", n, a.live, err)
		}
	}
	a.handOut(size)
	return b[:n:n], nil
}

func (a *Allocator) handOut(size int) {
	a.live += int64(size)
	a.blocks++
	a.peak = max(a.peak, a.live+a.idle)
}

// Put takes back a block that Get gave. Nothing may use it any more.
func (a *Allocator) Put(b []byte) {
	size := rounded(len(b))
	a.mu.Lock()
	defer a.mu.Unlock()
	a.live -= int64(size)
	a.blocks--
	if size < large {
		return
	}
	if a.free == nil {
		a.free = map[int][][]byte{}
	}
	a.free[size] = append(a.free[size], unsafe.Slice(unsafe.SliceData(b), size)) // b was cut short
	a.idle += int64(size)
}

// Trim gives blocks that nobody uses back to the system.
func (a *Allocator) Trim() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.trim(0)
}

// trim keeps no more than so many idle bytes; the largest blocks go first.
func (a *Allocator) trim(keep int64) {
	if a.idle <= keep {
		return
	}
	sizes := make([]int, 0, len(a.free))
	for size := range a.free {
		sizes = append(sizes, size)
	}
	slices.Sort(sizes)
	for _, size := range slices.Backward(sizes) {
		l := a.free[size]
		for ; len(l) > 0 && a.idle > keep; l = l[:len(l)-1] {
			release(l[len(l)-1])
			a.idle -= int64(size)
		}
		a.free[size] = l
	}
}

// Usage returns how many blocks and bytes are handed out, and the most bytes that were ever held.
func (a *Allocator) Usage() (blocks int, live, peak int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.blocks, a.live, a.peak
}

func rounded(n int) int {
	unit := page
	if n < large-line {
		unit = line
	}
	return (n + unit - 1) / unit * unit
}
