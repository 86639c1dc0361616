package cpu

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/plugins/backends/cpu/internal/isa"
	"github.com/seedbed/seedbed/plugins/backends/reference"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// backends calls test with a backend for every path of this machine and 1 to 3 threads.
func backends(t *testing.T, test func(t *testing.T, b *Backend)) {
	t.Setenv(isa.EnvVar, "")
	for _, p := range isa.Paths() {
		if !p.Supported() {
			t.Logf("this machine cannot run %s", p)
			continue
		}
		for threads := 1; threads <= 3; threads++ {
			t.Run(fmt.Sprintf("%s/%d", p, threads), func(t *testing.T) {
				b, err := New(Options{Threads: threads, Path: p.String()})
				require.NoError(t, err)
				defer b.Close()
				test(t, b)
			})
		}
	}
}

var odd = []float32{
	0, float32(math.Copysign(0, -1)), float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1)),
	1, -1, 0.5, 1.5, 2.5, -2.5, 0x1p-149, -0x1p-140, 0x1p-126, math.MaxFloat32, 88.7, -103.5, 3e9, -3e9,
}

// random draws a tensor. special is the share of odd values among floats.
func random(r *rand.Rand, t ir.Type, special float64) []byte {
	b := make([]byte, t.Bytes())
	size := t.DType.Size()
	for i := range t.Elements() {
		var e [8]byte
		switch {
		case t.DType == ir.Bool:
			e[0] = byte(r.IntN(2))
		case t.DType.IsFloat():
			x := float32(r.NormFloat64())
			if r.Float64() < special {
				x = odd[r.IntN(len(odd))]
			}
			data, _ := ir.Scalar(t.DType, float64(x)) // floats always have one
			copy(e[:], data)
		default:
			bits := uint64(r.IntN(24) - 8)
			if r.IntN(8) == 0 {
				bits = []uint64{0, math.MaxUint64, 1 << 63, 1 << 31, math.MaxInt32, 31, 32, 33, 63, 64, 7, 8}[r.IntN(12)]
			}
			binary.LittleEndian.PutUint64(e[:], bits)
		}
		copy(b[size*i:], e[:size])
	}
	return b
}

func toReference(t *testing.T, typ ir.Type, b []byte) reference.Tensor {
	x, err := reference.Decode(typ, b)
	require.NoError(t, err)
	return x
}

// requireEqual compares a tensor with what the reference gives, to the bit but for the payload of NaNs.
func requireEqual(t *testing.T, want reference.Tensor, b []byte, what string) {
	t.Helper()
	got := toReference(t, want.Type, b)
	if want.Type.DType == ir.Bool { // Decode takes any byte but 0 for true; a backend writes 1
		for i, v := range b {
			require.LessOrEqual(t, v, byte(1), "%s: element %d", what, i)
		}
	}
	require.Equal(t, want.Int, got.Int, what)
	for i, w := range want.F32 {
		g := got.F32[i]
		if w != w && g != g {
			continue
		}
		if math.Float32bits(w) != math.Float32bits(g) {
			require.Failf(t, what, "%v element %d is %v (%08x), must be %v (%08x)", want.Type, i, g, math.Float32bits(g), w, math.Float32bits(w))
		}
	}
}

// program is a function, the bytes of its arguments and what the reference gives for them.
type program struct {
	name string
	f    *ir.Func
	args [][]byte
	want []reference.Tensor
}

func newProgram(t *testing.T, seed uint64, special float64, f *ir.Func, fixed map[string][]byte) program {
	r := rand.New(rand.NewPCG(seed, 7))
	p := program{name: f.Name, f: f}
	var in []reference.Tensor
	for _, q := range f.Params {
		b, ok := fixed[q.Name]
		if !ok {
			b = random(r, q.Type, special)
		}
		p.args = append(p.args, b)
		in = append(in, toReference(t, q.Type, b))
	}
	var err error
	p.want, err = reference.Eval(f, in)
	require.NoError(t, err, f.Name)
	return p
}

