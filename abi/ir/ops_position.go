package ir

import (
	"encoding/binary"
	"math"
	"math/big"
)

// Ops that sample images at other positions, and biases by position.

func init() {
	define(
		&OpDef{
			Name: "resize_bilinear", Group: "window",
			Doc:      "Resizes images [N,H,W,C] to size by linear interpolation, rows first, then columns, without a filter against aliasing. Output i of a dimension samples position (i + 0.5) * in / out - 0.5, or i * (in - 1) / (out - 1) with align_corners (0 where out is 1); positions are clamped to 0 to in - 1.",
			Numerics: "The position is computed in binary64, each operation rounded in the order written; its fraction f = position - floor is rounded to the dtype. Then a = operand[floor], b = operand[min(floor + 1, in - 1)], fma(f, b - a, a).",
			Operands: []string{"operand"}, Results: []string{"result"},
			Attrs: []AttrDef{
				{Name: "size", Kind: AttrInts, Doc: "H and W of the result, each at most 65536"},
				{Name: "align_corners", Kind: AttrBool, Doc: "whether the corners of both grids coincide"},
			},
			infer: func(c *inference) []Type {
				c.float(0)
				t, s := c.rank(0, 4), c.shape("size")
				c.require(len(s) == 2, "size has %d entries, must have 2", len(s))
				for i, n := range s {
					c.require(n <= 1<<16, "size %v is more than %d", s, 1<<16)
					c.require(n == 0 || t.Shape[1+i] > 0, "nothing to interpolate in dimension %d of %v", 1+i, t)
				}
				return []Type{t.With(t.Shape[0], s[0], s[1], t.Shape[3])}
			},
			decompose: func(b *Builder, op *Op, in []Value) []Value {
				x := in[0]
				for i, out := range op.Attrs.Ints("size") {
					x = b.interpolate(x, 1+i, out, op.Attrs.Bool("align_corners"))
				}
				return []Value{x}
			},
			derived: true,
		},
		&OpDef{
			Name: "relative_position_bias", Group: "attention",
			Doc:      "The additive attention bias [1, H, query_length, key_length] of T5 (Raffel et al., arXiv 1910.10683): weight [buckets, H] taken at the bucket of key - query. Distances below half the buckets have a bucket each; longer ones share buckets whose widths grow geometrically up to max_distance. If bidirectional, the upper half of the buckets is for keys after the query; else those count as distance 0.",
			Numerics: "Exact. With n buckets a direction, e = n / 2 and a distance r >= e, the bucket is e + k for the largest k < n - e with r^(n-e) * e^k >= max_distance^k * e^(n-e), in integers.",
			Operands: []string{"weight"}, Results: []string{"result"},
			Attrs: []AttrDef{
				{Name: "query_length", Kind: AttrInt, Doc: "number of queries"},
				{Name: "key_length", Kind: AttrInt, Doc: "number of keys"},
				{Name: "bidirectional", Kind: AttrBool, Doc: "whether keys after the query have buckets of their own"},
				{Name: "max_distance", Kind: AttrInt, Doc: "distance from which on all share the last bucket, at most 16384"},
			},
			infer: func(c *inference) []Type {
				c.float(0)
				t := c.rank(0, 2)
				s, k, most := c.attrs.Int("query_length"), c.attrs.Int("key_length"), c.attrs.Int("max_distance")
				n := directionBuckets(t.Shape[0], c.attrs.Bool("bidirectional"))
				c.require(n >= 2 && n <= 1<<8, "%d buckets a direction are not 2 to 256", n)
				c.require(most > n/2 && most <= 1<<14, "max_distance must be more than %d and at most %d, is %d", n/2, 1<<14, most)
				c.require(s >= 0 && k >= 0 && s <= 1<<20 && k <= 1<<20, "lengths %d and %d are outside 0 to %d", s, k, 1<<20)
				return []Type{t.With(1, t.Shape[1], s, k)}
			},
			decompose: func(b *Builder, op *Op, in []Value) []Value {
				s, k := op.Attrs.Int("query_length"), op.Attrs.Int("key_length")
				t := op.Results[0].As(b.Type(in[0]).DType)
				if s == 0 || k == 0 {
					return []Value{b.Zeros(t)}
				}
				// One row for each difference of position, then one for each pair.
				data := make([]byte, 0, 4*(s+k-1))
				bucket := relativeBuckets(b.Dim(in[0], 0), op.Attrs.Bool("bidirectional"), op.Attrs.Int("max_distance"))
				for d := 1 - s; d < k; d++ {
					data = binary.LittleEndian.AppendUint32(data, uint32(bucket(d)))
				}
				byDifference := b.Gather(0, in[0], b.Constant(T(I32, s+k-1), data))
				pairs := T(I32, s, k)
				at := b.Add(b.Sub(b.Iota(pairs, 1), b.Iota(pairs, 0)), b.Full(pairs, float64(s-1)))
				return []Value{b.Reshape(b.Transpose(b.Gather(0, byDifference, at), 2, 0, 1), t.Shape...)}
			},
			derived: true,
		},
	)
}

