package mutants

import (
	"cmp"
	"iter"
	"maps"
	"math"
	"slices"

	"github.com/seedbed/seedbed/abi/ir"
)

var negInf = math.Inf(-1)

// ordered goes through a map in the order of its keys.
func ordered[K cmp.Ordered, V any](m map[K]V) iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		for _, k := range slices.Sorted(maps.Keys(m)) {
			if !yield(k, m[k]) {
				return
			}
		}
	}
}

// tail damages the last element of results whose size leaves a remainder of 1
// by a vector's width.
func tail(width int) fault {
	return fault{after: func(_ *ir.Op, _, out []tensor) {
		for _, y := range out {
			if n := y.len(); n > width && n%width == 1 {
				copy(y.b[(n-1)*y.DType.Size():], y.b[(n-2)*y.DType.Size():(n-1)*y.DType.Size()])
			}
		}
	}}
}

// asIf runs the op with other attributes, where the result keeps its type.
func asIf(change func(op *ir.Op, as []ir.Attr) []ir.Attr) fault {
	return fault{rewrite: func(b *ir.Builder, op *ir.Op, in []ir.Value) []ir.Value {
		as := change(op, slices.Clone(op.Attrs))
		if as == nil {
			return nil
		}
		ts := make([]ir.Type, len(in))
		for i, v := range in {
			ts[i] = b.Type(v)
		}
		if got, err := ir.Infer(op.Name, op.Version, ts, as); err != nil || !slices.EqualFunc(got, op.Results, ir.Type.Equal) {
			return nil
		}
		return b.OpVersion(op.Name, op.Version, in, as...)
	}}
}

func setInts(as []ir.Attr, name string, v ...int) []ir.Attr {
	for i := range as {
		if as[i].Name == name {
			as[i] = ir.IntsAttr(name, v...)
		}
	}
	return as
}

// pick runs the op with its results taken from other places of the operand.
func place(f func(op *ir.Op, in []tensor, y tensor, i int) (from tensor, at int, ok bool)) fault {
	return fault{after: func(op *ir.Op, in, out []tensor) {
		y := out[0]
		size := y.DType.Size()
		for i := range y.len() {
			if x, at, ok := f(op, in, y, i); ok && x.DType == y.DType && at >= 0 && at < x.len() {
				copy(y.b[i*size:(i+1)*size], x.b[at*size:(at+1)*size])
			}
		}
	}}
}

// indexed returns the operand's slice number that a gather's result i takes, and
// the rest of its place.
func indexed(op *ir.Op, in []tensor, i int) (index int64, n, before, after int) {
	axis := op.Attrs.Int("axis")
	s := in[0].Shape
	n = s[axis]
	after = 1
	for _, d := range s[axis+1:] {
		after *= d
	}
	k := in[1].len()
	return in[1].int(i / after % k), n, i / after / k, i % after
}

func gatherFrom(at func(index int64, n int) int) fault {
	return place(func(op *ir.Op, in []tensor, _ tensor, i int) (tensor, int, bool) {
		index, n, before, after := indexed(op, in, i)
		if index >= 0 && index < int64(n) {
			return in[0], 0, false
		}
		inner := 1
		for _, d := range in[0].Shape[op.Attrs.Int("axis")+1:] {
			inner *= d
		}
		return in[0], (before*n+at(index, n))*inner + after, true
	})
}

// scatterAs runs a scatter on other indices.
func scatterAs(f func(i int64, n int) int64) fault {
	return fault{before: func(op *ir.Op, in []tensor) {
		n := in[0].Shape[op.Attrs.Int("axis")]
		if in[1].DType != ir.I32 {
			return
		}
		for k := range in[1].len() {
			in[1].setBits(k, uint64(uint32(f(in[1].int(k), n))))
		}
	}}
}

