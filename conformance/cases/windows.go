package cases

import "github.com/seedbed/seedbed/abi/ir"

// window draws a window for the sizes of some dimensions. plain is what
// networks use: the same padding on both sides and no dilation of the base.
func window(r *source, sizes []int, plain bool) ir.Window {
	w := ir.Window{}
	for range sizes {
		size := r.in(1, 3)
		w.Size = append(w.Size, size)
		if plain {
			pad := r.n(size)
			w.Stride, w.BaseDilation, w.Dilation = append(w.Stride, r.in(1, 2)), append(w.BaseDilation, 1), append(w.Dilation, 1)
			w.Low, w.High = append(w.Low, pad), append(w.High, pad)
			continue
		}
		w.Stride, w.BaseDilation, w.Dilation = append(w.Stride, r.in(1, 3)), append(w.BaseDilation, r.in(1, 3)), append(w.Dilation, r.in(1, 3))
		w.Low, w.High = append(w.Low, r.in(-2, 3)), append(w.High, r.in(-2, 3))
	}
	return w
}

func windowAttrs(w ir.Window, more ...ir.Attr) []ir.Attr {
	return append(more, ir.IntsAttr("stride", w.Stride...), ir.IntsAttr("low", w.Low...), ir.IntsAttr("high", w.High...),
		ir.IntsAttr("base_dilation", w.BaseDilation...), ir.IntsAttr("window_dilation", w.Dilation...))
}

func outputs(w ir.Window, sizes []int) []int {
	l := make([]int, len(sizes))
	for d, n := range sizes {
		l[d] = w.Output(d, n)
	}
	return l
}

func init() {
	images := func(r *source) (s []int, w ir.Window) {
		s = []int{r.in(1, 2), r.small() + 2, r.small() + 2, min(r.size(), 130)}
		return s, window(r, s[1:3], true).Spatial()
	}
	anywhere := func(r *source) (s []int, w ir.Window) {
		s = r.shape(1, 3)
		return s, window(r, s, false)
	}
	pool := func(name string, draw func(r *source) ([]int, ir.Window)) cell {
		return cell{name: name, make: func(r *source, d ir.DType) app {
			s, w := draw(r)
			return app{operands: one(d, s, anyValue), attrs: windowAttrs(w, ir.IntsAttr("window", w.Size...))}
		}}
	}
	unpool := func(name string, draw func(r *source) ([]int, ir.Window)) cell {
		return cell{name: name, make: func(r *source, d ir.DType) app {
			s, w := draw(r)
			return app{operands: []operand{{ir.T(d, s...), anyValue}, {ir.T(d, outputs(w, s)...), anyValue}}, attrs: windowAttrs(w, ir.IntsAttr("window", w.Size...))}
		}}
	}
	generate("reduce_window", pool("images", images), pool("any", anywhere))
	generate("select_and_scatter", unpool("images", images), unpool("any", anywhere))
	var forward, filter []cell
	for _, k := range []struct {
		name    string
		spatial int
		plain   bool
		groups  int
	}{{"1d", 1, true, 1}, {"2d", 2, true, 1}, {"3d", 3, true, 1}, {"dilated", 2, false, 1}, {"groups", 2, true, 3}, {"depthwise dilated", 1, false, 4}} {
		forward = append(forward, cell{name: k.name, make: func(r *source, d ir.DType) app { return convolution(r, d, k.spatial, k.plain, k.groups, false) }})
		filter = append(filter, cell{name: k.name, make: func(r *source, d ir.DType) app { return convolution(r, d, k.spatial, k.plain, k.groups, true) }})
	}
	// One off the chunks of rule 5.
	forward = append(forward, cell{name: "chunks", make: func(r *source, d ir.DType) app {
		n := pick(r, 511, 512, 513)
		w := ir.NewWindow(2)
		w.Low, w.High = []int{1}, []int{1}
		return app{operands: []operand{{ir.T(d, 1, r.in(1, 3), n), finite}, {ir.T(d, 2, n, r.some()), finite}}, attrs: windowAttrs(w, ir.IntAttr("feature_group_count", 1))}
	}})
	generate("convolution", forward...)
	generate("convolution_filter_grad", filter...)
}

// convolution makes a convolution of finite numbers, or the gradient of its
// filter.
func convolution(r *source, d ir.DType, spatial int, plain bool, groups int, filter bool) app {
	lhs := []int{r.in(0, 2)}
	if lhs[0] == 0 && !r.one(4) {
		lhs[0] = 3
	}
	for range spatial {
		lhs = append(lhs, r.in(1, 6))
	}
	ci, co := groups*pick(r, 1, 2, 3, 5, 8), groups*pick(r, 1, 2, 4, 7, 17)
	if groups == 4 {
		ci, co = 4, pick(r, 4, 8)
	}
	lhs = append(lhs, ci)
	w := window(r, lhs[1:spatial+1], plain)
	attrs := windowAttrs(w, ir.IntAttr("feature_group_count", groups))
	x := operand{ir.T(d, lhs...), finite}
	if filter {
		out := append([]int{lhs[0]}, outputs(w, lhs[1:spatial+1])...)
		return app{operands: []operand{x, {ir.T(d, append(out, co)...), finite}}, attrs: append(attrs, ir.IntsAttr("window", w.Size...))}
	}
	return app{operands: []operand{x, {ir.T(d, append(append([]int{}, w.Size...), ci/groups, co)...), finite}}, attrs: attrs}
}
