package datasets

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/apache/arrow/go/v17/arrow"
)

// Select is the dataset of some rows of another, in the order given, repeats included. Closing it does not close the other.
func Select(d Dataset, rows []int64) (Dataset, error) {
	if len(rows) == 0 {
		return nil, errors.New("select rows: none are given, and a dataset has at least one")
	}
	h := sha256.New()
	h.Write([]byte("select 1 of " + d.Fingerprint()))
	var bytes [8]byte
	for _, r := range rows {
		if r < 0 || r >= d.Len() {
			return nil, fmt.Errorf("select rows: row %d is outside [0, %d)", r, d.Len())
		}
		binary.LittleEndian.PutUint64(bytes[:], uint64(r))
		h.Write(bytes[:])
	}
	return &selection{d, rows, hex.EncodeToString(h.Sum(nil))}, nil
}

// Shard is every count-th row of a dataset from row index on. All shards together are the dataset.
func Shard(d Dataset, index, count int64) (Dataset, error) {
	if count < 1 || index < 0 || index >= count {
		return nil, fmt.Errorf("shard rows: shard %d of %d: want 0 <= index < count", index, count)
	}
	var rows []int64
	for r := index; r < d.Len(); r += count {
		rows = append(rows, r)
	}
	return Select(d, rows)
}

type selection struct {
	Dataset
	rows        []int64
	fingerprint string
}

func (s *selection) Len() int64          { return int64(len(s.rows)) }
func (s *selection) Fingerprint() string { return s.fingerprint }
func (s *selection) Close() error        { return nil }

func (s *selection) Read(ctx context.Context, rows []int64) (arrow.Record, error) {
	there := make([]int64, len(rows))
	for i, r := range rows {
		if r < 0 || r >= s.Len() {
			return nil, fmt.Errorf("read rows: row %d is outside [0, %d)", r, s.Len())
		}
		there[i] = s.rows[r]
	}
	return s.Dataset.Read(ctx, there)
}