func placements() (l []*Mutant) {
	for _, op := range []string{"add", "multiply", "negate", "exponential", "compare", "select", "convert", "tanh", "transpose", "broadcast_in_dim", "softmax", "rng_bit_generator", "iota", "gather", "pad", "fma", "gelu", "reverse", "adamw", "dropout"} {
		for _, width := range []int{8, 16, 32} {
			m := inOp("tail off by one", op, map[int]string{8: "width 8", 16: "width 16", 32: "width 32"}[width], tail(width))
			l = append(l, m)
		}
	}
	l = append(l,
		inOp("transposed strides", "transpose", "the permutation is inverted", asIf(func(op *ir.Op, as []ir.Attr) []ir.Attr {
			p := op.Attrs.Ints("permutation")
			q := make([]int, len(p))
			for i, d := range p {
				q[d] = i
			}
			return setInts(as, "permutation", q...)
		})),
		inOp("transposed strides", "transpose", "square matrices stay", place(func(op *ir.Op, in []tensor, y tensor, i int) (tensor, int, bool) {
			return in[0], i, slices.Equal(in[0].Shape, y.Shape)
		})),
		inOp("transposed strides", "dot_general", "the contracting dimensions of rhs in ascending order", asIf(func(op *ir.Op, as []ir.Attr) []ir.Attr {
			return setInts(as, "rhs_contracting_dimensions", slices.Sorted(slices.Values(op.Attrs.Ints("rhs_contracting_dimensions")))...)
		})),
		inOp("transposed strides", "dot_general", "k in the order of lhs", asIf(func(op *ir.Op, as []ir.Attr) []ir.Attr {
			l, r := op.Attrs.Ints("lhs_contracting_dimensions"), op.Attrs.Ints("rhs_contracting_dimensions")
			if len(l) != 2 || l[0] < l[1] {
				return nil
			}
			slices.Reverse(l)
			slices.Reverse(r)
			return setInts(setInts(as, "lhs_contracting_dimensions", l...), "rhs_contracting_dimensions", r...)
		})),
		inOp("transposed strides", "broadcast_in_dim", "dimensions go to the end", asIf(func(op *ir.Op, as []ir.Attr) []ir.Attr {
			d := op.Attrs.Ints("dimensions")
			rank := len(op.Attrs.Ints("shape"))
			for i := range d {
				d[i] = rank - len(d) + i
			}
			return setInts(as, "dimensions", d...)
		})),
		inOp("transposed strides", "iota", "counts along the last dimension", asIf(func(op *ir.Op, as []ir.Attr) []ir.Attr {
			for i := range as {
				if as[i].Name == "dimension" {
					as[i] = ir.IntAttr("dimension", len(op.Attrs.Ints("shape"))-1)
				}
			}
			return as
		})),
		inOp("wrong place", "slice", "the start is ignored", place(func(op *ir.Op, in []tensor, y tensor, i int) (tensor, int, bool) {
			return in[0], i * op.Attrs.Ints("stride")[0], y.Rank() == 1
		})),
		inOp("wrong place", "slice", "the stride is ignored", place(func(op *ir.Op, in []tensor, y tensor, i int) (tensor, int, bool) {
			return in[0], i + op.Attrs.Ints("start")[0], y.Rank() == 1
		})),
		inOp("wrong place", "concatenate", "operands come last first", fault{rewrite: func(b *ir.Builder, op *ir.Op, in []ir.Value) []ir.Value {
			l := slices.Clone(in)
			slices.Reverse(l)
			return b.OpVersion(op.Name, op.Version, l, op.Attrs...)
		}}),
		inOp("wrong place", "pad", "low and high are swapped", asIf(func(op *ir.Op, as []ir.Attr) []ir.Attr {
			low, high := op.Attrs.Ints("low"), op.Attrs.Ints("high")
			return setInts(setInts(as, "low", high...), "high", low...)
		})),
		inOp("wrong place", "pad", "the value is 0", fault{before: func(_ *ir.Op, in []tensor) { clear(in[1].b) }}),
		inOp("wrong place", "reverse", "nothing is reversed", place(func(_ *ir.Op, in []tensor, _ tensor, i int) (tensor, int, bool) { return in[0], i, true })),
		inOp("wrong place", "constant", "a dense value fills with its first element", place(func(_ *ir.Op, _ []tensor, y tensor, _ int) (tensor, int, bool) { return y, 0, true })),
		inOp("wrong place", "select", "the branches are swapped", fault{rewrite: func(b *ir.Builder, _ *ir.Op, in []ir.Value) []ir.Value {
			return []ir.Value{b.Select(in[0], in[2], in[1])}
		}}),
		inOp("unclamped gather", "gather", "an index outside wraps around", gatherFrom(func(i int64, n int) int { return int(((i % int64(n)) + int64(n)) % int64(n)) })),
		inOp("unclamped gather", "gather", "an index outside takes the first", gatherFrom(func(int64, int) int { return 0 })),
		inOp("unclamped gather", "gather", "a negative index counts from the end", gatherFrom(func(i int64, n int) int {
			if i < 0 {
				return max(n+int(i), 0)
			}
			return n - 1
		})),
		inOp("unclamped gather", "gather", "an index outside gives zeros", fault{after: func(op *ir.Op, in, out []tensor) {
			for i := range out[0].len() {
				if index, n, _, _ := indexed(op, in, i); index < 0 || index >= int64(n) {
					out[0].setBits(i, 0)
				}
			}
		}}),
		inOp("unclamped gather", "gather", "clamps one too early", gatherFrom(func(i int64, n int) int {
			if i >= int64(n) {
				return max(n-2, 0)
			}
			return 0
		})),
		inOp("scatter outside", "scatter", "an index outside is clamped", scatterAs(func(i int64, n int) int64 { return min(max(i, 0), int64(n)-1) })),
		inOp("scatter outside", "scatter", "a negative index counts from the end", scatterAs(func(i int64, n int) int64 {
			if i < 0 {
				return i + int64(n)
			}
			return i
		})),
		inOp("wrong order of a scatter", "scatter", "set: the first update wins", fault{rewrite: func(b *ir.Builder, op *ir.Op, in []ir.Value) []ir.Value {
			t := b.Type(in[1])
			if op.Attrs.Str("mode") != "set" || t.Rank() != 1 {
				return nil
			}
			back := reverse(b, in[1], 0)
			return []ir.Value{b.Scatter("set", op.Attrs.Int("axis"), in[0], back, reverse(b, in[2], op.Attrs.Int("axis")))}
		}}),
		inOp("wrong order of a scatter", "scatter", "add: last update first", fault{rewrite: func(b *ir.Builder, op *ir.Op, in []ir.Value) []ir.Value {
			t := b.Type(in[1])
			if op.Attrs.Str("mode") != "add" || t.Rank() != 1 {
				return nil
			}
			return []ir.Value{b.Scatter("add", op.Attrs.Int("axis"), in[0], reverse(b, in[1], 0), reverse(b, in[2], op.Attrs.Int("axis")))}
		}}),
		inOp("wrong order of a scatter", "scatter", "add: into the operand one by one", fault{after: func(op *ir.Op, in, out []tensor) {
			if op.Attrs.Str("mode") != "add" || out[0].DType != ir.F32 || in[0].Rank() != 2 || op.Attrs.Int("axis") != 0 || in[1].Rank() != 1 {
				return
			}
			copy(out[0].b, in[0].b)
			width := in[0].Shape[1]
			for k := range in[1].len() {
				if at := in[1].int(k); at >= 0 && int(at) < in[0].Shape[0] {
					for c := range width {
						o := int(at)*width + c
						out[0].setF32(o, out[0].f32(o)+in[2].f32(k*width+c))
					}
				}
			}
		}}),
		inOp("wrong order of a scatter", "scatter", "add: no chunks", fault{after: func(op *ir.Op, in, out []tensor) {
			if op.Attrs.Str("mode") != "add" || out[0].DType != ir.F32 || in[0].Rank() != 2 || op.Attrs.Int("axis") != 0 || in[1].Rank() != 1 {
				return
			}
			width := in[0].Shape[1]
			sums := map[int]float32{}
			for k := range in[1].len() {
				if at := in[1].int(k); at >= 0 && int(at) < in[0].Shape[0] {
					for c := range width {
						sums[int(at)*width+c] += in[2].f32(k*width + c)
					}
				}
			}
			for o, s := range sums {
				out[0].setF32(o, in[0].f32(o)+s)
			}
		}}),
		tieBreak("argmax", "the last of equals wins"), tieBreak("argmin", "the last of equals wins"),
		inOp("tie-breaks", "argmax", "a NaN counts as smallest", inputF32(func(x float32) float32 {
			if x != x {
				return float32(negInf)
			}
			return x
		})),
		inOp("tie-breaks", "argmax", "+0 beats -0", fault{before: func(_ *ir.Op, in []tensor) {
			if in[0].DType == ir.F32 {
				for i := range in[0].len() {
					if in[0].f32(i) == 0 && in[0].bits(i) == 0 {
						in[0].setBits(i, 1) // a little above -0
					}
				}
			}
		}}),
		inOp("tie-breaks", "round_nearest_even", "ties go away from zero", eachF32(func(_ *ir.Op, in []tensor, i int, y float32) float32 {
			x := float64(in[0].f32(i))
			return float32(math.Round(x))
		})),
		inOp("tie-breaks", "top_k", "the last of equals wins", reverseTies()),
		inOp("tie-breaks", "sort", "equal elements change places", fault{after: func(_ *ir.Op, in, out []tensor) {
			if len(out) > 1 && out[0].DType == ir.F32 && out[0].Rank() == 1 {
				y := out[1]
				size := y.DType.Size()
				for i := 1; i < out[0].len(); i++ {
					if out[0].bits(i) == out[0].bits(i-1) {
						a, b := y.bits(i-1), y.bits(i)
						y.setBits(i-1, b)
						y.setBits(i, a)
						_ = size
						return
					}
				}
			}
		}}))
	return l
}