func directionBuckets(buckets int, bidirectional bool) int {
	if bidirectional {
		return buckets / 2
	}
	return buckets
}

// relativeBuckets returns the bucket of each difference key - query.
func relativeBuckets(buckets int, bidirectional bool, maxDistance int) func(d int) int {
	n := directionBuckets(buckets, bidirectional)
	exact := n / 2
	power := func(x, k int) *big.Int { return new(big.Int).Exp(big.NewInt(int64(x)), big.NewInt(int64(k)), nil) }
	// starts[k] is the least distance in bucket exact + k.
	starts := []int{exact}
	for r := exact; r < maxDistance && len(starts) < n-exact; r++ {
		left, k := power(r, n-exact), len(starts)
		for k < n-exact && new(big.Int).Mul(left, power(exact, k)).Cmp(new(big.Int).Mul(power(maxDistance, k), power(exact, n-exact))) >= 0 {
			starts = append(starts, r)
			k++
		}
	}
	return func(d int) int {
		first := 0
		switch {
		case bidirectional && d > 0:
			first = n
		case bidirectional:
			d = -d
		default:
			d = max(-d, 0)
		}
		switch {
		case d < exact:
			return first + d
		case d >= maxDistance:
			return first + n - 1
		}
		k := 0
		for k+1 < len(starts) && d >= starts[k+1] {
			k++
		}
		return first + exact + k
	}
}

// interpolate resizes one dimension.
func (b *Builder) interpolate(x Value, dim, out int, alignCorners bool) Value {
	t := b.Type(x)
	n := t.Shape[dim]
	var lows, highs, fractions []byte
	for i := range out {
		var at float64
		switch {
		case alignCorners && out > 1:
			at = float64(i) * float64(n-1) / float64(out-1)
		case !alignCorners:
			at = float64((float64(i)+0.5)*float64(n))/float64(out) - 0.5
		}
		at = min(max(at, 0), float64(max(n-1, 0)))
		low := math.Floor(at)
		f, err := Scalar(t.DType, at-low)
		if err != nil {
			return b.Fail("resize: %v", err)
		}
		fractions = append(fractions, f...)
		lows = binary.LittleEndian.AppendUint32(lows, uint32(low))
		highs = binary.LittleEndian.AppendUint32(highs, uint32(min(int(low)+1, n-1)))
	}
	from := func(data []byte) Value { return b.Gather(dim, x, b.Constant(T(I32, out), data)) }
	low, high := from(lows), from(highs)
	f := b.BroadcastInDim(b.Constant(t.With(out), fractions), b.Type(low).Shape, []int{dim})
	return b.FMA(f, b.Sub(high, low), low)
}

// ResizeBilinear resizes x [N,H,W,C] to height and width by linear
// interpolation.
func (b *Builder) ResizeBilinear(x Value, height, width int, alignCorners bool) Value {
	return b.one("resize_bilinear", []Value{x}, IntsAttr("size", height, width), BoolAttr("align_corners", alignCorners))
}

// RelativePositionBias returns T5's attention bias [1, H, queries, keys] of
// weight [buckets, H].
func (b *Builder) RelativePositionBias(weight Value, queries, keys int, bidirectional bool, maxDistance int) Value {
	return b.one("relative_position_bias", []Value{weight}, IntAttr("query_length", queries), IntAttr("key_length", keys),
		BoolAttr("bidirectional", bidirectional), IntAttr("max_distance", maxDistance))
}

// Embedding takes rows of weight [V, E] by ids of any shape.
func (b *Builder) Embedding(weight, ids Value) Value { return b.Gather(0, weight, ids) }
