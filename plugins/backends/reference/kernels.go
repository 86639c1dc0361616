package reference

import (
	"fmt"
	"math"
	"slices"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/numerics"
)

// kernels are the primitives that are not elementwise over one or two
// operands of one dtype.
var kernels = map[string]func(op *ir.Op, in []Tensor, out Tensor) error{
	"constant":                constant,
	"iota":                    iota_,
	"broadcast_in_dim":        broadcastInDim,
	"reshape":                 reshape,
	"transpose":               transpose,
	"slice":                   slice,
	"concatenate":             concatenate,
	"pad":                     pad,
	"gather":                  gather,
	"scatter":                 scatter,
	"convert":                 convert,
	"compare":                 compare,
	"select":                  select_,
	"fma":                     fma,
	"dot_general":             dotGeneral,
	"reduce":                  reduce,
	"reduce_dot":              reduceDot,
	"argmax":                  argExtreme,
	"argmin":                  argExtreme,
	"dynamic_slice":           dynamicSlice,
	"dynamic_update_slice":    dynamicUpdateSlice,
	"reverse":                 reverse,
	"bitcast_convert":         bitcastConvert,
	"reduce_window":           reduceWindow,
	"select_and_scatter":      selectAndScatter,
	"convolution":             convolution,
	"convolution_filter_grad": convolutionFilterGrad,
	"cumsum":                  cumsum,
	"is_finite":               isFinite,
	"random_normal":           randomNormal,
	"rng_bit_generator":       rngBitGenerator,
}

func constant(op *ir.Op, _ []Tensor, out Tensor) error {
	data := op.Attrs.Bytes("value")
	x, err := Decode(ir.T(out.Type.DType, len(data)/out.Type.DType.Size()), data)
	if err != nil {
		return err
	}
	for i := range out.Type.Elements() {
		out.copyElement(i, x, i%x.Type.Elements())
	}
	return nil
}

func iota_(op *ir.Op, _ []Tensor, out Tensor) error {
	d := op.Attrs.Int("dimension")
	each(out.Type.Shape, func(n int, index []int) {
		switch {
		case out.single():
			out.F32[n] = float32(index[d])
		case out.Type.DType == ir.F64:
			out.F64[n] = float64(index[d])
		default:
			out.Int[n] = wrap(out.Type.DType, int64(index[d]))
		}
	})
	return nil
}

func broadcastInDim(op *ir.Op, in []Tensor, out Tensor) error {
	dims, strides := op.Attrs.Ints("dimensions"), in[0].Type.Strides()
	each(out.Type.Shape, func(n int, index []int) {
		o := 0
		for i, d := range dims {
			if in[0].Type.Shape[i] != 1 {
				o += strides[i] * index[d]
			}
		}
		out.copyElement(n, in[0], o)
	})
	return nil
}

func reshape(_ *ir.Op, in []Tensor, out Tensor) error {
	copy(out.F32, in[0].F32)
	copy(out.F64, in[0].F64)
	copy(out.Int, in[0].Int)
	return nil
}

func transpose(op *ir.Op, in []Tensor, out Tensor) error {
	p, strides := op.Attrs.Ints("permutation"), in[0].Type.Strides()
	each(out.Type.Shape, func(n int, index []int) {
		o := 0
		for i, d := range p {
			o += strides[d] * index[i]
		}
		out.copyElement(n, in[0], o)
	})
	return nil
}

func slice(op *ir.Op, in []Tensor, out Tensor) error {
	start, stride, strides := op.Attrs.Ints("start"), op.Attrs.Ints("stride"), in[0].Type.Strides()
	each(out.Type.Shape, func(n int, index []int) {
		o := 0
		for i := range index {
			o += strides[i] * (start[i] + index[i]*stride[i])
		}
		out.copyElement(n, in[0], o)
	})
	return nil
}

func concatenate(op *ir.Op, in []Tensor, out Tensor) error {
	d, first, strides := op.Attrs.Int("dimension"), 0, out.Type.Strides()
	for _, x := range in {
		each(x.Type.Shape, func(n int, index []int) {
			out.copyElement(at(strides, index)+first*strides[d], x, n)
		})
		first += x.Type.Shape[d]
	}
	return nil
}

func pad(op *ir.Op, in []Tensor, out Tensor) error {
	low, interior, strides := op.Attrs.Ints("low"), op.Attrs.Ints("interior"), out.Type.Strides()
	for i := range out.Type.Elements() {
		out.copyElement(i, in[1], 0)
	}
	each(in[0].Type.Shape, func(n int, index []int) {
		o := 0
		for i := range index {
			o += strides[i] * (low[i] + index[i]*(interior[i]+1))
		}
		out.copyElement(o, in[0], n)
	})
	return nil
}

