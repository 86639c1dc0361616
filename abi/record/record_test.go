package record

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seedbed/seedbed/abi/ir"
)

// schema has a column of every layout that is carried.
var schema = arrow.NewSchema([]arrow.Field{
	{Name: "bool", Type: arrow.FixedWidthTypes.Boolean, Nullable: true},
	{Name: "f16", Type: arrow.FixedWidthTypes.Float16},
	{Name: "i64", Type: arrow.PrimitiveTypes.Int64, Nullable: true},
	{Name: "time", Type: arrow.FixedWidthTypes.Timestamp_us},
	{Name: "raw", Type: &arrow.FixedSizeBinaryType{ByteWidth: 3}},
	{Name: "text", Type: arrow.BinaryTypes.String, Nullable: true},
	{Name: "large", Type: arrow.BinaryTypes.LargeString},
	{Name: "list", Type: arrow.ListOf(arrow.BinaryTypes.Binary), Nullable: true},
	{Name: "large_list", Type: arrow.LargeListOf(arrow.PrimitiveTypes.Uint8)},
	{Name: "fixed", Type: arrow.FixedSizeListOf(2, arrow.PrimitiveTypes.Float32), Nullable: true},
	{Name: "struct", Type: arrow.StructOf(arrow.Field{Name: "x", Type: arrow.PrimitiveTypes.Int32, Nullable: true}, arrow.Field{Name: "y", Type: arrow.ListOf(arrow.PrimitiveTypes.Int8)}), Nullable: true},
}, nil)

func rows(t testing.TB) arrow.Record {
	r, _, err := array.RecordFromJSON(memory.DefaultAllocator, schema, strings.NewReader(`[
		{"bool": true, "f16": 1.5, "i64": -5, "time": "2024-01-02 03:04:05", "raw": "AAEC", "text": "ä", "large": "xyz", "list": ["AQ==", "AgM="], "large_list": [1, 2], "fixed": [1, 2], "struct": {"x": 1, "y": [1]}},
		{"bool": null, "f16": 0, "i64": null, "time": "2024-01-02 03:04:05", "raw": "AAEC", "text": null, "large": "", "list": null, "large_list": [], "fixed": null, "struct": null},
		{"bool": false, "f16": -2, "i64": 9, "time": "1970-01-01 00:00:00", "raw": "/v39", "text": "", "large": "q", "list": [], "large_list": [9], "fixed": [3, null], "struct": {"x": null, "y": []}}
	]`))
	require.NoError(t, err)
	return r
}

// flatten returns the layout of a batch and its buffers.
func flatten(t testing.TB, r arrow.Record) (*Flat, [][]byte) {
	var memory []byte
	f, err := Flatten(r, func(n int) ([]byte, error) {
		memory = make([]byte, n)
		return memory, nil
	})
	require.NoError(t, err)
	var buffers [][]byte
	for i, at := range f.Offsets {
		assert.Zero(t, at%64)
		buffers = append(buffers, memory[at:at+f.Lengths[i]])
	}
	return f, buffers
}

func TestRoundTrips(t *testing.T) {
	all := rows(t)
	for name, r := range map[string]arrow.Record{"all": all, "slice": all.NewSlice(1, 3), "none": all.NewSlice(2, 2), "one": all.NewSlice(2, 3)} {
		t.Run(name, func(t *testing.T) {
			stream, err := EncodeRows(r)
			require.NoError(t, err)
			got, err := DecodeRows(schema, stream)
			require.NoError(t, err)
			assert.True(t, array.RecordEqual(r, got), "%v\n%v", r, got)
			f, buffers := flatten(t, r)
			got, err = Build(schema, f.Rows, f.Nodes, buffers)
			require.NoError(t, err)
			assert.True(t, array.RecordEqual(r, got), "%v\n%v", r, got)
		})
	}
	stream, err := EncodeSchema(schema)
	require.NoError(t, err)
	got, err := DecodeSchema(stream)
	require.NoError(t, err)
	assert.True(t, got.Equal(schema))
	for n := range stream {
		s, err := DecodeSchema(stream[:n])
		if err == nil {
			assert.True(t, s.Equal(schema), "cut at %d", n) // the end mark may be absent
		}
	}
}

