package cases

import (
	"fmt"
	"slices"
	"strings"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/plugins/backends/reference"
)

// Fuzzed lists the dtypes that have fuzzed programs: those that the reference
// knows and every backend must know.
func Fuzzed() []ir.DType {
	return slices.DeleteFunc(reference.Backend{}.Info().DTypes, func(d ir.DType) bool { return d == ir.F64 || d == ir.Bool })
}

// ProgramName returns the name of a fuzzed program.
func ProgramName(d ir.DType, i int) string { return fmt.Sprintf("fuzz/%v/%d", d, i) }

// Program returns fuzzed program number i of a dtype: up to two dozen ops, over
// the dtype and f32, i32, u32 and bool, whose operands are what came before.
func Program(seed uint64, d ir.DType, i int) (*Case, error) {
	r := newSource(seed, "fuzz/"+d.String(), i, i)
	w := &writer{source: r, Builder: ir.NewBuilder("fuzz"), main: d, longest: 33, most: 4000}
	for range r.in(1, 4) {
		w.param(ir.T(w.dtype(), w.room(r.shape(0, 4))...))
	}
	return w.program(ProgramName(d, i), r.in(1, 24), i)
}

// longs are sizes of rows around those at which backends cut one: by the
// segments of a fused loop, the parts of threads, pages of memory.
var longs = []int{1023, 2049, 8193, 1024, 4097, 2047, 8191, 1025, 4096, 2048, 8192, 4095}

// LongProgramName returns the name of a program over long rows.
func LongProgramName(d ir.DType, i int) string { return fmt.Sprintf("long/%v/%d", d, i) }

// LongProgram is Program over tensors that a backend does not compute at one
// go: one to a few rows of thousands of elements, and rows and columns that are
// broadcast over them.
func LongProgram(seed uint64, d ir.DType, i int) (*Case, error) {
	r := newSource(seed, "long/"+d.String(), i, i)
	w := &writer{source: r, Builder: ir.NewBuilder("long"), main: d, longest: 1 << 14, most: 1 << 14}
	cols := longs[i%len(longs)]
	rows := r.in(1, min(w.most/cols, 5))
	whole := ir.T(d, rows, cols)
	w.param(whole)
	w.param(whole.As(w.dtype()))
	row, col := w.param(whole.With(cols)), w.param(whole.With(rows))
	w.values = append(w.values, w.BroadcastTo(row, rows, cols), w.BroadcastFront(col, rows, cols))
	return w.program(LongProgramName(d, i), r.in(2, 16), i)
}

// writer writes one random program.
type writer struct {
	*source
	*ir.Builder
	main     ir.DType
	longest  int // dimension of a tensor that is drawn
	most     int // elements of a value that others are made of
	params   []ir.Type
	values   []ir.Value
	operands []ir.Value
}

// param adds a parameter, before all else.
func (w *writer) param(t ir.Type) ir.Value {
	v := w.Param(fmt.Sprintf("x%d", len(w.params)), t)
	w.params, w.values = append(w.params, t), append(w.values, v)
	return v
}

// program writes a number of steps, and makes the case.
func (w *writer) program(name string, steps, variant int) (*Case, error) {
	for range steps {
		w.step()
	}
	used := map[ir.Value]bool{}
	for _, v := range w.operands {
		used[v] = true
	}
	// What nothing uses comes out, and one of the others.
	n := 0
	for k, v := range w.values {
		if !used[v] && k >= len(w.params) || v == w.values[len(w.values)-1] || w.one(12) {
			w.Return(fmt.Sprintf("y%d", n), v)
			n++
		}
	}
	f, err := w.Func()
	if err != nil {
		return nil, fmt.Errorf("program %s: %w", name, err)
	}
	suite, _, _ := strings.Cut(name, "/")
	c := &Case{Name: name, DType: w.main, Cell: suite, Func: f}
	for k, t := range w.params {
		c.Args = append(c.Args, w.fill(t, anyValue, (variant+k)%flavours))
	}
	return c, nil
}

// room bounds the elements of a fuzzed tensor.
func (w *writer) room(shape []int) []int {
	for i := range shape {
		shape[i] = min(shape[i], w.longest)
	}
	for ir.T(ir.U8, shape...).Elements() > w.most/2 {
		shape = shape[1:]
	}
	return shape
}

func (w *writer) dtype() ir.DType {
	return pick(w.source, w.main, w.main, ir.F32, ir.I32, ir.U32, ir.Bool)
}

// value returns a value that ok accepts, or NoValue; later ones are likelier.
func (w *writer) value(ok func(t ir.Type) bool) ir.Value {
	for range 6 {
		k := max(w.n(len(w.values)), w.n(len(w.values)))
		if v := w.values[k]; ok(w.Type(v)) {
			return v
		}
	}
	return ir.NoValue
}

func (w *writer) any() ir.Value { return w.value(func(ir.Type) bool { return true }) }

