package record

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/ipc"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/seedbed/seedbed/abi/ir"
)

// elements are the Arrow types of elements. Arrow has neither bfloat16 nor
// bools of a byte.
var elements = map[ir.DType]arrow.DataType{
	ir.F32:  arrow.PrimitiveTypes.Float32,
	ir.BF16: arrow.PrimitiveTypes.Uint16,
	ir.F16:  arrow.FixedWidthTypes.Float16,
	ir.F64:  arrow.PrimitiveTypes.Float64,
	ir.I32:  arrow.PrimitiveTypes.Int32,
	ir.I64:  arrow.PrimitiveTypes.Int64,
	ir.U8:   arrow.PrimitiveTypes.Uint8,
	ir.U32:  arrow.PrimitiveTypes.Uint32,
	ir.U64:  arrow.PrimitiveTypes.Uint64,
	ir.Bool: arrow.PrimitiveTypes.Uint8,
}

// TensorSchema is the schema of a batch of tensors: a column of the extension
// type arrow.fixed_shape_tensor for each, in order
// (https://arrow.apache.org/docs/format/CanonicalExtensions.html). None of them
// is empty.
func TensorSchema(fields []ir.Param) (*arrow.Schema, error) {
	out := make([]arrow.Field, len(fields))
	for i, f := range fields {
		if err := f.Type.Check(); err != nil {
			return nil, fmt.Errorf("field %q: %w", f.Name, err)
		}
		n := f.Type.Elements()
		if n < 1 || n > math.MaxInt32 {
			return nil, fmt.Errorf("field %q is %v: a field of a batch has 1 to %d elements", f.Name, f.Type, math.MaxInt32)
		}
		shape := f.Type.Shape
		if shape == nil {
			shape = []int{}
		}
		meta, err := json.Marshal(struct {
			Shape []int `json:"shape"`
		}{shape})
		if err != nil {
			return nil, err
		}
		out[i] = arrow.Field{
			Name:     f.Name,
			Type:     arrow.FixedSizeListOfNonNullable(int32(n), elements[f.Type.DType]),
			Metadata: arrow.NewMetadata([]string{ipc.ExtensionTypeKeyName, ipc.ExtensionMetadataKeyName}, []string{"arrow.fixed_shape_tensor", string(meta)}),
		}
	}
	return arrow.NewSchema(out, nil), nil
}

// EncodeTensors returns the stream of one record batch of one row that holds
// the tensors, dense, row-major, little-endian, one for each field.
func EncodeTensors(fields []ir.Param, tensors [][]byte) (stream []byte, err error) {
	defer guard(&err)
	schema, err := TensorSchema(fields)
	if err != nil {
		return nil, err
	}
	if len(tensors) != len(fields) {
		return nil, fmt.Errorf("%d tensors for %d fields", len(tensors), len(fields))
	}
	columns := make([]arrow.Array, len(fields))
	for i, f := range fields {
		if len(tensors[i]) != f.Type.Bytes() {
			return nil, fmt.Errorf("field %q has %d bytes, %v takes %d", f.Name, len(tensors[i]), f.Type, f.Type.Bytes())
		}
		values := array.NewData(elements[f.Type.DType], f.Type.Elements(), []*memory.Buffer{nil, memory.NewBufferBytes(tensors[i])}, nil, 0, 0)
		columns[i] = array.MakeFromData(array.NewData(schema.Field(i).Type, 1, []*memory.Buffer{nil}, []arrow.ArrayData{values}, 0, 0))
	}
	var b bytes.Buffer
	w := ipc.NewWriter(&b, ipc.WithSchema(schema))
	if err := w.Write(array.NewRecord(schema, columns, 1)); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	if b.Len() > MaxInlineBytes {
		return nil, fmt.Errorf("the batch takes %d bytes, more than the %d that a message may carry; make the grain smaller", b.Len(), MaxInlineBytes)
	}
	return b.Bytes(), nil
}

// DecodeTensors copies what EncodeTensors writes, from outside, to dst, which
// has a buffer of exactly its size for each field.
func DecodeTensors(fields []ir.Param, stream []byte, dst [][]byte) (err error) {
	defer guard(&err)
	schema, err := TensorSchema(fields)
	if err != nil {
		return err
	}
	m, err := decode(schema, stream)
	if err != nil {
		return err
	}
	rows, nodes, buffers, err := m.batch()
	if err != nil {
		return err
	}
	r, err := Build(schema, rows, nodes, buffers)
	if err != nil {
		return err
	}
	if rows != 1 {
		return fmt.Errorf("the batch has %d rows, not 1", rows)
	}
	if len(dst) != len(fields) {
		return fmt.Errorf("%d buffers for %d fields", len(dst), len(fields))
	}
	for i, f := range fields {
		if r.Column(i).NullN() > 0 || r.Column(i).Data().Children()[0].NullN() > 0 {
			return fmt.Errorf("field %q has missing values", f.Name)
		}
		values := r.Column(i).Data().Children()[0].Buffers()[1].Bytes()
		if len(dst[i]) != f.Type.Bytes() {
			return fmt.Errorf("field %q has a buffer of %d bytes, %v takes %d", f.Name, len(dst[i]), f.Type, f.Type.Bytes())
		}
		copy(dst[i], values[:f.Type.Bytes()])
	}
	return nil
}