func TestSchemasThatAreNotCarried(t *testing.T) {
	deep := arrow.PrimitiveTypes.Int8
	for range maxDepth {
		deep = arrow.ListOf(deep)
	}
	many := make([]arrow.Field, maxFields+1)
	for i := range many {
		many[i] = arrow.Field{Name: fmt.Sprint(i), Type: arrow.PrimitiveTypes.Int8}
	}
	for says, fields := range map[string][]arrow.Field{
		"dictionaries are not carried": {{Name: "x", Type: &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int8, ValueType: arrow.BinaryTypes.String}}},
		"16 levels":                    {{Name: "x", Type: deep}},
		"4096 fields":                  many,
		"is not carried":               {{Name: "x", Type: arrow.ListViewOf(arrow.PrimitiveTypes.Int8)}},
		`column "y"`:                   {{Name: "y", Type: arrow.Null}},
		`field "u"`:                    {{Name: "x", Type: arrow.StructOf(arrow.Field{Name: "u", Type: arrow.RunEndEncodedOf(arrow.PrimitiveTypes.Int16, arrow.PrimitiveTypes.Int8)})}},
	} {
		_, err := EncodeSchema(arrow.NewSchema(fields, nil))
		assert.ErrorContains(t, err, says)
	}
}

func TestHostileLayouts(t *testing.T) {
	column := func(t arrow.DataType) *arrow.Schema {
		return arrow.NewSchema([]arrow.Field{{Name: "c", Type: t, Nullable: true}}, nil)
	}
	i32 := func(v ...int32) (out []byte) {
		for _, x := range v {
			out = binary.LittleEndian.AppendUint32(out, uint32(x))
		}
		return out
	}
	i64 := func(v ...int64) (out []byte) {
		for _, x := range v {
			out = binary.LittleEndian.AppendUint64(out, uint64(x))
		}
		return out
	}
	ints, text, large := arrow.PrimitiveTypes.Int32, arrow.BinaryTypes.String, arrow.BinaryTypes.LargeBinary
	list, fixed := arrow.ListOf(ints), arrow.FixedSizeListOf(3, ints)
	wide := &arrow.FixedSizeBinaryType{ByteWidth: math.MaxInt32}
	for _, c := range []struct {
		says    string
		t       arrow.DataType
		rows    int64
		nodes   []Node
		buffers [][]byte
	}{
		{"has 3 elements, needs 2", ints, 2, []Node{{3, 0}}, [][]byte{nil, i32(1, 2, 3)}},
		{"has 7 bytes, 2 elements take 8", ints, 2, []Node{{2, 0}}, [][]byte{nil, make([]byte, 7)}},
		{"2 nulls and no validity", ints, 2, []Node{{2, 2}}, [][]byte{nil, i32(1, 2)}},
		{"2 elements has 3 nulls", ints, 2, []Node{{2, 3}}, [][]byte{{1}, i32(1, 2)}},
		{"-1 nulls", ints, 2, []Node{{2, -1}}, [][]byte{{1}, i32(1, 2)}},
		{"1 nulls by its validity, not 2", ints, 2, []Node{{2, 2}}, [][]byte{{1}, i32(1, 2)}},
		{"validity has 1 bytes, 9 elements take 2", ints, 9, []Node{{9, 0}}, [][]byte{{255}, make([]byte, 36)}},
		{"2147483648 rows", ints, 1 << 31, []Node{{1 << 31, 0}}, [][]byte{nil, nil}},
		{"-1 rows", ints, -1, []Node{{-1, 0}}, [][]byte{nil, nil}},
		{"an array of int32 is missing", ints, 0, nil, nil},
		{"buffer of values is missing", ints, 0, []Node{{0, 0}}, [][]byte{nil}},
		{"1 arrays and 0 buffers more", ints, 0, []Node{{0, 0}, {0, 0}}, [][]byte{nil, nil}},
		{"0 arrays and 1 buffers more", ints, 0, []Node{{0, 0}}, [][]byte{nil, nil, nil}},
		{"offsets has 8 bytes, 2 elements take 12", text, 2, []Node{{2, 0}}, [][]byte{nil, i32(0, 1), []byte("ab")}},
		{"offset 2 is 1, less than 2", text, 2, []Node{{2, 0}}, [][]byte{nil, i32(0, 2, 1), []byte("ab")}},
		{"offset 0 is -4, less than 0", text, 1, []Node{{1, 0}}, [][]byte{nil, i32(-4, 1), []byte("ab")}},
		{"values has 2 bytes, 3 elements", text, 1, []Node{{1, 0}}, [][]byte{nil, i32(0, 3), []byte("ab")}},
		{"values has 2 bytes, 4611686018427387904", large, 1, []Node{{1, 0}}, [][]byte{nil, i64(0, 1<<62), []byte("ab")}},
		{"lists end at element 3 of 2", list, 1, []Node{{1, 0}, {2, 0}}, [][]byte{nil, i32(0, 3), nil, i32(1, 2)}},
		{"has 2 elements, needs 3", fixed, 1, []Node{{1, 0}, {2, 0}}, [][]byte{nil, nil, i32(1, 2)}},
		{"2147483647 elements take 46116860141324206", wide, math.MaxInt32, []Node{{math.MaxInt32, 0}}, [][]byte{nil, nil}},
	} {
		_, err := Build(column(c.t), c.rows, c.nodes, c.buffers)
		assert.ErrorContains(t, err, c.says)
	}
}