func (p program) run(t *testing.T, b *Backend) {
	t.Helper()
	e, err := b.Compile(t.Context(), p.f)
	require.NoError(t, err, p.name)
	defer e.Release()
	for _, how := range []string{"bytes", "buffers", "donated"} {
		// What an earlier run left in the arena must not matter.
		for i := range b.arena {
			b.arena[i] = 0xAB
		}
		args := make([]plugin.Argument, len(p.args))
		for i, a := range p.args {
			args[i].Data = slices.Clone(a)
			if how != "bytes" {
				x, err := b.Upload(t.Context(), p.f.Params[i].Type, a)
				require.NoError(t, err, p.name)
				args[i] = plugin.Argument{Buffer: x, Donate: how == "donated"}
			}
		}
		out, err := e.Execute(t.Context(), args)
		require.NoError(t, err, p.name)
		require.Len(t, out, len(p.want))
		for i, x := range out {
			require.True(t, x.Type().Equal(p.want[i].Type))
			data := make([]byte, x.Type().Bytes())
			require.NoError(t, x.Download(t.Context(), data))
			requireEqual(t, p.want[i], data, fmt.Sprintf("%s result %q, %s", p.name, p.f.Results[i].Name, how))
			x.Release()
		}
		for i, a := range args {
			switch how {
			case "bytes":
				require.Equal(t, p.args[i], a.Data, "%s changes argument %d", p.name, i)
			case "buffers":
				data := make([]byte, len(p.args[i]))
				require.NoError(t, a.Buffer.Download(t.Context(), data))
				require.Equal(t, p.args[i], data, "%s changes argument %d", p.name, i)
			default:
				require.Error(t, a.Buffer.Download(t.Context(), make([]byte, len(p.args[i]))), "a donated buffer is released")
			}
		}
	}
}

// single is a program of one op.
func single(t *testing.T, name string, in []ir.Type, attrs ...ir.Attr) *ir.Func {
	t.Helper()
	b := ir.NewBuilder(name)
	var vs []ir.Value
	for i, typ := range in {
		vs = append(vs, b.Param(fmt.Sprintf("p%d", i), typ))
	}
	b.Return("r", b.Op(name, vs, attrs...)[0])
	f, err := b.Func()
	require.NoError(t, err, name)
	return f
}

// several is single for an op with several results.
func several(t *testing.T, name string, in []ir.Type, attrs ...ir.Attr) *ir.Func {
	t.Helper()
	b := ir.NewBuilder(name)
	var vs []ir.Value
	for i, typ := range in {
		vs = append(vs, b.Param(fmt.Sprintf("p%d", i), typ))
	}
	for i, v := range b.Op(name, vs, attrs...) {
		b.Return(fmt.Sprintf("r%d", i), v)
	}
	f, err := b.Func()
	require.NoError(t, err, name)
	return f
}

func ints(dims ...int) []int { return dims }

func square(size, stride, padding int) ir.Window {
	w := ir.NewWindow(size, size)
	w.Stride, w.Low, w.High = ints(stride, stride), ints(padding, padding), ints(padding, padding)
	return w
}

func windowAttrs(w ir.Window, more ...ir.Attr) []ir.Attr {
	return append(more, ir.IntsAttr("stride", w.Stride...), ir.IntsAttr("low", w.Low...), ir.IntsAttr("high", w.High...),
		ir.IntsAttr("base_dilation", w.BaseDilation...), ir.IntsAttr("window_dilation", w.Dilation...))
}

