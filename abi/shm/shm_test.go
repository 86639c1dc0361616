package shm

import (
	"os"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	abiv1 "github.com/seedbed/seedbed/abi/v1"
)

func create(t *testing.T, slotBytes, slots int) *Segment {
	t.Helper()
	s, err := Create(7, slotBytes, slots)
	if runtime.GOOS != "linux" {
		require.ErrorIs(t, err, ErrUnavailable)
		t.Skip("this system has no memory files")
	}
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	return s
}

func TestSegmentIsShared(t *testing.T) {
	s := create(t, 8192, 3)
	require.NoError(t, s.Reserve(1, 100))
	a, err := s.Slot(1)
	require.NoError(t, err)
	copy(a, "hello")
	m := &abiv1.Segment{Id: 7, File: uint32(s.File().Fd()), SlotBytes: 8192, Slots: 3}
	var set Set
	require.NoError(t, set.Open([]*abiv1.Segment{m}))
	require.NoError(t, set.Open([]*abiv1.Segment{m}), "Describe may be repeated")
	b, err := set.Region(7, 1, 0, 5)
	require.NoError(t, err)
	assert.Equal(t, "hello", string(b))
	b[0] = 'j'
	assert.Equal(t, "jello", string(a[:5]))
	require.NoError(t, s.Free(1, 0))
	assert.Zero(t, a[0])
	whole, err := set.Region(7, 2, 8192, 0)
	assert.NoError(t, err)
	assert.Empty(t, whole)
}

func TestSizeIsSealed(t *testing.T) {
	s := create(t, 4096, 2)
	assert.Error(t, s.File().Truncate(4096))
	assert.Error(t, s.File().Truncate(3*4096))
}

func TestOpenRefuses(t *testing.T) {
	s := create(t, 4096, 2)
	fd := uint32(s.File().Fd())
	file, err := os.CreateTemp(t.TempDir(), "")
	require.NoError(t, err)
	defer file.Close()
	for says, m := range map[string]*abiv1.Segment{
		"is not a memory file":             {File: uint32(file.Fd()), SlotBytes: 4096, Slots: 1},
		"descriptor 4294967295":            {File: 1<<32 - 1, SlotBytes: 4096, Slots: 1},
		"the file has 8192 bytes":          {File: fd, SlotBytes: 4096, Slots: 3},
		"0 slots of 4096 bytes":            {File: fd, SlotBytes: 4096},
		"2 slots of 0 bytes":               {File: fd, Slots: 2},
		"2 slots of 100 bytes":             {File: fd, SlotBytes: 100, Slots: 2},
		"2 slots of 18446744073709547520":  {File: fd, SlotBytes: 1<<64 - 4096, Slots: 2},
		"4294967295 slots of 281474976710": {File: fd, SlotBytes: 1 << 48, Slots: 1<<32 - 1},
	} {
		var set Set
		assert.ErrorContains(t, set.Open([]*abiv1.Segment{m}), says)
	}
	var set Set
	good := &abiv1.Segment{File: fd, SlotBytes: 4096, Slots: 2}
	assert.ErrorContains(t, set.Open([]*abiv1.Segment{good, good}), "segment 0 is listed twice")
	assert.ErrorContains(t, set.Open(make([]*abiv1.Segment, MaxSegments+1)), "65 segments are more than 64")
	require.NoError(t, set.Open([]*abiv1.Segment{good}))
	assert.ErrorContains(t, set.Open([]*abiv1.Segment{{File: fd, SlotBytes: 4096, Slots: 1}}), "segment 0 has 2 slots of 4096 bytes, not 1 of 4096")
}

func TestRegionsRefuse(t *testing.T) {
	s := create(t, 4096, 2)
	var set Set
	require.NoError(t, set.Open([]*abiv1.Segment{{Id: 7, File: uint32(s.File().Fd()), SlotBytes: 4096, Slots: 2}}))
	for says, m := range map[string]*abiv1.Slot{
		"there is no segment 8":           {Segment: 8, Offsets: []uint64{0}, Lengths: []uint64{1}},
		"segment 7 has no slot 2":         {Segment: 7, Slot: 2, Offsets: []uint64{0}, Lengths: []uint64{1}},
		"at byte 8 of its slot":           {Segment: 7, Offsets: []uint64{8}, Lengths: []uint64{1}},
		"4097 bytes from byte 0 ends":     {Segment: 7, Offsets: []uint64{0}, Lengths: []uint64{4097}},
		"1 bytes from byte 4096 ends":     {Segment: 7, Offsets: []uint64{4096}, Lengths: []uint64{1}},
		"from byte 1844674407370955155":   {Segment: 7, Offsets: []uint64{1<<64 - 64}, Lengths: []uint64{128}},
		"18446744073709551615 bytes from": {Segment: 7, Offsets: []uint64{64}, Lengths: []uint64{1<<64 - 1}},
		"2 offsets and 1 lengths":         {Segment: 7, Offsets: []uint64{0, 64}, Lengths: []uint64{1}},
		"65537 regions are more than":     {Segment: 7, Offsets: make([]uint64, 65537), Lengths: make([]uint64, 65537)},
		"regions 0 and 2 overlap":         {Segment: 7, Offsets: []uint64{64, 0, 0}, Lengths: []uint64{64, 0, 65}},
		"regions 0 and 1 overlap":         {Segment: 7, Offsets: []uint64{0, 0}, Lengths: []uint64{1, 1}},
	} {
		_, err := set.Regions(m)
		assert.ErrorContains(t, err, says)
	}
	_, err := set.Regions(nil)
	assert.ErrorContains(t, err, "the slot is missing")
	got, err := set.Regions(&abiv1.Slot{Segment: 7, Slot: 1, Offsets: []uint64{128, 0, 64}, Lengths: []uint64{10, 64, 64}})
	require.NoError(t, err)
	assert.Len(t, got[0], 10)
	assert.Equal(t, 10, cap(got[0]), "nothing beyond the region can be reached")
}

func TestReserveBounds(t *testing.T) {
	s := create(t, 4096, 2)
	assert.Error(t, s.Reserve(2, 1))
	assert.Error(t, s.Reserve(-1, 1))
	assert.Error(t, s.Reserve(0, 4097))
	assert.Error(t, s.Reserve(0, -1))
	assert.NoError(t, s.Reserve(0, 0))
	assert.Error(t, s.Free(2, 0))
}

func TestErrUnavailable(t *testing.T) {
	if _, err := Create(1, 4096, 1); err != nil {
		assert.ErrorIs(t, err, ErrUnavailable)
	}
	_, err := Create(1, 5000, 1)
	assert.ErrorContains(t, err, "1 slots of 5000 bytes")
}
