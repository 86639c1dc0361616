package wire

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seedbed/seedbed/abi/ir"
	abiv1 "github.com/seedbed/seedbed/abi/v1"
)

// Ops of the table, rightly named and with all their attributes, but with
// operands and values from anywhere: FromProto accepts or refuses, and never
// panics. Bytes from a fuzzer seldom come this far.
func TestHostileOps(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	pick := func(l []int64) int64 { return l[rng.IntN(len(l))] }
	sizes := []int64{0, 1, 2, 3, 4, 8, math.MaxInt32}
	ints := []int64{0, 0, 1, 1, 2, 3, 4, 7, 8, -1, math.MaxInt32, math.MaxUint32, math.MaxUint32 + 1, math.MaxInt64, math.MinInt64}
	types := func() *abiv1.TensorType {
		m := &abiv1.TensorType{Dtype: abiv1.DType(1 + rng.IntN(len(ir.DTypes())))}
		if rng.IntN(2) == 0 {
			m.Dtype = abiv1.DType_DTYPE_F32
		}
		for range rng.IntN(5) {
			m.Shape = append(m.Shape, uint64(pick(sizes)))
		}
		return m
	}
	accepted := map[string]bool{}
	for range 200 {
		for _, d := range ir.OpDefs() {
			f := &abiv1.Func{Name: "f", Results: []*abiv1.Result{{Name: "r"}}}
			same := types()
			for i := range 6 {
				p := &abiv1.Param{Name: fmt.Sprint("p", i), Type: same}
				if i > 2 {
					p.Type = types()
				}
				f.Params = append(f.Params, p)
			}
			op := &abiv1.Op{Name: d.Name, Version: uint32(d.Version)}
			for range len(d.Operands) - d.Optional*rng.IntN(2) {
				op.Operands = append(op.Operands, uint32(rng.IntN(6)))
				if rng.IntN(2) == 0 {
					op.Operands[len(op.Operands)-1] = 0
				}
			}
			for _, a := range d.Attrs {
				op.Attrs = append(op.Attrs, hostileAttr(rng, a, func() int64 { return pick(ints) }))
			}
			f.Ops = []*abiv1.Op{op}
			m := &abiv1.Program{AbiMajor: 1, Funcs: []*abiv1.Func{f}}
			text := fmt.Sprint(m)
			require.NotPanics(t, func() {
				// What inference finds is what a sound writer would say.
				_, err := FromProto(m)
				if got := inferred(m); got != nil {
					op.Results = got
					_, err = FromProto(m)
				}
				if err == nil {
					accepted[d.Name] = true
				}
			}, text)
		}
	}
	// The draw is fixed: enough of it gets past inference to mean something.
	require.Greater(t, len(accepted), len(ir.OpDefs())/3, "accepted: %v", accepted)
}

// inferred returns the types that inference gives the only op of m, or nil.
func inferred(m *abiv1.Program) []*abiv1.TensorType {
	op := m.Funcs[0].Ops[0]
	var operands []ir.Type
	for _, v := range op.Operands {
		t, err := TypeFromProto(m.Funcs[0].Params[v].Type)
		if err != nil {
			return nil
		}
		operands = append(operands, t)
	}
	var attrs ir.Attrs
	for _, a := range op.Attrs {
		b, err := attrFromProto(a)
		if err != nil {
			return nil
		}
		attrs = append(attrs, b)
	}
	results, err := ir.Infer(op.Name, int(op.Version), operands, attrs)
	if err != nil {
		return nil
	}
	out := []*abiv1.TensorType{}
	for _, t := range results {
		v, err := TypeToProto(t)
		if err != nil {
			return nil
		}
		out = append(out, v)
	}
	return out
}

func hostileAttr(rng *rand.Rand, d ir.AttrDef, integer func() int64) *abiv1.Attr {
	m := &abiv1.Attr{Name: d.Name}
	switch d.Kind {
	case ir.AttrInt:
		m.Value = &abiv1.Attr_IntValue{IntValue: integer()}
	case ir.AttrInts:
		l := &abiv1.Ints{}
		for range rng.IntN(5) {
			l.Values = append(l.Values, integer())
		}
		m.Value = &abiv1.Attr_IntsValue{IntsValue: l}
	case ir.AttrFloat:
		bits := []float64{0, 0.5, 1, -1, 1e-5, math.Inf(1), math.NaN(), math.MaxFloat64}
		m.Value = &abiv1.Attr_FloatBits{FloatBits: math.Float64bits(bits[rng.IntN(len(bits))])}
	case ir.AttrString:
		m.Value = &abiv1.Attr_StringValue{StringValue: d.Words[rng.IntN(len(d.Words))]}
	case ir.AttrBool:
		m.Value = &abiv1.Attr_BoolValue{BoolValue: rng.IntN(2) == 0}
	case ir.AttrDType:
		m.Value = &abiv1.Attr_DtypeValue{DtypeValue: abiv1.DType(rng.IntN(13))}
	case ir.AttrBytes:
		m.Value = &abiv1.Attr_BytesValue{BytesValue: make([]byte, rng.IntN(20))}
	}
	return m
}
