package vision

import (
	"context"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A panic of one worker is one of the caller, who can recover from it: a
// goroutine's would end the process.
func TestEachPanicsWhereItIsCalled(t *testing.T) {
	assert.PanicsWithValue(t, "image 3", func() {
		_ = Each(context.Background(), 5, func(_ *Work, i int) error {
			if i == 3 {
				panic("image 3")
			}
			return nil
		})
	})
}

func TestImageColumnRefusesRowsOfAnotherSchema(t *testing.T) {
	schema := func(size int) *arrow.Schema {
		return arrow.NewSchema([]arrow.Field{PixelField("image", size, size, 1)}, nil)
	}
	record := func(s *arrow.Schema) arrow.Record {
		b := array.NewRecordBuilder(memory.DefaultAllocator, s)
		defer b.Release()
		for _, f := range b.Fields() {
			list := f.(*array.FixedSizeListBuilder)
			for range 4 {
				list.Append(true)
				for range list.Type().(*arrow.FixedSizeListType).Len() {
					list.ValueBuilder().(*array.Uint8Builder).Append(7)
				}
			}
		}
		return b.NewRecord()
	}
	c, err := FindImages(schema(2), "image", DecodeOptions{})
	require.NoError(t, err)
	var w Work
	require.NoError(t, c.Load(&w, record(schema(2)), 3))
	for want, load := range map[string]func() error{
		"there are 4 rows of 1 columns": func() error { return c.Load(&w, record(schema(2)), 4) },
		"there are 0 rows of 0 columns": func() error { return c.Load(&w, record(arrow.NewSchema(nil, nil)), 0) },
		"is not what the schema says":   func() error { return c.Load(&w, record(schema(3)), 0) },
	} {
		assert.ErrorContains(t, load(), want)
	}
}
