package tokens

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// ramp returns the token at a place of the streams below.
func ramp(at int64) int32 { return int32((at*2654435761)>>7) & 0xFFFF }

func fill(dst []int32, at int64) []int32 {
	for i := range dst {
		dst[i] = ramp(at + int64(i))
	}
	return dst
}

// written returns a stream of n tokens, written in pieces of the given size.
func written(t testing.TB, dir string, n int64, piece int) *splitManifest {
	t.Helper()
	w := newStreamWriter(dir, "x")
	buffer := make([]int32, piece)
	for at := int64(0); at < n; at += int64(piece) {
		require.NoError(t, w.write(fill(buffer[:min(int64(piece), n-at)], at)))
	}
	split, err := w.finish()
	require.NoError(t, err)
	require.Equal(t, n, split.Tokens)
	return split
}

func TestStreamReadsWhatWasWritten(t *testing.T) {
	// Lengths that are odd in tokens, so that buffers are padded, and at the limits of batches.
	for _, n := range []int64{1, 2, 3, 17, batchTokens - 1, batchTokens, batchTokens + 1, 2*batchTokens + 5} {
		dir := t.TempDir()
		s, err := openStream(dir, written(t, dir, n, 1000), 1<<16)
		require.NoError(t, err)
		got := make([]int32, n)
		require.NoError(t, s.readAt(got, 0))
		assert.Equal(t, fill(make([]int32, n), 0), got)
		for _, at := range []int64{0, n / 2, n - 1, max(0, n-batchTokens-1)} {
			part := make([]int32, n-at)
			require.NoError(t, s.readAt(part, at))
			assert.Equal(t, got[at:], part)
		}
		require.NoError(t, s.close())
	}
	s, err := openStream(t.TempDir(), written(t, t.TempDir(), 0, 1), 1)
	require.NoError(t, err)
	require.NoError(t, s.close())
}

func TestStreamOfSeveralShards(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 260 MB")
	}
	dir := t.TempDir()
	const n = shardBatches*batchTokens + batchTokens + 3
	split := written(t, dir, n, 1<<20)
	require.Len(t, split.Shards, 2)
	s, err := openStream(dir, split, 1<<16)
	require.NoError(t, err)
	defer s.close()
	seam := make([]int32, 100)
	require.NoError(t, s.readAt(seam, shardBatches*batchTokens-50))
	assert.Equal(t, fill(make([]int32, 100), shardBatches*batchTokens-50), seam)
	require.NoError(t, s.readAt(seam, n-100))
	assert.Equal(t, fill(make([]int32, 100), n-100), seam)
}

// TestDamageIsFoundWhileReading is about corpora too large to be checked when they are opened.
func TestDamageIsFoundWhileReading(t *testing.T) {
	dir := t.TempDir()
	split := written(t, dir, 3*batchTokens, 5000)
	path := filepath.Join(dir, split.Shards[0].File)
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	data[split.Shards[0].Batches[1].Offset+77] ^= 1
	require.NoError(t, os.WriteFile(path, data, 0o644))
	s, err := openStream(dir, split, 1<<16)
	require.NoError(t, err)
	defer s.close()
	var one [1]int32
	require.NoError(t, s.readAt(one[:], batchTokens-1))
	for range 2 { // and it is not forgotten
		err = s.readAt(one[:], batchTokens) // not the token that is damaged, but in its batch
		assert.ErrorContains(t, err, "batch 1 is damaged")
		assert.ErrorContains(t, err, path)
		assert.ErrorContains(t, err, "remove the folder "+dir)
	}
	assert.ErrorContains(t, s.readAt(make([]int32, 2), batchTokens-1), "damaged")
	require.NoError(t, s.readAt(one[:], 2*batchTokens))
	assert.ErrorContains(t, s.checkAll(context.Background(), 2), "batch 1 is damaged")
}

func TestTokensOutsideTheVocabularyAreRefused(t *testing.T) {
	dir := t.TempDir()
	w := newStreamWriter(dir, "x")
	require.NoError(t, w.write([]int32{0, 9, 10}))
	split, err := w.finish()
	require.NoError(t, err)
	for vocab, ok := range map[int]bool{11: true, 10: false} {
		s, err := openStream(dir, split, vocab)
		require.NoError(t, err)
		err = s.checkAll(context.Background(), 1)
		if ok {
			assert.NoError(t, err)
		} else {
			assert.ErrorContains(t, err, "token 10 is outside [0, 10)")
		}
		require.NoError(t, s.close())
	}
}

