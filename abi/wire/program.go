package wire

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"google.golang.org/protobuf/proto"

	abiv1 "github.com/seedbed/seedbed/abi/v1"

	"github.com/seedbed/seedbed/abi/ir"
)

// Bounds on one op from outside, beside those of package ir on programs. No op
// of the table needs as many; they keep the work before an op is looked up,
// and the length of error messages, in proportion.
const (
	MaxOperands = 1 << 16
	MaxAttrs    = 64
	MaxResults  = 64
	MaxInts     = 64
	maxName     = 256
)

// ToProto verifies a program and returns its message form, which FromProto
// accepts. The message needs the minor version that this side speaks.
func ToProto(p *ir.Program) (*abiv1.Program, error) {
	if p == nil {
		return nil, errors.New("the program is missing")
	}
	if err := p.Verify(); err != nil {
		return nil, err
	}
	m := &abiv1.Program{AbiMajor: ir.ABIMajor, MinMinor: ir.ABIMinor}
	for _, f := range p.Funcs {
		g, err := funcToProto(f)
		if err != nil {
			return nil, fmt.Errorf("func %s: %w", f.Name, err)
		}
		m.Funcs = append(m.Funcs, g)
	}
	if n := proto.Size(m); n > MaxMessageBytes {
		return nil, fmt.Errorf("the program takes %d bytes, more than the %d of a message: pass large constants as parameters", n, MaxMessageBytes)
	}
	return m, nil
}

func funcToProto(f *ir.Func) (*abiv1.Func, error) {
	m := &abiv1.Func{Name: f.Name}
	for _, p := range f.Params {
		t, err := TypeToProto(p.Type)
		if err != nil {
			return nil, fmt.Errorf("parameter %q: %w", p.Name, err)
		}
		m.Params = append(m.Params, &abiv1.Param{Name: p.Name, Type: t})
	}
	for i := range f.Ops {
		op, err := opToProto(&f.Ops[i])
		if err != nil {
			return nil, fmt.Errorf("op %d (%s): %w", i, f.Ops[i].Name, err)
		}
		m.Ops = append(m.Ops, op)
	}
	for _, r := range f.Results {
		m.Results = append(m.Results, &abiv1.Result{Name: r.Name, Value: uint32(r.Value)})
	}
	return m, nil
}

func opToProto(op *ir.Op) (*abiv1.Op, error) {
	if err := checkCounts(len(op.Operands), len(op.Attrs), len(op.Results)); err != nil {
		return nil, err
	}
	m := &abiv1.Op{Name: op.Name, Version: uint32(op.Version)}
	for _, v := range op.Operands {
		m.Operands = append(m.Operands, uint32(v))
	}
	for _, a := range op.Attrs {
		am, err := attrToProto(a)
		if err != nil {
			return nil, fmt.Errorf("attribute %q: %w", a.Name, err)
		}
		m.Attrs = append(m.Attrs, am)
	}
	for i, t := range op.Results {
		tm, err := TypeToProto(t)
		if err != nil {
			return nil, fmt.Errorf("result %d: %w", i, err)
		}
		m.Results = append(m.Results, tm)
	}
	for i, f := range op.Regions {
		fm, err := funcToProto(f)
		if err != nil {
			return nil, fmt.Errorf("region %d: %w", i, err)
		}
		m.Regions = append(m.Regions, fm)
	}
	return m, nil
}

func attrToProto(a ir.Attr) (*abiv1.Attr, error) {
	m := &abiv1.Attr{Name: a.Name}
	switch a.Kind {
	case ir.AttrInt:
		m.Value = &abiv1.Attr_IntValue{IntValue: a.Int}
	case ir.AttrInts:
		if len(a.Ints) > MaxInts {
			return nil, fmt.Errorf("%d integers are more than %d", len(a.Ints), MaxInts)
		}
		m.Value = &abiv1.Attr_IntsValue{IntsValue: &abiv1.Ints{Values: slices.Clone(a.Ints)}}
	case ir.AttrFloat:
		m.Value = &abiv1.Attr_FloatBits{FloatBits: math.Float64bits(a.Float)}
	case ir.AttrString:
		if err := checkLength(a.Str); err != nil {
			return nil, err
		}
		m.Value = &abiv1.Attr_StringValue{StringValue: a.Str}
	case ir.AttrBool:
		m.Value = &abiv1.Attr_BoolValue{BoolValue: a.Int != 0}
	case ir.AttrDType:
		d, err := DTypeToProto(ir.DType(a.Int))
		if err != nil {
			return nil, err
		}
		m.Value = &abiv1.Attr_DtypeValue{DtypeValue: d}
	case ir.AttrBytes:
		m.Value = &abiv1.Attr_BytesValue{BytesValue: []byte(a.Str)}
	default:
		return nil, fmt.Errorf("unknown kind %v", a.Kind)
	}
	return m, nil
}

