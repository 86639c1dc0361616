package ir

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// DType is an element type.
type DType uint8

// The element types of ABI v1. F64 is required of the reference backend only.
const (
	Invalid DType = iota
	F32
	BF16
	F16
	F64
	I32
	I64
	U8
	U32
	U64
	Bool
)

var dtypes = [...]struct {
	name string
	size int
}{
	Invalid: {"invalid", 0},
	F32:     {"f32", 4},
	BF16:    {"bf16", 2},
	F16:     {"f16", 2},
	F64:     {"f64", 8},
	I32:     {"i32", 4},
	I64:     {"i64", 8},
	U8:      {"u8", 1},
	U32:     {"u32", 4},
	U64:     {"u64", 8},
	Bool:    {"bool", 1},
}

// DTypes lists the valid element types in a fixed order.
func DTypes() []DType {
	return []DType{F32, BF16, F16, F64, I32, I64, U8, U32, U64, Bool}
}

// ParseDType returns the element type called name, such as "f32".
func ParseDType(name string) (DType, error) {
	for d, info := range dtypes {
		if d != int(Invalid) && info.name == name {
			return DType(d), nil
		}
	}
	return Invalid, fmt.Errorf("unknown dtype %q", name)
}

// String returns the name used in text programs, such as "f32".
func (d DType) String() string {
	if int(d) < len(dtypes) {
		return dtypes[d].name
	}
	return "dtype(" + strconv.Itoa(int(d)) + ")"
}

// Size returns the bytes of one element. A bool takes one byte, 0 or 1.
func (d DType) Size() int {
	if int(d) < len(dtypes) {
		return dtypes[d].size
	}
	return 0
}

// Valid reports whether d is one of the element types of the ABI.
func (d DType) Valid() bool { return d > Invalid && int(d) < len(dtypes) }

// IsFloat reports whether d is f32, bf16, f16 or f64.
func (d DType) IsFloat() bool { return d == F32 || d == BF16 || d == F16 || d == F64 }

// IsHalf reports whether d is bf16 or f16, which are computed in f32 and
// rounded at every store (rule 15).
func (d DType) IsHalf() bool { return d == BF16 || d == F16 }

// IsInteger reports whether d is a signed or unsigned integer type.
func (d DType) IsInteger() bool { return d >= I32 && d <= U64 }

// IsSigned reports whether d is a signed integer or a float type.
func (d DType) IsSigned() bool { return d.IsFloat() || d == I32 || d == I64 }

// Bounds on types, so that a program from outside cannot ask for absurd sizes.
const (
	MaxRank     = 8
	MaxElements = 1 << 40
)

// Type is the type of a value: an element type and a static shape, row-major.
// An empty shape is a scalar.
type Type struct {
	DType DType
	Shape []int
}

// T is shorthand for a Type.
func T(d DType, shape ...int) Type { return Type{DType: d, Shape: shape} }

// Rank returns the number of dimensions.
func (t Type) Rank() int { return len(t.Shape) }

// Elements returns the number of elements: the product of the shape.
func (t Type) Elements() int {
	n := 1
	for _, d := range t.Shape {
		n *= d
	}
	return n
}

// Bytes returns the size of a dense row-major tensor of this type.
func (t Type) Bytes() int { return t.Elements() * t.DType.Size() }

// Equal reports whether both types have the same dtype and shape.
func (t Type) Equal(u Type) bool { return t.DType == u.DType && slices.Equal(t.Shape, u.Shape) }

// With returns a type of the same dtype and another shape.
func (t Type) With(shape ...int) Type { return Type{DType: t.DType, Shape: shape} }

// As returns a type of the same shape and another dtype.
func (t Type) As(d DType) Type { return Type{DType: d, Shape: t.Shape} }

// Strides returns the row-major strides of the shape, in elements.
func (t Type) Strides() []int {
	s := make([]int, len(t.Shape))
	n := 1
	for i := len(s) - 1; i >= 0; i-- {
		s[i] = n
		n *= t.Shape[i]
	}
	return s
}

// Check returns an error if the dtype is unknown or the shape is negative,
// too deep or too large.
func (t Type) Check() error {
	if !t.DType.Valid() {
		return fmt.Errorf("invalid dtype %v", t.DType)
	}
	if len(t.Shape) > MaxRank {
		return fmt.Errorf("rank %d is more than %d", len(t.Shape), MaxRank)
	}
	n := int64(1)
	for i, d := range t.Shape {
		if d < 0 {
			return fmt.Errorf("dimension %d is negative (%d)", i, d)
		}
		if d > math.MaxInt32 {
			return fmt.Errorf("dimension %d is too large (%d)", i, d)
		}
		if d > 0 && n > MaxElements/int64(d) {
			return fmt.Errorf("shape %v has more than %d elements", t.Shape, int64(MaxElements))
		}
		if d > 0 {
			n *= int64(d)
		}
	}
	return nil
}

// String returns the text form, such as "f32[4,8]" and "i32[]".
func (t Type) String() string {
	var b strings.Builder
	b.WriteString(t.DType.String())
	b.WriteByte('[')
	for i, d := range t.Shape {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.Itoa(d))
	}
	b.WriteByte(']')
	return b.String()
}
