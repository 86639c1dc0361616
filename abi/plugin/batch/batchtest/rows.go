package batchtest

import (
	"context"
	"encoding/binary"
	"math"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/abi/vision"
	"github.com/stretchr/testify/require"
)

// Column is a column of rows: lists of Length elements, or single elements
// where Length is 0. Values are []int32, []float32 or []uint8, row after row.
type Column struct {
	Name   string
	Length int
	Values any
	// Image is the shape H, W, C of a column of images, whose Length is H*W*C.
	Image [3]int
}

// Schema is that of rows of these columns.
func Schema(columns ...Column) *arrow.Schema {
	var fields []arrow.Field
	for _, c := range columns {
		if c.Image != [3]int{} {
			fields = append(fields, vision.PixelField(c.Name, c.Image[0], c.Image[1], c.Image[2]))
			continue
		}
		elem := arrow.PrimitiveTypes.Int32
		switch c.Values.(type) {
		case []float32:
			elem = arrow.PrimitiveTypes.Float32
		case []uint8:
			elem = arrow.PrimitiveTypes.Uint8
		}
		if c.Length > 0 {
			elem = arrow.FixedSizeListOf(int32(c.Length), elem)
		}
		fields = append(fields, arrow.Field{Name: c.Name, Type: elem})
	}
	return arrow.NewSchema(fields, nil)
}

// Record is rows of these columns.
func Record(t testing.TB, columns ...Column) arrow.Record {
	b := array.NewRecordBuilder(memory.DefaultAllocator, Schema(columns...))
	defer b.Release()
	for i, c := range columns {
		to, list := b.Field(i), (*array.FixedSizeListBuilder)(nil)
		if c.Length > 0 {
			list = to.(*array.FixedSizeListBuilder)
			to = list.ValueBuilder()
		}
		n := 0
		switch v := c.Values.(type) {
		case []int32:
			to.(*array.Int32Builder).AppendValues(v, nil)
			n = len(v)
		case []float32:
			to.(*array.Float32Builder).AppendValues(v, nil)
			n = len(v)
		case []uint8:
			to.(*array.Uint8Builder).AppendValues(v, nil)
			n = len(v)
		}
		if list != nil {
			for range n / c.Length {
				list.Append(true)
			}
		}
	}
	r := b.NewRecord()
	t.Cleanup(r.Release)
	return r
}

// Batch is what a transform made: fields of dtype i32 and of f32.
type Batch struct {
	Ints   map[string][]int32
	Floats map[string][]float32
}

// Transform runs a binding's transform.
func Transform(b plugin.Binding, rows arrow.Record, at plugin.Position) (Batch, error) {
	var buffers [][]byte
	for _, f := range b.Batch() {
		buffers = append(buffers, make([]byte, f.Type.Bytes()))
	}
	out := Batch{map[string][]int32{}, map[string][]float32{}}
	if err := b.Transform(context.Background(), rows, at, buffers); err != nil {
		return out, err
	}
	for i, f := range b.Batch() {
		for data := buffers[i]; len(data) > 0; data = data[4:] {
			bits := binary.LittleEndian.Uint32(data)
			if f.Type.DType == ir.F32 {
				out.Floats[f.Name] = append(out.Floats[f.Name], math.Float32frombits(bits))
			} else {
				out.Ints[f.Name] = append(out.Ints[f.Name], int32(bits))
			}
		}
	}
	return out, nil
}

// Make is Transform that must succeed.
func Make(t testing.TB, b plugin.Binding, rows arrow.Record, at plugin.Position) Batch {
	t.Helper()
	out, err := Transform(b, rows, at)
	require.NoError(t, err)
	return out
}
