package record

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/endian"
	"github.com/apache/arrow/go/v17/arrow/ipc"
	flatbuffers "github.com/google/flatbuffers/go"
)

// Arrow's own reader takes memory for lengths before it has seen that the
// bytes are there, and follows fields as deep and as often as they refer to
// each other. So the framing is read here, and schemas are measured before
// Arrow decodes them.

// Numbers of headers, fields and types in Arrow's Message.fbs and Schema.fbs.
const (
	headerSchema = 1
	headerBatch  = 3

	messageHeaderType = 6
	messageHeader     = 8
	messageBodyLength = 10

	schemaFields   = 6
	schemaMetadata = 8

	fieldName       = 4
	fieldDictionary = 12
	fieldChildren   = 14
	fieldMetadata   = 16

	batchLength      = 4
	batchNodes       = 6
	batchBuffers     = 8
	batchCompression = 10

	continuation = 0xffffffff
)

// maxText bounds the names and metadata of a schema, in bytes.
const maxText = 1 << 20

// message is one message of an IPC stream.
type message struct {
	raw    []byte // with its framing, without the body
	kind   byte
	header flatbuffers.Table
	body   []byte
}

// split cuts a stream into its messages. It panics on malformed metadata.
func split(stream []byte) ([]message, error) {
	var out []message
	for rest := stream; len(rest) > 0; {
		if len(rest) < 8 || binary.LittleEndian.Uint32(rest) != continuation {
			return nil, errors.New("arrow stream: a message does not begin with 0xffffffff and its length")
		}
		n := int64(int32(binary.LittleEndian.Uint32(rest[4:])))
		if n == 0 {
			if len(rest) > 8 {
				return nil, fmt.Errorf("arrow stream: %d bytes follow its end", len(rest)-8)
			}
			return out, nil
		}
		if n < 8 || n > int64(len(rest)-8) {
			return nil, fmt.Errorf("arrow stream: a message of %d bytes, %d are left", n, len(rest)-8)
		}
		m, body, err := metadata(rest[8 : 8+n])
		if err != nil {
			return nil, err
		}
		m.raw = rest[:8+n]
		rest = rest[8+n:]
		if body < 0 || body > int64(len(rest)) {
			return nil, fmt.Errorf("arrow stream: a body of %d bytes, %d are left", body, len(rest))
		}
		m.body, rest = rest[:body], rest[body:]
		if out = append(out, m); len(out) > 2 {
			return nil, errors.New("arrow stream: more than a schema and one record batch")
		}
	}
	return out, nil
}

// metadata reads the metadata of a message and the length of its body.
func metadata(meta []byte) (m message, body int64, err error) {
	t := flatbuffers.Table{Bytes: meta, Pos: flatbuffers.GetUOffsetT(meta)}
	m.kind = t.GetByteSlot(messageHeaderType, 0)
	o := t.Offset(messageHeader)
	if o == 0 {
		return m, 0, errors.New("arrow stream: a message has no header")
	}
	t.Union(&m.header, flatbuffers.UOffsetT(o))
	return m, t.GetInt64Slot(messageBodyLength, 0), nil
}

// schema decodes the schema of a message after it has been measured.
func (m *message) schema() (*arrow.Schema, error) {
	if m.kind != headerSchema {
		return nil, errors.New("arrow stream: does not begin with a schema")
	}
	b := budget{fields: maxFields, text: maxText}
	if err := b.spendAll(m.header, schemaFields, schemaMetadata, 1); err != nil {
		return nil, fmt.Errorf("arrow stream: schema: %w", err)
	}
	r, err := ipc.NewReader(bytes.NewReader(m.raw))
	if err != nil {
		return nil, err
	}
	defer r.Release()
	s := r.Schema()
	if s.Endianness() != endian.LittleEndian {
		return nil, errors.New("arrow stream: is big-endian; only little-endian streams are read")
	}
	return s, CheckSchema(s)
}

