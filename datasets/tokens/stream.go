package tokens

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/apache/arrow/go/v17/arrow"
)

// stream reads the tokens of one split at any place. It checks each batch against its hash before it hands out the first token
// of it, so that opening a corpus costs nothing and damage is found all the same.
type stream struct {
	split     *splitManifest
	vocabSize int
	files     []*os.File
	good      []atomic.Bool // by batch
}

// openStream opens the shards of a split. Every number of the manifest is checked against the files.
func openStream(dir string, split *splitManifest, vocabSize int) (*stream, error) {
	batches := (split.Tokens + batchTokens - 1) / batchTokens
	if split.Tokens < 0 || int64(len(split.Shards)) != (batches+shardBatches-1)/shardBatches {
		return nil, fmt.Errorf("%s: manifest: %d shards for %d tokens", dir, len(split.Shards), split.Tokens)
	}
	s := &stream{split: split, vocabSize: vocabSize, good: make([]atomic.Bool, batches)}
	for i, shard := range split.Shards {
		if err := s.openShard(dir, i, shard); err != nil {
			return nil, errors.Join(err, s.close())
		}
	}
	return s, nil
}

func (s *stream) openShard(dir string, i int, shard shardManifest) error {
	if shard.File != filepath.Base(shard.File) || filepath.Ext(shard.File) != ".arrow" {
		return fmt.Errorf("%s: manifest: %q is not the name of a shard", dir, shard.File)
	}
	if want := min(shardBatches, len(s.good)-i*shardBatches); len(shard.Batches) != want {
		return fmt.Errorf("%s: manifest: %s has %d batches, %d are wanted", dir, shard.File, len(shard.Batches), want)
	}
	f, err := os.Open(filepath.Join(dir, shard.File))
	if err != nil {
		return err
	}
	s.files = append(s.files, f)
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() || info.Size() != shard.Size {
		return fmt.Errorf("%s: has %d bytes, the manifest says %d", f.Name(), info.Size(), shard.Size)
	}
	for b, batch := range shard.Batches {
		if n := s.batchLen(i*shardBatches + b); batch.Offset < 0 || batch.Offset > shard.Size-n*tokenBytes || len(batch.SHA256) != 2*sha256.Size {
			return fmt.Errorf("%s: manifest: batch %d does not lie in the file or has no hash", f.Name(), b)
		}
	}
	return nil
}

// batchLen returns the number of tokens in a batch.
func (s *stream) batchLen(batch int) int64 {
	return min(batchTokens, s.split.Tokens-int64(batch)*batchTokens)
}

// readAt fills dst with the tokens from place at on, all of which must exist.
func (s *stream) readAt(dst []int32, at int64) error {
	for len(dst) > 0 {
		batch := int(at / batchTokens)
		if err := s.check(batch); err != nil {
			return err
		}
		n := min(int64(len(dst)), batchTokens-at%batchTokens)
		if err := s.readBatch(dst[:n], batch, at%batchTokens); err != nil {
			return err
		}
		dst, at = dst[n:], at+n
	}
	return nil
}

func (s *stream) readBatch(dst []int32, batch int, from int64) error {
	shard := &s.split.Shards[batch/shardBatches]
	f := s.files[batch/shardBatches]
	if _, err := f.ReadAt(arrow.Int32Traits.CastToBytes(dst), shard.Batches[batch%shardBatches].Offset+from*tokenBytes); err != nil {
		return fmt.Errorf("%s: batch %d: %w", f.Name(), batch%shardBatches, err)
	}
	return nil
}

var batchBuffers = sync.Pool{New: func() any { return new([batchTokens]int32) }}

// check reads a batch for the first time.
func (s *stream) check(batch int) error {
	if s.good[batch].Load() {
		return nil
	}
	buffer := batchBuffers.Get().(*[batchTokens]int32)
	defer batchBuffers.Put(buffer)
	tokens := buffer[:s.batchLen(batch)]
	if err := s.readBatch(tokens, batch, 0); err != nil {
		return err
	}
	damaged := func(why string) error {
		name := s.files[batch/shardBatches].Name()
		return fmt.Errorf("%s: batch %d is damaged (%s): remove the folder %s to have it made again", name, batch%shardBatches, why, filepath.Dir(name))
	}
	sum := sha256.Sum256(arrow.Int32Traits.CastToBytes(tokens))
	if hex.EncodeToString(sum[:]) != s.split.Shards[batch/shardBatches].Batches[batch%shardBatches].SHA256 {
		return damaged("its hash is another than the manifest's")
	}
	for _, id := range tokens {
		if uint32(id) >= uint32(s.vocabSize) {
			return damaged(fmt.Sprintf("token %d is outside [0, %d)", id, s.vocabSize))
		}
	}
	s.good[batch].Store(true)
	return nil
}

// checkAll checks every batch.
func (s *stream) checkAll(ctx context.Context, workers int) error {
	return parallel(ctx, workers, len(s.good), func(_, batch int) error { return s.check(batch) })
}

func (s *stream) close() error {
	var errs []error
	for _, f := range s.files {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}

// parallel calls f for 0 to n-1 from several goroutines, which it tells by their number, and returns the first error in that
// order of those that happened.
func parallel(ctx context.Context, workers, n int, f func(worker, i int) error) error {
	var (
		next, failed atomic.Int64
		mu           sync.Mutex
		first        error
		group        sync.WaitGroup
	)
	failed.Store(int64(n))
	for worker := range min(workers, n) {
		group.Go(func() {
			for {
				i := next.Add(1) - 1
				if i >= failed.Load() || i >= int64(n) {
					return
				}
				err := ctx.Err()
				if err == nil {
					err = f(worker, int(i))
				}
				if err != nil {
					mu.Lock()
					if i < failed.Load() {
						failed.Store(i)
						first = err
					}
					mu.Unlock()
				}
			}
		})
	}
	group.Wait()
	return first
}
