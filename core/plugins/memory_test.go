package plugins

import (
	"math"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seedbed/seedbed/abi/ir"
)

func TestPlanes(t *testing.T) {
	for _, plane := range []DataPlane{PlaneGRPC, PlaneAuto, ""} {
		m, err := NewMemory(plane)
		require.NoError(t, err)
		if plane == PlaneGRPC {
			assert.Equal(t, PlaneGRPC, m.Plane())
		}
		buffers, release := m.NewFields([]ir.Param{{Name: "a", Type: ir.T(ir.F32, 3)}, {Name: "b", Type: ir.T(ir.U8)}})
		assert.Len(t, buffers[0], 12)
		assert.Len(t, buffers[1], 1)
		release()
		require.NoError(t, m.Close())
	}
	_, err := NewMemory("pigeon")
	assert.EqualError(t, err, `data plane "pigeon" is unknown; it is auto, memory or grpc`)
	assert.Equal(t, PlaneGRPC, (*Memory)(nil).Plane())
	assert.NoError(t, (*Memory)(nil).Close())
}

func TestSlots(t *testing.T) {
	m := planes(t)["memory"]
	if m == nil {
		t.Skip("this system has no memory files")
	}
	fields := []ir.Param{{Name: "a", Type: ir.T(ir.U8, 65)}, {Name: "b", Type: ir.T(ir.I64, 2)}, {Name: "c", Type: ir.T(ir.U8)}}
	x, release := m.NewFields(fields)
	y, releaseY := m.NewFields(fields)
	for i, f := range fields {
		assert.Zero(t, uintptr(unsafe.Pointer(&x[i][0]))%64)
		assert.Len(t, x[i], f.Type.Bytes())
		assert.Equal(t, f.Type.Bytes(), cap(x[i]))
	}
	at := m.locateAll(x)
	require.NotNil(t, at)
	assert.Equal(t, []uint64{0, 128, 192}, at.Offsets)
	assert.Equal(t, []uint64{65, 16, 1}, at.Lengths)
	assert.NotEqual(t, at.Slot, m.locateAll(y).Slot)
	assert.Nil(t, m.locateAll([][]byte{x[0], y[0]}), "two slots")
	assert.Nil(t, m.locateAll([][]byte{x[0][1:]}), "not aligned")
	assert.Nil(t, m.locateAll([][]byte{x[0], make([]byte, 1)}), "on the heap")
	_, _, ok := m.locate(nil)
	assert.False(t, ok)
	release()
	release()
	assert.Len(t, m.free, 1, "given back once")
	z, releaseZ := m.NewFields(fields)
	assert.Equal(t, at.Slot, m.locateAll(z).Slot, "the latest slot is used again")
	releaseY()
	releaseZ()

	// All slots in use: the next are the host's own.
	var all []*slot
	for range m.segment.Slots {
		s := m.take(1)
		require.NotNil(t, s)
		all = append(all, s)
	}
	assert.Nil(t, m.take(1))
	heap, _ := m.NewFields(fields)
	assert.Nil(t, m.locateAll(heap))
	for _, s := range all {
		s.give()
	}
	assert.Nil(t, m.take(0))
	assert.Nil(t, m.take(slotBytes+1))
	assert.Nil(t, m.take(math.MaxInt))
	big := m.take(keepBytes + 1)
	big.data[keepBytes] = 1
	big.give()
	assert.Equal(t, keepBytes, m.reserved[big.number])
	again := m.take(keepBytes + 1)
	assert.Equal(t, big.number, again.number)
	assert.Zero(t, again.data[keepBytes], "the pages went back to the system")
	again.give()
}
