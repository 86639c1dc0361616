package record

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
)

// Node is the length and the number of nulls of one array of a record batch.
type Node struct{ Length, Nulls int64 }

// Bounds on schemas, so that one from outside cannot ask for absurd work.
const (
	maxDepth  = 16
	maxFields = 4096
)

// Build makes a record batch of its arrays and buffers, both in the order in
// which Arrow IPC flattens a batch. The batch lies in the buffers. Layouts that
// would let an access reach beyond them are errors, never panics.
func Build(schema *arrow.Schema, rows int64, nodes []Node, buffers [][]byte) (r arrow.Record, err error) {
	defer func() {
		if p := recover(); p != nil {
			r, err = nil, fmt.Errorf("record batch: %v", p)
		}
	}()
	if err := CheckSchema(schema); err != nil {
		return nil, err
	}
	if rows < 0 || rows > math.MaxInt32 {
		return nil, fmt.Errorf("record batch: %d rows are not between 0 and %d", rows, math.MaxInt32)
	}
	b := builder{nodes: nodes, buffers: buffers}
	columns := make([]arrow.Array, len(schema.Fields()))
	for i, f := range schema.Fields() {
		data, err := b.array(f.Type, rows)
		if err != nil {
			return nil, fmt.Errorf("record batch: column %q (%v): %w", f.Name, f.Type, err)
		}
		columns[i] = array.MakeFromData(data)
	}
	if len(b.nodes) > 0 || len(b.buffers) > 0 {
		return nil, fmt.Errorf("record batch: %d arrays and %d buffers more than its columns have", len(b.nodes), len(b.buffers))
	}
	return array.NewRecord(schema, columns, rows), nil
}

// builder holds what is left of the arrays and buffers.
type builder struct {
	nodes   []Node
	buffers [][]byte
}

func (b *builder) buffer(what string) ([]byte, error) {
	if len(b.buffers) == 0 {
		return nil, fmt.Errorf("the buffer of %s is missing", what)
	}
	x := b.buffers[0]
	b.buffers = b.buffers[1:]
	return x, nil
}

// sized returns a buffer that holds n elements of size bytes.
func (b *builder) sized(what string, n, size int64) ([]byte, error) {
	x, err := b.buffer(what)
	if err == nil && int64(len(x)) < n*size {
		err = fmt.Errorf("the buffer of %s has %d bytes, %d elements take %d", what, len(x), n, n*size)
	}
	return x, err
}

// array takes the next array, which has length elements, or any number where
// that is negative.
func (b *builder) array(t arrow.DataType, length int64) (*array.Data, error) {
	if len(b.nodes) == 0 {
		return nil, fmt.Errorf("an array of %v is missing", t)
	}
	node := b.nodes[0]
	b.nodes = b.nodes[1:]
	switch {
	case node.Length < 0 || node.Length > math.MaxInt32:
		return nil, fmt.Errorf("an array has %d elements, not between 0 and %d", node.Length, math.MaxInt32)
	case length >= 0 && node.Length != length:
		return nil, fmt.Errorf("an array of %v has %d elements, needs %d", t, node.Length, length)
	case node.Nulls < 0 || node.Nulls > node.Length:
		return nil, fmt.Errorf("an array of %d elements has %d nulls", node.Length, node.Nulls)
	}
	n := node.Length
	valid, err := b.buffer("validity")
	if err != nil {
		return nil, err
	}
	if len(valid) == 0 {
		if node.Nulls > 0 {
			return nil, fmt.Errorf("an array has %d nulls and no validity", node.Nulls)
		}
		valid = nil
	} else if nulls, err := countNulls(valid, n); err != nil {
		return nil, err
	} else if nulls != node.Nulls {
		return nil, fmt.Errorf("an array has %d nulls by its validity, not %d", nulls, node.Nulls)
	}
	buffers := []*memory.Buffer{nil}
	if valid != nil {
		buffers[0] = memory.NewBufferBytes(valid)
	}
	var children []arrow.ArrayData
	add := func(x []byte) { buffers = append(buffers, memory.NewBufferBytes(x)) }
	switch t := t.(type) {
	case *arrow.BooleanType:
		values, err := b.sized("values", (n+7)/8, 1)
		if err != nil {
			return nil, err
		}
		add(values)
	case *arrow.StringType, *arrow.BinaryType:
		if err := b.variable(n, 4, add); err != nil {
			return nil, err
		}
	case *arrow.LargeStringType, *arrow.LargeBinaryType:
		if err := b.variable(n, 8, add); err != nil {
			return nil, err
		}
	case *arrow.ListType:
		child, err := b.list(t.Elem(), n, 4, add)
		if err != nil {
			return nil, err
		}
		children = append(children, child)
	case *arrow.LargeListType:
		child, err := b.list(t.Elem(), n, 8, add)
		if err != nil {
			return nil, err
		}
		children = append(children, child)
	case *arrow.FixedSizeListType:
		child, err := b.array(t.Elem(), n*int64(t.Len()))
		if err != nil {
			return nil, err
		}
		children = append(children, child)
	case *arrow.StructType:
		for _, f := range t.Fields() {
			child, err := b.array(f.Type, n)
			if err != nil {
				return nil, fmt.Errorf("field %q: %w", f.Name, err)
			}
			children = append(children, child)
		}
	case arrow.FixedWidthDataType:
		values, err := b.sized("values", n, int64(t.Bytes()))
		if err != nil {
			return nil, err
		}
		add(values)
	default:
		return nil, fmt.Errorf("type %v is not carried", t)
	}
	return array.NewData(t, int(n), buffers, children, int(node.Nulls), 0), nil
}

