package reference

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/numerics"
)

// known are the dtypes that the backend computes with.
var known = ir.DTypes()

// Decode reads a dense, row-major, little-endian tensor. Any byte of a bool
// but 0 counts as 1.
func Decode(t ir.Type, data []byte) (Tensor, error) {
	if err := t.Check(); err != nil {
		return Tensor{}, err
	}
	if len(data) != t.Bytes() {
		return Tensor{}, fmt.Errorf("%v has %d bytes, is given %d", t, t.Bytes(), len(data))
	}
	x, err := New(t)
	if err != nil {
		return x, err
	}
	le := binary.LittleEndian
	for i := range t.Elements() {
		e := data[i*t.DType.Size():]
		switch t.DType {
		case ir.F32:
			x.F32[i] = math.Float32frombits(le.Uint32(e))
		case ir.F64:
			x.F64[i] = math.Float64frombits(le.Uint64(e))
		case ir.I32:
			x.Int[i] = int64(int32(le.Uint32(e)))
		case ir.U32:
			x.Int[i] = int64(le.Uint32(e))
		case ir.BF16:
			x.F32[i] = numerics.F32FromBF16(le.Uint16(e))
		case ir.F16:
			x.F32[i] = numerics.F32FromF16(le.Uint16(e))
		case ir.I64, ir.U64:
			x.Int[i] = int64(le.Uint64(e))
		case ir.Bool:
			if e[0] != 0 {
				x.Int[i] = 1
			}
		default:
			x.Int[i] = int64(e[0])
		}
	}
	return x, nil
}

// Encode writes what Decode reads to dst, which has as many bytes.
func (x Tensor) Encode(dst []byte) error {
	t := x.Type
	if len(dst) != t.Bytes() {
		return fmt.Errorf("%v has %d bytes, there is room for %d", t, t.Bytes(), len(dst))
	}
	le := binary.LittleEndian
	for i := range t.Elements() {
		e := dst[i*t.DType.Size():]
		switch t.DType {
		case ir.F32:
			le.PutUint32(e, math.Float32bits(x.F32[i]))
		case ir.F64:
			le.PutUint64(e, math.Float64bits(x.F64[i]))
		case ir.I32, ir.U32:
			le.PutUint32(e, uint32(x.Int[i]))
		case ir.BF16:
			le.PutUint16(e, numerics.BF16FromF32(x.F32[i]))
		case ir.F16:
			le.PutUint16(e, numerics.F16FromF32(x.F32[i]))
		case ir.I64, ir.U64:
			le.PutUint64(e, uint64(x.Int[i]))
		default:
			e[0] = byte(x.Int[i])
		}
	}
	return nil
}
