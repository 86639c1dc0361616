package conformance

import (
	"encoding/binary"
	"math"
	"slices"
	"testing"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/plugins/backends/reference"
	"github.com/stretchr/testify/require"
)

// evaluateWide runs a function of f32 in f64, on arguments by name.
func evaluateWide(t *testing.T, f *ir.Func, values map[string][]float64) map[string][]float64 {
	t.Helper()
	w := widen(t, f)
	var args []reference.Tensor
	for _, p := range w.Params {
		x, err := reference.New(p.Type)
		require.NoError(t, err)
		require.Len(t, values[p.Name], p.Type.Elements(), p.Name)
		for i, v := range values[p.Name] {
			if p.Type.DType == ir.F64 {
				x.F64[i] = v
			} else {
				x.Int[i] = int64(v)
			}
		}
		args = append(args, x)
	}
	out, err := reference.Eval(w, args)
	require.NoError(t, err)
	got := map[string][]float64{}
	for i, r := range w.Results {
		got[r.Name] = out[i].F64
	}
	return got
}

// widen rewrites a function of f32 as one of f64.
func widen(t *testing.T, f *ir.Func) *ir.Func {
	b := ir.NewBuilder(f.Name)
	var m []ir.Value
	for _, p := range f.Params {
		if p.Type.DType == ir.F32 {
			p.Type.DType = ir.F64
		}
		m = append(m, b.Param(p.Name, p.Type))
	}
	for i := range f.Ops {
		op := f.Ops[i]
		op.Attrs = slices.Clone(op.Attrs)
		for k, a := range op.Attrs {
			if a.Kind != ir.AttrDType || ir.DType(a.Int) != ir.F32 {
				continue
			}
			op.Attrs[k] = ir.DTypeAttr(a.Name, ir.F64)
			for j, value := range op.Attrs {
				if op.Name != "constant" || value.Kind != ir.AttrBytes {
					continue
				}
				var wide []byte
				for data := []byte(value.Str); len(data) > 0; data = data[4:] {
					v := float64(math.Float32frombits(binary.LittleEndian.Uint32(data)))
					wide = binary.LittleEndian.AppendUint64(wide, math.Float64bits(v))
				}
				op.Attrs[j] = ir.BytesAttr(value.Name, wide)
			}
		}
		m = append(m, b.CopyOp(&op, m)...)
	}
	for _, r := range f.Results {
		b.Return(r.Name, m[r.Value])
	}
	w, err := b.Func()
	require.NoError(t, err)
	return w
}

// decode returns a tensor's elements as float64.
func decode(t *testing.T, typ ir.Type, data []byte) []float64 {
	x, err := reference.Decode(typ, data)
	require.NoError(t, err)
	out := make([]float64, typ.Elements())
	for i := range out {
		if x.F32 != nil {
			out[i] = float64(x.F32[i])
		} else if x.F64 != nil {
			out[i] = x.F64[i]
		} else {
			out[i] = float64(x.Int[i])
		}
	}
	return out
}

// encode is the inverse of decode.
func encode(t *testing.T, typ ir.Type, values []float64) []byte {
	require.Len(t, values, typ.Elements())
	x, err := reference.New(typ)
	require.NoError(t, err)
	for i, v := range values {
		if x.F32 != nil {
			x.F32[i] = float32(v)
		} else if x.F64 != nil {
			x.F64[i] = v
		} else {
			x.Int[i] = int64(v)
		}
	}
	data := make([]byte, typ.Bytes())
	require.NoError(t, x.Encode(data))
	return data
}
