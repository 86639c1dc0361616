package wire

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/seedbed/seedbed/abi/ir"
	abiv1 "github.com/seedbed/seedbed/abi/v1"
)

// programs returns real programs that together hold every kind of attribute.
func programs(t testing.TB) map[string]*ir.Program {
	fn := func(name string, body func(b *ir.Builder)) *ir.Func {
		b := ir.NewBuilder(name)
		body(b)
		f, err := b.Func()
		require.NoError(t, err)
		return f
	}
	loss := fn("loss", func(b *ir.Builder) {
		x, w := b.Param("x", ir.T(ir.F32, 2, 3)), b.Param("w", ir.T(ir.F32, 4, 3))
		b.Return("loss", b.ReduceSum(b.Softmax(b.Linear(x, w)), 0, 1))
		b.Return("best", b.Argmax(x, 1))
	})
	data := fn("data", func(b *ir.Builder) {
		state := b.Param("state", ir.T(ir.U32, 4))
		b.Return("constant", b.Constant(ir.T(ir.F32, 2), []byte{0, 0, 0x80, 0x7f, 1, 0, 0, 0}))
		b.Return("iota", b.Iota(ir.T(ir.I64, 2, 0), 1))
		b.Return("bits", b.RngBitGenerator(state, math.MaxUint32, 3))
		b.Return("half", b.Convert(b.Const(ir.F32, -0.5), ir.BF16))
		b.Return("many", b.Concatenate(0, b.Zeros(ir.T(ir.U8, 1)), b.Zeros(ir.T(ir.U8, 2)), b.Zeros(ir.T(ir.U8, 3))))
	})
	block := fn("block", func(b *ir.Builder) {
		x := b.Param("x", ir.T(ir.F32, 1, 2, 4, 8))
		g, h := b.Param("g", ir.T(ir.F32, 8)), b.Param("h", ir.T(ir.F32, 8))
		n := b.LayerNorm(x, g, h, 1e-5)
		b.Return("y", b.Attention(n, n, n, true))
	})
	return map[string]*ir.Program{
		"loss":     {Funcs: []*ir.Func{loss}},
		"data":     {Funcs: []*ir.Func{data}},
		"together": {Funcs: []*ir.Func{loss, data, block}},
	}
}

func toProto(t testing.TB, p *ir.Program) *abiv1.Program {
	m, err := ToProto(p)
	require.NoError(t, err)
	return m
}

func TestProgramRoundTrip(t *testing.T) {
	kinds := map[ir.AttrKind]bool{}
	for name, p := range programs(t) {
		t.Run(name, func(t *testing.T) {
			data, err := proto.MarshalOptions{Deterministic: true}.Marshal(toProto(t, p))
			require.NoError(t, err)
			var m abiv1.Program
			require.NoError(t, proto.Unmarshal(data, &m))
			q, err := FromProto(&m)
			require.NoError(t, err)
			assert.Equal(t, string(p.CanonicalBytes()), string(q.CanonicalBytes()))
			again, err := proto.MarshalOptions{Deterministic: true}.Marshal(toProto(t, q))
			require.NoError(t, err)
			assert.Equal(t, data, again)

			// The program shares no memory with the message.
			want := q.Hash()
			scribble(m.ProtoReflect())
			assert.Equal(t, want, q.Hash())
		})
		for _, f := range p.Funcs {
			for _, op := range f.Ops {
				for _, a := range op.Attrs {
					kinds[a.Kind] = true
				}
			}
		}
	}
	for k := ir.AttrInt; k <= ir.AttrBytes; k++ {
		assert.True(t, kinds[k], "no program of this test has an attribute of kind %v", k)
	}
}

