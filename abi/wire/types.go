package wire

import (
	"errors"
	"fmt"
	"math"

	abiv1 "github.com/seedbed/seedbed/abi/v1"

	"github.com/seedbed/seedbed/abi/ir"
)

// dtypes is written out, so that neither side's numbering depends on the
// other's.
var dtypes = map[abiv1.DType]ir.DType{
	abiv1.DType_DTYPE_F32:  ir.F32,
	abiv1.DType_DTYPE_BF16: ir.BF16,
	abiv1.DType_DTYPE_F16:  ir.F16,
	abiv1.DType_DTYPE_F64:  ir.F64,
	abiv1.DType_DTYPE_I32:  ir.I32,
	abiv1.DType_DTYPE_I64:  ir.I64,
	abiv1.DType_DTYPE_U8:   ir.U8,
	abiv1.DType_DTYPE_U32:  ir.U32,
	abiv1.DType_DTYPE_U64:  ir.U64,
	abiv1.DType_DTYPE_BOOL: ir.Bool,
}

var dtypesToProto = func() map[ir.DType]abiv1.DType {
	m := make(map[ir.DType]abiv1.DType, len(dtypes))
	for v, d := range dtypes {
		m[d] = v
	}
	return m
}()

// DTypeToProto returns the message form of an element type, or an error where
// d is not one.
func DTypeToProto(d ir.DType) (abiv1.DType, error) {
	if v, ok := dtypesToProto[d]; ok {
		return v, nil
	}
	return abiv1.DType_DTYPE_UNSPECIFIED, fmt.Errorf("invalid dtype %v", d)
}

// DTypeFromProto returns the element type of its message form. It refuses
// DTYPE_UNSPECIFIED and values that this side does not know.
func DTypeFromProto(v abiv1.DType) (ir.DType, error) {
	if d, ok := dtypes[v]; ok {
		return d, nil
	}
	if v == abiv1.DType_DTYPE_UNSPECIFIED {
		return ir.Invalid, errors.New("the dtype is missing")
	}
	return ir.Invalid, fmt.Errorf("unknown DType %d", int32(v))
}

// TypeToProto returns the message form of a type, or the error of its Check.
func TypeToProto(t ir.Type) (*abiv1.TensorType, error) {
	if err := t.Check(); err != nil {
		return nil, err
	}
	d, err := DTypeToProto(t.DType)
	if err != nil {
		return nil, err
	}
	m := &abiv1.TensorType{Dtype: d}
	for _, n := range t.Shape {
		m.Shape = append(m.Shape, uint64(n))
	}
	return m, nil
}

// TypeFromProto returns the type of its message form. It refuses a message
// that is missing, an unknown dtype, and a shape out of bounds.
func TypeFromProto(m *abiv1.TensorType) (ir.Type, error) {
	if m == nil {
		return ir.Type{}, errors.New("the type is missing")
	}
	d, err := DTypeFromProto(m.Dtype)
	if err != nil {
		return ir.Type{}, err
	}
	if len(m.Shape) > ir.MaxRank {
		return ir.Type{}, fmt.Errorf("rank %d is more than %d", len(m.Shape), ir.MaxRank)
	}
	t := ir.Type{DType: d}
	for i, n := range m.Shape {
		if n > math.MaxInt32 {
			return ir.Type{}, fmt.Errorf("dimension %d is too large (%d)", i, n)
		}
		t.Shape = append(t.Shape, int(n))
	}
	return t, t.Check()
}

// MaxFields bounds the inputs and outputs of a role and the fields of a batch.
const MaxFields = 256

// FieldsToProto returns the message form of named tensors. It refuses what
// FieldsFromProto would.
func FieldsToProto(ps []ir.Param) ([]*abiv1.Field, error) {
	if err := checkFields(ps); err != nil {
		return nil, err
	}
	out := make([]*abiv1.Field, len(ps))
	for i, p := range ps {
		t, err := TypeToProto(p.Type)
		if err != nil {
			return nil, fmt.Errorf("field %q: %w", p.Name, err)
		}
		out[i] = &abiv1.Field{Name: p.Name, Type: t}
	}
	return out, nil
}

// FieldsFromProto returns the named tensors of their message form. It refuses
// more than MaxFields, bad or repeated names, and what TypeFromProto refuses.
func FieldsFromProto(ms []*abiv1.Field) ([]ir.Param, error) {
	if len(ms) > MaxFields {
		return nil, fmt.Errorf("%d fields are more than %d", len(ms), MaxFields)
	}
	out := make([]ir.Param, len(ms))
	for i, m := range ms {
		if m == nil {
			return nil, fmt.Errorf("field %d is missing", i)
		}
		if err := checkLength(m.Name); err != nil {
			return nil, fmt.Errorf("field %d: %w", i, err)
		}
		t, err := TypeFromProto(m.Type)
		if err != nil {
			return nil, fmt.Errorf("field %d (%q): %w", i, m.Name, err)
		}
		out[i] = ir.Param{Name: m.Name, Type: t}
	}
	return out, checkFields(out)
}

// checkFields holds fields to what is asked of a function's parameters.
func checkFields(ps []ir.Param) error {
	if len(ps) > MaxFields {
		return fmt.Errorf("%d fields are more than %d", len(ps), MaxFields)
	}
	b := ir.NewBuilder("fields")
	for _, p := range ps {
		b.Param(p.Name, p.Type)
	}
	return b.Err()
}