// around splits a shape at an axis: the elements before, along and after it.
func around(shape []int, axis int) (before, along, after int) {
	return ir.T(ir.U8, shape[:axis]...).Elements(), shape[axis], ir.T(ir.U8, shape[axis+1:]...).Elements()
}

// clampIndex brings an index into 0 to last.
func clampIndex(d ir.DType, i int64, last int) int64 {
	if d == ir.U64 && i < 0 {
		return int64(last)
	}
	return min(max(i, 0), int64(last))
}

func gather(op *ir.Op, in []Tensor, out Tensor) error {
	before, along, after := around(in[0].Type.Shape, op.Attrs.Int("axis"))
	n := 0
	for a := range before {
		for _, i := range in[1].Int {
			i = clampIndex(in[1].Type.DType, i, along-1)
			for c := range after {
				out.copyElement(n, in[0], (a*along+int(i))*after+c)
				n++
			}
		}
	}
	return nil
}

func scatter(op *ir.Op, in []Tensor, out Tensor) error {
	_ = reshape(op, in, out)
	before, along, after := around(in[0].Type.Shape, op.Attrs.Int("axis"))
	mode, count := op.Attrs.Str("mode"), len(in[1].Int)
	combine := binaries[map[string]string{"add": "add", "mul": "multiply", "max": "maximum", "min": "minimum"}[mode]]
	for a := range before {
		for i := range along {
			for c := range after {
				o := (a*along+i)*after + c
				// The updates of one destination, in ascending order.
				var mine []int
				for k, to := range in[1].Int {
					if to == int64(i) {
						mine = append(mine, (a*count+k)*after+c)
					}
				}
				switch {
				case len(mine) == 0:
				case mode == "set":
					out.copyElement(o, in[2], mine[len(mine)-1])
				case mode == "add" && out.single():
					var acc numerics.DotAcc
					for _, k := range mine {
						acc.Add(in[2].F32[k], 1)
					}
					out.F32[o] += acc.Sum()
				case mode == "add" && out.Type.DType == ir.F64:
					var acc numerics.DotAcc64
					for _, k := range mine {
						acc.Add(in[2].F64[k], 1)
					}
					out.F64[o] += acc.Sum()
				default:
					for _, k := range mine {
						switch d := out.Type.DType; {
						case out.single():
							out.F32[o] = combine.f32(out.F32[o], in[2].F32[k])
						case out.Type.DType == ir.F64:
							out.F64[o] = combine.f64(out.F64[o], in[2].F64[k])
						default:
							out.Int[o] = wrap(d, combine.int(d, out.Int[o], in[2].Int[k]))
						}
					}
				}
			}
		}
	}
	return nil
}

func convert(_ *ir.Op, in []Tensor, out Tensor) error {
	x, d := in[0], out.Type.DType
	for i := range out.Type.Elements() {
		if x.integral() {
			switch v := x.Int[i]; {
			case out.single() && x.Type.DType == ir.U64:
				out.F32[i] = float32(uint64(v))
			case out.single():
				out.F32[i] = float32(v)
			case d == ir.F64 && x.Type.DType == ir.U64:
				out.F64[i] = float64(uint64(v))
			case d == ir.F64:
				out.F64[i] = float64(v)
			case d == ir.Bool && v != 0:
				out.Int[i] = 1
			default:
				out.Int[i] = wrap(d, v)
			}
			continue
		}
		var v float64
		if x.single() {
			v = float64(x.F32[i])
		} else {
			v = x.F64[i]
		}
		switch d {
		case ir.F32, ir.BF16, ir.F16:
			out.F32[i] = numerics.F32FromF64(v)
		case ir.F64:
			out.F64[i] = v
		case ir.I32:
			out.Int[i] = int64(numerics.I32FromF64(v))
		case ir.I64:
			out.Int[i] = numerics.I64FromF64(v)
		case ir.U8:
			out.Int[i] = int64(numerics.U8FromF64(v))
		case ir.U32:
			out.Int[i] = int64(numerics.U32FromF64(v))
		case ir.U64:
			out.Int[i] = int64(numerics.U64FromF64(v))
		case ir.Bool:
			if v != 0 {
				out.Int[i] = 1
			}
		}
	}
	return nil
}