var fields = []ir.Param{
	{Name: "bf16", Type: ir.T(ir.BF16, 2, 3)}, {Name: "bool", Type: ir.T(ir.Bool, 5)}, {Name: "f16", Type: ir.T(ir.F16, 3)},
	{Name: "f32", Type: ir.T(ir.F32, 2, 1, 2)}, {Name: "f64", Type: ir.T(ir.F64)}, {Name: "i32", Type: ir.T(ir.I32, 7)}, {Name: "i64", Type: ir.T(ir.I64, 1)},
	{Name: "u32", Type: ir.T(ir.U32, 2)}, {Name: "u64", Type: ir.T(ir.U64, 2)}, {Name: "u8", Type: ir.T(ir.U8, 3)},
}

func tensors(fill bool) [][]byte {
	out := make([][]byte, len(fields))
	for i, f := range fields {
		out[i] = make([]byte, f.Type.Bytes())
		for k := range out[i] {
			if fill {
				out[i][k] = byte(37*i + 11*k + 1)
			}
		}
	}
	return out
}

func TestTensors(t *testing.T) {
	want, got := tensors(true), tensors(false)
	stream, err := EncodeTensors(fields, want)
	require.NoError(t, err)
	require.NoError(t, DecodeTensors(fields, stream, got))
	assert.Equal(t, want, got)

	other := slices.Clone(fields)
	other[3].Type = ir.T(ir.F32, 4)
	assert.ErrorContains(t, DecodeTensors(other, stream, got), "the schema is not the one agreed on")
	got[2] = got[2][:1]
	assert.ErrorContains(t, DecodeTensors(fields, stream, got), `field "f16" has a buffer of 1 bytes`)
	for _, bad := range []ir.Type{ir.T(ir.F32, 0), ir.T(ir.F32, 1<<31), ir.T(ir.Invalid)} {
		_, err := TensorSchema([]ir.Param{{Name: "x", Type: bad}})
		assert.ErrorContains(t, err, `field "x"`)
	}
	two, err := EncodeRows(rows(t))
	require.NoError(t, err)
	assert.ErrorContains(t, DecodeTensors(fields, two, got), "the schema is not the one agreed on")
}

// FuzzDecodeRows holds that no stream makes the reader or the batch that it
// returns panic.
func FuzzDecodeRows(f *testing.F) {
	for _, r := range []arrow.Record{rows(f), rows(f).NewSlice(1, 3), rows(f).NewSlice(0, 0)} {
		stream, err := EncodeRows(r)
		require.NoError(f, err)
		f.Add(stream)
	}
	stream, err := EncodeSchema(schema)
	require.NoError(f, err)
	f.Add(stream)
	f.Fuzz(func(t *testing.T, stream []byte) {
		_, _ = DecodeSchema(stream)
		if r, err := DecodeRows(schema, stream); err == nil {
			_ = fmt.Sprint(r)
		}
	})
}

// FuzzBuild holds the same of layouts in shared memory: the first half of the
// input is lengths, the second the memory.
func FuzzBuild(f *testing.F) {
	r := rows(f)
	flat, buffers := flatten(f, r)
	var seed, memory []byte
	for _, n := range flat.Nodes {
		seed = append(seed, byte(n.Length), byte(n.Nulls))
	}
	for _, b := range buffers {
		seed = append(seed, byte(len(b)))
		memory = append(memory, b...)
	}
	nodes, count := len(flat.Nodes), len(buffers)
	f.Add(int64(3), append(seed, memory...))
	f.Fuzz(func(t *testing.T, rows int64, in []byte) {
		if len(in) < 2*nodes+count {
			return
		}
		var ns []Node
		for i := range nodes {
			ns = append(ns, Node{int64(int8(in[2*i])), int64(int8(in[2*i+1]))})
		}
		lengths, rest := in[2*nodes:2*nodes+count], in[2*nodes+count:]
		var bs [][]byte
		for _, n := range lengths {
			k := min(int(n), len(rest))
			bs, rest = append(bs, rest[:k:k]), rest[k:]
		}
		if r, err := Build(schema, rows, ns, bs); err == nil {
			_ = fmt.Sprint(r)
		}
	})
}
