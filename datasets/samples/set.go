package samples

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"runtime"
	"sort"
	"sync"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/seedbed/seedbed/abi/vision"
)

// set is the dataset of a table without its bad rows.
type set struct {
	table       table
	cols        columns
	bad         []int64
	classes     map[string]int32
	first       int
	schema      *arrow.Schema
	fingerprint string
}

func newSet(c Config, t table, f *findings) *set {
	s := &set{table: t, cols: t.columns(), bad: f.Bad, classes: nameIndex(f.Classes), first: c.FirstLabel}
	var fields []arrow.Field
	if s.cols.Image && s.cols.Shape != [3]int{} {
		fields = append(fields, vision.PixelField("image", s.cols.Shape[0], s.cols.Shape[1], s.cols.Shape[2]))
	} else if s.cols.Image {
		fields = append(fields, arrow.Field{Name: "image", Type: arrow.BinaryTypes.Binary})
	}
	if s.cols.Label {
		fields = append(fields, arrow.Field{Name: "label", Type: arrow.PrimitiveTypes.Int32})
	}
	if s.cols.Text {
		fields = append(fields, arrow.Field{Name: "text", Type: arrow.BinaryTypes.String})
	}
	if s.cols.TextB {
		fields = append(fields, arrow.Field{Name: "text_b", Type: arrow.BinaryTypes.String})
	}
	fields = append(fields, arrow.Field{Name: "name", Type: arrow.BinaryTypes.String})
	s.schema = arrow.NewSchema(fields, nil)
	sum := sha256.Sum256(fmt.Appendf(nil, "samples 1 of %s, %v, %q, first label %d", f.SHA256, s.cols, f.Classes, c.FirstLabel))
	s.fingerprint = hex.EncodeToString(sum[:])
	return s
}

func (s *set) Schema() *arrow.Schema { return s.schema }
func (s *set) Len() int64            { return s.table.len() - int64(len(s.bad)) }
func (s *set) Fingerprint() string   { return s.fingerprint }
func (s *set) Close() error          { return s.table.close() }

// Name says where a row comes from.
func (s *set) Name(row int64) string { return s.table.name(s.at(row)) }

// at returns the row of the table: the i-th that is not bad.
func (s *set) at(i int64) int64 {
	// Before the k-th bad row lie bad[k]-k good ones.
	k := sort.Search(len(s.bad), func(k int) bool { return s.bad[k]-int64(k) > i })
	return i + int64(k)
}

// maxReadBytes bounds one Read, which allocates what it returns.
const maxReadBytes = 1 << 31

func (s *set) Read(ctx context.Context, rows []int64) (arrow.Record, error) {
	found, failed := make([]row, len(rows)), make([]error, len(rows))
	var group sync.WaitGroup
	workers := min(len(rows), runtime.GOMAXPROCS(0))
	for w := range workers {
		group.Go(func() {
			for k := w; k < len(rows) && ctx.Err() == nil; k += workers {
				if rows[k] < 0 || rows[k] >= s.Len() {
					failed[k] = fmt.Errorf("row %d is outside [0, %d)", rows[k], s.Len())
					return
				}
				i := s.at(rows[k])
				if found[k], failed[k] = s.table.read(i); failed[k] != nil {
					failed[k] = fmt.Errorf("%s: %w", s.table.name(i), failed[k])
					return
				}
			}
		})
	}
	group.Wait()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	total := 0
	for k, err := range failed {
		if err != nil {
			return nil, fmt.Errorf("read samples: %w", err)
		}
		total += len(found[k].image) + len(found[k].text) + len(found[k].textB)
	}
	if total > maxReadBytes {
		return nil, fmt.Errorf("read samples: %d rows of together %d bytes at once are too many", len(rows), total)
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, s.schema)
	defer b.Release()
	for k, r := range found {
		field := 0
		next := func() array.Builder { field++; return b.Field(field - 1) }
		if s.cols.Image {
			switch images := next().(type) {
			case *array.BinaryBuilder:
				images.Append(r.image)
			case *array.FixedSizeListBuilder:
				images.Append(true)
				images.ValueBuilder().(*array.Uint8Builder).AppendValues(r.image, nil)
			}
		}
		if s.cols.Label {
			label, err := labelNumber(r.label, s.classes, s.first, len(s.classes))
			if err != nil {
				return nil, fmt.Errorf("read samples: %s: %w", s.Name(rows[k]), err)
			}
			next().(*array.Int32Builder).Append(label)
		}
		if s.cols.Text {
			next().(*array.StringBuilder).Append(r.text)
		}
		if s.cols.TextB {
			next().(*array.StringBuilder).Append(r.textB)
		}
		next().(*array.StringBuilder).Append(s.Name(rows[k]))
	}
	return b.NewRecord(), nil
}
