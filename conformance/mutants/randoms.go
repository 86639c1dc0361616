package mutants

import (
	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/numerics"
)

// drawn computes random bits in another way.
func drawn(f func(state [4]uint32, stream uint32, element uint64) uint32) fault {
	return fault{after: func(op *ir.Op, in, out []tensor) {
		var s [4]uint32
		for i := range s {
			s[i] = uint32(in[0].bits(i))
		}
		n := uint64(out[0].len())
		for i := range out[0].len() {
			out[0].setBits(i, uint64(f(s, uint32(op.Attrs.Int("stream")), uint64(s[3])*n+uint64(i))))
		}
	}}
}

// word draws from a counter and a key, word by word.
func word(e uint64, counter [4]uint32, key [2]uint32) uint32 {
	return numerics.Philox4x32(counter, key)[e%4]
}

func randoms() []*Mutant {
	const op = "rng_bit_generator"
	at := func(name string, f func(s [4]uint32, stream uint32, e uint64) uint32) *Mutant {
		return inOp("wrong counter word", op, name, drawn(f))
	}
	return []*Mutant{
		at("step and stream are swapped", func(s [4]uint32, stream uint32, e uint64) uint32 {
			return word(e, [4]uint32{uint32(e / 4), uint32(e / 4 >> 32), s[2], stream}, [2]uint32{s[0], s[1]})
		}),
		at("the seed's words are swapped", func(s [4]uint32, stream uint32, e uint64) uint32 {
			return word(e, [4]uint32{uint32(e / 4), uint32(e / 4 >> 32), stream, s[2]}, [2]uint32{s[1], s[0]})
		}),
		at("the stream is left out", func(s [4]uint32, _ uint32, e uint64) uint32 {
			return word(e, [4]uint32{uint32(e / 4), uint32(e / 4 >> 32), 0, s[2]}, [2]uint32{s[0], s[1]})
		}),
		at("the high word of the block is left out", func(s [4]uint32, stream uint32, e uint64) uint32 {
			return word(e, [4]uint32{uint32(e / 4), 0, stream, s[2]}, [2]uint32{s[0], s[1]})
		}),
		at("the high word of the block is that of the element", func(s [4]uint32, stream uint32, e uint64) uint32 {
			return word(e, [4]uint32{uint32(e / 4), uint32(e >> 32), stream, s[2]}, [2]uint32{s[0], s[1]})
		}),
		at("a counter an element", func(s [4]uint32, stream uint32, e uint64) uint32 {
			return word(0, [4]uint32{uint32(e), uint32(e >> 32), stream, s[2]}, [2]uint32{s[0], s[1]})
		}),
		at("the words of a block come in reverse", func(s [4]uint32, stream uint32, e uint64) uint32 {
			return word(3-e%4, [4]uint32{uint32(e / 4), uint32(e / 4 >> 32), stream, s[2]}, [2]uint32{s[0], s[1]})
		}),
		inOp("wrong counter word", op, "the part is left out", fault{before: func(_ *ir.Op, in []tensor) { in[0].setBits(3, 0) }}),
		inOp("wrong counter word", op, "parts begin on whole blocks", drawn(func(s [4]uint32, stream uint32, e uint64) uint32 {
			if s[3] > 0 {
				e += 3
			}
			return word(e, [4]uint32{uint32(e / 4), uint32(e / 4 >> 32), stream, s[2]}, [2]uint32{s[0], s[1]})
		})),
		inOp("wrong counter word", "dropout", "keeps where the bits are not above the threshold's upper half", fault{rewrite: func(b *ir.Builder, op *ir.Op, in []ir.Value) []ir.Value {
			t := b.Type(in[0])
			keep := 1 - op.Attrs.Float("rate")
			if keep >= 1-1e-9 {
				return nil
			}
			bits := b.RngBitGenerator(in[1], uint32(op.Attrs.Int("stream")), t.Shape...)
			kept := b.Compare("lt", b.Op("shift_right_logical", []ir.Value{bits, b.Full(t.As(ir.U32), 8)})[0], b.Full(t.As(ir.U32), float64(int(keep*(1<<23)))))
			return []ir.Value{b.Select(kept, b.Scale(in[0], 1/keep), b.Zeros(t))}
		}}),
		inOp("dropout", "dropout", "divides by what is kept", fault{rewrite: func(b *ir.Builder, op *ir.Op, in []ir.Value) []ir.Value {
			t := b.Type(in[0])
			keep := 1 - op.Attrs.Float("rate")
			if keep >= 1-1e-9 {
				return nil
			}
			bits := b.RngBitGenerator(in[1], uint32(op.Attrs.Int("stream")), t.Shape...)
			kept := b.Compare("lt", bits, b.Full(t.As(ir.U32), float64(uint32(keep*(1<<32)))))
			return []ir.Value{b.Select(kept, b.Div(in[0], b.Full(t, keep)), b.Zeros(t))}
		}}),
		inOp("dropout", "dropout", "multiplies by the mask", fault{rewrite: func(b *ir.Builder, op *ir.Op, in []ir.Value) []ir.Value {
			t := b.Type(in[0])
			keep := 1 - op.Attrs.Float("rate")
			if keep >= 1-1e-9 {
				return nil
			}
			bits := b.RngBitGenerator(in[1], uint32(op.Attrs.Int("stream")), t.Shape...)
			kept := b.Compare("lt", bits, b.Full(t.As(ir.U32), float64(uint32(keep*(1<<32)))))
			return []ir.Value{b.Mul(b.Convert(kept, t.DType), b.Scale(in[0], 1/keep))}
		}}),
		inOp("dropout", "dropout", "rate 0 draws too", fault{rewrite: func(b *ir.Builder, op *ir.Op, in []ir.Value) []ir.Value {
			if op.Attrs.Float("rate") > 1e-9 {
				return nil
			}
			return []ir.Value{b.Scale(b.Scale(in[0], 0.3), 1/0.3)}
		}}),
	}
}