// scribble overwrites every list of integers and every byte string in place.
func scribble(m protoreflect.Message) {
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.IsList():
			for i := range v.List().Len() {
				switch f.Kind() {
				case protoreflect.MessageKind:
					scribble(v.List().Get(i).Message())
				case protoreflect.Uint32Kind:
					v.List().Set(i, protoreflect.ValueOfUint32(77))
				case protoreflect.Uint64Kind:
					v.List().Set(i, protoreflect.ValueOfUint64(77))
				case protoreflect.Sint64Kind:
					v.List().Set(i, protoreflect.ValueOfInt64(77))
				}
			}
		case f.Kind() == protoreflect.MessageKind:
			scribble(v.Message())
		case f.Kind() == protoreflect.BytesKind:
			b := v.Bytes()
			for i := range b {
				b[i] ^= 0xff
			}
		}
		return true
	})
}

// Every bit of a float attribute survives, a signalling NaN's as well.
func TestFloatBits(t *testing.T) {
	for _, bits := range []uint64{0, 1 << 63, 1, 0x7ff0000000000001, 0xfff8000000000123, math.Float64bits(0.1)} {
		m, err := attrToProto(ir.FloatAttr("a", math.Float64frombits(bits)))
		require.NoError(t, err)
		assert.Equal(t, bits, m.GetFloatBits())
		a, err := attrFromProto(m)
		require.NoError(t, err)
		assert.Equal(t, bits, math.Float64bits(a.Float))
	}
}

func find(m *abiv1.Program, op string) *abiv1.Op {
	for _, f := range m.Funcs {
		for _, o := range f.Ops {
			if o.Name == op {
				return o
			}
		}
	}
	return nil
}

func unknownField(number protowire.Number) []byte {
	return protowire.AppendVarint(protowire.AppendTag(nil, number, protowire.VarintType), 1)
}

