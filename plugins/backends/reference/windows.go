package reference

import (
	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/numerics"
)

// taps calls visit with the offset of every element under output o of a
// window, taps in row-major order; padding is left out.
func taps(w ir.Window, t ir.Type, o []int, visit func(offset int)) {
	strides := t.Strides()
	each(w.Size, func(_ int, k []int) {
		offset := 0
		for d, n := range t.Shape {
			i, ok := w.At(d, n, o[d], k[d])
			if !ok {
				return
			}
			offset += i * strides[d]
		}
		visit(offset)
	})
}

func reduceWindow(op *ir.Op, in []Tensor, out Tensor) error {
	x, w, kind := in[0], ir.WindowOf(op.Attrs), op.Attrs.Str("kind")
	d := x.Type.DType
	combine := binaries[reducers[kind]]
	each(out.Type.Shape, func(n int, o []int) {
		switch {
		case x.single():
			v := float32(identity(kind))
			taps(w, x.Type, o, func(i int) { v = combine.f32(v, x.F32[i]) })
			out.F32[n] = v
		case d == ir.F64:
			v := identity(kind)
			taps(w, x.Type, o, func(i int) { v = combine.f64(v, x.F64[i]) })
			out.F64[n] = v
		default:
			v := identityInt(kind, d)
			taps(w, x.Type, o, func(i int) { v = wrap(d, combine.int(d, v, x.Int[i])) })
			out.Int[n] = v
		}
	})
	return nil
}

func selectAndScatter(op *ir.Op, in []Tensor, out Tensor) error {
	x, source, w, largest := in[0], in[1], ir.WindowOf(op.Attrs), op.Attrs.Str("kind") == "max"
	each(source.Type.Shape, func(n int, o []int) {
		best := -1
		taps(w, x.Type, o, func(i int) {
			if best < 0 || beats(x, i, best, largest) {
				best = i
			}
		})
		switch {
		case best < 0:
		case x.single():
			out.F32[best] += source.F32[n]
		default:
			out.F64[best] += source.F64[n]
		}
	})
	return nil
}

// contraction is an accumulator of rule 5 for floats of either width.
type contraction struct {
	f32 numerics.DotAcc
	f64 numerics.DotAcc64
}

func (c *contraction) add(x Tensor, i int, y Tensor, j int) {
	if x.single() {
		c.f32.Add(x.F32[i], y.F32[j])
	} else {
		c.f64.Add(x.F64[i], y.F64[j])
	}
}

// skip takes the place of a k whose product is left out: adding +0 can only
// turn a chain of -0 into +0, as does the "+0 +" that ends it (rule 6).
func (c *contraction) skip() {
	c.f32.Add(0, 0)
	c.f64.Add(0, 0)
}

func (c *contraction) sum(out Tensor, n int) {
	if out.single() {
		out.F32[n] = c.f32.Sum()
	} else {
		out.F64[n] = c.f64.Sum()
	}
}

// pixel returns the offset of the element of lhs [N, spatial..., C] at channel
// 0 that tap k of output o meets.
func pixel(w ir.Window, t ir.Type, n int, o, k []int) (offset int, ok bool) {
	strides := t.Strides()
	offset = n * strides[0]
	for d := range k {
		i, ok := w.At(d, t.Shape[d+1], o[d], k[d])
		if !ok {
			return 0, false
		}
		offset += i * strides[d+1]
	}
	return offset, true
}

// pixelsOf returns the offsets of the pixels of all indices below shape, -1 for
// padding.
func pixelsOf(shape []int, find func(index []int) (offset int, ok bool)) (offsets []int) {
	each(shape, func(_ int, index []int) {
		at, ok := find(index)
		if !ok {
			at = -1
		}
		offsets = append(offsets, at)
	})
	return offsets
}

func convolution(op *ir.Op, in []Tensor, out Tensor) error {
	l, r, w, groups := in[0], in[1], ir.WindowOf(op.Attrs), op.Attrs.Int("feature_group_count")
	spatial := l.Type.Rank() - 2
	kernel, ci, co := r.Type.Shape[:spatial], r.Type.Shape[spatial], r.Type.Shape[spatial+1]
	each(out.Type.Shape[:spatial+1], func(n int, index []int) {
		taps := pixelsOf(kernel, func(k []int) (int, bool) { return pixel(w, l.Type, index[0], index[1:spatial+1], k) })
		for c := range co {
			first := c / (co / groups) * ci
			var acc contraction
			for tap, at := range taps {
				for i := range ci {
					if at >= 0 {
						acc.add(l, at+first+i, r, (tap*ci+i)*co+c)
					} else {
						acc.skip()
					}
				}
			}
			acc.sum(out, n*co+c)
		}
	})
	return nil
}

func convolutionFilterGrad(op *ir.Op, in []Tensor, out Tensor) error {
	l, ct, w, groups := in[0], in[1], ir.WindowOf(op.Attrs), op.Attrs.Int("feature_group_count")
	spatial := l.Type.Rank() - 2
	ci, co := out.Type.Shape[spatial], out.Type.Shape[spatial+1]
	each(out.Type.Shape[:spatial], func(tap int, k []int) {
		rows := pixelsOf(ct.Type.Shape[:spatial+1], func(o []int) (int, bool) { return pixel(w, l.Type, o[0], o[1:], k) })
		for i := range ci {
			for c := range co {
				from := c/(co/groups)*ci + i
				var acc contraction
				for row, at := range rows {
					if at >= 0 {
						acc.add(l, at+from, ct, row*co+c)
					} else {
						acc.skip()
					}
				}
				acc.sum(out, (tap*ci+i)*co+c)
			}
		}
	})
	return nil
}