// FromProto returns the verified program of its message form, which shares no
// memory with it. A program that needs another ABI is a *VersionError; one
// with fields or enum values that this side does not know an *UnknownError;
// one that breaks a rule of the op table, such as an unknown op, version or
// attribute, an *ir.Error. Sizes are bounded before memory is taken for them.
func FromProto(m *abiv1.Program) (*ir.Program, error) {
	if err := Check(m); err != nil {
		return nil, err
	}
	if len(m.Funcs) > ir.MaxFuncs {
		return nil, fmt.Errorf("program: %d functions are more than %d", len(m.Funcs), ir.MaxFuncs)
	}
	p := &ir.Program{Funcs: make([]*ir.Func, len(m.Funcs))}
	for i, fm := range m.Funcs {
		f, err := funcFromProto(fm, 0)
		if err != nil {
			return nil, fmt.Errorf("program: funcs[%d]%w", i, err)
		}
		p.Funcs[i] = f
	}
	if err := p.Verify(); err != nil {
		return nil, err
	}
	return p, nil
}

// at begins an error with the rest of a path, which callers put before it.
func at(path string, err error) error { return fmt.Errorf("%s: %w", path, err) }

// funcFromProto reads a function that lies depth regions deep.
func funcFromProto(m *abiv1.Func, depth int) (*ir.Func, error) {
	if err := checkLength(m.Name); err != nil {
		return nil, at("", err)
	}
	switch {
	case len(m.Params) > ir.MaxParams:
		return nil, fmt.Errorf(": %d parameters are more than %d", len(m.Params), ir.MaxParams)
	case len(m.Ops) > ir.MaxOps:
		return nil, fmt.Errorf(": %d ops are more than %d", len(m.Ops), ir.MaxOps)
	case len(m.Results) > ir.MaxParams:
		return nil, fmt.Errorf(": %d results are more than %d", len(m.Results), ir.MaxParams)
	}
	f := &ir.Func{
		Name:    m.Name,
		Params:  make([]ir.Param, len(m.Params)),
		Ops:     make([]ir.Op, len(m.Ops)),
		Results: make([]ir.Result, len(m.Results)),
	}
	for i, pm := range m.Params {
		err := checkLength(pm.Name)
		if err == nil {
			f.Params[i].Name = pm.Name
			f.Params[i].Type, err = TypeFromProto(pm.Type)
		}
		if err != nil {
			return nil, at(fmt.Sprintf(".params[%d]", i), err)
		}
	}
	// At most MaxParams + MaxOps*MaxResults values: int32 holds their numbers.
	next := ir.Value(len(f.Params))
	for i, om := range m.Ops {
		if err := opFromProto(&f.Ops[i], om, depth); err != nil {
			return nil, fmt.Errorf(".ops[%d]%w", i, err)
		}
		f.Ops[i].First = next
		next += ir.Value(len(f.Ops[i].Results))
	}
	seen := make(map[string]bool, len(m.Results))
	for i, rm := range m.Results {
		path := fmt.Sprintf(".results[%d]", i)
		if err := checkLength(rm.Name); err != nil {
			return nil, at(path, err)
		}
		if seen[rm.Name] {
			return nil, at(path, fmt.Errorf("%q is returned twice", rm.Name))
		}
		seen[rm.Name] = true
		v, err := valueFromProto(rm.Value)
		if err != nil {
			return nil, at(path, err)
		}
		f.Results[i] = ir.Result{Name: rm.Name, Value: v}
	}
	return f, nil
}