// variable takes the buffers of strings.
func (b *builder) variable(n, size int64, add func([]byte)) error {
	offsets, end, err := b.offsets(n, size)
	if err != nil {
		return err
	}
	values, err := b.sized("values", end, 1)
	if err != nil {
		return err
	}
	add(offsets)
	add(values)
	return nil
}

// list takes the offsets and elements of lists.
func (b *builder) list(elem arrow.DataType, n, size int64, add func([]byte)) (*array.Data, error) {
	offsets, end, err := b.offsets(n, size)
	if err != nil {
		return nil, err
	}
	add(offsets)
	child, err := b.array(elem, -1)
	if err != nil {
		return nil, err
	}
	if int64(child.Len()) < end {
		return nil, fmt.Errorf("lists end at element %d of %d", end, child.Len())
	}
	return child, nil
}

// offsets takes n+1 offsets of size bytes, which must not fall, and returns
// them and the last. Without elements they may be absent.
func (b *builder) offsets(n, size int64) ([]byte, int64, error) {
	x, err := b.buffer("offsets")
	if err != nil {
		return nil, 0, err
	}
	if n == 0 && len(x) == 0 {
		return make([]byte, size), 0, nil
	}
	if int64(len(x)) < (n+1)*size {
		return nil, 0, fmt.Errorf("the buffer of offsets has %d bytes, %d elements take %d", len(x), n, (n+1)*size)
	}
	last := int64(0)
	for i := range n + 1 {
		var v int64
		if size == 4 {
			v = int64(int32(binary.LittleEndian.Uint32(x[4*i:])))
		} else {
			v = int64(binary.LittleEndian.Uint64(x[8*i:]))
		}
		if v < last {
			return nil, 0, fmt.Errorf("offset %d is %d, less than %d before it", i, v, last)
		}
		last = v
	}
	return x, last, nil
}

// countNulls counts the bits that are not set among the first n.
func countNulls(valid []byte, n int64) (int64, error) {
	if int64(len(valid)) < (n+7)/8 {
		return 0, fmt.Errorf("the validity has %d bytes, %d elements take %d", len(valid), n, (n+7)/8)
	}
	set := 0
	for _, v := range valid[:n/8] {
		set += bits.OnesCount8(v)
	}
	if rest := n % 8; rest > 0 {
		set += bits.OnesCount8(valid[n/8] & (1<<rest - 1))
	}
	return n - int64(set), nil
}

// CheckSchema returns an error if rows of the schema cannot be carried: types
// other than booleans, numbers, times, strings, binaries, lists and structs,
// or too many or too deep.
func CheckSchema(s *arrow.Schema) error {
	if s == nil {
		return fmt.Errorf("the schema is missing")
	}
	fields := 0
	for _, f := range s.Fields() {
		if err := checkType(f.Type, 1, &fields); err != nil {
			return fmt.Errorf("column %q: %w", f.Name, err)
		}
	}
	return nil
}

func checkType(t arrow.DataType, depth int, fields *int) error {
	if *fields++; *fields > maxFields || depth > maxDepth {
		return fmt.Errorf("the schema has more than %d fields or %d levels", maxFields, maxDepth)
	}
	switch t := t.(type) {
	case *arrow.StringType, *arrow.BinaryType, *arrow.LargeStringType, *arrow.LargeBinaryType:
		return nil
	case *arrow.ListType:
		return checkType(t.Elem(), depth+1, fields)
	case *arrow.LargeListType:
		return checkType(t.Elem(), depth+1, fields)
	case *arrow.FixedSizeListType:
		return checkType(t.Elem(), depth+1, fields)
	case *arrow.StructType:
		for _, f := range t.Fields() {
			if err := checkType(f.Type, depth+1, fields); err != nil {
				return fmt.Errorf("field %q: %w", f.Name, err)
			}
		}
		return nil
	case *arrow.DictionaryType:
		return fmt.Errorf("dictionaries are not carried; decode %v first", t)
	case arrow.ExtensionType:
		return fmt.Errorf("type %v is not carried; use its storage, %v", t, t.StorageType())
	case arrow.FixedWidthDataType:
		return nil
	}
	return fmt.Errorf("type %v is not carried", t)
}