func reverseTies() fault {
	return fault{after: func(_ *ir.Op, _, out []tensor) {
		if len(out) > 1 && out[0].Rank() > 0 {
			last := out[0].Shape[out[0].Rank()-1]
			for i := 1; i < out[0].len(); i++ {
				if i%max(last, 1) != 0 && out[0].bits(i) == out[0].bits(i-1) {
					a, b := out[1].bits(i-1), out[1].bits(i)
					out[1].setBits(i-1, b)
					out[1].setBits(i, a)
				}
			}
		}
	}}
}

// reverse turns x around along a dimension.
func reverse(b *ir.Builder, x ir.Value, dim int) ir.Value {
	n := b.Dim(x, dim)
	back := b.Sub(b.Full(ir.T(ir.I32, n), float64(n-1)), b.Iota(ir.T(ir.I32, n), 0))
	return b.Gather(dim, x, back)
}

// tieBreak makes an argmax or argmin that prefers the last of equals.
func tieBreak(op, name string) *Mutant {
	return inOp("tie-breaks", op, name, fault{after: func(op *ir.Op, in, out []tensor) {
		dim := op.Attrs.Int("dimension")
		for n, g := range offsets(in[0].Type, []int{dim}) {
			best := int(out[0].int(n))
			for i := best + 1; i < len(g); i++ {
				if in[0].bits(g[i]) == in[0].bits(g[best]) {
					out[0].setBits(n, uint64(i))
				}
			}
		}
	}})
}