func opFromProto(op *ir.Op, m *abiv1.Op, depth int) error {
	if err := checkLength(m.Name); err != nil {
		return at("", err)
	}
	if err := checkCounts(len(m.Operands), len(m.Attrs), len(m.Results)); err != nil {
		return at("", err)
	}
	if m.Version > math.MaxInt32 {
		return at("", fmt.Errorf("version %d is out of range", m.Version))
	}
	op.Name, op.Version = m.Name, int(m.Version)
	op.Operands = make([]ir.Value, len(m.Operands))
	for i, v := range m.Operands {
		var err error
		if op.Operands[i], err = valueFromProto(v); err != nil {
			return at(fmt.Sprintf(".operands[%d]", i), err)
		}
	}
	op.Attrs = make(ir.Attrs, len(m.Attrs))
	for i, am := range m.Attrs {
		var err error
		if op.Attrs[i], err = attrFromProto(am); err != nil {
			return at(fmt.Sprintf(".attrs[%d]", i), err)
		}
	}
	op.Results = make([]ir.Type, len(m.Results))
	for i, tm := range m.Results {
		var err error
		if op.Results[i], err = TypeFromProto(tm); err != nil {
			return at(fmt.Sprintf(".results[%d]", i), err)
		}
	}
	if n := len(m.Regions); n > ir.MaxFuncs || n > 0 && depth >= ir.MaxDepth {
		return at("", fmt.Errorf("%d regions, %d deep, are more than %d, %d deep", n, depth+1, ir.MaxFuncs, ir.MaxDepth))
	}
	for i, fm := range m.Regions {
		f, err := funcFromProto(fm, depth+1)
		if err != nil {
			return fmt.Errorf(".regions[%d]%w", i, err)
		}
		op.Regions = append(op.Regions, f)
	}
	return nil
}

func attrFromProto(m *abiv1.Attr) (ir.Attr, error) {
	if err := checkLength(m.Name); err != nil {
		return ir.Attr{}, err
	}
	a := ir.Attr{Name: m.Name}
	switch v := m.Value.(type) {
	case *abiv1.Attr_IntValue:
		a.Kind, a.Int = ir.AttrInt, v.IntValue
	case *abiv1.Attr_IntsValue:
		l := v.IntsValue.GetValues()
		if len(l) > MaxInts {
			return a, fmt.Errorf("attribute %q: %d integers are more than %d", m.Name, len(l), MaxInts)
		}
		a.Kind, a.Ints = ir.AttrInts, append([]int64{}, l...)
	case *abiv1.Attr_FloatBits:
		a.Kind, a.Float = ir.AttrFloat, math.Float64frombits(v.FloatBits)
	case *abiv1.Attr_StringValue:
		if err := checkLength(v.StringValue); err != nil {
			return a, fmt.Errorf("attribute %q: %w", m.Name, err)
		}
		a.Kind, a.Str = ir.AttrString, v.StringValue
	case *abiv1.Attr_BoolValue:
		a = ir.BoolAttr(m.Name, v.BoolValue)
	case *abiv1.Attr_DtypeValue:
		d, err := DTypeFromProto(v.DtypeValue)
		if err != nil {
			return a, fmt.Errorf("attribute %q: %w", m.Name, err)
		}
		a = ir.DTypeAttr(m.Name, d)
	case *abiv1.Attr_BytesValue:
		a = ir.BytesAttr(m.Name, v.BytesValue)
	default:
		return a, fmt.Errorf("attribute %q has no value", m.Name)
	}
	return a, nil
}

func valueFromProto(v uint32) (ir.Value, error) {
	if v > math.MaxInt32 {
		return ir.NoValue, fmt.Errorf("value number %d is out of range", v)
	}
	return ir.Value(v), nil
}

func checkCounts(operands, attrs, results int) error {
	if operands > MaxOperands || attrs > MaxAttrs || results > MaxResults {
		return fmt.Errorf("%d operands, %d attributes and %d results are more than %d, %d and %d",
			operands, attrs, results, MaxOperands, MaxAttrs, MaxResults)
	}
	return nil
}

// checkLength bounds a name or word before it may enter an error message.
func checkLength(s string) error {
	if len(s) > maxName {
		return fmt.Errorf("a name has at most %d bytes, not %d", maxName, len(s))
	}
	return nil
}
