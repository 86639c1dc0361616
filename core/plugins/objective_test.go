package plugins

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
)

// records are batches of rows of all shapes.
func records(t testing.TB) map[string]arrow.Record {
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "tokens", Type: arrow.FixedSizeListOfNonNullable(5, arrow.PrimitiveTypes.Int32)},
		{Name: "text", Type: arrow.BinaryTypes.String, Nullable: true},
		{Name: "ids", Type: arrow.ListOf(arrow.PrimitiveTypes.Int64), Nullable: true},
		{Name: "pair", Type: arrow.StructOf(arrow.Field{Name: "a", Type: arrow.PrimitiveTypes.Float64}, arrow.Field{Name: "b", Type: arrow.FixedWidthTypes.Boolean, Nullable: true}), Nullable: true},
		{Name: "raw", Type: arrow.BinaryTypes.LargeBinary},
	}, nil)
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer b.Release()
	for r := range 9 {
		list := b.Field(0).(*array.FixedSizeListBuilder)
		list.Append(true)
		for i := range 5 {
			list.ValueBuilder().(*array.Int32Builder).Append(int32(100*r + i))
		}
		if r%3 == 1 {
			b.Field(1).AppendNull()
			b.Field(2).AppendNull()
			b.Field(3).AppendNull()
		} else {
			b.Field(1).(*array.StringBuilder).Append(fmt.Sprint("text ", r*r*r))
			ids := b.Field(2).(*array.ListBuilder)
			ids.Append(true)
			for i := range r {
				ids.ValueBuilder().(*array.Int64Builder).Append(int64(i))
			}
			pair := b.Field(3).(*array.StructBuilder)
			pair.Append(true)
			pair.FieldBuilder(0).(*array.Float64Builder).Append(float64(r) / 3)
			if r == 2 {
				pair.FieldBuilder(1).AppendNull()
			} else {
				pair.FieldBuilder(1).(*array.BooleanBuilder).Append(r%2 == 0)
			}
		}
		b.Field(4).(*array.BinaryBuilder).Append(make([]byte, r))
	}
	all := b.NewRecord()
	return map[string]arrow.Record{"all": all, "slice": all.NewSlice(2, 7), "none": all.NewSlice(4, 4)}
}

const valuesSize = 2048

func bind(t testing.TB, p *Plugin, rows *arrow.Schema) plugin.Binding {
	t.Helper()
	b, err := p.Objective().Bind(context.Background(), plugin.BindRequest{
		Role: "scale", Rows: rows, Properties: map[string]string{"size": fmt.Sprint(valuesSize)},
		Inputs: []ir.Param{{Name: "x", Type: ir.T(ir.F32, 4)}}, Outputs: []ir.Param{{Name: "y", Type: ir.T(ir.F32, 4)}},
	})
	require.NoError(t, err)
	return b
}

// planes are the data planes that can be tested here.
func planes(t testing.TB) map[string]*Memory {
	t.Helper()
	m := map[string]*Memory{"grpc": nil}
	if runtime.GOOS == "linux" {
		var err error
		m["memory"], err = NewMemory(PlaneMemory)
		require.NoError(t, err)
		t.Cleanup(func() { assert.NoError(t, m["memory"].Close()) })
	}
	return m
}

func TestTransformGivesTheSameBitsOnEveryPlane(t *testing.T) {
	rows := records(t)
	for plane, memory := range planes(t) {
		t.Run(plane, func(t *testing.T) {
			p := start(t, "objective", Options{Memory: memory})
			assert.Equal(t, plane, string(p.Plane()))
			remote := bind(t, p, rows["all"].Schema())
			local := testBinding{size: valuesSize}
			assert.Equal(t, local.Batch(), remote.Batch())
			assert.Equal(t, local.Metrics(), remote.(plugin.Measured).Metrics())
			assert.JSONEq(t, "{}", string(remote.(plugin.Configured).Config()))
			var calls sync.WaitGroup
			for name := range rows {
				for k := range 6 {
					r := records(t)[name] // Arrow counts nulls when it is first asked
					calls.Add(1)
					go func() {
						defer calls.Done()
						at := plugin.Position{Seed: uint64(k) << 60, Step: 1 << 63, Grain: uint64(k)}
						want, _ := (*Memory)(nil).NewFields(local.Batch())
						if !assert.NoError(t, local.Transform(context.Background(), r, at, want)) {
							return
						}
						got, release := memory.NewFields(remote.Batch())
						defer release()
						heap, _ := (*Memory)(nil).NewFields(remote.Batch())
						for _, fields := range [][][]byte{got, heap} {
							if assert.NoError(t, remote.Transform(context.Background(), r, at, fields), name) {
								assert.Equal(t, want[:3], fields[:3], name)
								assert.Equal(t, string(want[3]), string(fields[3]), name)
							}
						}
					}()
				}
			}
			calls.Wait()
			if memory != nil {
				assert.Len(t, memory.free, memory.used, "slots that were not given back")
			}
		})
	}
}
