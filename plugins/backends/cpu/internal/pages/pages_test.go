package pages

import (
	"bytes"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestBlocks(t *testing.T) {
	var a Allocator
	sizes := []int{0, 1, 63, 64, 65, large - line - 1, large - line, large - 1, large, large + 1, 2<<20 - 1, 2 << 20, 5<<20 + 3}
	var all [][]byte
	for i, n := range sizes {
		b, err := a.Get(n)
		require.NoError(t, err)
		require.Len(t, b, n)
		require.Equal(t, n, cap(b), "appending must not reach into what follows")
		assert.Zero(t, uintptr(unsafe.Pointer(unsafe.SliceData(b)))%line)
		require.Equal(t, n, bytes.Count(b, []byte{0}))
		copy(b, bytes.Repeat([]byte{byte(i + 1)}, n))
		all = append(all, b)
	}
	total := int64(0)
	for i, b := range all {
		require.Equal(t, len(b), bytes.Count(b, []byte{byte(i + 1)}), "blocks do not overlap")
		total += int64(rounded(len(b)))
	}
	blocks, live, peak := a.Usage()
	assert.Equal(t, len(sizes), blocks)
	assert.Equal(t, total, live)
	assert.Equal(t, total, peak)
	last := &all[len(all)-1][0]
	for _, b := range all {
		a.Put(b)
	}
	again, err := a.Get(5<<20 + 3)
	require.NoError(t, err)
	assert.Same(t, last, &again[0], "a freed block is used again")
	a.Put(again)
	a.Trim()
	blocks, live, peak = a.Usage()
	assert.Zero(t, blocks)
	assert.Zero(t, live)
	assert.Equal(t, total, peak)
	assert.Zero(t, a.idle)
}

// Idle blocks of sizes that are not asked for again go back to the system.
func TestIdleBlocksAreBounded(t *testing.T) {
	var a Allocator
	for n := range 50 {
		b, err := a.Get(large + n*page)
		require.NoError(t, err)
		a.Put(b)
	}
	assert.LessOrEqual(t, a.idle, int64(large+50*page))
}

func TestNoMemoryIsAnError(t *testing.T) {
	var a Allocator
	_, err := a.Get(1 << 60)
	assert.ErrorContains(t, err, "no memory for 1152921504606846976 bytes")
	_, live, _ := a.Usage()
	assert.Zero(t, live)
}
