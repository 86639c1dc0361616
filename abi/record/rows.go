package record

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/ipc"
	"github.com/apache/arrow/go/v17/arrow/memory"
)

// MaxInlineBytes bounds an Arrow stream in a message.
const MaxInlineBytes = 60 << 20

// MaxSchemaBytes bounds the stream of a schema alone.
const MaxSchemaBytes = 1 << 20

// guard turns a panic over malformed bytes into an error.
func guard(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("arrow stream: malformed: %v", p)
	}
}

// EncodeSchema returns the stream that holds the schema alone.
func EncodeSchema(s *arrow.Schema) (stream []byte, err error) {
	defer guard(&err)
	if err := CheckSchema(s); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	w := ipc.NewWriter(&b, ipc.WithSchema(s))
	if err := w.Close(); err != nil {
		return nil, err
	}
	if b.Len() > MaxSchemaBytes {
		return nil, fmt.Errorf("the schema takes %d bytes, more than %d", b.Len(), MaxSchemaBytes)
	}
	return b.Bytes(), nil
}

// DecodeSchema reads what EncodeSchema writes, from outside.
func DecodeSchema(stream []byte) (s *arrow.Schema, err error) {
	defer guard(&err)
	if len(stream) > MaxSchemaBytes {
		return nil, fmt.Errorf("a schema of %d bytes is larger than %d", len(stream), MaxSchemaBytes)
	}
	ms, err := split(stream)
	if err != nil {
		return nil, err
	}
	if len(ms) != 1 {
		return nil, errors.New("arrow stream: is not a schema alone")
	}
	return ms[0].schema()
}

// EncodeRows returns the stream of a schema and one record batch.
func EncodeRows(r arrow.Record) (stream []byte, err error) {
	defer guard(&err)
	if err := CheckSchema(r.Schema()); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	w := ipc.NewWriter(&b, ipc.WithSchema(r.Schema()))
	if r, err = whole(r); err != nil {
		return nil, err
	}
	if err := w.Write(r); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	if b.Len() > MaxInlineBytes {
		return nil, fmt.Errorf("a batch of %d rows takes %d bytes, more than the %d that a message may carry; make the grain smaller", r.NumRows(), b.Len(), MaxInlineBytes)
	}
	return b.Bytes(), nil
}

// DecodeRows reads what EncodeRows writes, from outside; the schema must be
// the one given. The batch lies in the stream.
func DecodeRows(schema *arrow.Schema, stream []byte) (r arrow.Record, err error) {
	defer guard(&err)
	ms, err := decode(schema, stream)
	if err != nil {
		return nil, err
	}
	rows, nodes, buffers, err := ms.batch()
	if err != nil {
		return nil, err
	}
	return Build(schema, rows, nodes, buffers)
}

// decode returns the record batch of a stream of a known schema.
func decode(schema *arrow.Schema, stream []byte) (*message, error) {
	if len(stream) > MaxInlineBytes {
		return nil, fmt.Errorf("arrow stream: %d bytes are more than %d", len(stream), MaxInlineBytes)
	}
	ms, err := split(stream)
	if err != nil {
		return nil, err
	}
	if len(ms) != 2 {
		return nil, errors.New("arrow stream: is not a schema and one record batch")
	}
	s, err := ms[0].schema()
	if err != nil {
		return nil, err
	}
	if !s.Equal(schema) {
		return nil, fmt.Errorf("arrow stream: the schema is not the one agreed on:\n%v\nwant:\n%v", s, schema)
	}
	return &ms[1], nil
}

// Flat is a record batch as its arrays and the places of its buffers in one
// piece of memory.
type Flat struct {
	Rows    int64
	Nodes   []Node
	Offsets []uint64 // of the buffers in the memory, multiples of 64
	Lengths []uint64
}