func TestFromProtoRefuses(t *testing.T) {
	setUnknown := func(m proto.Message) { m.ProtoReflect().SetUnknown(unknownField(17)) }
	for name, c := range map[string]struct {
		edit func(m *abiv1.Program)
		want string
	}{
		"another major":     {func(m *abiv1.Program) { m.AbiMajor = 2 }, "the program needs ABI 2.0, this side speaks 1.0"},
		"newer minor":       {func(m *abiv1.Program) { m.MinMinor = 3 }, "the program needs ABI 1.3, this side speaks 1.0"},
		"no major":          {func(m *abiv1.Program) { m.AbiMajor = 0 }, "the program does not say which ABI it needs (abi_major is 0), this side speaks 1.0"},
		"version first":     {func(m *abiv1.Program) { m.AbiMajor = 2; setUnknown(m) }, "the program needs ABI 2.0, this side speaks 1.0"},
		"no functions":      {func(m *abiv1.Program) { m.Funcs = nil }, "a program has 1 to 1024 functions, not 0"},
		"missing function":  {func(m *abiv1.Program) { m.Funcs[1] = nil }, "program: funcs[1]: the message is missing"},
		"missing parameter": {func(m *abiv1.Program) { m.Funcs[0].Params[1] = nil }, "program: funcs[0].params[1]: the message is missing"},
		"missing op":        {func(m *abiv1.Program) { m.Funcs[0].Ops[0] = nil }, "program: funcs[0].ops[0]: the message is missing"},
		"missing result":    {func(m *abiv1.Program) { m.Funcs[0].Results[0] = nil }, "program: funcs[0].results[0]: the message is missing"},
		"missing ints":      {func(m *abiv1.Program) { find(m, "reduce").Attrs[0].Value = &abiv1.Attr_IntsValue{} }, "attrs[0].ints_value: the message is missing"},

		"unknown field in program":   {func(m *abiv1.Program) { setUnknown(m) }, "program: unknown field 17"},
		"unknown field in function":  {func(m *abiv1.Program) { setUnknown(m.Funcs[1]) }, "program: funcs[1]: unknown field 17"},
		"unknown field in parameter": {func(m *abiv1.Program) { setUnknown(m.Funcs[0].Params[1]) }, "program: funcs[0].params[1]: unknown field 17"},
		"unknown field in type":      {func(m *abiv1.Program) { setUnknown(m.Funcs[0].Params[1].Type) }, "program: funcs[0].params[1].type: unknown field 17"},
		"unknown field in op":        {func(m *abiv1.Program) { setUnknown(m.Funcs[0].Ops[1]) }, "program: funcs[0].ops[1]: unknown field 17"},
		"unknown field in op result": {func(m *abiv1.Program) { setUnknown(m.Funcs[0].Ops[1].Results[0]) }, "program: funcs[0].ops[1].results[0]: unknown field 17"},
		"unknown field in attribute": {func(m *abiv1.Program) { setUnknown(find(m, "reduce").Attrs[1]) }, "attrs[1]: unknown field 17"},
		"unknown field in ints":      {func(m *abiv1.Program) { setUnknown(find(m, "reduce").Attrs[0].GetIntsValue()) }, "attrs[0].ints_value: unknown field 17"},
		"unknown field in result":    {func(m *abiv1.Program) { setUnknown(m.Funcs[0].Results[0]) }, "program: funcs[0].results[0]: unknown field 17"},

		"unknown dtype":              {func(m *abiv1.Program) { m.Funcs[0].Params[0].Type.Dtype = 11 }, "program: funcs[0].params[0].type.dtype: unknown DType 11"},
		"negative dtype":             {func(m *abiv1.Program) { m.Funcs[0].Params[0].Type.Dtype = -1 }, "unknown DType -1"},
		"no dtype":                   {func(m *abiv1.Program) { m.Funcs[0].Params[0].Type.Dtype = 0 }, "program: funcs[0].params[0]: the dtype is missing"},
		"no type":                    {func(m *abiv1.Program) { m.Funcs[0].Params[0].Type = nil }, "program: funcs[0].params[0]: the type is missing"},
		"rank":                       {func(m *abiv1.Program) { m.Funcs[0].Params[0].Type.Shape = make([]uint64, 9) }, "program: funcs[0].params[0]: rank 9 is more than 8"},
		"dimension":                  {func(m *abiv1.Program) { m.Funcs[0].Params[0].Type.Shape[0] = 1 << 63 }, "dimension 0 is too large (9223372036854775808)"},
		"elements":                   {func(m *abiv1.Program) { m.Funcs[0].Params[0].Type.Shape = []uint64{1 << 30, 1 << 30} }, "more than 1099511627776 elements"},
		"unknown dtype of attribute": {func(m *abiv1.Program) { find(m, "convert").Attrs[0].Value = &abiv1.Attr_DtypeValue{DtypeValue: 12} }, "dtype_value: unknown DType 12"},
		"no dtype of attribute":      {func(m *abiv1.Program) { find(m, "convert").Attrs[0].Value = &abiv1.Attr_DtypeValue{} }, `attribute "dtype": the dtype is missing`},

		"absent oneof":        {func(m *abiv1.Program) { find(m, "reduce").Attrs[0].Value = nil }, `attribute "dimensions" has no value`},
		"another kind":        {func(m *abiv1.Program) { find(m, "reduce").Attrs[0].Value = &abiv1.Attr_IntValue{IntValue: 1} }, `attribute "dimensions" is of kind ints, not int`},
		"unknown op":          {func(m *abiv1.Program) { m.Funcs[0].Ops[0].Name = "dot" }, `unknown op "dot"`},
		"newer op":            {func(m *abiv1.Program) { m.Funcs[0].Ops[0].Version = 2 }, "has version 2, this ABI knows version 1"},
		"op without version":  {func(m *abiv1.Program) { m.Funcs[0].Ops[0].Version = 0 }, "has version 0, this ABI knows version 1"},
		"huge version":        {func(m *abiv1.Program) { m.Funcs[0].Ops[0].Version = 1 << 31 }, "funcs[0].ops[0]: version 2147483648 is out of range"},
		"unknown attribute":   {func(m *abiv1.Program) { find(m, "reduce").Attrs[1].Name = "kinds" }, `unknown attribute "kinds"`},
		"missing attribute":   {func(m *abiv1.Program) { o := find(m, "reduce"); o.Attrs = o.Attrs[:1] }, `attribute "kind" is missing`},
		"repeated attribute":  {func(m *abiv1.Program) { o := find(m, "reduce"); o.Attrs[1] = o.Attrs[0] }, `attributes are not sorted by name at "dimensions"`},
		"unsorted attributes": {func(m *abiv1.Program) { slices.Reverse(find(m, "reduce").Attrs) }, `attributes are not sorted by name at "dimensions"`},
		"unknown word": {func(m *abiv1.Program) {
			find(m, "reduce").Attrs[1].Value = &abiv1.Attr_StringValue{StringValue: "mean"}
		}, `attribute "kind" is "mean", not one of`},
		"operand after":           {func(m *abiv1.Program) { m.Funcs[0].Ops[0].Operands[0] = 2 }, "operand 0 is value 2, which is not defined before it"},
		"operand out of range":    {func(m *abiv1.Program) { m.Funcs[0].Ops[0].Operands[1] = 1 << 31 }, "funcs[0].ops[0].operands[1]: value number 2147483648 is out of range"},
		"operand missing":         {func(m *abiv1.Program) { m.Funcs[0].Ops[0].Operands = nil }, "takes 2 operands"},
		"another result type":     {func(m *abiv1.Program) { m.Funcs[0].Ops[0].Results[0].Shape[0]++ }, "the results are [f32[2,4]], not [f32[3,4]]"},
		"no result type":          {func(m *abiv1.Program) { m.Funcs[0].Ops[0].Results = nil }, "the results are [f32[2,4]], not []"},
		"result does not exist":   {func(m *abiv1.Program) { m.Funcs[0].Results[0].Value = 99 }, `result "loss" is value 99, which does not exist`},
		"result out of range":     {func(m *abiv1.Program) { m.Funcs[0].Results[0].Value = math.MaxUint32 }, "funcs[0].results[0]: value number 4294967295 is out of range"},
		"result twice":            {func(m *abiv1.Program) { m.Funcs[0].Results[1].Name = "loss" }, `funcs[0].results[1]: "loss" is returned twice`},
		"no results":              {func(m *abiv1.Program) { m.Funcs[0].Results = nil }, "the function returns nothing"},
		"function twice":          {func(m *abiv1.Program) { m.Funcs[1].Name = "loss" }, "func loss: the function is defined twice"},
		"parameter twice":         {func(m *abiv1.Program) { m.Funcs[0].Params[1].Name = "x" }, `parameter "x" is declared twice`},
		"empty name":              {func(m *abiv1.Program) { m.Funcs[0].Params[1].Name = "" }, "a name has 1 to 256 bytes, not 0"},
		"name with a line break":  {func(m *abiv1.Program) { m.Funcs[0].Name = "a\nb" }, "a name has printable ASCII"},
		"long function name":      {func(m *abiv1.Program) { m.Funcs[0].Name = long }, "funcs[0]: a name has at most 256 bytes, not 257"},
		"long parameter name":     {func(m *abiv1.Program) { m.Funcs[0].Params[0].Name = long }, "funcs[0].params[0]: a name has at most 256 bytes, not 257"},
		"long op name":            {func(m *abiv1.Program) { m.Funcs[0].Ops[0].Name = long }, "funcs[0].ops[0]: a name has at most 256 bytes, not 257"},
		"long attribute name":     {func(m *abiv1.Program) { find(m, "reduce").Attrs[0].Name = long }, "attrs[0]: a name has at most 256 bytes, not 257"},
		"long result name":        {func(m *abiv1.Program) { m.Funcs[0].Results[0].Name = long }, "funcs[0].results[0]: a name has at most 256 bytes, not 257"},
		"long word":               {func(m *abiv1.Program) { find(m, "reduce").Attrs[1].Value = &abiv1.Attr_StringValue{StringValue: long} }, `attribute "kind": a name has at most 256 bytes, not 257`},
		"many functions":          {func(m *abiv1.Program) { m.Funcs = slices.Repeat(m.Funcs[:1], ir.MaxFuncs+1) }, "program: 1025 functions are more than 1024"},
		"many parameters":         {func(m *abiv1.Program) { f := m.Funcs[0]; f.Params = slices.Repeat(f.Params[:1], ir.MaxParams+1) }, "funcs[0]: 65537 parameters are more than 65536"},
		"many results":            {func(m *abiv1.Program) { f := m.Funcs[0]; f.Results = slices.Repeat(f.Results[:1], ir.MaxParams+1) }, "funcs[0]: 65537 results are more than 65536"},
		"many operands":           {func(m *abiv1.Program) { find(m, "concatenate").Operands = make([]uint32, MaxOperands+1) }, "65537 operands"},
		"many attributes":         {func(m *abiv1.Program) { o := find(m, "reduce"); o.Attrs = slices.Repeat(o.Attrs[:1], MaxAttrs+1) }, "65 attributes"},
		"many results of an op":   {func(m *abiv1.Program) { o := find(m, "reduce"); o.Results = slices.Repeat(o.Results[:1], MaxResults+1) }, "and 65 results"},
		"many integers":           {func(m *abiv1.Program) { find(m, "reduce").Attrs[0].GetIntsValue().Values = make([]int64, MaxInts+1) }, `attribute "dimensions": 65 integers are more than 64`},
		"constant of wrong bytes": {func(m *abiv1.Program) { cutBytes(find(m, "constant")) }, "constant"},
	} {
		t.Run(name, func(t *testing.T) {
			m := toProto(t, programs(t)["together"])
			c.edit(m)
			p, err := FromProto(m)
			require.ErrorContains(t, err, c.want)
			assert.Nil(t, p)
			assert.Less(t, len(err.Error()), 1000)
		})
	}
}

