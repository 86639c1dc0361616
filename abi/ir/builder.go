package ir

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/seedbed/seedbed/abi/numerics"
)

// Builder writes a function. Its methods append ops and return their results;
// the first error sticks, later calls do nothing, and Func reports it, so that
// a formula can be written without checking each line.
type Builder struct {
	f     Func
	types []Type
	err   error
	names map[string]bool
	// returned holds the names of the results.
	returned map[string]bool
	stream   uint32
	depth    int // of regions around the function
}

// NewBuilder starts a function called name.
func NewBuilder(name string) *Builder {
	b := &Builder{f: Func{Name: name}, names: map[string]bool{}, returned: map[string]bool{}}
	err := checkName(name)
	if err == nil && strings.Contains(name, "(") {
		err = errors.New("a function's name has no parenthesis, which begins its parameters in the text")
	}
	if err != nil {
		b.err = &Error{Func: name, Op: -1, Msg: err.Error()}
	}
	return b
}

// Func returns the finished function, or the first error.
func (b *Builder) Func() (*Func, error) {
	if b.err != nil {
		return nil, b.err
	}
	if len(b.f.Results) == 0 {
		return nil, &Error{Func: b.f.Name, Op: -1, Msg: "the function returns nothing"}
	}
	f := b.f
	return &f, nil
}

// Err returns the first error so far.
func (b *Builder) Err() error { return b.err }

// Fail records an error, unless there is one already.
func (b *Builder) Fail(format string, args ...any) Value {
	b.failOp(-1, "", fmt.Errorf(format, args...))
	return NoValue
}

func (b *Builder) failOp(op int, name string, err error) {
	if b.err == nil {
		b.err = &Error{Func: b.f.Name, Op: op, Name: name, Msg: err.Error()}
	}
}

// Type returns the type of a value; the zero Type for a value that is not
// one of this function's.
func (b *Builder) Type(v Value) Type {
	if v < 0 || int(v) >= len(b.types) {
		return Type{}
	}
	return b.types[v]
}

// Dim returns the size of dimension i of v, counted from the end if negative.
func (b *Builder) Dim(v Value, i int) int {
	s := b.Type(v).Shape
	if i < 0 {
		i += len(s)
	}
	if i < 0 || i >= len(s) {
		b.Fail("value %d of type %v has no dimension %d", v, b.Type(v), i)
		return 0
	}
	return s[i]
}

// Param declares a parameter. All parameters come before the first op.
func (b *Builder) Param(name string, t Type) Value {
	if b.err != nil {
		return NoValue
	}
	switch err := errors.Join(checkName(name), t.Check()); {
	case err != nil:
		return b.Fail("parameter %q: %v", name, err)
	case len(b.f.Ops) > 0:
		return b.Fail("parameter %q is declared after the first op", name)
	case b.names[name]:
		return b.Fail("parameter %q is declared twice", name)
	}
	b.names[name] = true
	b.f.Params = append(b.f.Params, Param{Name: name, Type: t})
	b.types = append(b.types, t)
	return Value(len(b.types) - 1)
}

// Return adds a named result.
func (b *Builder) Return(name string, v Value) {
	switch {
	case b.err != nil:
	case v < 0 || int(v) >= len(b.types):
		b.Fail("result %q is value %d, which does not exist", name, v)
	case checkName(name) != nil:
		b.Fail("result %q: %v", name, checkName(name))
	case b.returned[name]:
		b.Fail("result %q is returned twice", name)
	default:
		b.returned[name] = true
		b.f.Results = append(b.f.Results, Result{Name: name, Value: v})
	}
}

// Op appends an op of the table with its current version and returns its
// results. On error it returns as many absent values as the op has results.
func (b *Builder) Op(name string, operands []Value, attrs ...Attr) []Value {
	d := LookupOp(name)
	if d == nil {
		b.failOp(len(b.f.Ops), name, fmt.Errorf("unknown op %q", name))
		return []Value{NoValue}
	}
	return b.OpVersion(name, d.Version, operands, attrs...)
}

// OpVersion is Op with an explicit version.
func (b *Builder) OpVersion(name string, version int, operands []Value, attrs ...Attr) []Value {
	return b.OpRegions(name, version, operands, nil, attrs...)
}