func holds[T float32 | float64 | int64 | uint64](direction string, x, y T) bool {
	switch direction {
	case "eq":
		return x == y
	case "ne":
		return x != y
	case "lt":
		return x < y
	case "le":
		return x <= y
	case "gt":
		return x > y
	default:
		return x >= y
	}
}

func compare(op *ir.Op, in []Tensor, out Tensor) error {
	direction, x, y := op.Attrs.Str("direction"), in[0], in[1]
	for i := range out.Int {
		var ok bool
		switch {
		case x.single():
			ok = holds(direction, x.F32[i], y.F32[i])
		case x.Type.DType == ir.F64:
			ok = holds(direction, x.F64[i], y.F64[i])
		case x.Type.DType == ir.U64:
			ok = holds(direction, uint64(x.Int[i]), uint64(y.Int[i]))
		default:
			ok = holds(direction, x.Int[i], y.Int[i])
		}
		if ok {
			out.Int[i] = 1
		}
	}
	return nil
}

func select_(_ *ir.Op, in []Tensor, out Tensor) error {
	for i, p := range in[0].Int {
		if p != 0 {
			out.copyElement(i, in[1], i)
		} else {
			out.copyElement(i, in[2], i)
		}
	}
	return nil
}

func fma(_ *ir.Op, in []Tensor, out Tensor) error {
	for i := range out.F32 {
		out.F32[i] = numerics.FMA(in[0].F32[i], in[1].F32[i], in[2].F32[i])
	}
	for i := range out.F64 {
		out.F64[i] = math.FMA(in[0].F64[i], in[1].F64[i], in[2].F64[i])
	}
	return nil
}

// pick returns the sizes or strides of some dimensions.
func pick(from, dims []int) []int {
	l := make([]int, len(dims))
	for i, d := range dims {
		l[i] = from[d]
	}
	return l
}

func dotGeneral(op *ir.Op, in []Tensor, out Tensor) error {
	d, l, r := ir.DotDimsOf(op.Attrs), in[0], in[1]
	lf, rf := d.LHSFree(l.Type.Rank()), d.RHSFree(r.Type.Rank())
	nb, nl := len(d.LHSBatch), len(lf)
	ls, rs := l.Type.Strides(), r.Type.Strides()
	ks := pick(l.Type.Shape, d.LHSContract)
	lk, rk := offsets(ks, pick(ls, d.LHSContract)), offsets(ks, pick(rs, d.RHSContract))
	lo, ro := pick(ls, append(slices.Clone(d.LHSBatch), lf...)), pick(rs, append(slices.Clone(d.RHSBatch), rf...))
	right := make([]int, nb+len(rf))
	each(out.Type.Shape, func(n int, index []int) {
		copy(right, index[:nb])
		copy(right[nb:], index[nb+nl:])
		i, j := at(lo, index[:nb+nl]), at(ro, right)
		var acc contraction
		for k := range lk {
			acc.add(l, i+lk[k], r, j+rk[k])
		}
		acc.sum(out, n)
	})
	return nil
}

// offsets returns where the elements of a part lie, in row-major order of their
// indices.
func offsets(shape, strides []int) (o []int) {
	each(shape, func(_ int, index []int) { o = append(o, at(strides, index)) })
	return o
}

// groups calls visit for each result element of a reduction with the offsets
// of the elements that it combines, row-major.
func groups(t ir.Type, dims []int, visit func(n int, offsets []int)) {
	var kept []int
	for d := range t.Shape {
		if !slices.Contains(dims, d) {
			kept = append(kept, d)
		}
	}
	strides := t.Strides()
	within := offsets(pick(t.Shape, dims), pick(strides, dims))
	group := make([]int, len(within))
	starts := pick(strides, kept)
	each(pick(t.Shape, kept), func(n int, index []int) {
		start := at(starts, index)
		for k, o := range within {
			group[k] = start + o
		}
		visit(n, group)
	})
}

func reduce(op *ir.Op, in []Tensor, out Tensor) error {
	x, kind := in[0], op.Attrs.Str("kind")
	d := x.Type.DType
	combine := binaries[reducers[kind]]
	groups(x.Type, op.Attrs.Ints("dimensions"), func(n int, offsets []int) {
		switch {
		case kind == "sum" && x.single():
			var acc numerics.SumAcc
			for _, o := range offsets {
				acc.Add(x.F32[o])
			}
			out.F32[n] = acc.Sum()
		case kind == "sum" && x.Type.DType == ir.F64:
			var acc numerics.SumAcc64
			for _, o := range offsets {
				acc.Add(x.F64[o])
			}
			out.F64[n] = acc.Sum()
		case x.single():
			v := float32(identity(kind))
			for _, o := range offsets {
				v = combine.f32(v, x.F32[o])
			}
			out.F32[n] = v
		case x.Type.DType == ir.F64:
			v := identity(kind)
			for _, o := range offsets {
				v = combine.f64(v, x.F64[o])
			}
			out.F64[n] = v
		default:
			v := identityInt(kind, d)
			for _, o := range offsets {
				v = wrap(d, combine.int(d, v, x.Int[o]))
			}
			out.Int[n] = v
		}
	})
	return nil
}