var long = strings.Repeat("n", 257)

func cutBytes(op *abiv1.Op) {
	for _, a := range op.Attrs {
		if v, ok := a.Value.(*abiv1.Attr_BytesValue); ok {
			v.BytesValue = v.BytesValue[1:]
		}
	}
}

// The bound on ops takes a long program; it is refused before any is read.
func TestFromProtoRefusesManyOps(t *testing.T) {
	m := toProto(t, programs(t)["loss"])
	op := find(m, "reduce")
	op.Attrs, op.Results, op.Operands = nil, nil, nil
	m.Funcs[0].Ops = slices.Repeat([]*abiv1.Op{op}, ir.MaxOps+1)
	_, err := FromProto(m)
	require.ErrorContains(t, err, "funcs[0]: 1048577 ops are more than 1048576")
}

func TestFromProtoRefusesNothing(t *testing.T) {
	_, err := FromProto(nil)
	require.EqualError(t, err, "the program is missing")
	_, err = FromProto(&abiv1.Program{})
	var v *VersionError
	require.ErrorAs(t, err, &v)
}

func TestErrorTypes(t *testing.T) {
	m := toProto(t, programs(t)["loss"])
	m.AbiMajor, m.MinMinor = 2, 5
	_, err := FromProto(m)
	var v *VersionError
	require.ErrorAs(t, err, &v)
	assert.Equal(t, VersionError{What: "program", Major: 2, Minor: 5}, *v)

	m = toProto(t, programs(t)["loss"])
	m.Funcs[0].ProtoReflect().SetUnknown(unknownField(99))
	_, err = FromProto(m)
	var u *UnknownError
	require.ErrorAs(t, err, &u)
	assert.Equal(t, UnknownError{What: "program", Path: "funcs[0]", Msg: "unknown field 99"}, *u)

	m = toProto(t, programs(t)["loss"])
	m.Funcs[0].Ops[1].Name = "frobnicate"
	_, err = FromProto(m)
	var e *ir.Error
	require.ErrorAs(t, err, &e)
	assert.Equal(t, ir.Error{Func: "loss", Op: 1, Name: "frobnicate", Msg: `unknown op "frobnicate"`}, *e)
}

