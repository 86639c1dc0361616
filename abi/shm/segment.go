package shm

import (
	"errors"
	"fmt"
	"os"

	abiv1 "github.com/seedbed/seedbed/abi/v1"
)

// ErrUnavailable says that the system has no memory files.
var ErrUnavailable = errors.New("memory files are not available here")

// Bounds of the ABI; see plugin.proto.
const (
	MaxSegments = 64
	MaxRegions  = 65536
	Alignment   = 64      // of a region, in bytes
	maxBytes    = 1 << 46 // of a segment
	pageBytes   = 4096    // a slot is a multiple of it
)

// Segment is mapped shared memory. Its methods may be called by any number of
// goroutines, but not after Close.
type Segment struct {
	ID        uint32
	SlotBytes int
	Slots     int
	file      *os.File
	data      []byte
}

// Create makes a segment of zeros. It is ErrUnavailable, wrapped, where the
// system has no memory files or too few addresses.
func Create(id uint32, slotBytes, slots int) (*Segment, error) {
	if err := checkSize(uint64(slotBytes), uint64(slots)); err != nil {
		return nil, err
	}
	file, err := createFile(int64(slotBytes) * int64(slots))
	if err != nil {
		return nil, fmt.Errorf("shared memory: %w", err)
	}
	return mapped(id, slotBytes, slots, file)
}

// Open maps a segment that the host made. The file must be a memory file whose
// size is sealed and that holds all slots. On success the segment owns it.
func Open(m *abiv1.Segment) (*Segment, error) {
	if err := checkSize(m.SlotBytes, uint64(m.Slots)); err != nil {
		return nil, fmt.Errorf("segment %d: %w", m.Id, err)
	}
	file, err := openFile(m.File, int64(m.SlotBytes)*int64(m.Slots))
	if err != nil {
		return nil, fmt.Errorf("segment %d: descriptor %d: %w", m.Id, m.File, err)
	}
	return mapped(m.Id, int(m.SlotBytes), int(m.Slots), file)
}

func checkSize(slotBytes, slots uint64) error {
	if slotBytes == 0 || slotBytes%pageBytes != 0 || slots == 0 || slotBytes > maxBytes/slots {
		return fmt.Errorf("%d slots of %d bytes: need at least one, of a multiple of %d bytes, and at most %d bytes in all", slots, slotBytes, pageBytes, int64(maxBytes))
	}
	return nil
}

func mapped(id uint32, slotBytes, slots int, file *os.File) (*Segment, error) {
	data, err := mapFile(file, slotBytes*slots)
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("shared memory: mapping %d bytes: %w", slotBytes*slots, err)
	}
	return &Segment{ID: id, SlotBytes: slotBytes, Slots: slots, file: file, data: data}, nil
}

// File returns the segment's file, for a plugin's process to inherit.
func (s *Segment) File() *os.File { return s.file }

// Slot returns the memory of a slot.
func (s *Segment) Slot(i int) ([]byte, error) {
	if i < 0 || i >= s.Slots {
		return nil, fmt.Errorf("segment %d has no slot %d: its slots are 0 to %d", s.ID, i, s.Slots-1)
	}
	return s.data[i*s.SlotBytes:][:s.SlotBytes:s.SlotBytes], nil
}

// Bytes returns the memory of all slots.
func (s *Segment) Bytes() []byte { return s.data }

// Reserve takes pages for the first n bytes of a slot. It is an error where
// the machine has not enough memory.
func (s *Segment) Reserve(slot, n int) error {
	if _, err := s.Slot(slot); err != nil {
		return err
	}
	if n < 0 || n > s.SlotBytes {
		return fmt.Errorf("shared memory: a slot has %d bytes, not %d", s.SlotBytes, n)
	}
	if n == 0 {
		return nil
	}
	if err := reserve(s.file, int64(slot)*int64(s.SlotBytes), int64(n)); err != nil {
		return fmt.Errorf("shared memory: reserving %d bytes: %w", n, err)
	}
	return nil
}

// Free gives the pages of a slot beyond the first keep bytes back to the
// system; they are zero when they are reserved again.
func (s *Segment) Free(slot, keep int) error {
	if _, err := s.Slot(slot); err != nil {
		return err
	}
	keep = (keep + pageBytes - 1) / pageBytes * pageBytes
	if keep >= s.SlotBytes {
		return nil
	}
	return free(s.file, int64(slot)*int64(s.SlotBytes)+int64(keep), int64(s.SlotBytes-keep))
}

// Close unmaps the segment. No slice of it is used after it.
func (s *Segment) Close() error {
	if s.data == nil {
		return nil
	}
	err := unmapFile(s.data)
	s.data = nil
	return errors.Join(err, s.file.Close())
}
