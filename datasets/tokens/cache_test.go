package tokens

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPublish(t *testing.T) {
	key := strings.Repeat("ab", 32)
	verdict := func(ok bool, err error) func(string) (bool, error) {
		return func(string) (bool, error) { return ok, err }
	}
	never := func(string) (bool, error) { t.Error("nothing is there to judge"); return false, nil }
	tests := []struct {
		name  string
		there bool
		good  func(string) (bool, error)
		want  string // whose corpus has the name in the end
		err   error
	}{
		{"nothing there", false, never, "new", nil},
		{"a good one there", true, verdict(true, nil), "old", nil},
		{"a damaged one there", true, verdict(false, nil), "new", nil},
		{"canceled while looking at it", true, verdict(false, context.Canceled), "old", context.Canceled},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := openCache(t.TempDir())
			require.NoError(t, err)
			put := func(dir, content string) {
				require.NoError(t, os.MkdirAll(dir, 0o755))
				require.NoError(t, os.WriteFile(filepath.Join(dir, "x"), []byte(content), 0o644))
			}
			if tt.there {
				put(c.corpus(key), "old")
			}
			dir, err := c.temporary()
			require.NoError(t, err)
			put(dir, "new")
			assert.ErrorIs(t, c.publish(context.Background(), dir, key, tt.good), tt.err)
			got, err := os.ReadFile(filepath.Join(c.corpus(key), "x"))
			require.NoError(t, err)
			assert.Equal(t, tt.want, string(got))
			if tt.err == nil {
				assert.NoDirExists(t, dir)
			}
		})
	}
}

// TestPublishAtOnce: of many runs that all found the same damage, one publishes, and the others take what it made.
func TestPublishAtOnce(t *testing.T) {
	key := strings.Repeat("ab", 32)
	c, err := openCache(t.TempDir())
	require.NoError(t, err)
	put := func(dir, content string) {
		require.NoError(t, os.MkdirAll(dir, 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "x"), []byte(content), 0o644))
	}
	put(c.corpus(key), "damaged")
	var damaged, whole atomic.Int32
	var group sync.WaitGroup
	for range 16 {
		dir, err := c.temporary()
		require.NoError(t, err)
		put(dir, "good")
		group.Go(func() {
			assert.NoError(t, c.publish(context.Background(), dir, key, func(dir string) (bool, error) {
				got, err := os.ReadFile(filepath.Join(dir, "x"))
				if string(got) == "good" {
					whole.Add(1)
					return true, err
				}
				damaged.Add(1)
				return false, err
			}))
		})
	}
	group.Wait()
	assert.Equal(t, []int32{1, 15}, []int32{damaged.Load(), whole.Load()})
	got, err := os.ReadFile(filepath.Join(c.corpus(key), "x"))
	require.NoError(t, err)
	assert.Equal(t, "good", string(got))
}

func TestCanceledWhileAnotherPublishes(t *testing.T) {
	c, err := openCache(t.TempDir())
	require.NoError(t, err)
	unlock, err := c.lock(context.Background())
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = c.lock(ctx)
	assert.ErrorIs(t, err, context.Canceled)
	unlock()
	unlock, err = c.lock(context.Background())
	require.NoError(t, err)
	unlock()
}

func TestIndex(t *testing.T) {
	c, err := openCache(t.TempDir())
	require.NoError(t, err)
	index, key := strings.Repeat("01", 32), strings.Repeat("ab", 32)
	assert.Empty(t, c.lookUp(index))
	require.NoError(t, c.remember(index, key))
	assert.Equal(t, key, c.lookUp(index))
	require.NoError(t, c.remember(index, index))
	assert.Equal(t, index, c.lookUp(index))
	for _, bad := range []string{"", key[:63], key + "0", key + "\n", strings.ToUpper(key), "../" + key[3:]} {
		require.NoError(t, os.WriteFile(filepath.Join(c.dir, "index", index), []byte(bad), 0o644))
		assert.Empty(t, c.lookUp(index), "%q", bad)
	}
}

// FuzzManifest: a manifest that is not the one written is refused, whatever it says.
func FuzzManifest(f *testing.F) {
	key := strings.Repeat("ab", 32)
	dir := f.TempDir()
	split := written(f, dir, 5, 5)
	require.NoError(f, writeManifest(dir, &manifest{Format: formatVersion, Key: key, VocabSize: 1 << 16, Train: split}))
	good, err := os.ReadFile(filepath.Join(dir, "manifest.json"))
	require.NoError(f, err)
	f.Add(string(good))
	f.Add("{}")
	f.Add(`{"sha256":"74234e98afe7498fb5daf1f36ac2d78acc339464f950703b8c019892f982b90b","manifest":null}`)
	f.Fuzz(func(t *testing.T, content string) {
		path := filepath.Join(dir, "manifest.json")
		require.NoError(t, os.WriteFile(path, []byte(content), 0o644))
		m, err := readManifest(dir, key)
		if err != nil {
			require.ErrorContains(t, err, path)
			return
		}
		s, err := openStream(dir, m.Train, m.VocabSize)
		if err == nil {
			require.NoError(t, s.close())
		}
	})
}