func TestToProtoRefuses(t *testing.T) {
	_, err := ToProto(nil)
	require.EqualError(t, err, "the program is missing")
	p := programs(t)["loss"]
	p.Funcs[0].Ops[0].Operands[0] = ir.NoValue
	_, err = ToProto(p)
	require.ErrorContains(t, err, "operand 0 is value -1")

	b := ir.NewBuilder("f")
	x := b.Param("x", ir.T(ir.U8, 1))
	b.Return("y", b.Concatenate(0, slices.Repeat([]ir.Value{x}, MaxOperands+1)...))
	f, err := b.Func()
	require.NoError(t, err)
	_, err = ToProto(&ir.Program{Funcs: []*ir.Func{f}})
	require.ErrorContains(t, err, "func f: op 0 (concatenate): 65537 operands")

	b = ir.NewBuilder("f")
	b.Return("y", b.Constant(ir.T(ir.U8, MaxMessageBytes), make([]byte, MaxMessageBytes)))
	f, err = b.Func()
	require.NoError(t, err)
	_, err = ToProto(&ir.Program{Funcs: []*ir.Func{f}})
	require.ErrorContains(t, err, "pass large constants as parameters")
}

// The bounds of this package leave room for every op of the table.
func TestBoundsHoldTheTable(t *testing.T) {
	for _, d := range ir.OpDefs() {
		assert.LessOrEqual(t, len(d.Operands), MaxOperands, d.Name)
		assert.LessOrEqual(t, len(d.Attrs), MaxAttrs, d.Name)
		assert.LessOrEqual(t, len(d.Results), MaxResults, d.Name)
		assert.LessOrEqual(t, len(d.Name), maxName, d.Name)
		for _, a := range d.Attrs {
			assert.LessOrEqual(t, len(a.Name), maxName, d.Name)
		}
	}
}

