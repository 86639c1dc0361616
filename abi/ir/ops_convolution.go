package ir

import "slices"

// Convolutions, in one layout: lhs [N, spatial..., Ci], rhs [taps..., Ci/G,
// Co], result [N, spatial..., Co]. Channels are last, so that the order of k
// that rule 11 fixes, (taps, ci), is the order in memory.

func init() {
	attrs := append(windowAttrs(), AttrDef{Name: "feature_group_count", Kind: AttrInt, Doc: "G: output channel co sees the input channels of group co / (Co/G) alone"})
	// shapes checks lhs against the window and returns the outputs' spatial shape.
	shapes := func(c *inference, lhs Type, taps []int, w Window) []int {
		c.bounded(taps)
		w.Size = taps
		var out []int
		for d, n := range lhs.Shape[1 : lhs.Rank()-1] {
			out = append(out, w.Output(d, n))
		}
		return out
	}
	groups := func(c *inference, ci, co int) int {
		g := c.attrs.Int("feature_group_count")
		c.require(g >= 1 && ci%g == 0 && co%g == 0, "%d groups do not divide %d input and %d output channels", g, ci, co)
		return g
	}
	define(
		&OpDef{
			Name: "convolution", Group: "contraction",
			Doc: "Slides rhs [taps..., Ci/G, Co] over lhs [N, spatial..., Ci] and gives [N, spatial..., Co]: result[n, o..., co] is the sum over taps k and channels ci of co's group of lhs[n, p..., ci] * rhs[k..., ci, co]." + slides +
				" One to three spatial dimensions. As in most libraries, this is a cross-correlation: the kernel is not flipped.",
			Numerics: "Rule 11: a contraction by rule 5 with k = (taps..., ci) row-major, ci within the group; every tap counts as a k, and the product of a padded tap is left out of the chain. For a finite kernel that is the same as padding with +0; with a kernel that is not finite, a result whose window has padding may be NaN.",
			Operands: []string{"lhs", "rhs"}, Results: []string{"result"},
			Attrs: attrs,
			infer: func(c *inference) []Type {
				l, r := c.float(0), c.in[1]
				c.require(l.Rank() >= 3 && l.Rank() <= 5, "lhs must have rank 3 to 5, is %v", l)
				c.rank(1, l.Rank())
				c.require(r.DType == l.DType, "lhs is %v, rhs %v", l, r)
				n := l.Rank() - 2
				g := groups(c, l.Shape[n+1], r.Shape[n+1])
				c.require(r.Shape[n]*g == l.Shape[n+1], "rhs %v has %d input channels a group, lhs %v has %d", r, r.Shape[n], l, l.Shape[n+1]/g)
				out := shapes(c, l, r.Shape[:n], c.window(n))
				return []Type{l.With(slices.Concat(l.Shape[:1], out, r.Shape[n+1:])...)}
			},
			grad: func(g *Gradient) []Value {
				return g.wanted(
					func() Value { return g.B.convolutionInputGrad(g.Op.Attrs, g.Ct[0], g.In[1], g.B.Type(g.In[0])) },
					func() Value {
						r := g.B.Type(g.In[1]).Shape
						return g.B.one("convolution_filter_grad", []Value{g.In[0], g.Ct[0]}, append(slices.Clone(g.Op.Attrs), IntsAttr("window", r[:len(r)-2]...))...)
					})
			},
		},
		&OpDef{
			Name: "convolution_filter_grad", Group: "contraction",
			Doc:      "The cotangent of the rhs of a convolution: result[k..., ci, co] is the sum over n and outputs o of lhs[n, p..., ci of co's group] * cotangent[n, o..., co]." + slides,
			Numerics: "Rule 11: a contraction by rule 5 with k = (n, o...) row-major; padding counts as a k whose product is left out of the chain.",
			Operands: []string{"lhs", "cotangent"}, Results: []string{"result"},
			Attrs: append(slices.Clone(attrs), windowSize),
			infer: func(c *inference) []Type {
				l, ct := c.float(0), c.in[1]
				c.require(l.Rank() >= 3 && l.Rank() <= 5, "lhs must have rank 3 to 5, is %v", l)
				c.rank(1, l.Rank())
				n := l.Rank() - 2
				w := c.window(n)
				c.taps(n)
				g := groups(c, l.Shape[n+1], ct.Shape[n+1])
				c.sameAs(1, l.With(slices.Concat(l.Shape[:1], shapes(c, l, w.Size, w), ct.Shape[n+1:])...))
				return []Type{l.With(slices.Concat(w.Size, []int{l.Shape[n+1] / g, ct.Shape[n+1]})...)}
			},
		},
	)
}

// convolutionInputGrad is the cotangent of lhs, of type t: a convolution of
// the cotangent with the kernel reversed and its channels exchanged, so that k
// runs over the taps from the last to the first, then over co (rule 11).
func (b *Builder) convolutionInputGrad(as Attrs, ct, rhs Value, t Type) Value {
	w, g := WindowOf(as), as.Int("feature_group_count")
	r := b.Type(rhs).Shape
	n := len(r) - 2
	w.Size = r[:n]
	ci, co := r[n], r[n+1]/g
	k := b.Reverse(rhs, allDims(n)...)
	// [taps, Ci/G, G, Co/G] -> [taps, Co/G, G, Ci/G]
	k = b.Reshape(k, slices.Concat(r[:n], []int{ci, g, co})...)
	k = b.Transpose(k, append(allDims(n), n+2, n+1, n)...)
	k = b.Reshape(k, slices.Concat(r[:n], []int{co, g * ci})...)
	return b.Convolution(ct, k, w.back(t.Shape[1:n+1]), g)
}

// Convolution slides rhs [taps..., Ci/groups, Co] over lhs [N, spatial...,
// Ci]; the size of w is rhs's.
func (b *Builder) Convolution(lhs, rhs Value, w Window, groups int) Value {
	return b.one("convolution", []Value{lhs, rhs}, append(w.attrs(), IntAttr("feature_group_count", groups))...)
}

// Conv2D is a convolution of x [N,H,W,Ci] with weight [KH,KW,Ci/groups,Co] at
// one stride, padding and dilation for both dimensions, plus a bias [Co]
// unless that is NoValue.
func (b *Builder) Conv2D(x, weight, bias Value, stride, padding, dilation, groups int) Value {
	two := func(v int) []int { return []int{v, v} }
	w := Window{Stride: two(stride), Low: two(padding), High: two(padding), BaseDilation: two(1), Dilation: two(dilation)}
	y := b.Convolution(x, weight, w, groups)
	if bias == NoValue {
		return y
	}
	return b.Add(y, b.BroadcastTo(bias, b.Type(y).Shape...))
}
