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
	switch t.DType {
	case ir.F32:
		for i := range x.F32 {
			x.F32[i] = math.Float32frombits(le.Uint32(data[4*i:]))
		}
	case ir.BF16:
		for i := range x.F32 {
			x.F32[i] = numerics.F32FromBF16(le.Uint16(data[2*i:]))
		}
	case ir.F16:
		for i := range x.F32 {
			x.F32[i] = numerics.F32FromF16(le.Uint16(data[2*i:]))
		}
	case ir.F64:
		for i := range x.F64 {
			x.F64[i] = math.Float64frombits(le.Uint64(data[8*i:]))
		}
	case ir.I32:
		for i := range x.Int {
			x.Int[i] = int64(int32(le.Uint32(data[4*i:])))
		}
	case ir.U32:
		for i := range x.Int {
			x.Int[i] = int64(le.Uint32(data[4*i:]))
		}
	case ir.I64, ir.U64:
		for i := range x.Int {
			x.Int[i] = int64(le.Uint64(data[8*i:]))
		}
	case ir.Bool:
		for i, v := range data {
			if v != 0 {
				x.Int[i] = 1
			}
		}
	default:
		for i, v := range data {
			x.Int[i] = int64(v)
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
	switch t.DType {
	case ir.F32:
		for i, v := range x.F32 {
			le.PutUint32(dst[4*i:], math.Float32bits(v))
		}
	case ir.BF16:
		for i, v := range x.F32 {
			le.PutUint16(dst[2*i:], numerics.BF16FromF32(v))
		}
	case ir.F16:
		for i, v := range x.F32 {
			le.PutUint16(dst[2*i:], numerics.F16FromF32(v))
		}
	case ir.F64:
		for i, v := range x.F64 {
			le.PutUint64(dst[8*i:], math.Float64bits(v))
		}
	case ir.I32, ir.U32:
		for i, v := range x.Int {
			le.PutUint32(dst[4*i:], uint32(v))
		}
	case ir.I64, ir.U64:
		for i, v := range x.Int {
			le.PutUint64(dst[8*i:], uint64(v))
		}
	default:
		for i, v := range x.Int {
			dst[i] = byte(v)
		}
	}
	return nil
}
