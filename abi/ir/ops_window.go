package ir

import (
	"math"
	"slices"
)

// Ops that slide a window over a tensor: pooling and the gradient of max
// pooling. The window's attributes are one list entry for each dimension.

// Window describes how a window slides over the dimensions of a tensor: all
// of them for reduce_window, the spatial ones for a convolution.
type Window struct {
	Size, Stride []int
	// Low and High are the positions added before and after, negative where
	// positions are left out.
	Low, High []int
	// BaseDilation puts BaseDilation - 1 empty positions between two elements
	// of the operand; Dilation spreads the window's taps as far.
	BaseDilation, Dilation []int
}

const slides = " Output o and tap k meet the operand at p / base_dilation for p = o * stride + k * window_dilation - low; a tap whose p is negative, past the last element, or no multiple of base_dilation is padding."

func windowAttrs() []AttrDef {
	return []AttrDef{
		{Name: "stride", Kind: AttrInts, Doc: "steps between two windows, at least 1"},
		{Name: "low", Kind: AttrInts, Doc: "positions put before the operand; left out where negative"},
		{Name: "high", Kind: AttrInts, Doc: "positions put after the operand; left out where negative"},
		{Name: "base_dilation", Kind: AttrInts, Doc: "distance of two neighbouring elements of the operand, at least 1"},
		{Name: "window_dilation", Kind: AttrInts, Doc: "distance of two neighbouring taps of the window, at least 1"},
	}
}

var windowSize = AttrDef{Name: "window", Kind: AttrInts, Doc: "taps of the window, at least 1 in each dimension and at most 2^24 in all"}

// WindowOf reads the window of an op; of a convolution all but its size.
func WindowOf(as Attrs) Window {
	return Window{
		Size: as.Ints("window"), Stride: as.Ints("stride"), Low: as.Ints("low"), High: as.Ints("high"),
		BaseDilation: as.Ints("base_dilation"), Dilation: as.Ints("window_dilation"),
	}
}

func (w Window) attrs() []Attr {
	return []Attr{
		IntsAttr("stride", w.Stride...), IntsAttr("low", w.Low...), IntsAttr("high", w.High...),
		IntsAttr("base_dilation", w.BaseDilation...), IntsAttr("window_dilation", w.Dilation...),
	}
}

// NewWindow returns a window of the given size that takes steps of 1, without
// padding or dilation.
func NewWindow(size ...int) Window {
	ones, zeros := slices.Repeat([]int{1}, len(size)), make([]int, len(size))
	return Window{Size: size, Stride: ones, Low: zeros, High: zeros, BaseDilation: ones, Dilation: ones}
}

// Output returns the number of outputs along dimension d of an operand that
// has n elements there.
func (w Window) Output(d, n int) int {
	base := max(n-1, 0)*w.BaseDilation[d] + min(n, 1)
	room := w.Low[d] + base + w.High[d] - ((w.Size[d]-1)*w.Dilation[d] + 1)
	if room < 0 {
		return 0
	}
	return room/w.Stride[d] + 1
}

// At returns the index that tap k of output o meets along dimension d of an
// operand that has n elements there; ok is false for padding.
func (w Window) At(d, n, o, k int) (i int, ok bool) {
	p := o*w.Stride[d] + k*w.Dilation[d] - w.Low[d]
	if p < 0 || p%w.BaseDilation[d] != 0 {
		return 0, false
	}
	p /= w.BaseDilation[d]
	return p, p < n
}

// back is the window over the outputs whose taps are the outputs that an
// element of the operand, of the given shape, was part of: ascending outputs,
// so descending taps.
func (w Window) back(shape []int) Window {
	b := Window{Size: w.Size, Stride: w.BaseDilation, BaseDilation: w.Stride, Dilation: w.Dilation}
	for d, n := range shape {
		reach := (w.Size[d] - 1) * w.Dilation[d]
		low := reach - w.Low[d]
		b.Low = append(b.Low, low)
		// As many outputs as the operand has elements.
		outputs := w.Output(d, n)
		base := max(outputs-1, 0)*w.Stride[d] + min(outputs, 1)
		b.High = append(b.High, max(n-1, 0)*w.BaseDilation[d]+reach+1-low-base)
	}
	return b
}

// window checks a window over rank dimensions.
func (c *inference) window(rank int) Window {
	w := WindowOf(c.attrs)
	const most = math.MaxInt32
	entries := func(attr string, l []int, least int) {
		c.require(len(l) == rank, "%s has %d entries, must have %d", attr, len(l), rank)
		for _, v := range l {
			c.require(v >= least && v <= most, "%s: %d is outside %d to %d", attr, v, least, most)
		}
	}
	entries("stride", w.Stride, 1)
	entries("low", w.Low, -most)
	entries("high", w.High, -most)
	entries("base_dilation", w.BaseDilation, 1)
	entries("window_dilation", w.Dilation, 1)
	return w
}

// MaxTaps bounds the positions of a window, so that a small program cannot ask
// for endless work.
const MaxTaps = 1 << 24