// OpRegions is OpVersion for an op that runs functions of its own.
func (b *Builder) OpRegions(name string, version int, operands []Value, regions []*Func, attrs ...Attr) []Value {
	d := LookupOp(name)
	if d == nil {
		b.failOp(len(b.f.Ops), name, fmt.Errorf("unknown op %q", name))
		return []Value{NoValue}
	}
	out := slices.Repeat([]Value{NoValue}, len(d.Results))
	if b.err != nil {
		return out
	}
	ts := make([]Type, len(operands))
	for i, v := range operands {
		if v < 0 || int(v) >= len(b.types) {
			b.failOp(len(b.f.Ops), name, fmt.Errorf("operand %d is value %d, which is not defined before it", i, v))
			return out
		}
		ts[i] = b.types[v]
	}
	as, err := sortAttrs(attrs)
	if err != nil {
		b.failOp(len(b.f.Ops), name, err)
		return out
	}
	rs, err := infer(name, version, ts, as, regions, b.depth)
	if err != nil {
		b.failOp(len(b.f.Ops), name, err)
		return out
	}
	first := Value(len(b.types))
	b.f.Ops = append(b.f.Ops, Op{Name: name, Version: version, Operands: slices.Clone(operands), Attrs: as, Regions: slices.Clone(regions), Results: rs, First: first})
	b.types = append(b.types, rs...)
	out = make([]Value, len(rs)) // not always as many as the table names
	for i := range out {
		out[i] = first + Value(i)
	}
	return out
}

// one appends an op that has a single result.
func (b *Builder) one(name string, operands []Value, attrs ...Attr) Value {
	return b.Op(name, operands, attrs...)[0]
}

// Inline copies the body of f, with args in the place of its parameters, and
// returns the values of its results in order.
func (b *Builder) Inline(f *Func, args []Value) []Value {
	out := slices.Repeat([]Value{NoValue}, len(f.Results))
	if b.err != nil {
		return out
	}
	if len(args) != len(f.Params) {
		b.Fail("inlining %s: it takes %d parameters, is given %d", f.Name, len(f.Params), len(args))
		return out
	}
	for i, p := range f.Params {
		if !b.Type(args[i]).Equal(p.Type) {
			b.Fail("inlining %s: parameter %q is %v, is given %v", f.Name, p.Name, p.Type, b.Type(args[i]))
			return out
		}
	}
	m := slices.Grow(slices.Clone(args), f.NumValues())
	for i := range f.Ops {
		m = append(m, b.CopyOp(&f.Ops[i], m)...)
	}
	if b.err != nil {
		return out
	}
	for i, r := range f.Results {
		out[i] = m[r.Value]
	}
	return out
}

// CopyOp appends a copy of op whose operands are looked up in m, which maps
// value numbers of op's function to values of this one.
func (b *Builder) CopyOp(op *Op, m []Value) []Value {
	in := make([]Value, len(op.Operands))
	for i, v := range op.Operands {
		if int(v) >= len(m) {
			b.Fail("copying op %s: operand %d is not mapped", op.Name, i)
			return slices.Repeat([]Value{NoValue}, len(op.Results))
		}
		in[i] = m[v]
	}
	return b.OpRegions(op.Name, op.Version, in, op.Regions, op.Attrs...)
}

// NextStream returns a number not returned before by this builder, for an op
// that draws random bits (see RngBitGenerator).
func (b *Builder) NextStream() uint32 {
	b.stream++
	return b.stream
}

// Scalar encodes v as one little-endian element of dtype d. It fails where v
// is not exactly representable as an integer of d; floats are rounded to
// nearest even.
func Scalar(d DType, v float64) ([]byte, error) {
	integer := func(lo, hi float64) error {
		if v != math.Trunc(v) || v < lo || v > hi {
			return fmt.Errorf("%v is not a value of dtype %v", v, d)
		}
		return nil
	}
	le := binary.LittleEndian
	switch d {
	case F32:
		return le.AppendUint32(nil, math.Float32bits(float32(v))), nil
	case F64:
		return le.AppendUint64(nil, math.Float64bits(v)), nil
	case BF16:
		return le.AppendUint16(nil, numerics.BF16FromF32(float32(v))), nil
	case F16:
		return le.AppendUint16(nil, numerics.F16FromF32(float32(v))), nil
	case I32:
		return le.AppendUint32(nil, uint32(int32(v))), integer(math.MinInt32, math.MaxInt32)
	case I64:
		return le.AppendUint64(nil, uint64(int64(v))), integer(-1<<53, 1<<53)
	case U8:
		return []byte{byte(v)}, integer(0, 255)
	case U32:
		return le.AppendUint32(nil, uint32(v)), integer(0, math.MaxUint32)
	case U64:
		return le.AppendUint64(nil, uint64(v)), integer(0, 1<<53)
	case Bool:
		return []byte{byte(v)}, integer(0, 1)
	}
	return nil, fmt.Errorf("no scalar of dtype %v", d)
}

func checkName(name string) error {
	if name == "" || len(name) > 256 {
		return fmt.Errorf("a name has 1 to 256 bytes, not %d", len(name))
	}
	for _, r := range name {
		if r <= ' ' || r > '~' || r == '"' || r == '\\' {
			return fmt.Errorf("a name has printable ASCII without space, quote and backslash, not %q", r)
		}
	}
	return nil
}
