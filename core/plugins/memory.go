package plugins

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"unsafe"

	abiv1 "github.com/seedbed/seedbed/abi/v1"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/shm"
)

// DataPlane says how tensors travel between the processes of a run. It never
// changes a bit of them.
type DataPlane string

// The data planes.
const (
	PlaneAuto   DataPlane = "auto"   // memory where the system has memory files, else grpc
	PlaneMemory DataPlane = "memory" // in memory that the processes share
	PlaneGRPC   DataPlane = "grpc"   // in messages
)

// A run has one segment. It is made before anybody knows how large a batch or
// a tensor is, so its slots are as large as addresses allow: pages are taken
// when they are used.
const (
	slotBytes = 4 << 30
	maxSlots  = 256
	minSlots  = 16
	// A slot that is free keeps this much, so that the next batch finds its
	// pages there.
	keepBytes = 16 << 20
)

// Memory is the memory that the processes of a run share. Its methods may be
// called by any number of goroutines.
type Memory struct {
	segment  *shm.Segment // nil where there is none
	required bool         // by the user

	mu       sync.Mutex
	free     []int // slots, the latest given back last
	used     int   // slots that were ever handed out
	reserved []int // bytes of each slot that have pages
}

// NewMemory returns the memory of a run. An empty plane is auto. It is an error
// if plane is memory and the system has none to share, or is none of the data
// planes.
func NewMemory(plane DataPlane) (*Memory, error) {
	switch plane {
	case PlaneGRPC:
		return &Memory{}, nil
	case PlaneAuto, PlaneMemory, "":
	default:
		return nil, fmt.Errorf("data plane %q is unknown; it is auto, memory or grpc", plane)
	}
	var segment *shm.Segment
	err := errors.New("a slot is larger than an address")
	// Fewer slots where a system or a limit leaves few addresses.
	for slots := maxSlots; slots >= minSlots && slots <= maxInt/slotBytes; slots /= 2 {
		if segment, err = shm.Create(1, slotBytes, slots); err == nil {
			break
		}
	}
	m := &Memory{segment: segment, required: plane == PlaneMemory}
	if segment == nil {
		if m.required {
			return nil, fmt.Errorf("data plane memory: %w; use auto or grpc", err)
		}
		slog.Debug("tensors travel in messages", "reason", err)
		return m, nil
	}
	m.reserved = make([]int, segment.Slots)
	return m, nil
}

const maxInt = int(^uint(0) >> 1)

// Plane says how tensors travel: PlaneMemory or PlaneGRPC.
func (m *Memory) Plane() DataPlane {
	if m == nil || m.segment == nil {
		return PlaneGRPC
	}
	return PlaneMemory
}

// NewFields returns a buffer for each field of a batch, on a boundary of 64
// bytes, where an objective can write it and a backend can read it in place.
// Where that is not to be had they are the host's own, and are copied. They
// are zero or hold what was there before, and must not be used after release.
func (m *Memory) NewFields(fields []ir.Param) (buffers [][]byte, release func()) {
	buffers = make([][]byte, len(fields))
	offsets := make([]int, len(fields))
	total := 0
	for i, f := range fields {
		offsets[i] = total
		total += aligned(f.Type.Bytes())
	}
	if s := m.take(total); s != nil {
		for i, f := range fields {
			n := f.Type.Bytes()
			buffers[i] = s.data[offsets[i]:][:n:n]
		}
		return buffers, sync.OnceFunc(s.give)
	}
	for i, f := range fields {
		buffers[i] = make([]byte, f.Type.Bytes())
	}
	return buffers, func() {}
}

func aligned(n int) int { return (n + shm.Alignment - 1) &^ (shm.Alignment - 1) }

// Close gives the memory back. No buffer of it, and no plugin that was started
// with it, is used after it.
func (m *Memory) Close() error {
	if m == nil || m.segment == nil {
		return nil
	}
	return m.segment.Close()
}

// slot is a slot that is in use.
type slot struct {
	m      *Memory
	number int
	data   []byte // as many bytes as were asked for
}

// take returns a slot with n bytes, or nil where there is none to be had.
func (m *Memory) take(n int) *slot {
	if m == nil || m.segment == nil || n <= 0 || n > slotBytes {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var number int
	switch {
	case len(m.free) > 0:
		number = m.free[len(m.free)-1]
		m.free = m.free[:len(m.free)-1]
	case m.used < m.segment.Slots:
		number = m.used
		m.used++
	default:
		return nil
	}
	data, err := m.segment.Slot(number)
	if err == nil && m.reserved[number] < n {
		if err = m.segment.Reserve(number, n); err == nil {
			m.reserved[number] = n
		}
	}
	if err != nil {
		m.free = append(m.free, number)
		slog.Debug("a tensor travels in messages", "reason", err)
		return nil
	}
	return &slot{m: m, number: number, data: data[:n:n]}
}

// give gives a slot back. A large one does not keep all of its pages.
func (s *slot) give() {
	if s == nil {
		return
	}
	m := s.m
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.reserved[s.number] > keepBytes && m.segment.Free(s.number, keepBytes) == nil {
		m.reserved[s.number] = keepBytes
	}
	m.free = append(m.free, s.number)
}

// region returns the message for one region of the slot.
func (s *slot) region(offset, n int) *abiv1.Slot {
	return &abiv1.Slot{Segment: s.m.segment.ID, Slot: uint32(s.number), Offsets: []uint64{uint64(offset)}, Lengths: []uint64{uint64(n)}}
}

// locate finds bytes that lie in one slot of the memory, on its boundaries.
func (m *Memory) locate(data []byte) (slot int, offset uint64, ok bool) {
	if m == nil || m.segment == nil || len(data) == 0 {
		return 0, 0, false
	}
	all := m.segment.Bytes()
	base, at := uintptr(unsafe.Pointer(unsafe.SliceData(all))), uintptr(unsafe.Pointer(unsafe.SliceData(data)))
	if at < base || at-base >= uintptr(len(all)) {
		return 0, 0, false
	}
	slot, off := int(at-base)/slotBytes, int(at-base)%slotBytes
	if off%shm.Alignment != 0 || len(data) > slotBytes-off {
		return 0, 0, false
	}
	return slot, uint64(off), true
}

// locateAll returns the message for buffers that lie in one slot, or nil.
func (m *Memory) locateAll(buffers [][]byte) *abiv1.Slot {
	if m == nil || m.segment == nil || len(buffers) == 0 {
		return nil
	}
	out := &abiv1.Slot{Segment: m.segment.ID}
	for i, b := range buffers {
		n, offset, ok := m.locate(b)
		if !ok || (i > 0 && uint32(n) != out.Slot) {
			return nil
		}
		out.Slot = uint32(n)
		out.Offsets = append(out.Offsets, offset)
		out.Lengths = append(out.Lengths, uint64(len(b)))
	}
	return out
}