// Flatten lays out a record batch in the memory that place returns for the
// number of bytes that it takes.
func Flatten(r arrow.Record, place func(n int) ([]byte, error)) (f *Flat, err error) {
	defer guard(&err)
	if err := CheckSchema(r.Schema()); err != nil {
		return nil, err
	}
	f = &Flat{}
	w := ipc.NewWriterWithPayloadWriter(&placer{f, place}, ipc.WithSchema(r.Schema()))
	if r, err = whole(r); err != nil {
		return nil, err
	}
	if err := w.Write(r); err != nil {
		return nil, err
	}
	return f, w.Close()
}

// whole returns a batch that Arrow's writer can write. It cannot write an empty
// slice of strings or lists, which may be deep within a column; so columns that
// hold any are copied, which leaves nothing sliced.
func whole(r arrow.Record) (arrow.Record, error) {
	if r.NumRows() == 0 {
		b := array.NewRecordBuilder(memory.DefaultAllocator, r.Schema())
		defer b.Release()
		return b.NewRecord(), nil
	}
	columns := slices.Clone(r.Columns())
	for i, c := range columns {
		if fixedSize(c.DataType()) {
			continue
		}
		var err error
		if columns[i], err = array.Concatenate([]arrow.Array{c}, memory.DefaultAllocator); err != nil {
			return nil, fmt.Errorf("column %q: %w", r.ColumnName(i), err)
		}
	}
	return array.NewRecord(r.Schema(), columns, r.NumRows()), nil
}

// fixedSize reports whether all elements of a type take the same bytes.
func fixedSize(t arrow.DataType) bool {
	switch t := t.(type) {
	case *arrow.FixedSizeListType:
		return fixedSize(t.Elem())
	case *arrow.StructType:
		return !slices.ContainsFunc(t.Fields(), func(f arrow.Field) bool { return !fixedSize(f.Type) })
	}
	_, ok := t.(arrow.FixedWidthDataType)
	return ok
}

// placer gets the messages of a stream as Arrow makes them.
type placer struct {
	flat  *Flat
	place func(n int) ([]byte, error)
}

func (p *placer) Start() error { return nil }
func (p *placer) Close() error { return nil }

func (p *placer) WritePayload(payload ipc.Payload) error {
	meta := payload.Meta()
	defer meta.Release()
	m, _, err := metadata(meta.Bytes())
	if err != nil || m.kind != headerBatch {
		return err
	}
	f := p.flat
	f.Rows = m.header.GetInt64Slot(batchLength, 0)
	if err := pairs(m.header, batchNodes, func(length, nulls int64) error {
		f.Nodes = append(f.Nodes, Node{length, nulls})
		return nil
	}); err != nil {
		return err
	}
	var from []int64 // where Arrow has the buffers, 8 bytes aligned
	total := uint64(0)
	if err := pairs(m.header, batchBuffers, func(offset, length int64) error {
		if n := len(from); offset < 0 || length < 0 || n > 0 && offset < from[n-1]+int64(f.Lengths[n-1]) {
			return errors.New("arrow stream: the buffers are not in order")
		}
		from = append(from, offset)
		f.Offsets = append(f.Offsets, total)
		f.Lengths = append(f.Lengths, uint64(length))
		total += (uint64(length) + 63) / 64 * 64
		return nil
	}); err != nil {
		return err
	}
	dst, err := p.place(int(total))
	if err != nil {
		return err
	}
	return payload.SerializeBody(&scatter{flat: f, from: from, dst: dst})
}

// scatter writes the bytes of a body to where its buffers shall be.
type scatter struct {
	flat *Flat
	from []int64
	dst  []byte
	at   int64 // bytes written
	next int   // the buffer that the next byte may belong to
}

func (w *scatter) Write(p []byte) (int, error) {
	begin, end := w.at, w.at+int64(len(p))
	for ; w.next < len(w.from); w.next++ {
		first, last := w.from[w.next], w.from[w.next]+int64(w.flat.Lengths[w.next])
		lo, hi := max(first, begin), min(last, end)
		if lo < hi {
			copy(w.dst[int64(w.flat.Offsets[w.next])+lo-first:], p[lo-begin:hi-begin])
		}
		if last > end {
			break
		}
	}
	w.at = end
	return len(p), nil
}
