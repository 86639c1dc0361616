package cpu

import (
	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/numerics"
)

// moving are the ops that place elements of any size without computing on them. Their attributes may name bf16 and f16.
var moving = map[string]bool{
	"constant": true, "broadcast_in_dim": true, "reshape": true, "transpose": true, "slice": true, "concatenate": true, "pad": true,
	"gather": true, "select": true, "reverse": true, "dynamic_slice": true, "dynamic_update_slice": true, "bitcast_convert": true, "convert": true,
}

// widen returns f with bf16 and f16 left to ops that move elements: any other op converts what it reads to f32, computes there and
// converts what it gives back, as rule 15 says.
func widen(f *ir.Func) (*ir.Func, error) {
	half := false
	types := f.Types()
	for _, t := range types {
		half = half || t.DType.IsHalf()
	}
	for i := range f.Ops {
		half = half || len(f.Ops[i].Regions) > 0 // in them, maybe
	}
	if !half {
		return f, nil
	}
	b := ir.NewBuilder(f.Name)
	var m []ir.Value
	for _, p := range f.Params {
		m = append(m, b.Param(p.Name, p.Type))
	}
	for i := range f.Ops {
		op := &f.Ops[i]
		if moving[op.Name] {
			m = append(m, b.CopyOp(op, m)...)
			continue
		}
		in := make([]ir.Value, len(op.Operands))
		if len(op.Regions) > 0 {
			regions := make([]*ir.Func, len(op.Regions))
			for k, r := range op.Regions {
				var err error
				if regions[k], err = widen(r); err != nil {
					return nil, err
				}
			}
			for k, v := range op.Operands {
				in[k] = m[v]
			}
			m = append(m, b.OpRegions(op.Name, op.Version, in, regions, op.Attrs...)...)
			continue
		}
		for k, v := range op.Operands {
			in[k] = m[v]
			if types[v].DType.IsHalf() {
				in[k] = b.Convert(m[v], ir.F32)
			}
		}
		attrs := op.Attrs
		if op.Name == "iota" && op.Results[0].DType.IsHalf() {
			attrs = ir.Attrs{attrs[0], ir.DTypeAttr("dtype", ir.F32), attrs[2]}
		}
		for k, v := range b.OpVersion(op.Name, op.Version, in, attrs...) {
			if b.Err() == nil && op.Results[k].DType.IsHalf() {
				v = b.Convert(v, op.Results[k].DType)
			}
			m = append(m, v)
		}
		if b.Err() != nil {
			return nil, b.Err()
		}
	}
	for _, r := range f.Results {
		b.Return(r.Name, m[r.Value])
	}
	return b.Func()
}

func convert(c *compiler, op *ir.Op) error {
	to := op.Results[0].DType
	switch c.types[op.Operands[0]].DType {
	case ir.F32:
		return convertFrom(c, op, to, func(x float32) float32 { return x }, floatTo)
	case ir.BF16:
		return convertFrom(c, op, to, numerics.F32FromBF16, floatTo)
	case ir.F16:
		return convertFrom(c, op, to, numerics.F32FromF16, floatTo)
	case ir.I32:
		return convertInt[int32](c, op, to)
	case ir.I64:
		return convertInt[int64](c, op, to)
	case ir.U32:
		return convertInt[uint32](c, op, to)
	case ir.U64:
		return convertInt[uint64](c, op, to)
	default:
		return convertInt[uint8](c, op, to)
	}
}

// floats are the conversions of an f32 to each dtype.
type conversions[V float32 | integer] struct {
	f32  func(V) float32
	i32  func(V) int32
	i64  func(V) int64
	u8   func(V) uint8
	u32  func(V) uint32
	u64  func(V) uint64
	bool func(V) uint8
}

var floatTo = conversions[float32]{
	f32: func(x float32) float32 { return x },
	i32: numerics.I32FromF32, i64: numerics.I64FromF32, u8: numerics.U8FromF32, u32: numerics.U32FromF32, u64: numerics.U64FromF32,
	bool: func(x float32) uint8 { return bit(x != 0) },
}

func convertInt[T integer](c *compiler, op *ir.Op, to ir.DType) error {
	return convertFrom(c, op, to, func(x T) T { return x }, conversions[T]{
		f32:  func(x T) float32 { return float32(x) },
		i32:  func(x T) int32 { return int32(x) },
		i64:  func(x T) int64 { return int64(x) },
		u8:   func(x T) uint8 { return uint8(x) },
		u32:  func(x T) uint32 { return uint32(x) },
		u64:  func(x T) uint64 { return uint64(x) },
		bool: func(x T) uint8 { return bit(x != 0) },
	})
}

// convertFrom reads elements of A as V and converts them.
func convertFrom[A element | uint16, V float32 | integer](c *compiler, op *ir.Op, to ir.DType, read func(A) V, f conversions[V]) error {
	switch to {
	case ir.F32:
		return mapOp(c, op, func(x A) float32 { return f.f32(read(x)) })
	case ir.BF16:
		return mapOp(c, op, func(x A) uint16 { return numerics.BF16FromF32(f.f32(read(x))) })
	case ir.F16:
		return mapOp(c, op, func(x A) uint16 { return numerics.F16FromF32(f.f32(read(x))) })
	case ir.I32:
		return mapOp(c, op, func(x A) int32 { return f.i32(read(x)) })
	case ir.I64:
		return mapOp(c, op, func(x A) int64 { return f.i64(read(x)) })
	case ir.U8:
		return mapOp(c, op, func(x A) uint8 { return f.u8(read(x)) })
	case ir.U32:
		return mapOp(c, op, func(x A) uint32 { return f.u32(read(x)) })
	case ir.U64:
		return mapOp(c, op, func(x A) uint64 { return f.u64(read(x)) })
	default:
		return mapOp(c, op, func(x A) uint8 { return f.bool(read(x)) })
	}
}