// budget is what a schema may still have.
type budget struct{ fields, text int }

// spendAll takes the fields and the metadata of a schema or a field.
func (b *budget) spendAll(t flatbuffers.Table, fields, metadata flatbuffers.VOffsetT, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("more than %d levels", maxDepth)
	}
	err := each(t, metadata, func(kv flatbuffers.Table) error {
		// A key is the first field of KeyValue, its value the second.
		for _, slot := range []flatbuffers.VOffsetT{4, 6} {
			if err := b.spendText(kv, slot); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return each(t, fields, func(f flatbuffers.Table) error {
		if b.fields--; b.fields < 0 {
			return fmt.Errorf("more than %d fields", maxFields)
		}
		if f.Offset(fieldDictionary) != 0 {
			return errors.New("has a dictionary; decode it first")
		}
		if err := b.spendText(f, fieldName); err != nil {
			return err
		}
		return b.spendAll(f, fieldChildren, fieldMetadata, depth+1)
	})
}

func (b *budget) spendText(t flatbuffers.Table, slot flatbuffers.VOffsetT) error {
	n := 16 // for itself
	if o := t.Offset(slot); o != 0 {
		n += len(t.ByteVector(flatbuffers.UOffsetT(o) + t.Pos))
	}
	if b.text -= n; b.text < 0 {
		return fmt.Errorf("names and metadata of more than %d bytes", maxText)
	}
	return nil
}

// each calls f for the tables of a vector.
func each(t flatbuffers.Table, slot flatbuffers.VOffsetT, f func(flatbuffers.Table) error) error {
	o := flatbuffers.UOffsetT(t.Offset(slot))
	if o == 0 {
		return nil
	}
	n, start := t.VectorLen(o), t.Vector(o)
	for i := range n {
		at := t.Indirect(start + flatbuffers.UOffsetT(4*i))
		if err := f(flatbuffers.Table{Bytes: t.Bytes, Pos: at}); err != nil {
			return err
		}
	}
	return nil
}

// batch returns the layout of a record batch and its buffers.
func (m *message) batch() (rows int64, nodes []Node, buffers [][]byte, err error) {
	if m.kind != headerBatch {
		return 0, nil, nil, errors.New("arrow stream: the second message is not a record batch")
	}
	t := m.header
	if t.Offset(batchCompression) != 0 {
		return 0, nil, nil, errors.New("arrow stream: the record batch is compressed; only plain ones are read")
	}
	rows = t.GetInt64Slot(batchLength, 0)
	err = pairs(t, batchNodes, func(length, nulls int64) error {
		nodes = append(nodes, Node{length, nulls})
		return nil
	})
	if err != nil {
		return 0, nil, nil, err
	}
	err = pairs(t, batchBuffers, func(offset, length int64) error {
		if offset < 0 || length < 0 || offset > int64(len(m.body)) || length > int64(len(m.body))-offset {
			return fmt.Errorf("arrow stream: a buffer of %d bytes from byte %d ends outside the body of %d", length, offset, len(m.body))
		}
		buffers = append(buffers, m.body[offset:offset+length:offset+length])
		return nil
	})
	return rows, nodes, buffers, err
}

// pairs calls f for the structs of two int64 of a vector.
func pairs(t flatbuffers.Table, slot flatbuffers.VOffsetT, f func(a, b int64) error) error {
	o := flatbuffers.UOffsetT(t.Offset(slot))
	if o == 0 {
		return nil
	}
	n, start := t.VectorLen(o), t.Vector(o)
	if n > 4*maxFields {
		return fmt.Errorf("arrow stream: %d arrays or buffers are more than %d", n, 4*maxFields)
	}
	for i := range n {
		at := start + flatbuffers.UOffsetT(16*i)
		if err := f(t.GetInt64(at), t.GetInt64(at+8)); err != nil {
			return err
		}
	}
	return nil
}
