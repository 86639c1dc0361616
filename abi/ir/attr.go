package ir

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// AttrKind says which kind of value an attribute holds.
type AttrKind uint8

// The kinds of attributes.
const (
	AttrInt    AttrKind = iota + 1 // int64
	AttrInts                       // []int64
	AttrFloat                      // float64, compared by its bits
	AttrString                     // an enumerated word, such as "sum"
	AttrBool                       // true or false
	AttrDType                      // an element type
	AttrBytes                      // raw little-endian tensor data
)

var attrKindNames = [...]string{"", "int", "ints", "float", "string", "bool", "dtype", "bytes"}

// String returns the kind's name.
func (k AttrKind) String() string {
	if int(k) < len(attrKindNames) && k > 0 {
		return attrKindNames[k]
	}
	return "attr kind " + strconv.Itoa(int(k))
}

// Attr is one named attribute of an op. Use the constructors; the fields that
// its Kind does not name are zero.
type Attr struct {
	Name  string
	Kind  AttrKind
	Int   int64   // AttrInt, AttrBool (0 or 1), AttrDType
	Ints  []int64 // AttrInts
	Float float64 // AttrFloat
	Str   string  // AttrString, AttrBytes
}

// IntAttr returns an integer attribute.
func IntAttr(name string, v int) Attr { return Attr{Name: name, Kind: AttrInt, Int: int64(v)} }

// IntsAttr returns an attribute holding a list of integers.
func IntsAttr(name string, v ...int) Attr {
	l := make([]int64, len(v))
	for i, x := range v {
		l[i] = int64(x)
	}
	return Attr{Name: name, Kind: AttrInts, Ints: l}
}

// FloatAttr returns a float64 attribute.
func FloatAttr(name string, v float64) Attr { return Attr{Name: name, Kind: AttrFloat, Float: v} }

// StringAttr returns an attribute holding an enumerated word.
func StringAttr(name, v string) Attr { return Attr{Name: name, Kind: AttrString, Str: v} }

// BoolAttr returns a boolean attribute.
func BoolAttr(name string, v bool) Attr {
	a := Attr{Name: name, Kind: AttrBool}
	if v {
		a.Int = 1
	}
	return a
}

// DTypeAttr returns an attribute holding an element type.
func DTypeAttr(name string, v DType) Attr { return Attr{Name: name, Kind: AttrDType, Int: int64(v)} }

// BytesAttr returns an attribute holding raw little-endian tensor data.
func BytesAttr(name string, v []byte) Attr { return Attr{Name: name, Kind: AttrBytes, Str: string(v)} }

// Equal reports whether both attributes have the same name, kind and value.
func (a Attr) Equal(b Attr) bool {
	return a.Name == b.Name && a.Kind == b.Kind && a.Int == b.Int && slices.Equal(a.Ints, b.Ints) &&
		math.Float64bits(a.Float) == math.Float64bits(b.Float) && a.Str == b.Str
}

// pure returns the attribute without the fields that its kind does not name.
func (a Attr) pure() Attr {
	p := Attr{Name: a.Name, Kind: a.Kind}
	switch a.Kind {
	case AttrInt, AttrBool, AttrDType:
		p.Int = a.Int
	case AttrInts:
		p.Ints = a.Ints
	case AttrFloat:
		p.Float = a.Float
	case AttrString, AttrBytes:
		p.Str = a.Str
	}
	return p
}

// Attrs are the attributes of an op, sorted by name.
type Attrs []Attr

// Get returns the attribute called name, and whether it is present.
func (as Attrs) Get(name string) (Attr, bool) {
	for _, a := range as {
		if a.Name == name {
			return a, true
		}
	}
	return Attr{}, false
}

// Int returns an integer attribute, or 0 where it is absent.
func (as Attrs) Int(name string) int { a, _ := as.Get(name); return int(a.Int) }

// Ints returns an attribute holding a list, or nil where it is absent.
func (as Attrs) Ints(name string) []int {
	a, _ := as.Get(name)
	l := make([]int, len(a.Ints))
	for i, x := range a.Ints {
		l[i] = int(x)
	}
	return l
}

// Float returns a float attribute, or 0 where it is absent.
func (as Attrs) Float(name string) float64 { a, _ := as.Get(name); return a.Float }

// Str returns a string attribute, or "" where it is absent.
func (as Attrs) Str(name string) string { a, _ := as.Get(name); return a.Str }

// Bool returns a boolean attribute, or false where it is absent.
func (as Attrs) Bool(name string) bool { a, _ := as.Get(name); return a.Int != 0 }

// DType returns a dtype attribute, or Invalid where it is absent.
func (as Attrs) DType(name string) DType { a, _ := as.Get(name); return DType(a.Int) }

// Bytes returns a bytes attribute, or nil where it is absent.
func (as Attrs) Bytes(name string) []byte { a, _ := as.Get(name); return []byte(a.Str) }

// sortAttrs sorts by name and reports a duplicate.
func sortAttrs(as []Attr) (Attrs, error) {
	out := slices.Clone(as)
	slices.SortFunc(out, func(a, b Attr) int { return strings.Compare(a.Name, b.Name) })
	for i := 1; i < len(out); i++ {
		if out[i].Name == out[i-1].Name {
			return nil, fmt.Errorf("attribute %q is given twice", out[i].Name)
		}
	}
	return out, nil
}