func TestDTypes(t *testing.T) {
	for _, d := range ir.DTypes() {
		v, err := DTypeToProto(d)
		require.NoError(t, err)
		assert.Equal(t, "DTYPE_"+strings.ToUpper(d.String()), v.String())
		back, err := DTypeFromProto(v)
		require.NoError(t, err)
		assert.Equal(t, d, back)
	}
	assert.Len(t, ir.DTypes(), abiv1.DType(0).Descriptor().Values().Len()-1)
	_, err := DTypeToProto(ir.Invalid)
	require.EqualError(t, err, "invalid dtype invalid")
	_, err = DTypeToProto(ir.DType(200))
	require.EqualError(t, err, "invalid dtype dtype(200)")
}

func TestFields(t *testing.T) {
	ps := []ir.Param{{Name: "tokens", Type: ir.T(ir.I32, 4, 8)}, {Name: "scale", Type: ir.T(ir.F32)}}
	ms, err := FieldsToProto(ps)
	require.NoError(t, err)
	back, err := FieldsFromProto(ms)
	require.NoError(t, err)
	assert.Equal(t, ps, back)

	_, err = FieldsToProto([]ir.Param{ps[0], ps[0]})
	require.ErrorContains(t, err, `"tokens" is declared twice`)
	_, err = FieldsToProto(slices.Repeat(ps, 129))
	require.ErrorContains(t, err, "258 fields are more than 256")
	for name, c := range map[string]struct {
		ms   []*abiv1.Field
		want string
	}{
		"twice":   {[]*abiv1.Field{ms[0], ms[0]}, `"tokens" is declared twice`},
		"missing": {[]*abiv1.Field{nil}, "field 0 is missing"},
		"type":    {[]*abiv1.Field{{Name: "a"}}, `field 0 ("a"): the type is missing`},
		"name":    {[]*abiv1.Field{{Name: "a b", Type: ms[0].Type}}, "a name has printable ASCII"},
		"long":    {[]*abiv1.Field{{Name: long, Type: ms[0].Type}}, "field 0: a name has at most 256 bytes"},
		"many":    {slices.Repeat(ms, 129), "258 fields are more than 256"},
	} {
		_, err := FieldsFromProto(c.ms)
		require.ErrorContains(t, err, c.want, name)
	}
}

