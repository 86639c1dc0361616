package tokens

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"os"
	"path/filepath"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/ipc"
	"github.com/apache/arrow/go/v17/arrow/memory"
)

// Sizes of the files: a batch is what is checked and hashed at once, a shard one file.
const (
	batchTokens  = 1 << 18 // 1 MiB
	shardBatches = 256
	tokenBytes   = 4
)

// shardSchema is the schema of shards: one token a row.
var shardSchema = arrow.NewSchema([]arrow.Field{{Name: "tokens", Type: arrow.PrimitiveTypes.Int32}}, nil)

// streamWriter writes one split as shards.
type streamWriter struct {
	dir, name string
	pending   []int32
	all       hash.Hash
	split     splitManifest
	file      *os.File
	ipc       *ipc.FileWriter
}

func newStreamWriter(dir, name string) *streamWriter {
	return &streamWriter{dir: dir, name: name, all: sha256.New(), pending: make([]int32, 0, batchTokens)}
}

// write appends tokens.
func (w *streamWriter) write(tokens []int32) error {
	w.split.Tokens += int64(len(tokens))
	for len(tokens) > 0 {
		n := min(len(tokens), batchTokens-len(w.pending))
		w.pending = append(w.pending, tokens[:n]...)
		tokens = tokens[n:]
		if len(w.pending) == batchTokens {
			if err := w.flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

// flush writes what is pending as a batch.
func (w *streamWriter) flush() error {
	if len(w.pending) == 0 {
		return nil
	}
	if w.file == nil {
		name := fmt.Sprintf("%s-%05d.arrow", w.name, len(w.split.Shards))
		file, err := os.OpenFile(filepath.Join(w.dir, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if err != nil {
			return err
		}
		w.file = file
		w.split.Shards = append(w.split.Shards, shardManifest{File: name})
		if w.ipc, err = ipc.NewFileWriter(file, ipc.WithSchema(shardSchema)); err != nil {
			return err
		}
	}
	raw := arrow.Int32Traits.CastToBytes(w.pending)
	data := array.NewData(arrow.PrimitiveTypes.Int32, len(w.pending), []*memory.Buffer{nil, memory.NewBufferBytes(raw)}, nil, 0, 0)
	column := array.NewInt32Data(data)
	record := array.NewRecord(shardSchema, []arrow.Array{column}, int64(len(w.pending)))
	err := w.ipc.Write(record)
	record.Release()
	column.Release()
	data.Release()
	if err != nil {
		return fmt.Errorf("write tokens: %w", err)
	}
	// A batch's tokens are the end of what Write wrote: its only buffer, padded to 8 bytes.
	end, err := w.file.Seek(0, 1)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(raw)
	w.all.Write(raw)
	shard := &w.split.Shards[len(w.split.Shards)-1]
	shard.Batches = append(shard.Batches, batchManifest{Offset: end - int64(len(raw)+7)&^7, SHA256: hex.EncodeToString(sum[:])})
	w.pending = w.pending[:0]
	if len(shard.Batches) == shardBatches {
		return w.endShard()
	}
	return nil
}

func (w *streamWriter) endShard() error {
	if w.file == nil {
		return nil
	}
	if w.ipc == nil { // it could not be begun, which is an error already
		w.abandon()
		return nil
	}
	err := w.ipc.Close()
	size, seekErr := w.file.Seek(0, 1)
	w.split.Shards[len(w.split.Shards)-1].Size = size
	err = errors.Join(err, seekErr, w.file.Sync(), w.file.Close())
	w.file, w.ipc = nil, nil
	if err != nil {
		return fmt.Errorf("write tokens: %w", err)
	}
	return nil
}

// finish writes the rest and returns the description of the split.
func (w *streamWriter) finish() (*splitManifest, error) {
	if err := errors.Join(w.flush(), w.endShard()); err != nil {
		return nil, err
	}
	w.split.SHA256 = hex.EncodeToString(w.all.Sum(nil))
	return &w.split, nil
}

// abandon closes the file of a split that is not finished.
func (w *streamWriter) abandon() {
	if w.file != nil {
		w.file.Close()
		w.file = nil
	}
}
