package run

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestMemoryIsKnownOnLinux(t *testing.T) {
	total, free := Memory()
	assert.Greater(t, total, int64(64<<20))
	assert.Positive(t, free)
	assert.LessOrEqual(t, free, total)
	assert.NoError(t, fits(1<<20, ""))
	err := fits(1<<60, "make it smaller")
	assert.ErrorIs(t, err, ErrMemory)
	assert.ErrorContains(t, err, "the run needs about 1073741824 GiB")
	assert.ErrorContains(t, err, "free: make it smaller")
}
