package cpu

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// Every composite with a lowering of its own gives the bits of its decomposition, which the reference runs: for shapes drawn at
// random, zero sizes and odd tails among them, and for infinities, NaNs and ties.

type draw struct{ *rapid.T }

func (d draw) n(what string, lo, hi int) int { return rapid.IntRange(lo, hi).Draw(d.T, what) }
func (d draw) pick(what string, from ...int) int {
	return rapid.SampledFrom(from).Draw(d.T, what)
}

func checkComposite(t *testing.T, checks int, build func(d draw, b *ir.Builder) (fixed map[string]func(r *rand.Rand, t ir.Type) []byte)) {
	var programs []program
	rapid.Check(t, func(rt *rapid.T) {
		if len(programs) == checks { // rapid's own number of checks is a flag of the whole test binary
			return
		}
		d := draw{rt}
		b := ir.NewBuilder("composite")
		makers := build(d, b)
		f, err := b.Func()
		require.NoError(t, err)
		seed := rapid.Uint64().Draw(rt, "seed")
		r, fixed := rand.New(rand.NewPCG(seed, 3)), map[string][]byte{}
		for _, p := range f.Params {
			if m := makers[p.Name]; m != nil {
				fixed[p.Name] = m(r, p.Type)
			}
		}
		programs = append(programs, newProgram(t, seed, []float64{0, 0, 0.002, 0.1}[d.n("special", 0, 3)], f, fixed))
	})
	backends(t, func(t *testing.T, b *Backend) {
		for i, p := range programs {
			p.name = fmt.Sprintf("program %d of %v", i, p.f.Params)
			p.run(t, b)
		}
	})
}

// below draws integers in [lo, hi).
func below(lo, hi int) func(r *rand.Rand, t ir.Type) []byte {
	return func(r *rand.Rand, t ir.Type) []byte {
		b := make([]byte, 0, t.Bytes())
		for range t.Elements() {
			v := uint32(int32(lo + r.IntN(hi-lo)))
			b = append(b, byte(v), byte(v>>8), byte(v>>16), byte(v>>24))
		}
		return b
	}
}

// runs draws integers that seldom change from one to the next.
func runs(r *rand.Rand, t ir.Type) []byte {
	b, v := make([]byte, 0, t.Bytes()), byte(0)
	for range t.Elements() {
		if r.IntN(7) == 0 {
			v = byte(r.IntN(3))
		}
		b = append(b, v, 0, 0, 0)
	}
	return b
}

func TestAttentionIsItsDecomposition(t *testing.T) {
	checkComposite(t, 40, func(d draw, b *ir.Builder) map[string]func(*rand.Rand, ir.Type) []byte {
		batch, g, r := d.n("batch", 0, 3), d.n("groups", 1, 2), d.n("heads a group", 1, 3)
		s := d.pick("queries", 0, 1, 2, 5, 9, 33, 100)
		keys := d.pick("keys", s, s, s, 0, 1, 7, 40, 101)
		if d.n("long", 0, 9) == 0 {
			batch, g, r, s, keys = 1, 1, d.n("heads", 1, 2), 520, d.pick("long keys", 3, 530)
		}
		size, value := d.pick("size", 1, 3, 8), d.pick("value size", 1, 4, 17)
		x := func(name string, shape ...int) ir.Value { return b.Param(name, ir.T(ir.F32, shape...)) }
		in := []ir.Value{x("q", batch, s, g*r, size), x("k", batch, keys, g, size), x("v", batch, keys, g, value)}
		joined := x("joined", batch, keys, g*r*size+g*size+g*value+1)
		var segments []ir.Value
		if d.n("segmented", 0, 1) == 1 {
			segments = []ir.Value{b.Param("qs", ir.T(ir.I32, batch, s)), b.Param("ks", ir.T(ir.I32, batch, keys))}
		}
		attrs := []ir.Attr{ir.BoolAttr("causal", d.n("causal", 0, 3) > 0), ir.FloatAttr("scale", 0.3)}
		dy, stats := x("dy", batch, s, g*r, value), []ir.Value(nil)
		if d.n("odd statistics", 0, 4) == 0 {
			stats = []ir.Value{x("top", batch, g, r, s), x("total", batch, g, r, s)}
		}
		name := "scaled_dot_product_attention"
		if d.n("biased", 0, 2) == 0 {
			name = "biased_attention"
			in = append(in, x("bias", d.pick("biases", 1, batch), g*r, s, keys))
		}
		if d.n("side by side", 0, 1) == 1 { // as one product makes them
			at := 0
			for i, t := range []ir.Type{b.Type(in[0]), b.Type(in[1]), b.Type(in[2])} {
				width := t.Shape[2] * t.Shape[3]
				if t.Shape[1] == keys {
					part := b.SliceDim(joined, 2, at, at+width)
					if in[i] = b.Reshape(part, t.Shape...); d.n("read by others", 0, 3) == 0 {
						b.Return("part"+string(rune('a'+i)), b.Unary("negate", []ir.Value{part, in[i]}[d.n("of", 0, 1)]))
					}
				}
				at += width
			}
		}
		out := b.Op(name, append(in, segments...), attrs...)
		b.Return("y", out[0])
		b.Return("max", out[1])
		b.Return("sum", out[2])
		if stats == nil {
			stats = out[1:]
		}
		grads := b.Op(name+"_grad", append(append([]ir.Value{dy}, in...), append([]ir.Value{out[0], stats[0], stats[1]}, segments...)...), attrs...)
		b.Return("dq", grads[0])
		b.Return("dk", grads[1])
		b.Return("dv", grads[2])
		if len(grads) == 4 {
			b.Return("dbias", grads[3])
		}
		return map[string]func(*rand.Rand, ir.Type) []byte{"qs": runs, "ks": runs}
	})
}

