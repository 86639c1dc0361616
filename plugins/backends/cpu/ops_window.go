package cpu

import (
	"math"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/plugins/backends/cpu/internal/vec"
)

// windows is a window over [before, middle..., inner], where it slides over the middle alone: before and inner are the dimensions at
// both ends that it does not touch.
type windows struct {
	w             ir.Window
	before, inner int
	in, out       []int // sizes of the middle
	strides       []int // of the operand, over the middle
	inRow, outRow int   // elements for each of before
}

func planWindows(w ir.Window, in, out ir.Type) windows {
	still := func(d int) bool {
		return w.Size[d] == 1 && w.Stride[d] == 1 && w.Low[d] == 0 && w.High[d] == 0 && w.BaseDilation[d] == 1
	}
	lo, hi := 0, in.Rank()
	for lo < hi && still(lo) {
		lo++
	}
	for hi > lo && still(hi-1) {
		hi--
	}
	return windows{
		w: ir.Window{
			Size: w.Size[lo:hi], Stride: w.Stride[lo:hi], Low: w.Low[lo:hi], High: w.High[lo:hi],
			BaseDilation: w.BaseDilation[lo:hi], Dilation: w.Dilation[lo:hi],
		},
		before: product(in.Shape[:lo]), inner: product(in.Shape[hi:]),
		in: in.Shape[lo:hi], out: out.Shape[lo:hi], strides: in.Strides()[lo:hi],
		inRow: product(in.Shape[lo:]), outRow: product(out.Shape[lo:]),
	}
}

// unflatten writes the index of element n of a shape.
func unflatten(index, shape []int, n int) {
	for d := len(shape) - 1; d >= 0; d-- {
		index[d] = n % shape[d]
		n /= shape[d]
	}
}

// offset is where the element at an index lies.
func offset(index, strides []int) int {
	at := 0
	for d, i := range index {
		at += i * strides[d]
	}
	return at
}

// next moves an index on by one and reports whether there is one more.
func next(index, shape []int) bool {
	for d := len(shape) - 1; d >= 0; d-- {
		if index[d]++; index[d] < shape[d] {
			return true
		}
		index[d] = 0
	}
	return false
}

// taps calls visit with the offset, from the start of the middle, of each tap of output o that is not padding. k is scratch.
func (p *windows) taps(o, k []int, visit func(at int)) {
	clear(k)
	for more := true; more; more = next(k, p.w.Size) {
		if at, inside := tapAt(p.w, p.in, p.strides, o, k); inside {
			visit(at)
		}
	}
}

// tapAt returns where tap k of output o lies, if that is not padding.
func tapAt(w ir.Window, in, strides, o, k []int) (at int, inside bool) {
	for d := range k {
		i, ok := w.At(d, in[d], o[d], k[d])
		if !ok {
			return 0, false
		}
		at += i * strides[d]
	}
	return at, true
}

func reduceWindow(c *compiler, op *ir.Op) error {
	kind := op.Attrs.Str("kind")
	name := reduceOps[kind]
	switch op.Results[0].DType {
	case ir.F32:
		f := binaryF32[name].both
		poolWith(c, op, map[string]float32{"prod": 1, "max": float32(math.Inf(-1)), "min": float32(math.Inf(1))}[kind], func(row, x []float32) { f(row, row, x) })
	case ir.I32:
		poolInts(c, op, map[string]int32{"prod": 1, "max": math.MinInt32, "min": math.MaxInt32}[kind], name)
	case ir.I64:
		poolInts(c, op, map[string]int64{"prod": 1, "max": math.MinInt64, "min": math.MaxInt64}[kind], name)
	case ir.U8:
		poolInts(c, op, map[string]uint8{"prod": 1, "min": math.MaxUint8}[kind], name)
	case ir.U32:
		poolInts(c, op, map[string]uint32{"prod": 1, "min": math.MaxUint32}[kind], name)
	default:
		poolInts(c, op, map[string]uint64{"prod": 1, "min": math.MaxUint64}[kind], name)
	}
	return nil
}

func poolInts[T integer](c *compiler, op *ir.Op, identity T, name string) {
	f := binaryInt[T](name)
	poolWith(c, op, identity, func(row, x []T) {
		for i, v := range x {
			row[i] = f(row[i], v)
		}
	})
}

// poolWith combines the rows of inner elements under each window.
func poolWith[T element](c *compiler, op *ir.Op, identity T, combine func(row, x []T)) {
	p := planWindows(ir.WindowOf(op.Attrs), c.types[op.Operands[0]], op.Results[0])
	in := c.in(op, 0)
	out := c.out(op)
	positions := product(p.out)
	work := max(1, product(p.w.Size)*p.inner)
	c.emit(func(r *run) error {
		x, y := view[T](r.mem[in]), view[T](r.mem[out])
		if len(y) == 0 {
			return nil
		}
		return r.split(p.before*positions, max(1, grain/work), func(lo, hi int) {
			o, k := make([]int, len(p.out)), make([]int, len(p.out))
			for n := lo; n < hi; n++ {
				unflatten(o, p.out, n%positions)
				from := n / positions * p.inRow
				row := y[n*p.inner : (n+1)*p.inner]
				for i := range row {
					row[i] = identity
				}
				p.taps(o, k, func(at int) { combine(row, x[from+at:from+at+p.inner]) })
			}
		})
	})
}

func selectAndScatter(c *compiler, op *ir.Op) error {
	p := planWindows(ir.WindowOf(op.Attrs), op.Results[0], c.types[op.Operands[1]])
	pick := vec.PickLargest
	if op.Attrs.Str("kind") != "max" {
		pick = vec.PickSmallest
	}
	in, source := c.in(op, 0), c.in(op, 1)
	out := c.out(op)
	positions := product(p.out)
	c.emit(func(r *run) error {
		x, s, y := r.f32(in), r.f32(source), r.f32(out)
		if len(s) == 0 {
			return fill(r, y, 0)
		}
		return r.split(p.before, 1, func(lo, hi int) {
			o, k := make([]int, len(p.out)), make([]int, len(p.out))
			best, top := make([]uint32, p.inner), make([]float32, p.inner)
			var met []int // where the taps of a window lie
			for b := lo; b < hi; b++ {
				from, to := x[b*p.inRow:(b+1)*p.inRow], y[b*p.inRow:(b+1)*p.inRow]
				clear(to)
				for n := range positions {
					unflatten(o, p.out, n)
					met = met[:0]
					p.taps(o, k, func(at int) {
						row := from[at : at+p.inner]
						if len(met) == 0 {
							copy(top, row)
							clear(best)
						} else {
							pick(best, top, row, uint32(len(met)))
						}
						met = append(met, at)
					})
					if len(met) == 0 {
						continue
					}
					for i, v := range s[b*p.outRow+n*p.inner:][:p.inner] {
						to[met[best[i]]+i] += v
					}
				}
			}
		})
	})
	return nil
}
