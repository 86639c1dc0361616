package safetensors

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/seedbed/seedbed/abi/ir"
)

// Tensor is a tensor to write.
type Tensor struct {
	Name string // not empty, UTF-8, unique in the file
	Type ir.Type
	// Data writes the tensor's bytes, little-endian and row-major, in as many pieces as it likes: exactly Type.Bytes() in all. It is
	// called once, when the tensor's turn comes, so that one tensor at a time need be in memory.
	Data func(w io.Writer) error
}

// Bytes returns a Data function that writes b.
func Bytes(b []byte) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := w.Write(b)
		return err
	}
}

// Write writes a file of the tensors and the metadata to w. The bytes depend on these alone, not on the order of tensors: they are
// laid out as upstream does, by dtype, widest first (U64, I64, F64, F32, U32, I32, BF16, F16, U8, BOOL), then by name, which keeps
// each aligned to its elements' size; Data is called in that order. Metadata keys are sorted; an empty map is left out. The header
// is padded with spaces to a multiple of 8 bytes.
//
// Before the first byte is written, Write refuses an empty, repeated or reserved name, text that is not UTF-8, a type that the format
// cannot hold, and a header above MaxHeader; while it writes, a tensor of too few or too many bytes and a bool other than 0 and 1. After
// an error what w has received is not a safetensors file, and the caller discards it.
func Write(w io.Writer, tensors []Tensor, metadata map[string]string) error {
	tensors = slices.Clone(tensors)
	slices.SortStableFunc(tensors, func(a, b Tensor) int {
		return cmp.Or(cmp.Compare(layoutRank(a.Type.DType), layoutRank(b.Type.DType)), cmp.Compare(a.Name, b.Name))
	})
	head, err := makeHeader(tensors, metadata)
	if err != nil {
		return fmt.Errorf("write safetensors: %w", err)
	}
	if _, err := w.Write(head); err != nil {
		return fmt.Errorf("write safetensors header: %w", err)
	}
	for _, t := range tensors {
		tw := &tensorWriter{w: w, size: int64(t.Type.Bytes()), bool: t.Type.DType == ir.Bool}
		err := t.Data(tw)
		if tw.err != nil {
			err = tw.err // also where Data lost it
		}
		if err == nil && tw.n != tw.size {
			err = fmt.Errorf("%d bytes were written, %v needs %d", tw.n, t.Type, tw.size)
		}
		if err != nil {
			return fmt.Errorf("write safetensors: %w", &tensorError{t.Name, err})
		}
	}
	return nil
}

// makeHeader checks the tensors, which are in layout order, and returns the length prefix and the padded header.
func makeHeader(tensors []Tensor, metadata map[string]string) ([]byte, error) {
	b := append(make([]byte, 8), '{')
	if len(metadata) > 0 {
		b = appendString(b, metadataKey)
		b = append(b, ":{"...)
		for i, k := range slices.Sorted(maps.Keys(metadata)) {
			if !utf8.ValidString(k) || !utf8.ValidString(metadata[k]) {
				return nil, fmt.Errorf("metadata key %q: key or value is not UTF-8; encode it as text first", k)
			}
			if i > 0 {
				b = append(b, ',')
			}
			b = appendString(b, k)
			b = append(b, ':')
			b = appendString(b, metadata[k])
		}
		b = append(b, '}')
	}
	seen := make(map[string]bool, len(tensors))
	at := int64(0)
	for i, t := range tensors {
		if err := checkTensor(t, seen); err != nil {
			return nil, &tensorError{t.Name, err}
		}
		size := int64(t.Type.Bytes())
		if size > math.MaxInt64-at {
			return nil, &tensorError{t.Name, errors.New("the tensors together pass 2^63 bytes; split them over several files")}
		}
		if i > 0 || len(metadata) > 0 {
			b = append(b, ',')
		}
		b = appendString(b, t.Name)
		b = append(b, `:{"dtype":"`...)
		b = append(b, dtypeNames[layoutRank(t.Type.DType)].name...)
		b = append(b, `","shape":[`...)
		for j, d := range t.Type.Shape {
			if j > 0 {
				b = append(b, ',')
			}
			b = strconv.AppendInt(b, int64(d), 10)
		}
		b = append(b, `],"data_offsets":[`...)
		b = strconv.AppendInt(b, at, 10)
		b = append(b, ',')
		at += size
		b = strconv.AppendInt(b, at, 10)
		b = append(b, "]}"...)
	}
	b = append(b, '}')
	for len(b)%8 != 0 {
		b = append(b, ' ')
	}
	if len(b)-8 > MaxHeader {
		return nil, fmt.Errorf("the header has %d bytes, the limit is %d; split the tensors over several files or shorten the metadata", len(b)-8, MaxHeader)
	}
	binary.LittleEndian.PutUint64(b, uint64(len(b)-8))
	return b, nil
}

func checkTensor(t Tensor, seen map[string]bool) error {
	switch {
	case t.Name == "":
		return errors.New("the name is empty; give every tensor a name")
	case t.Name == metadataKey:
		return errors.New("the format reserves this name; rename the tensor")
	case !utf8.ValidString(t.Name):
		return errors.New("the name is not UTF-8; rename the tensor")
	case seen[t.Name]:
		return errors.New("is given twice; rename or drop one")
	case t.Data == nil:
		return errors.New("has no data function")
	}
	seen[t.Name] = true
	if err := t.Type.Check(); err != nil {
		return err
	}
	if layoutRank(t.Type.DType) < 0 {
		return fmt.Errorf("the format has no dtype for %v; convert the tensor", t.Type.DType)
	}
	return nil
}

// tensorWriter passes the bytes of one tensor on and stops what is too long or no bool. It keeps its error.
type tensorWriter struct {
	w       io.Writer
	n, size int64
	bool    bool
	err     error
}

func (t *tensorWriter) Write(p []byte) (int, error) {
	if t.err != nil {
		return 0, t.err
	}
	if int64(len(p)) > t.size-t.n {
		t.err = fmt.Errorf("more than its %d bytes were written", t.size)
		return 0, t.err
	}
	if t.bool {
		if i := badBool(p); i >= 0 {
			t.err = fmt.Errorf("element %d is %d; a bool is 0 or 1", t.n+int64(i), p[i])
			return 0, t.err
		}
	}
	n, err := t.w.Write(p)
	t.n += int64(n)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	t.err = err
	return n, err
}