func TestCheck(t *testing.T) {
	good := &abiv1.BuildRequest{AbiMajor: 1, Role: "causal_lm", Dims: map[string]uint64{"batch": 2}}
	require.NoError(t, Check(good))
	require.EqualError(t, Check(nil), "the message is missing")
	require.EqualError(t, Check((*abiv1.BuildRequest)(nil)), "the build request is missing")
	require.EqualError(t, Check(&abiv1.CompileRequest{AbiMajor: 2, MinMinor: 1}), "the compile request needs ABI 2.1, this side speaks 1.0")
	require.EqualError(t, Check(&abiv1.CompileRequest{AbiMajor: 1, Program: &abiv1.Program{AbiMajor: 3}}), "the program needs ABI 3.0, this side speaks 1.0")
	require.EqualError(t, Check(&abiv1.CompileRequest{AbiMajor: 1, Profile: 9}), "compile request: profile: unknown Profile 9")
	require.EqualError(t, Check(&abiv1.DescribeResponse{AbiMajor: 1, Dtypes: []abiv1.DType{1, 99}}), "describe response: dtypes[1]: unknown DType 99")
	bad := &abiv1.ExecuteRequest{AbiMajor: 1, Inputs: []*abiv1.ExecuteInput{{Source: &abiv1.ExecuteInput_BatchField{BatchField: &abiv1.BatchField{}}}}}
	bad.Inputs[0].GetBatchField().ProtoReflect().SetUnknown(unknownField(5))
	require.EqualError(t, Check(bad), "execute request: inputs[0].batch_field: unknown field 5")
	good.ProtoReflect().SetUnknown([]byte{0x80})
	require.EqualError(t, Check(good), "build request: unknown field without a valid tag")
}

// What the documentation of abi/v1 promises of all its messages.
func TestSchema(t *testing.T) {
	rpcs := 0
	for _, file := range []protoreflect.FileDescriptor{
		abiv1.File_abi_v1_program_proto, abiv1.File_abi_v1_plugin_proto, abiv1.File_abi_v1_model_proto,
		abiv1.File_abi_v1_objective_proto, abiv1.File_abi_v1_backend_proto,
	} {
		for i := range file.Services().Len() {
			methods := file.Services().Get(i).Methods()
			for k := range methods.Len() {
				rpcs++
				for _, m := range []protoreflect.MessageDescriptor{methods.Get(k).Input(), methods.Get(k).Output()} {
					for number, name := range map[protoreflect.FieldNumber]protoreflect.Name{1: "abi_major", 2: "min_minor"} {
						f := m.Fields().ByNumber(number)
						if assert.NotNil(t, f, m.FullName()) {
							assert.Equal(t, name, f.Name(), m.FullName())
							assert.Equal(t, protoreflect.Uint32Kind, f.Kind(), m.FullName())
						}
					}
				}
			}
		}
		for i := range file.Enums().Len() {
			e := file.Enums().Get(i)
			assert.True(t, strings.HasSuffix(string(e.Values().ByNumber(0).Name()), "_UNSPECIFIED"), e.FullName())
		}
	}
	assert.Equal(t, 11, rpcs)
	assert.Equal(t, protoreflect.Name("abi_major"), (&abiv1.Program{}).ProtoReflect().Descriptor().Fields().ByNumber(1).Name())
}

// FuzzFromProto feeds bytes as they would come from another process. What is
// accepted means the same after another round trip.
func FuzzFromProto(f *testing.F) {
	for _, p := range programs(f) {
		m := toProto(f, p)
		data, err := proto.Marshal(m)
		require.NoError(f, err)
		f.Add(data)
		f.Add(data[:len(data)/2])
		f.Add(append(slices.Clone(data), unknownField(17)...))
		m.AbiMajor++
		newer, err := proto.Marshal(m)
		require.NoError(f, err)
		f.Add(newer)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var m abiv1.Program
		if proto.Unmarshal(data, &m) != nil {
			return
		}
		p, err := FromProto(&m)
		if err != nil {
			require.Nil(t, p)
			require.Less(t, len(err.Error()), 1<<13)
			return
		}
		require.NoError(t, p.Verify())
		again, err := ToProto(p)
		require.NoError(t, err)
		bytes, err := proto.Marshal(again)
		require.NoError(t, err)
		var n abiv1.Program
		require.NoError(t, proto.Unmarshal(bytes, &n))
		q, err := FromProto(&n)
		require.NoError(t, err)
		require.Equal(t, string(p.CanonicalBytes()), string(q.CanonicalBytes()))
		require.Equal(t, p.Hash(), q.Hash())
	})
}