func TestManifestsThatDoNotFitTheFiles(t *testing.T) {
	dir := t.TempDir()
	good := written(t, dir, batchTokens+9, 5000)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "y.arrow"), nil, 0o644))
	for name, change := range map[string]func(*splitManifest, *shardManifest){
		"negative tokens":      func(m *splitManifest, _ *shardManifest) { m.Tokens = -1 },
		"very many tokens":     func(m *splitManifest, _ *shardManifest) { m.Tokens = 1<<63 - 1 },
		"more batches":         func(m *splitManifest, _ *shardManifest) { m.Tokens = 3 * batchTokens },
		"fewer batches":        func(m *splitManifest, _ *shardManifest) { m.Tokens = 5 },
		"no shards":            func(m *splitManifest, _ *shardManifest) { m.Shards = nil },
		"a path":               func(_ *splitManifest, s *shardManifest) { s.File = filepath.Join("..", s.File) },
		"another file":         func(_ *splitManifest, s *shardManifest) { s.File = "y.arrow" },
		"no shard":             func(_ *splitManifest, s *shardManifest) { s.File = "manifest.json" },
		"missing file":         func(_ *splitManifest, s *shardManifest) { s.File = "z.arrow" },
		"offset before":        func(_ *splitManifest, s *shardManifest) { s.Batches[0].Offset = -8 },
		"offset after":         func(_ *splitManifest, s *shardManifest) { s.Batches[0].Offset = s.Size - 8 },
		"very large offset":    func(_ *splitManifest, s *shardManifest) { s.Batches[0].Offset = 1<<63 - 1 },
		"no hash":              func(_ *splitManifest, s *shardManifest) { s.Batches[1].SHA256 = "" },
		"another size of file": func(_ *splitManifest, s *shardManifest) { s.Size++ },
	} {
		t.Run(name, func(t *testing.T) {
			m := *good
			shard := m.Shards[0]
			shard.Batches = append([]batchManifest(nil), shard.Batches...)
			m.Shards = []shardManifest{shard}
			change(&m, &shard)
			if m.Shards != nil {
				m.Shards[0] = shard
			}
			_, err := openStream(dir, &m, 1<<16)
			assert.ErrorContains(t, err, dir)
		})
	}
	s, err := openStream(dir, good, 1<<16)
	require.NoError(t, err, "the manifest itself is good")
	require.NoError(t, s.close())
}

func TestWritersThatCannotWrite(t *testing.T) {
	w := newStreamWriter(filepath.Join(t.TempDir(), "missing"), "x")
	require.NoError(t, w.write([]int32{1})) // kept in memory
	_, err := w.finish()
	assert.ErrorIs(t, err, os.ErrNotExist)

	w = newStreamWriter(t.TempDir(), "x")
	require.NoError(t, w.write(make([]int32, batchTokens)))
	require.NoError(t, w.file.Close()) // as a disk that is gone
	assert.Error(t, w.write(make([]int32, batchTokens)))
	_, err = w.finish()
	assert.Error(t, err)
	w.abandon()
}

func TestParallel(t *testing.T) {
	for _, workers := range []int{1, 2, 7, 100} {
		var calls [50]atomic.Int32
		require.NoError(t, parallel(context.Background(), workers, len(calls), func(worker, i int) error {
			assert.Less(t, worker, workers)
			calls[i].Add(1)
			return nil
		}))
		for i := range calls {
			assert.EqualValues(t, 1, calls[i].Load())
		}
		first, second := errors.New("first"), errors.New("second")
		err := parallel(context.Background(), workers, 50, func(_, i int) error {
			switch i {
			case 20:
				return first
			case 21:
				return second
			}
			return nil
		})
		assert.Equal(t, first, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	assert.ErrorIs(t, parallel(ctx, 2, 5, func(int, int) error { t.Error("called"); return nil }), context.Canceled)
	assert.NoError(t, parallel(ctx, 2, 0, nil))
}
