package batch

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/seedbed/seedbed/abi/ir"
)

// Buffers are the buffers of a batch by the names of their fields. A field that
// the batch does not have takes whatever is put into it and keeps nothing, so
// that a transform need not ask which of its fields a model uses.
type Buffers map[string][]byte

// Open checks the rows' number and the buffers' sizes.
func Open(rows arrow.Record, n int, fields []ir.Param, buffers [][]byte) (Buffers, error) {
	if rows.NumRows() != int64(n) {
		return nil, fmt.Errorf("%d rows, the batch has %d", rows.NumRows(), n)
	}
	if len(buffers) != len(fields) {
		return nil, fmt.Errorf("%d buffers for %d fields", len(buffers), len(fields))
	}
	b := Buffers{}
	for i, f := range fields {
		if len(buffers[i]) != f.Type.Bytes() {
			return nil, fmt.Errorf("field %q has a buffer of %d bytes, needs %d", f.Name, len(buffers[i]), f.Type.Bytes())
		}
		b[f.Name] = buffers[i]
	}
	return b, nil
}

// PutInt sets element i of a field of dtype i32.
func (b Buffers) PutInt(field string, i int, v int32) {
	if data := b[field]; data != nil {
		binary.LittleEndian.PutUint32(data[4*i:], uint32(v))
	}
}

// PutFloat sets element i of a field of dtype f32.
func (b Buffers) PutFloat(field string, i int, v float32) {
	if data := b[field]; data != nil {
		binary.LittleEndian.PutUint32(data[4*i:], math.Float32bits(v))
	}
}
