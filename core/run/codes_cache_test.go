package run

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Codes that are kept are read again, unless any byte of their file is another.
func TestCodesCache(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "folder")
	c, err := openCodesCache(dir)
	require.NoError(t, err)
	codes := []int32{3, 0, 511, 7}
	key := keyOf("of %s", "these")
	assert.Nil(t, c.read(key, 4, 512))
	require.NoError(t, c.write(key, codes))
	assert.Equal(t, codes, c.read(key, 4, 512))
	assert.Nil(t, c.read(keyOf("of %s", "those"), 4, 512))
	assert.Nil(t, c.read(key, 5, 512), "another number of codes")
	assert.Nil(t, c.read(key, 4, 511), "a code that there is not")
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, files, 1, "nothing else is left")

	whole, err := os.ReadFile(c.path(key))
	require.NoError(t, err)
	for i := range whole {
		damaged := append([]byte(nil), whole...)
		damaged[i] ^= 1
		require.NoError(t, os.WriteFile(c.path(key), damaged, 0o644))
		assert.Nil(t, c.read(key, 4, 512), "byte %d", i)
	}
	require.NoError(t, os.WriteFile(c.path(key), whole[:len(whole)-1], 0o644))
	assert.Nil(t, c.read(key, 4, 512), "cut")
	require.NoError(t, c.write(key, codes))
	assert.Equal(t, codes, c.read(key, 4, 512), "damage is replaced")

	none, err := openCodesCache("none")
	require.NoError(t, err)
	require.NoError(t, none.write(key, codes))
	assert.Nil(t, none.read(key, 4, 512))

	many := make([]int32, 1<<17+3)
	many[1<<17] = 9
	require.NoError(t, c.write(key, many))
	assert.Equal(t, many, c.read(key, int64(len(many)), 10))
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o644))
	c, err = openCodesCache(file)
	require.NoError(t, err)
	assert.Error(t, c.write(key, codes))
}
