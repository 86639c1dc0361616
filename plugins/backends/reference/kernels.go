package reference

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/numerics"
)

// kernels are the primitives that are not elementwise over one or two
// operands of one dtype.
var kernels = map[string]func(op *ir.Op, in []Tensor, out Tensor) error{
	"constant":          constant,
	"iota":              iota_,
	"broadcast_in_dim":  broadcastInDim,
	"reshape":           reshape,
	"transpose":         transpose,
	"slice":             slice,
	"concatenate":       concatenate,
	"pad":               pad,
	"gather":            gather,
	"scatter":           scatter,
	"convert":           convert,
	"compare":           compare,
	"select":            select_,
	"fma":               fma,
	"dot_general":       dotGeneral,
	"reduce":            reduce,
	"reduce_dot":        reduceDot,
	"argmax":            argmax,
	"rng_bit_generator": rngBitGenerator,
}

func constant(op *ir.Op, _ []Tensor, out Tensor) error {
	data, size := op.Attrs.Bytes("value"), out.Type.DType.Size()
	for i := range out.Type.Elements() {
		e := data
		if len(data) > size {
			e = data[i*size : (i+1)*size]
		}
		switch out.Type.DType {
		case ir.F32:
			out.F32[i] = math.Float32frombits(binary.LittleEndian.Uint32(e))
		case ir.F64:
			out.F64[i] = math.Float64frombits(binary.LittleEndian.Uint64(e))
		case ir.I64:
			out.Int[i] = int64(binary.LittleEndian.Uint64(e))
		case ir.I32, ir.U32:
			out.Int[i] = wrap(out.Type.DType, int64(binary.LittleEndian.Uint32(e)))
		default:
			out.Int[i] = int64(e[0])
		}
	}
	return nil
}

func iota_(op *ir.Op, _ []Tensor, out Tensor) error {
	d := op.Attrs.Int("dimension")
	each(out.Type.Shape, func(n int, index []int) {
		switch {
		case out.Type.DType == ir.F32:
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

func gather(op *ir.Op, in []Tensor, out Tensor) error {
	before, along, after := around(in[0].Type.Shape, op.Attrs.Int("axis"))
	n := 0
	for a := range before {
		for _, i := range in[1].Int {
			i = min(max(i, 0), int64(along)-1)
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
				case mode == "add" && out.Type.DType == ir.F32:
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
						case out.Type.DType == ir.F32:
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
			case d == ir.F32:
				out.F32[i] = float32(v)
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
		if x.Type.DType == ir.F32 {
			v = float64(x.F32[i])
		} else {
			v = x.F64[i]
		}
		switch d {
		case ir.F32:
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
		case ir.Bool:
			if v != 0 {
				out.Int[i] = 1
			}
		}
	}
	return nil
}

func holds[T float32 | float64 | int64](direction string, x, y T) bool {
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
		case x.Type.DType == ir.F32:
			ok = holds(direction, x.F32[i], y.F32[i])
		case x.Type.DType == ir.F64:
			ok = holds(direction, x.F64[i], y.F64[i])
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
	each(out.Type.Shape, func(n int, index []int) {
		batch, left, right := index[:nb], index[nb:nb+nl], index[nb+nl:]
		lo := at(pick(ls, d.LHSBatch), batch) + at(pick(ls, lf), left)
		ro := at(pick(rs, d.RHSBatch), batch) + at(pick(rs, rf), right)
		var acc numerics.DotAcc
		var acc64 numerics.DotAcc64
		each(ks, func(_ int, k []int) {
			i, j := lo+at(pick(ls, d.LHSContract), k), ro+at(pick(rs, d.RHSContract), k)
			if out.Type.DType == ir.F32 {
				acc.Add(l.F32[i], r.F32[j])
			} else {
				acc64.Add(l.F64[i], r.F64[j])
			}
		})
		if out.Type.DType == ir.F32 {
			out.F32[n] = acc.Sum()
		} else {
			out.F64[n] = acc64.Sum()
		}
	})
	return nil
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
	var offsets []int
	each(pick(t.Shape, kept), func(n int, index []int) {
		o := at(pick(strides, kept), index)
		offsets = offsets[:0]
		each(pick(t.Shape, dims), func(_ int, k []int) {
			offsets = append(offsets, o+at(pick(strides, dims), k))
		})
		visit(n, offsets)
	})
}

func reduce(op *ir.Op, in []Tensor, out Tensor) error {
	x, kind := in[0], op.Attrs.Str("kind")
	d := x.Type.DType
	combine := binaries[map[string]string{"sum": "add", "prod": "multiply", "max": "maximum", "min": "minimum", "and": "and", "or": "or"}[kind]]
	groups(x.Type, op.Attrs.Ints("dimensions"), func(n int, offsets []int) {
		switch {
		case kind == "sum" && x.Type.DType == ir.F32:
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
		case x.Type.DType == ir.F32:
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
	highest := map[ir.DType]int64{ir.I32: math.MaxInt32, ir.I64: math.MaxInt64, ir.U8: math.MaxUint8, ir.U32: math.MaxUint32}[d]
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
			if x.Type.DType == ir.F32 {
				acc.AddProduct(x.F32[o], y.F32[o])
			} else {
				acc64.AddProduct(x.F64[o], y.F64[o])
			}
		}
		if x.Type.DType == ir.F32 {
			out.F32[n] = acc.Sum()
		} else {
			out.F64[n] = acc64.Sum()
		}
	})
	return nil
}

func argmax(op *ir.Op, in []Tensor, out Tensor) error {
	x := in[0]
	// beats: a NaN beats every number, and a number only smaller ones.
	beats := func(i, j int) bool {
		switch {
		case x.integral():
			return x.Int[i] > x.Int[j]
		case x.Type.DType == ir.F32:
			return x.F32[i] > x.F32[j] || x.F32[i] != x.F32[i] && x.F32[j] == x.F32[j]
		default:
			return x.F64[i] > x.F64[j] || x.F64[i] != x.F64[i] && x.F64[j] == x.F64[j]
		}
	}
	groups(x.Type, []int{op.Attrs.Int("dimension")}, func(n int, offsets []int) {
		best := 0
		for i := range offsets {
			if beats(offsets[i], offsets[best]) {
				best = i
			}
		}
		out.Int[n] = int64(best)
	})
	return nil
}

func rngBitGenerator(op *ir.Op, in []Tensor, out Tensor) error {
	s, n := in[0].Int, uint64(len(out.Int))
	stream := numerics.Stream{Seed: uint64(s[1])<<32 | uint64(s[0]), Stream: uint32(op.Attrs.Int("stream")), Step: uint32(s[2])}
	if part := uint64(s[3]); n > 0 && part > math.MaxUint64/n-1 {
		return fmt.Errorf("part %d of %d elements overflows the counter", part, n)
	}
	for i := range out.Int {
		out.Int[i] = int64(stream.At(uint64(s[3])*n + uint64(i)))
	}
	return nil
}