// control adds a loop with a case in it, whose branches pass on what they are given in another order.
func control(t *testing.T, d ir.DType, add func(special float64, f *ir.Func)) {
	x, count := ir.T(d, 70, 301), ir.T(ir.I32)
	function := func(name string, build func(b *ir.Builder, v []ir.Value) []ir.Value) *ir.Func {
		b := ir.NewBuilder(name)
		in := []ir.Value{b.Param("n", count), b.Param("x", x), b.Param("y", x)}
		for i, v := range build(b, in) {
			b.Return(fmt.Sprintf("r%d", i), v)
		}
		f, err := b.Func()
		require.NoError(t, err)
		return f
	}
	swap := function("swap", func(b *ir.Builder, v []ir.Value) []ir.Value { return []ir.Value{v[2], v[1]} })
	add2 := function("add", func(b *ir.Builder, v []ir.Value) []ir.Value {
		return []ir.Value{b.Exp(b.Negate(b.Add(v[1], v[2]))), v[2]}
	})
	twice := function("twice", func(b *ir.Builder, v []ir.Value) []ir.Value { return []ir.Value{v[1], v[1]} })
	condition := function("condition", func(b *ir.Builder, v []ir.Value) []ir.Value {
		return []ir.Value{b.Compare("gt", v[0], b.Zeros(count))}
	})
	body := function("body", func(b *ir.Builder, v []ir.Value) []ir.Value {
		next := b.Case(v[0], []*ir.Func{twice, add2, swap}, v...)
		return append([]ir.Value{b.Sub(v[0], b.Full(count, 1))}, next...)
	})
	for n := range int32(5) {
		add(0, function("while", func(b *ir.Builder, v []ir.Value) []ir.Value {
			return append(b.While(condition, body, b.Full(count, float64(n)), v[1], v[2]), b.Case(v[0], []*ir.Func{swap, add2}, v...)...)
		}))
		add(0, function("case", func(b *ir.Builder, v []ir.Value) []ir.Value {
			return b.Case(b.Full(count, float64(n-1)), []*ir.Func{twice, add2, swap}, v...)
		}))
	}
}

// convolutions adds convolutions, the gradients of their filters, and of max pools.
func convolutions(t *testing.T, d ir.DType, add func(special float64, f *ir.Func)) {
	conv := func(lhs, kernel []int, groups int, w ir.Window) {
		f := single(t, "convolution", []ir.Type{ir.T(d, lhs...), ir.T(d, kernel...)}, windowAttrs(w, ir.IntAttr("feature_group_count", groups))...)
		add(0, f)
		ct := f.Ops[0].Results[0]
		n := len(kernel) - 2
		add(0, single(t, "convolution_filter_grad", []ir.Type{ir.T(d, lhs...), ct}, windowAttrs(w, ir.IntAttr("feature_group_count", groups), ir.IntsAttr("window", kernel[:n]...))...))
	}
	conv(ints(2, 9, 8, 5), ints(3, 3, 5, 7), 1, square(3, 1, 1))
	conv(ints(2, 9, 8, 5), ints(3, 3, 5, 7), 1, square(3, 2, 1))
	conv(ints(2, 9, 8, 5), ints(1, 1, 5, 33), 1, square(1, 1, 0))
	conv(ints(2, 9, 8, 5), ints(1, 1, 5, 3), 1, square(1, 2, 0))
	conv(ints(1, 12, 11, 6), ints(5, 3, 2, 9), 3, ir.Window{Stride: ints(2, 1), Low: ints(4, -1), High: ints(-2, 5), BaseDilation: ints(1, 2), Dilation: ints(2, 1)})
	conv(ints(3, 7, 4), ints(3, 1, 4), 4, ir.Window{Stride: ints(1), Low: ints(1), High: ints(1), BaseDilation: ints(3), Dilation: ints(1)})
	// As the input's gradients of strided convolutions: chunks of rule 5 that end within a tap, and outputs that meet no tap.
	conv(ints(2, 4, 5, 130), ints(3, 3, 130, 5), 1, ir.Window{Stride: ints(1, 1), Low: ints(1, 1), High: ints(2, 1), BaseDilation: ints(2, 2), Dilation: ints(1, 1)})
	conv(ints(2, 3, 4, 600), ints(1, 2, 300, 6), 2, ir.Window{Stride: ints(1, 1), Low: ints(0, 0), High: ints(1, 2), BaseDilation: ints(2, 3), Dilation: ints(1, 1)})
	conv(ints(1, 3, 4, 5, 2), ints(2, 3, 2, 2, 3), 1, ir.NewWindow(2, 3, 2))
	conv(ints(2, 3, 3, 4), ints(5, 5, 4, 3), 1, square(5, 1, 0)) // no output
	conv(ints(0, 5, 5, 4), ints(3, 3, 4, 3), 1, square(3, 1, 1))
	conv(ints(2, 5, 5, 0), ints(3, 3, 0, 3), 1, square(3, 1, 1)) // a sum over nothing
	if d == ir.F32 {
		conv(ints(2, 6, 5, 70), ints(3, 3, 70, 33), 1, square(3, 1, 1))    // two chunks of k
		conv(ints(1, 93, 92, 3), ints(3, 3, 3, 5), 1, square(3, 1, 1))     // two super-chunks of rows
		conv(ints(3, 92, 90, 2), ints(1, 1, 1, 4), 2, square(1, 1, 0))     // four
		conv(ints(1, 2, 2, 1030), ints(3, 3, 1030, 2), 1, square(3, 1, 1)) // two super-chunks
	}
	for _, kind := range []string{"max", "min"} {
		w := square(3, 2, 1).Spatial()
		add(0.3, single(t, "select_and_scatter", []ir.Type{ir.T(d, 3, 9, 8, 5), ir.T(d, 3, 5, 4, 5)}, windowAttrs(w, ir.IntsAttr("window", w.Size...), ir.StringAttr("kind", kind))...))
		w = ir.Window{Size: ints(3, 2), Stride: ints(1, 1), Low: ints(2, 5), High: ints(2, 0), BaseDilation: ints(1, 2), Dilation: ints(1, 1)}
		add(0.3, single(t, "select_and_scatter", []ir.Type{ir.T(d, 6, 4), ir.T(d, 8, 11)}, windowAttrs(w, ir.IntsAttr("window", w.Size...), ir.StringAttr("kind", kind))...))
	}
}

