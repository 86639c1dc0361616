package main

import (
	"context"
	"encoding/binary"
	"math/rand/v2"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/seedbed/seedbed/abi/vision"
)

// randomRows are rows of random tokens, images and labels, each where its size is not 0; row i is always the same.
type randomRows struct {
	vocab, length int
	end           int // the last token of each row; 0 for any
	side, labels  int
}

func (r randomRows) Schema() *arrow.Schema {
	var fields []arrow.Field
	if r.length > 0 {
		fields = append(fields, arrow.Field{Name: "tokens", Type: arrow.FixedSizeListOf(int32(r.length), arrow.PrimitiveTypes.Int32)})
	}
	if r.side > 0 {
		fields = append(fields, vision.PixelField("image", r.side, r.side, 3))
	}
	if r.labels > 0 {
		fields = append(fields, arrow.Field{Name: "label", Type: arrow.PrimitiveTypes.Int32})
	}
	return arrow.NewSchema(fields, nil)
}
func (randomRows) Len() int64          { return 1 << 20 }
func (randomRows) Fingerprint() string { return "random" }
func (randomRows) Close() error        { return nil }

func (r randomRows) Read(_ context.Context, rows []int64) (arrow.Record, error) {
	b := array.NewRecordBuilder(memory.DefaultAllocator, r.Schema())
	defer b.Release()
	for _, row := range rows {
		random, field := rand.New(rand.NewPCG(uint64(row), 0)), 0
		if r.length > 0 {
			list := b.Field(field).(*array.FixedSizeListBuilder)
			field++
			list.Append(true)
			values := list.ValueBuilder().(*array.Int32Builder)
			last := r.length
			if r.end > 0 {
				last--
			}
			for range last {
				values.Append(int32(random.IntN(r.vocab)))
			}
			if r.end > 0 {
				values.Append(int32(r.end))
			}
		}
		if r.side > 0 {
			list := b.Field(field).(*array.FixedSizeListBuilder)
			field++
			list.Append(true)
			pixels := make([]byte, 0, r.side*r.side*3+8)
			for len(pixels) < r.side*r.side*3 {
				pixels = binary.LittleEndian.AppendUint64(pixels, random.Uint64())
			}
			list.ValueBuilder().(*array.Uint8Builder).AppendValues(pixels[:r.side*r.side*3], nil)
		}
		if r.labels > 0 {
			b.Field(field).(*array.Int32Builder).Append(int32(random.IntN(r.labels)))
		}
	}
	return b.NewRecord(), nil
}