func (c *inference) bounded(taps []int) {
	n := 1
	for _, k := range taps {
		c.require(k >= 1 && k <= MaxTaps/n, "window %v does not have 1 to %d taps", taps, MaxTaps)
		n *= k
	}
}

// taps checks the size of a window over rank dimensions.
func (c *inference) taps(rank int) []int {
	l := c.attrs.Ints("window")
	c.require(len(l) == rank, "window has %d entries, must have %d", len(l), rank)
	c.bounded(l)
	return l
}

func (c *inference) windowed(i int) (w Window, out Type) {
	t := c.in[i]
	w = c.window(t.Rank())
	c.taps(t.Rank())
	shape := make([]int, t.Rank())
	for d, n := range t.Shape {
		shape[d] = w.Output(d, n)
	}
	return w, t.With(shape...)
}

func init() {
	define(
		&OpDef{
			Name: "reduce_window", Group: "window",
			Doc:      "Combines the elements under each position of a window, of all dimensions." + slides + " A window of padding alone gives what reduce gives over nothing.",
			Numerics: "A chain from +0 for sum, 1 for prod and the identity of max and min (rule 4), in row-major order of the taps; padding is skipped. bf16 and f16 are chained in f32 and rounded once.",
			Operands: []string{"operand"}, Results: []string{"result"},
			Attrs: append(windowAttrs(), windowSize, AttrDef{Name: "kind", Kind: AttrString, Words: []string{"max", "min", "prod", "sum"}, Doc: "how elements combine"}),
			infer: func(c *inference) []Type {
				c.require(c.in[0].DType != Bool, "is not defined for %v", c.in[0])
				_, t := c.windowed(0)
				return []Type{t}
			},
			grad: func(g *Gradient) []Value {
				w := WindowOf(g.Op.Attrs)
				switch kind := g.Op.Attrs.Str("kind"); kind {
				case "sum":
					return []Value{g.B.ReduceWindow("sum", g.Ct[0], w.back(g.B.Type(g.In[0]).Shape))}
				case "max", "min":
					return []Value{g.B.SelectAndScatter(kind, g.In[0], g.Ct[0], w)}
				default:
					g.B.Fail("reduce_window has no gradient for kind %s", kind)
					return noValues(1)
				}
			},
		},
		&OpDef{
			Name: "select_and_scatter", Group: "window",
			Doc:      "The gradient of pooling by maximum or minimum: each source element goes to the element that its window selects, the largest or smallest; the first tap wins a tie, a NaN before all numbers. Elements that receive nothing are +0, and a window of padding alone drops its source." + slides,
			Numerics: "What reaches one element is a chain of additions from +0 in ascending, row-major order of the sources; bf16 and f16 are chained in f32 and rounded once.",
			Operands: []string{"operand", "source"}, Results: []string{"result"},
			Attrs: append(windowAttrs(), windowSize, AttrDef{Name: "kind", Kind: AttrString, Words: []string{"max", "min"}, Doc: "what a window selects"}),
			infer: func(c *inference) []Type {
				c.float(0)
				_, t := c.windowed(0)
				c.sameAs(1, t)
				return []Type{c.in[0]}
			},
		},
	)
}

// ReduceWindow combines the elements under each position of a window over all
// dimensions of x; kind is sum, prod, max or min.
func (b *Builder) ReduceWindow(kind string, x Value, w Window) Value {
	return b.one("reduce_window", []Value{x}, append(w.attrs(), IntsAttr("window", w.Size...), StringAttr("kind", kind))...)
}

// SelectAndScatter adds each element of source to the element of x that its
// window selects; kind is max or min.
func (b *Builder) SelectAndScatter(kind string, x, source Value, w Window) Value {
	return b.one("select_and_scatter", []Value{x, source}, append(w.attrs(), IntsAttr("window", w.Size...), StringAttr("kind", kind))...)
}

// Spatial widens a window over the spatial dimensions of [N, spatial..., C] to
// one over all dimensions.
func (w Window) Spatial() Window {
	wrap := func(l []int, v int) []int { return slices.Concat([]int{v}, l, []int{v}) }
	return Window{
		Size: wrap(w.Size, 1), Stride: wrap(w.Stride, 1), Low: wrap(w.Low, 0), High: wrap(w.High, 0),
		BaseDilation: wrap(w.BaseDilation, 1), Dilation: wrap(w.Dilation, 1),
	}
}

// MaxPool takes the maximum of each window over the spatial dimensions of x
// [N, spatial..., C].
func (b *Builder) MaxPool(x Value, w Window) Value { return b.ReduceWindow("max", x, w.Spatial()) }

// AvgPool takes the mean of each window over the spatial dimensions of x
// [N, spatial..., C]: the sum divided by the number of taps, or, unless
// countPadding, of taps that are not padding.
func (b *Builder) AvgPool(x Value, w Window, countPadding bool) Value {
	w = w.Spatial()
	y := b.ReduceWindow("sum", x, w)
	t := b.Type(y)
	if countPadding {
		n := 1
		for _, k := range w.Size {
			n *= k
		}
		return b.Div(y, b.Full(t, float64(n)))
	}
	return b.Div(y, b.ReduceWindow("sum", b.Full(b.Type(x), 1), w))
}
