package shm

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sync"

	abiv1 "github.com/seedbed/seedbed/abi/v1"
)

// Set is the segments of a process by their numbers. Its methods may be called
// by any number of goroutines.
type Set struct {
	mu       sync.RWMutex
	segments map[uint32]*Segment
}

// Open maps the segments of a message that are not mapped yet: all or, on
// error, none of them. A number that stands for a segment of another size is an
// error.
func (s *Set) Open(ms []*abiv1.Segment) error {
	if len(ms) > MaxSegments {
		return fmt.Errorf("%d segments are more than %d", len(ms), MaxSegments)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	opened := map[uint32]*Segment{}
	undo := func(err error) error {
		for _, x := range opened {
			x.Close()
		}
		return err
	}
	seen := map[uint32]bool{}
	for _, m := range ms {
		if seen[m.Id] {
			return undo(fmt.Errorf("segment %d is listed twice", m.Id))
		}
		seen[m.Id] = true
		if x := s.segments[m.Id]; x != nil {
			if uint64(x.SlotBytes) != m.SlotBytes || x.Slots != int(m.Slots) {
				return undo(fmt.Errorf("segment %d has %d slots of %d bytes, not %d of %d", m.Id, x.Slots, x.SlotBytes, m.Slots, m.SlotBytes))
			}
			continue
		}
		x, err := Open(m)
		if err != nil {
			return undo(err)
		}
		opened[m.Id] = x
	}
	if s.segments == nil {
		s.segments = opened
		return nil
	}
	for id, x := range opened {
		s.segments[id] = x
	}
	return nil
}

// Region returns memory of a slot: length bytes from an offset that is a
// multiple of Alignment.
func (s *Set) Region(segment, slot uint32, offset, length uint64) ([]byte, error) {
	s.mu.RLock()
	x := s.segments[segment]
	s.mu.RUnlock()
	if x == nil {
		return nil, fmt.Errorf("there is no segment %d", segment)
	}
	if uint64(slot) >= uint64(x.Slots) {
		return nil, fmt.Errorf("segment %d has no slot %d: its slots are 0 to %d", segment, slot, x.Slots-1)
	}
	if offset%Alignment != 0 {
		return nil, fmt.Errorf("a region begins at byte %d of its slot, not at a multiple of %d", offset, Alignment)
	}
	if n := uint64(x.SlotBytes); offset > n || length > n-offset {
		return nil, fmt.Errorf("a region of %d bytes from byte %d ends outside its slot of %d", length, offset, n)
	}
	data, err := x.Slot(int(slot))
	if err != nil {
		return nil, err
	}
	return data[offset : offset+length : offset+length], nil
}

// Regions returns the memory of each region of a message, in order. They are
// aligned, lie within the slot and do not overlap.
func (s *Set) Regions(m *abiv1.Slot) ([][]byte, error) {
	switch {
	case m == nil:
		return nil, errors.New("the slot is missing")
	case len(m.Offsets) != len(m.Lengths):
		return nil, fmt.Errorf("%d offsets and %d lengths of regions", len(m.Offsets), len(m.Lengths))
	case len(m.Offsets) > MaxRegions:
		return nil, fmt.Errorf("%d regions are more than %d", len(m.Offsets), MaxRegions)
	}
	out := make([][]byte, len(m.Offsets))
	order := make([]int, 0, len(m.Offsets))
	for i := range out {
		var err error
		if out[i], err = s.Region(m.Segment, m.Slot, m.Offsets[i], m.Lengths[i]); err != nil {
			return nil, fmt.Errorf("region %d: %w", i, err)
		}
		if m.Lengths[i] > 0 {
			order = append(order, i)
		}
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(m.Offsets[a], m.Offsets[b]) })
	for k := 1; k < len(order); k++ {
		a, b := order[k-1], order[k]
		if m.Offsets[a]+m.Lengths[a] > m.Offsets[b] {
			return nil, fmt.Errorf("regions %d and %d overlap", min(a, b), max(a, b))
		}
	}
	return out, nil
}