func (w *writer) float(rank int) ir.Value {
	return w.value(func(t ir.Type) bool { return t.DType.IsFloat() && t.Rank() >= rank })
}

// like returns a value of type t: one that there is, or one made of another.
func (w *writer) like(t ir.Type) ir.Value {
	if v := w.value(t.Equal); v != ir.NoValue && !w.one(4) {
		return v
	}
	if v := w.value(func(u ir.Type) bool { return slices.Equal(u.Shape, t.Shape) }); v != ir.NoValue {
		return w.Convert(v, t.DType)
	}
	if t.Rank() > 0 && t.DType != ir.Bool && w.one(2) {
		return w.Iota(t, w.n(t.Rank()))
	}
	return w.Constant(t, w.fill(ir.T(t.DType), anyValue, w.n(flavours)))
}

// finite returns x with zeros in the place of what is not finite or large:
// contractions of other values need agree in class only (rule 3).
func (w *writer) finite(x ir.Value) ir.Value {
	t := w.Type(x)
	return w.Select(w.Compare("lt", w.Unary("abs", x), w.Full(t, 1024)), x, w.Zeros(t))
}

// step appends one op, or a few where one needs help, and keeps its results.
func (w *writer) step() {
	out := fuzzSteps[w.n(len(fuzzSteps))](w)
	for _, v := range out {
		if v != ir.NoValue && w.Type(v).Elements() <= w.most {
			w.values = append(w.values, v)
		}
	}
}

// uses marks operands, so that what nothing uses can come out.
func (w *writer) uses(vs ...ir.Value) []ir.Value {
	w.operands = append(w.operands, vs...)
	return vs
}

// plain are the elementwise ops of the table.
var plain []*ir.OpDef

var fuzzSteps []func(w *writer) []ir.Value

func init() {
	for _, d := range ir.OpDefs() {
		if d.Group == "elementwise" && generators[d.Name] == nil {
			plain = append(plain, d)
		}
	}
	on := func(f func(w *writer, x ir.Value) ir.Value) func(w *writer) []ir.Value {
		return func(w *writer) []ir.Value {
			x := w.any()
			if x == ir.NoValue {
				return nil
			}
			w.uses(x)
			return []ir.Value{f(w, x)}
		}
	}
	onFloat := func(rank int, f func(w *writer, x ir.Value) ir.Value) func(w *writer) []ir.Value {
		return func(w *writer) []ir.Value {
			x := w.float(rank)
			if x == ir.NoValue {
				return nil
			}
			w.uses(x)
			return []ir.Value{f(w, x)}
		}
	}
	fuzzSteps = []func(w *writer) []ir.Value{
		elementwiseStep, elementwiseStep, elementwiseStep, elementwiseStep, elementwiseStep, elementwiseStep,
		on(func(w *writer, x ir.Value) ir.Value { return w.Convert(x, w.dtype()) }),
		on(func(w *writer, x ir.Value) ir.Value { return w.Reshape(x, w.Type(x).Elements()) }),
		on(func(w *writer, x ir.Value) ir.Value { return w.Transpose(x, w.perm(w.Type(x).Rank())...) }),
		on(func(w *writer, x ir.Value) ir.Value {
			s := w.Type(x).Shape
			start, limit, stride := make([]int, len(s)), make([]int, len(s)), make([]int, len(s))
			for i, n := range s {
				start[i] = w.in(0, min(n, 2))
				limit[i], stride[i] = w.in(start[i], n), w.in(1, 3)
			}
			return w.Slice(x, start, limit, stride)
		}),
		on(func(w *writer, x ir.Value) ir.Value {
			r := w.Type(x).Rank()
			low, high, interior := make([]int, r), make([]int, r), make([]int, r)
			for i := range r {
				low[i], high[i], interior[i] = w.in(0, 1), w.in(0, 2), w.in(0, 1)
			}
			return w.Pad(x, w.like(ir.T(w.Type(x).DType)), low, high, interior)
		}),
		on(func(w *writer, x ir.Value) ir.Value {
			s := append(w.room([]int{w.some()}), w.Type(x).Shape...)
			if len(s) > 5 || ir.T(ir.U8, s...).Elements() > w.most {
				return ir.NoValue
			}
			return w.BroadcastTo(x, s...)
		}),
		on(func(w *writer, x ir.Value) ir.Value {
			s := w.Type(x).Shape
			if len(s) == 0 {
				return ir.NoValue
			}
			y := w.like(w.Type(x))
			w.uses(y)
			return w.Concatenate(w.n(len(s)), x, y)
		}),
		on(func(w *writer, x ir.Value) ir.Value {
			t := w.Type(x)
			kinds := []string{"sum", "max", "min", "prod"}
			if t.DType == ir.Bool {
				kinds = []string{"and", "or"}
			}
			return w.Reduce(kinds[w.n(len(kinds))], x, someDims(w.source, t.Rank())...)
		}),
		on(func(w *writer, x ir.Value) ir.Value {
			t := w.Type(x)
			d := w.n(max(t.Rank(), 1))
			if t.Rank() == 0 || t.DType == ir.Bool || t.Shape[d] == 0 {
				return ir.NoValue
			}
			return w.Argmax(x, d)
		}),
		on(func(w *writer, x ir.Value) ir.Value { // gather
			t := w.Type(x)
			i := w.value(func(t ir.Type) bool { return t.DType.IsInteger() && t.Elements() < 40 && t.Rank() < 3 })
			if t.Rank() == 0 || t.Rank() > 3 || i == ir.NoValue {
				return ir.NoValue
			}
			axis := w.n(t.Rank())
			if t.Shape[axis] == 0 || t.Elements()/t.Shape[axis]*w.Type(i).Elements() > 4000 {
				return ir.NoValue
			}
			w.uses(i)
			return w.Gather(axis, x, i)
		}),
		on(func(w *writer, x ir.Value) ir.Value { // scatter
			t := w.Type(x)
			if t.Rank() == 0 || t.DType == ir.Bool {
				return ir.NoValue
			}
			axis, n := w.n(t.Rank()), w.in(1, 9)
			s := slices.Clone(t.Shape)
			s[axis] = n
			indices := w.Constant(ir.T(ir.I32, n), w.fill(ir.T(ir.I32, n), index(t.Shape[axis]), 0))
			return w.Scatter(pick(w.source, "add", "set", "max", "min", "mul"), axis, x, indices, w.like(t.With(s...)))
		}),
		onFloat(1, func(w *writer, x ir.Value) ir.Value { return w.Softmax(x) }),
		onFloat(1, func(w *writer, x ir.Value) ir.Value {
			row := w.Type(x).With(w.Dim(x, -1))
			return w.LayerNorm(x, w.like(row), w.like(row), 1e-5)
		}),
		onFloat(1, func(w *writer, x ir.Value) ir.Value {
			return w.RMSNorm(x, w.like(w.Type(x).With(w.Dim(x, -1))), 1e-6)
		}),
		onFloat(0, func(w *writer, x ir.Value) ir.Value {
			y := w.like(w.Type(x))
			w.uses(y)
			return w.ReduceDot(x, y, someDims(w.source, w.Type(x).Rank())...)
		}),
		onFloat(0, func(w *writer, x ir.Value) ir.Value {
			return w.Dropout(x, w.Full(ir.T(ir.U32, 4), float64(w.n(100))), pick(w.source, 0.1, 0.5))
		}),
		contractionStep, contractionStep,
		func(w *writer) []ir.Value {
			return []ir.Value{w.RngBitGenerator(w.Full(ir.T(ir.U32, 4), float64(w.n(100))), w.bits(), w.room(w.shape(0, 2))...)}
		},
	}
}

