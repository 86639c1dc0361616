package checkpoint

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/numerics"
	"github.com/seedbed/seedbed/core/safetensors"
)

// MismatchError says how the parameters of a checkpoint differ from those that a model expects.
type MismatchError struct {
	Path       string
	Missing    []string // expected, but not in the checkpoint: "name type"
	Unexpected []string // in the checkpoint, but not expected: "name type"
	Different  []string // in both with other types: "name: type in the checkpoint, type expected"
}

// Error lists at most 20 of each kind; the fields have all.
func (e *MismatchError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "checkpoint %s does not fit the model; use the recipe it was made with, or another checkpoint", e.Path)
	for _, list := range []struct {
		title string
		lines []string
	}{
		{"expected by the model and missing in the checkpoint", e.Missing},
		{"in the checkpoint and not in the model", e.Unexpected},
		{"of another type", e.Different},
	} {
		if len(list.lines) == 0 {
			continue
		}
		fmt.Fprintf(&b, "\n%s (%d):", list.title, len(list.lines))
		for i, line := range list.lines {
			if i == 20 {
				fmt.Fprintf(&b, "\n  and %d more", len(list.lines)-i)
				break
			}
			b.WriteString("\n  " + line)
		}
	}
	return b.String()
}

// Check compares the parameters with those that a model expects, by name, and returns a *MismatchError if names, dtypes or shapes
// differ.
func (c *Checkpoint) Check(expected map[string]ir.Type) error {
	f, err := c.Parameters()
	if err != nil {
		return err
	}
	defer f.Close()
	have := f.Types()
	e := &MismatchError{Path: c.Path}
	for _, name := range slices.Sorted(maps.Keys(expected)) {
		want := expected[name]
		got, ok := have[name]
		switch {
		case !ok:
			e.Missing = append(e.Missing, fmt.Sprintf("%s %v", name, want))
		case !got.Equal(want):
			e.Different = append(e.Different, fmt.Sprintf("%s: %v in the checkpoint, %v expected", name, got, want))
		}
	}
	for _, name := range f.Names() {
		if _, ok := expected[name]; !ok {
			e.Unexpected = append(e.Unexpected, fmt.Sprintf("%s %v", name, have[name]))
		}
	}
	if len(e.Missing)+len(e.Unexpected)+len(e.Different) > 0 {
		return e
	}
	return nil
}

// Difference is a parameter that differs between two checkpoints.
type Difference struct {
	Name string
	A, B ir.Type // dtype Invalid where a side has no such parameter
	// The rest counts only where the types are equal. Elements differ if their bits do; all NaNs are equal, +0 and -0 are not.
	Elements int64   // elements that differ
	MaxAbs   float64 // largest |a-b|, rounded to f64; NaN if a NaN stands against a number
}

// String gives one line for people.
func (d Difference) String() string {
	switch {
	case d.A.DType == ir.Invalid:
		return fmt.Sprintf("%s: only in the second, %v", d.Name, d.B)
	case d.B.DType == ir.Invalid:
		return fmt.Sprintf("%s: only in the first, %v", d.Name, d.A)
	case !d.A.Equal(d.B):
		return fmt.Sprintf("%s: %v against %v", d.Name, d.A, d.B)
	}
	return fmt.Sprintf("%s %v: %d of %d elements differ, by up to %g", d.Name, d.A, d.Elements, d.A.Elements(), d.MaxAbs)
}

// Diff lists the parameters that differ between a and b, in name order; none if the weights are equal to the bit.
func Diff(a, b *Checkpoint) ([]Difference, error) {
	fa, err := a.Parameters()
	if err != nil {
		return nil, err
	}
	defer fa.Close()
	fb, err := b.Parameters()
	if err != nil {
		return nil, err
	}
	defer fb.Close()
	return DiffFiles(fa, fb)
}

// DiffFiles is Diff for any two files of tensors.
func DiffFiles(a, b *safetensors.File) ([]Difference, error) {
	ta, tb := a.Types(), b.Types()
	names := slices.Compact(slices.Sorted(slices.Values(append(a.Names(), b.Names()...))))
	var list []Difference
	for _, name := range names {
		d := Difference{Name: name, A: ta[name], B: tb[name]}
		if d.A.Equal(d.B) {
			if err := d.compare(a, b); err != nil {
				return nil, err
			}
			if d.Elements == 0 {
				continue
			}
		}
		list = append(list, d)
	}
	return list, nil
}

func (d *Difference) compare(a, b *safetensors.File) error {
	const block = 1 << 16
	bufA, bufB := make([]byte, block), make([]byte, block)
	size, dtype := int64(d.A.Bytes()), d.A.DType
	for off := int64(0); off < size; off += block {
		n := min(block, size-off)
		for _, s := range []struct {
			f   *safetensors.File
			buf []byte
		}{{a, bufA}, {b, bufB}} {
			if _, err := s.f.ReadAt(d.Name, s.buf[:n], off); err != nil && !errors.Is(err, io.EOF) {
				return err
			}
			canonicalNaN(dtype, s.buf[:n])
		}
		for i := 0; i < int(n); i += dtype.Size() {
			x, y := bufA[i:i+dtype.Size()], bufB[i:i+dtype.Size()]
			if bytes.Equal(x, y) {
				continue
			}
			d.Elements++
			d.MaxAbs = max(d.MaxAbs, absDifference(dtype, x, y)) // max keeps a NaN
		}
	}
	return nil
}

// absDifference returns |x-y| of two elements.
func absDifference(d ir.DType, x, y []byte) float64 {
	le := binary.LittleEndian
	float := func(b []byte) float64 {
		switch d {
		case ir.F32:
			return float64(math.Float32frombits(le.Uint32(b)))
		case ir.BF16:
			return float64(numerics.F32FromBF16(le.Uint16(b)))
		case ir.F16:
			return float64(numerics.F32FromF16(le.Uint16(b)))
		default:
			return math.Float64frombits(le.Uint64(b))
		}
	}
	if d.IsFloat() {
		return math.Abs(float(x) - float(y))
	}
	// Unsigned differences of integers cannot overflow when the larger comes first.
	var u, v uint64
	signed := false
	switch d {
	case ir.I32:
		u, v, signed = uint64(int64(int32(le.Uint32(x)))), uint64(int64(int32(le.Uint32(y)))), true
	case ir.I64:
		u, v, signed = le.Uint64(x), le.Uint64(y), true
	case ir.U32:
		u, v = uint64(le.Uint32(x)), uint64(le.Uint32(y))
	case ir.U64:
		u, v = le.Uint64(x), le.Uint64(y)
	default: // u8, bool
		u, v = uint64(x[0]), uint64(y[0])
	}
	if signed && int64(u) < int64(v) || !signed && u < v {
		u, v = v, u
	}
	return float64(u - v)
}