func identity(kind string) float64 {
	switch kind {
	case "prod":
		return 1
	case "max":
		return math.Inf(-1)
	case "min":
		return math.Inf(1)
	}
	return 0
}

func identityInt(kind string, d ir.DType) int64 {
	lowest := map[ir.DType]int64{ir.I32: math.MinInt32, ir.I64: math.MinInt64}[d]
	highest := map[ir.DType]int64{ir.I32: math.MaxInt32, ir.I64: math.MaxInt64, ir.U8: math.MaxUint8, ir.U32: math.MaxUint32, ir.U64: -1}[d]
	switch kind {
	case "prod", "and":
		return 1
	case "max":
		return lowest
	case "min":
		return highest
	}
	return 0
}

func reduceDot(op *ir.Op, in []Tensor, out Tensor) error {
	x, y := in[0], in[1]
	groups(x.Type, op.Attrs.Ints("dimensions"), func(n int, offsets []int) {
		var acc numerics.SumAcc
		var acc64 numerics.SumAcc64
		for _, o := range offsets {
			if x.single() {
				acc.AddProduct(x.F32[o], y.F32[o])
			} else {
				acc64.AddProduct(x.F64[o], y.F64[o])
			}
		}
		if x.single() {
			out.F32[n] = acc.Sum()
		} else {
			out.F64[n] = acc64.Sum()
		}
	})
	return nil
}

// argExtreme is argmax and argmin.
func argExtreme(op *ir.Op, in []Tensor, out Tensor) error {
	x, largest := in[0], op.Name == "argmax"
	groups(x.Type, []int{op.Attrs.Int("dimension")}, func(n int, offsets []int) {
		best := 0
		for i := range offsets {
			if beats(x, offsets[i], offsets[best], largest) {
				best = i
			}
		}
		out.Int[n] = int64(best)
	})
	return nil
}

// beats reports whether element i is a better extreme than element j: a NaN
// beats every number, and a number only those beyond which it lies.
func beats(x Tensor, i, j int, largest bool) bool {
	switch {
	case x.integral() && largest:
		return less(x.Type.DType, x.Int[j], x.Int[i])
	case x.integral():
		return less(x.Type.DType, x.Int[i], x.Int[j])
	case x.single():
		return beatsFloat(float64(x.F32[i]), float64(x.F32[j]), largest)
	default:
		return beatsFloat(x.F64[i], x.F64[j], largest)
	}
}

func beatsFloat(x, y float64, largest bool) bool {
	switch {
	case x != x:
		return y == y
	case largest:
		return x > y
	default:
		return x < y
	}
}

// part returns the stream that an op draws from and its first element there.
func part(op *ir.Op, state Tensor, elements int) (numerics.Stream, uint64, error) {
	s, n := state.Int, uint64(elements)
	stream := numerics.Stream{Seed: uint64(s[1])<<32 | uint64(s[0]), Stream: uint32(op.Attrs.Int("stream")), Step: uint32(s[2])}
	if part := uint64(s[3]); n > 0 && part > math.MaxUint64/n-1 {
		return stream, 0, fmt.Errorf("part %d of %d elements overflows the counter", part, n)
	}
	return stream, uint64(s[3]) * n, nil
}

func rngBitGenerator(op *ir.Op, in []Tensor, out Tensor) error {
	stream, first, err := part(op, in[0], len(out.Int))
	if err != nil {
		return err
	}
	for i := range out.Int {
		out.Int[i] = int64(stream.At(first + uint64(i)))
	}
	return nil
}

func randomNormal(op *ir.Op, in []Tensor, out Tensor) error {
	stream, first, err := part(op, in[0], len(out.F32))
	if err != nil {
		return err
	}
	for i := range out.F32 {
		out.F32[i] = stream.NormalAt(first + uint64(i))
	}
	return nil
}

// reducers are the elementwise ops that reductions repeat.
var reducers = map[string]string{"sum": "add", "prod": "multiply", "max": "maximum", "min": "minimum", "and": "and", "or": "or"}