func elementwiseStep(w *writer) []ir.Value {
	x := w.any()
	def := plain[w.n(len(plain))]
	if x == ir.NoValue {
		return nil
	}
	t := w.Type(x)
	types, attrs := make([]ir.Type, len(def.Operands)), []ir.Attr(nil)
	for i, name := range def.Operands {
		types[i] = t
		if name == "predicate" {
			types[i] = t.As(ir.Bool)
		}
	}
	for _, a := range def.Attrs {
		if a.Words == nil {
			return nil
		}
		attrs = append(attrs, ir.StringAttr(a.Name, a.Words[w.n(len(a.Words))]))
	}
	out, err := ir.Infer(def.Name, def.Version, types, attrs)
	if err != nil || slices.ContainsFunc(out, func(t ir.Type) bool { return t.DType == ir.F64 }) {
		return nil
	}
	in := make([]ir.Value, len(types))
	for i, t := range types {
		if in[i] = x; i > 0 || !t.Equal(w.Type(x)) {
			in[i] = w.like(t)
		}
	}
	return w.Op(def.Name, w.uses(in...), attrs...)
}

// contractionStep multiplies a float tensor with another over one dimension of
// each, now and then with itself.
func contractionStep(w *writer) []ir.Value {
	x := w.float(1)
	if x == ir.NoValue {
		return nil
	}
	t := w.Type(x)
	k := w.n(t.Rank())
	y := w.value(func(u ir.Type) bool {
		return u.DType == t.DType && u.Rank() > 0 && slices.Contains(u.Shape, t.Shape[k]) && t.Elements()*u.Elements() < 4000*max(t.Shape[k], 1)*max(t.Shape[k], 1)
	})
	if y == ir.NoValue || t.Rank()+w.Type(y).Rank() > 7 {
		return nil
	}
	w.uses(x, y)
	return []ir.Value{w.DotGeneral(w.finite(x), w.finite(y), ir.DotDims{LHSContract: []int{k}, RHSContract: []int{slices.Index(w.Type(y).Shape, t.Shape[k])}})}
}