// everyOp makes programs that together use every primitive.
func everyOp(t *testing.T) []program {
	var ps []program
	add := func(special float64, f *ir.Func) {
		ps = append(ps, newProgram(t, uint64(len(ps)), special, f, nil))
	}
	dtypes := known
	// Elementwise ops with each dtype for which the op table defines them.
	for name := range lowerings {
		d := ir.LookupOp(name)
		if d.Group != "elementwise" || len(d.Attrs) > 0 || name == "select" {
			continue
		}
		for _, dt := range dtypes {
			for _, shape := range [][]int{{}, {0}, {7, 37}, {40001}} {
				in := slices.Repeat([]ir.Type{ir.T(dt, shape...)}, len(d.Operands))
				if _, err := ir.Infer(name, d.Version, in, nil); err != nil || len(shape) == 1 && shape[0] > 1 && dt != ir.F32 && dt != ir.I32 {
					continue
				}
				add(0.3, single(t, name, in))
			}
		}
	}
	for _, dt := range dtypes {
		x := ir.T(dt, 3, 50)
		for _, dir := range []string{"eq", "ne", "lt", "le", "gt", "ge"} {
			add(0.5, single(t, "compare", []ir.Type{x, x}, ir.StringAttr("direction", dir)))
		}
		add(0.5, single(t, "select", []ir.Type{x.As(ir.Bool), x, x}))
		for _, to := range dtypes {
			add(0.5, single(t, "convert", []ir.Type{x}, ir.DTypeAttr("dtype", to)))
		}
		if dt != ir.Bool {
			for d := range 3 {
				add(0, single(t, "iota", nil, ir.DTypeAttr("dtype", dt), ir.IntsAttr("shape", 3, 4, 5), ir.IntAttr("dimension", d)))
				add(0.3, single(t, "argmax", []ir.Type{ir.T(dt, 5, 4, 33)}, ir.IntAttr("dimension", d)))
				add(0.3, single(t, "argmin", []ir.Type{ir.T(dt, 5, 4, 33)}, ir.IntAttr("dimension", d)))
				for _, back := range []bool{false, true} {
					add(0.05, single(t, "cumsum", []ir.Type{ir.T(dt, 5, 4, 33)}, ir.IntAttr("dimension", d), ir.BoolAttr("reverse", back)))
					add(0.3, single(t, "sort", []ir.Type{ir.T(dt, 5, 4, 33)}, ir.IntAttr("dimension", d), ir.BoolAttr("descending", back)))
				}
			}
		}
		c := random(rand.New(rand.NewPCG(1, 1)), ir.T(dt, 6), 0.5)
		add(0, single(t, "constant", nil, ir.DTypeAttr("dtype", dt), ir.IntsAttr("shape", 2, 3), ir.BytesAttr("value", c)))
		add(0, single(t, "constant", nil, ir.DTypeAttr("dtype", dt), ir.IntsAttr("shape", 2, 3), ir.BytesAttr("value", c[:dt.Size()])))
		y := ir.T(dt, 4, 5, 6)
		add(0.2, single(t, "reshape", []ir.Type{y}, ir.IntsAttr("shape", 6, 20)))
		for _, p := range [][]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}} {
			add(0.2, single(t, "transpose", []ir.Type{y}, ir.IntsAttr("permutation", p...)))
			add(0.2, single(t, "transpose", []ir.Type{ir.T(dt, 3, 65, 130)}, ir.IntsAttr("permutation", p...)))
		}
		add(0.2, single(t, "broadcast_in_dim", []ir.Type{ir.T(dt, 4, 1, 6)}, ir.IntsAttr("shape", 4, 3, 5, 6), ir.IntsAttr("dimensions", 0, 2, 3)))
		add(0.2, single(t, "broadcast_in_dim", []ir.Type{ir.T(dt, 200)}, ir.IntsAttr("shape", 200, 301), ir.IntsAttr("dimensions", 0)))
		add(0.2, single(t, "broadcast_in_dim", []ir.Type{ir.T(dt)}, ir.IntsAttr("shape", 3, 0), ir.IntsAttr("dimensions")))
		add(0.2, single(t, "slice", []ir.Type{y}, ir.IntsAttr("start", 1, 0, 2), ir.IntsAttr("limit", 4, 5, 6), ir.IntsAttr("stride", 2, 1, 3)))
		add(0.2, single(t, "pad", []ir.Type{y, ir.T(dt)}, ir.IntsAttr("low", 1, 0, 2), ir.IntsAttr("high", 0, 3, 1), ir.IntsAttr("interior", 2, 0, 1)))
		start := ir.T(ir.I32, 3)
		add(0.2, single(t, "dynamic_slice", []ir.Type{y, start}, ir.IntsAttr("shape", 2, 5, 3)))
		add(0.2, single(t, "dynamic_update_slice", []ir.Type{y, ir.T(dt, 2, 1, 5), start}))
		add(0.2, single(t, "reverse", []ir.Type{y}, ir.IntsAttr("dimensions", 0, 2)))
		for _, to := range dtypes {
			if to.Size() == dt.Size() && (to == ir.Bool) == (dt == ir.Bool) {
				add(0.5, single(t, "bitcast_convert", []ir.Type{y}, ir.DTypeAttr("dtype", to)))
			}
		}
		if dt != ir.Bool {
			add(0.3, several(t, "top_k", []ir.Type{y}, ir.IntAttr("k", 4)))
			for _, pt := range dtypes {
				add(0.3, several(t, "sort", []ir.Type{y, y.As(pt)}, ir.IntAttr("dimension", 1), ir.BoolAttr("descending", true)))
			}
			for _, kind := range []string{"sum", "prod", "max", "min"} {
				for _, w := range []ir.Window{square(3, 2, 1).Spatial(), square(2, 1, 0).Spatial(), {
					Size: ints(2, 3, 1, 2), Stride: ints(1, 2, 3, 1), Low: ints(1, -1, 0, 1), High: ints(0, 3, 1, -1), BaseDilation: ints(1, 2, 1, 3), Dilation: ints(1, 1, 2, 2),
				}} {
					add(0.02, single(t, "reduce_window", []ir.Type{ir.T(dt, 2, 9, 8, 5)}, windowAttrs(w, ir.IntsAttr("window", w.Size...), ir.StringAttr("kind", kind))...))
				}
			}
		}
		for d := range 3 {
			b, c := slices.Clone(y.Shape), slices.Clone(y.Shape)
			b[d], c[d] = 0, 3
			add(0.2, single(t, "concatenate", []ir.Type{y, ir.T(dt, b...), ir.T(dt, c...), y}, ir.IntAttr("dimension", d)))
			for _, it := range []ir.DType{ir.I32, ir.I64, ir.U8, ir.U32, ir.U64} {
				add(0.2, single(t, "gather", []ir.Type{y, ir.T(it, 3, 7)}, ir.IntAttr("axis", d)))
				updates := slices.Concat(y.Shape[:d], ints(3, 7), y.Shape[d+1:])
				for _, mode := range []string{"set", "add", "mul", "min", "max"} {
					if dt == ir.Bool && mode != "set" {
						continue
					}
					add(0.1, single(t, "scatter", []ir.Type{y, ir.T(it, 3, 7), ir.T(dt, updates...)}, ir.IntAttr("axis", d), ir.StringAttr("mode", mode)))
				}
			}
		}
		for _, kind := range []string{"sum", "prod", "max", "min", "and", "or"} {
			for i, dims := range [][]int{{}, {0}, {1}, {2}, {0, 1}, {1, 2}, {0, 2}, {0, 1, 2}, {1, 3}, {0, 2, 3}} {
				for _, shape := range [][]int{{6, 5, 7, 3}, {2, 1, 9, 33}, {3, 0, 2, 4}} {
					in := []ir.Type{ir.T(dt, shape...)}
					as := []ir.Attr{ir.IntsAttr("dimensions", dims...), ir.StringAttr("kind", kind)}
					if _, err := ir.Infer("reduce", 1, in, as); err == nil {
						add(float64(i%2)*0.05, single(t, "reduce", in, as...))
					}
				}
			}
		}
	}
	// Sums of several blocks.
	for _, c := range []struct{ shape, dims []int }{
		{ints(2, 9001), ints(1)}, {ints(9001, 3), ints(0)}, {ints(4097, 130), ints(0)}, {ints(2, 4100, 5), ints(1)},
		{ints(2, 2, 17), ints(0, 1)}, {ints(3, 5, 2, 7, 2, 48), ints(2, 4)}, {ints(4, 3, 8, 1100), ints(0, 2)}, {ints(2, 16, 2, 16), ints(0, 2)}, {ints(0, 2, 16), ints(1)}, {ints(3, 1, 16), ints(1)},
		{ints(70, 3, 70), ints(0, 2)}, {ints(5, 7, 3), ints(0, 2)}, {ints(1, 5, 1), ints(0, 2)}, {ints(0, 3), ints(0)},
	} {
		x := ir.T(ir.F32, c.shape...)
		add(0, single(t, "reduce", []ir.Type{x}, ir.IntsAttr("dimensions", c.dims...), ir.StringAttr("kind", "sum")))
		add(0, single(t, "reduce_dot", []ir.Type{x, x}, ir.IntsAttr("dimensions", c.dims...)))
	}
	dot := func(l, r []int, d ir.DotDims) {
		add(0, single(t, "dot_general", []ir.Type{ir.T(ir.F32, l...), ir.T(ir.F32, r...)},
			ir.IntsAttr("lhs_batching_dimensions", d.LHSBatch...), ir.IntsAttr("rhs_batching_dimensions", d.RHSBatch...),
			ir.IntsAttr("lhs_contracting_dimensions", d.LHSContract...), ir.IntsAttr("rhs_contracting_dimensions", d.RHSContract...)))
	}
	dot(ints(5, 7, 70), ints(70, 33), ir.DotDims{LHSContract: ints(2), RHSContract: ints(0)})
	dot(ints(37, 70), ints(33, 70), ir.DotDims{LHSContract: ints(1), RHSContract: ints(1)})
	dot(ints(1100, 9), ints(1100, 17), ir.DotDims{LHSContract: ints(0), RHSContract: ints(0)})
	dot(ints(3, 8, 9), ints(3, 8, 17), ir.DotDims{LHSContract: ints(0, 1), RHSContract: ints(0, 1)})
	dot(ints(3, 8, 9), ints(3, 8, 17), ir.DotDims{LHSContract: ints(1, 0), RHSContract: ints(1, 0)})
	dot(ints(4, 9, 5, 6), ints(5, 4, 6, 7), ir.DotDims{LHSContract: ints(0, 2), RHSContract: ints(1, 0)})
	// Attention: [B,S,H,D] by [B,T,H,D] over D, and [B,H,S,T] by [B,T,H,D] over T.
	dot(ints(2, 11, 3, 16), ints(2, 13, 3, 16), ir.DotDims{LHSBatch: ints(0, 2), RHSBatch: ints(0, 2), LHSContract: ints(3), RHSContract: ints(3)})
	dot(ints(2, 3, 11, 13), ints(2, 13, 3, 16), ir.DotDims{LHSBatch: ints(0, 1), RHSBatch: ints(0, 2), LHSContract: ints(3), RHSContract: ints(1)})
	dot(ints(4, 5), ints(6), ir.DotDims{})
	dot(ints(4, 5), ints(4, 5), ir.DotDims{LHSBatch: ints(0, 1), RHSBatch: ints(0, 1)})
	dot(ints(4, 0), ints(0, 5), ir.DotDims{LHSContract: ints(1), RHSContract: ints(0)})
	dot(ints(0, 4, 2), ints(0, 2, 5), ir.DotDims{LHSBatch: ints(0), RHSBatch: ints(0), LHSContract: ints(2), RHSContract: ints(1)})
	for _, d := range []ir.DType{ir.F32, ir.BF16} {
		control(t, d, add)
		convolutions(t, d, add)
	}
	for _, n := range []int{0, 1, 7, 40003} {
		add(0, single(t, "random_normal", []ir.Type{ir.T(ir.U32, 4)}, ir.IntsAttr("shape", n), ir.IntAttr("stream", 5)))
		add(0, single(t, "rng_bit_generator", []ir.Type{ir.T(ir.U32, 4)}, ir.IntsAttr("shape", n), ir.IntAttr("stream", 5)))
	}
	return ps
}

func TestConvolutionsInBlocks(t *testing.T) {
	whole := phaseElements
	t.Cleanup(func() { phaseElements = whole })
	var ps []program
	convolutions(t, ir.F32, func(special float64, f *ir.Func) { ps = append(ps, newProgram(t, uint64(len(ps)), special, f, nil)) })
	backends(t, func(t *testing.T, b *Backend) {
		for _, phaseElements = range []int{1, 700} {
			for _, p := range ps {
				p.run(t, b)
			}
		}
	})
}

func TestEveryPrimitiveIsTheReferences(t *testing.T) {
	ps := everyOp(t)
	tested := map[string]bool{}
	for _, p := range ps {
		for _, op := range p.f.Ops {
			tested[op.Name] = true
		}
	}
	for _, d := range ir.OpDefs() {
		if !d.IsComposite() {
			assert.Contains(t, lowerings, d.Name, "the backend lacks a primitive")
			assert.True(t, tested[d.Name], "%s is not tested", d.Name)
		}
	}
	backends(t, func(t *testing.T, b *Backend) {
		for _, p := range ps {
			p.run(t, b)
		}
	})
}