func TestCrossEntropyIsItsDecomposition(t *testing.T) {
	checkComposite(t, 20, func(d draw, b *ir.Builder) map[string]func(*rand.Rand, ir.Type) []byte {
		n, v, e := d.pick("rows", 0, 1, 3, 20, 130, 515), d.pick("vocabulary", 1, 2, 15, 50), d.pick("width", 0, 1, 6, 17)
		if d.n("wide", 0, 19) == 0 {
			n, v, e = 3, 4100, 2
		}
		in := []ir.Value{b.Param("hidden", ir.T(ir.F32, n, e)), b.Param("weight", ir.T(ir.F32, v, e)), b.Param("labels", ir.T(ir.I32, n))}
		ct := b.Param("ct", ir.T(ir.F32, n))
		attrs := []ir.Attr{ir.IntAttr("ignore_index", d.pick("ignore", -100, -1, 0, 1)), ir.FloatAttr("z_loss", []float64{0, 1e-4, 0.5, 1e-60}[d.n("z", 0, 3)])}
		b.Return("only", b.Op("linear_cross_entropy", in, attrs...)[0])
		out := b.Op("linear_cross_entropy_grad", append([]ir.Value{ct}, in...), attrs...)
		b.Return("loss", out[0])
		b.Return("hidden_grad", out[1])
		b.Return("weight_grad", out[2])
		return map[string]func(*rand.Rand, ir.Type) []byte{"labels": below(-1, v+1)}
	})
}

func TestNormGradientsAreTheirDecompositions(t *testing.T) {
	checkComposite(t, 20, func(d draw, b *ir.Builder) map[string]func(*rand.Rand, ir.Type) []byte {
		shape := []int{d.pick("outer", 0, 1, 2, 3), d.pick("rows", 0, 1, 5, 31, 32, 70), d.pick("columns", 0, 1, 7, 8, 40, 129)}
		if d.n("long", 0, 9) == 0 {
			shape = []int{2, 2100, 3}
		}
		x := ir.T(ir.F32, shape...)
		row := x.With(shape[2])
		in := []ir.Value{b.Param("x", x), b.Param("w", row), b.Param("b", row)}
		dy := b.Param("dy", x)
		out := b.Op("layer_norm", in, ir.FloatAttr("epsilon", 1e-5))
		grads := b.Op("layer_norm_grad", []ir.Value{dy, in[0], in[1], out[1], out[2]})
		b.Return("y", out[0])
		b.Return("dx", grads[0])
		b.Return("dw", grads[1])
		b.Return("db", grads[2])
		return nil
	})
}
