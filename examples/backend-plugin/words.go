package main

import (
	"encoding/binary"
	"math"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/numerics"
)

// word is an element of any dtype: its bits, with zeros above. What moves data
// does not ask for the dtype.
type word = uint64

// unpack reads a little-endian tensor. Any byte of a bool but 0 counts as 1.
func unpack(d ir.DType, data []byte) []word {
	size := d.Size()
	words := make([]word, len(data)/size)
	var whole [8]byte
	for i := range words {
		copy(whole[:], data[i*size:][:size])
		if words[i] = binary.LittleEndian.Uint64(whole[:]); d == ir.Bool && words[i] != 0 {
			words[i] = 1
		}
	}
	return words
}

// pack writes what unpack reads.
func pack(d ir.DType, dst []byte, words []word) {
	size := d.Size()
	var whole [8]byte
	for i, w := range words {
		binary.LittleEndian.PutUint64(whole[:], w)
		copy(dst[i*size:][:size], whole[:size])
	}
}

// float is how a dtype of floats is read as f32, exactly, and written, rounded
// to the nearest even: sixteen bits are storage, arithmetic is in f32 (rule 15).
type float struct {
	load  func(word) float32
	store func(float32) word
}

func floats(d ir.DType) float {
	switch d {
	case ir.BF16:
		return float{func(w word) float32 { return numerics.F32FromBF16(uint16(w)) }, func(x float32) word { return word(numerics.BF16FromF32(x)) }}
	case ir.F16:
		return float{func(w word) float32 { return numerics.F32FromF16(uint16(w)) }, func(x float32) word { return word(numerics.F16FromF32(x)) }}
	}
	return float{func(w word) float32 { return math.Float32frombits(uint32(w)) }, func(x float32) word { return word(math.Float32bits(x)) }}
}

func (f float) loadAll(words []word) []float32 {
	l := make([]float32, len(words))
	for i, w := range words {
		l[i] = f.load(w)
	}
	return l
}

func (f float) storeAll(dst []word, l []float32) {
	for i, x := range l {
		dst[i] = f.store(x)
	}
}

// integer are Go's types of the dtypes of integers. A bool is a uint8, 0 or 1.
type integer interface {
	int32 | int64 | uint8 | uint32 | uint64
}

// toWord returns the bits of x.
func toWord[T integer](x T) word {
	switch v := any(x).(type) {
	case int32:
		return word(uint32(v))
	default:
		return word(x)
	}
}

// byType calls the instance of a generic function that fits a dtype of
// integers.
func byType[R any](d ir.DType, i32, i64, u8, u32, u64 func() R) R {
	switch d {
	case ir.I32:
		return i32()
	case ir.I64:
		return i64()
	case ir.U32:
		return u32()
	case ir.U64:
		return u64()
	}
	return u8()
}

// integers returns how a dtype of integers is read. A u64 beyond the largest
// int64 is read as that, which is beyond any index too.
func integers(d ir.DType) func(word) int64 {
	switch d {
	case ir.I32:
		return func(w word) int64 { return int64(int32(w)) }
	case ir.U64:
		return func(w word) int64 { return int64(min(w, math.MaxInt64)) }
	}
	return func(w word) int64 { return int64(w) }
}
