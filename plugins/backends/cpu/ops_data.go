package cpu

import (
	"fmt"
	"math"
	"slices"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/numerics"
	"github.com/seedbed/seedbed/plugins/backends/cpu/internal/vec"
)

func constant(c *compiler, op *ir.Op) error {
	data, t := op.Attrs.Bytes("value"), op.Results[0]
	if len(data) == t.DType.Size() {
		c.splats[op.First] = data
		return checkData(ir.T(t.DType), data)
	}
	if err := checkData(t, data); err != nil {
		return err
	}
	x := alignedBytes(len(data))
	copy(x, data)
	c.refs[op.First] = c.store(store{kind: inConst, size: len(x), data: x})
	return nil
}

// same passes on a value that op's result equals, element for element in row-major order.
func (c *compiler) same(op *ir.Op) {
	c.refs[op.First], c.splats[op.First] = c.refs[op.Operands[0]], c.splats[op.Operands[0]]
}

func iota_(c *compiler, op *ir.Op) error {
	t, d := op.Results[0], op.Attrs.Int("dimension")
	along, after := t.Shape[d], product(t.Shape[d+1:])
	out := c.out(op)
	c.emit(func(r *run) error {
		switch t.DType {
		case ir.F32:
			count(r.f32(out), along, after)
		case ir.I32, ir.U32:
			count(view[uint32](r.mem[out]), along, after)
		case ir.U8:
			count(r.mem[out], along, after)
		default:
			count(view[uint64](r.mem[out]), along, after)
		}
		return nil
	})
	return nil
}

func count[T float32 | uint8 | uint32 | uint64](x []T, along, after int) {
	for at := 0; at < len(x); {
		for i := range along {
			for range after {
				x[at] = T(i)
				at++
			}
		}
	}
}

func reshape(c *compiler, op *ir.Op) error {
	c.ready(op.Operands[0])
	c.same(op)
	return nil
}

// rearrange lowers an op that copies its first operand as s says.
func (c *compiler) rearrange(op *ir.Op, s strided) {
	move := s.copier(op.Results[0].DType.Size())
	in := c.in(op, 0)
	out := c.out(op)
	c.emit(func(r *run) error { return move(r, r.mem[out], r.mem[in]) })
}

func broadcastInDim(c *compiler, op *ir.Op) error {
	if c.splats[op.Operands[0]] != nil {
		c.same(op)
		c.refs[op.First] = none // its size differs
		return nil
	}
	in, t := c.types[op.Operands[0]], op.Results[0]
	s := strided{shape: t.Shape, dst: t.Strides(), src: make([]int, t.Rank())}
	strides := in.Strides()
	for i, d := range op.Attrs.Ints("dimensions") {
		if in.Shape[i] != 1 {
			s.src[d] = strides[i]
		}
	}
	c.rearrange(op, s)
	return nil
}

func transpose(c *compiler, op *ir.Op) error {
	if c.splats[op.Operands[0]] != nil {
		c.same(op)
		return nil
	}
	t := op.Results[0]
	c.rearrange(op, strided{shape: t.Shape, dst: t.Strides(), src: pick(c.types[op.Operands[0]].Strides(), op.Attrs.Ints("permutation"))})
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

func slice(c *compiler, op *ir.Op) error {
	t, start, stride := op.Results[0], op.Attrs.Ints("start"), op.Attrs.Ints("stride")
	s := strided{shape: t.Shape, dst: t.Strides(), src: c.types[op.Operands[0]].Strides()}
	for i := range s.src {
		s.src0 += s.src[i] * start[i]
		s.src[i] *= stride[i]
	}
	c.rearrange(op, s)
	return nil
}

func concatenate(c *compiler, op *ir.Op) error {
	t, d, first := op.Results[0], op.Attrs.Int("dimension"), 0
	strides := t.Strides()
	var moves []func(r *run, dst, src []byte) error
	var ins []int
	for i, v := range op.Operands {
		x := c.types[v]
		moves = append(moves, strided{shape: x.Shape, dst: strides, src: x.Strides(), dst0: first * strides[d]}.copier(t.DType.Size()))
		ins = append(ins, c.in(op, i))
		first += x.Shape[d]
	}
	out := c.out(op)
	c.emit(func(r *run) error {
		for i, move := range moves {
			if err := move(r, r.mem[out], r.mem[ins[i]]); err != nil {
				return err
			}
		}
		return nil
	})
	return nil
}

func pad(c *compiler, op *ir.Op) error {
	x, t, low, interior := c.types[op.Operands[0]], op.Results[0], op.Attrs.Ints("low"), op.Attrs.Ints("interior")
	s := strided{shape: x.Shape, dst: t.Strides(), src: x.Strides()}
	for i := range s.dst {
		s.dst0 += s.dst[i] * low[i]
		s.dst[i] *= interior[i] + 1
	}
	move := s.copier(t.DType.Size())
	in := c.in(op, 0)
	value := c.in(op, 1)
	out := c.out(op)
	c.emit(func(r *run) (err error) {
		if err = fillWith(r, r.mem[out], r.mem[value]); err != nil {
			return err
		}
		return move(r, r.mem[out], r.mem[in])
	})
	return nil
}

// around splits a shape at an axis: the elements before, along and after it.
func around(shape []int, axis int) (before, along, after int) {
	return product(shape[:axis]), shape[axis], product(shape[axis+1:])
}

func gather(c *compiler, op *ir.Op) error {
	before, along, after := around(c.types[op.Operands[0]].Shape, op.Attrs.Int("axis"))
	in := c.in(op, 0)
	indices := c.indices(op, 1, along-1, true)
	out := c.out(op)
	row := after * op.Results[0].DType.Size()
	c.emit(func(r *run) error {
		x, index, y := r.mem[in], view[int32](r.mem[indices]), r.mem[out]
		if len(y) == 0 {
			return nil
		}
		return r.split(before*len(index), max(1, grain/row), func(lo, hi int) {
			for n := lo; n < hi; n++ {
				i := index[n%len(index)]
				from := (n/len(index)*along + int(i)) * row
				copy(y[n*row:(n+1)*row], x[from:from+row])
			}
		})
	})
	return nil
}

func scatter(c *compiler, op *ir.Op) error {
	t, mode := op.Results[0], op.Attrs.Str("mode")
	before, along, after := around(t.Shape, op.Attrs.Int("axis"))
	indexType := c.types[op.Operands[1]]
	if along == math.MaxInt32 || indexType.Elements() > math.MaxInt32 {
		return fmt.Errorf("%d updates along an axis of %d are more than the cpu backend can sort", indexType.Elements(), along)
	}
	combine := combiner(mode, t.DType)
	in, indices, updates := c.in(op, 0), c.indices(op, 1, along-1, false), c.in(op, 2)
	order, starts := c.temp(4*indexType.Elements()), c.temp(4*(along+1))
	scratch := c.temp(4 * 2 * after * c.b.pool.Workers())
	out := c.out(op)
	row := after * t.DType.Size()
	c.emit(func(r *run) error {
		y := r.mem[out]
		copy(y, r.mem[in])
		index := view[int32](r.mem[indices])
		if len(y) == 0 || len(index) == 0 {
			return nil
		}
		order, starts := view[int32](r.mem[order]), view[int32](r.mem[starts])
		vec.SortByRow(order, starts, index)
		rows := max(1, grain/after)
		parts := (along + rows - 1) / rows
		return r.b.pool.For(before*parts, func(worker, i int) {
			a, first := i/parts, i%parts*rows
			last := min(along, first+rows)
			table := y[a*along*row : (a+1)*along*row]
			from := r.mem[updates][a*len(index)*row : (a+1)*len(index)*row]
			if mode == "add" && t.DType == ir.F32 {
				s := r.f32(scratch)[2*after*worker : 2*after*(worker+1)]
				vec.ScatterAddRows(view[float32](table), view[float32](from), order, starts, first, last, after, s)
				return
			}
			for k := first; k < last; k++ {
				for _, u := range order[starts[k]:starts[k+1]] {
					combine(table[k*row:(k+1)*row], from[int(u)*row:(int(u)+1)*row])
				}
			}
		})
	})
	return nil
}

var scatterOps = map[string]string{"add": "add", "mul": "multiply", "max": "maximum", "min": "minimum"}

// combiner returns what combines a row of updates into a row of the table.
func combiner(mode string, d ir.DType) func(row, update []byte) {
	name := scatterOps[mode]
	switch {
	case mode == "set":
		return func(row, update []byte) { copy(row, update) }
	case d == ir.F32:
		f := binaryF32[name].both
		return func(row, update []byte) { f(view[float32](row), view[float32](row), view[float32](update)) }
	}
	switch d {
	case ir.I32:
		return combineInts[int32](name)
	case ir.I64:
		return combineInts[int64](name)
	case ir.U8:
		return combineInts[uint8](name)
	case ir.U64:
		return combineInts[uint64](name)
	default:
		return combineInts[uint32](name)
	}
}

func combineInts[T integer](name string) func(row, update []byte) {
	f := binaryInt[T](name)
	return func(row, update []byte) {
		x, y := view[T](row), view[T](update)
		for i, v := range y {
			x[i] = f(x[i], v)
		}
	}
}

func rngBitGenerator(c *compiler, op *ir.Op) error {
	number := uint32(op.Attrs.Int("stream"))
	state := c.in(op, 0)
	out := c.out(op)
	c.emit(func(r *run) error {
		s, y := slices.Clone(view[uint32](r.mem[state])), view[uint32](r.mem[out])
		stream := numerics.Stream{Seed: uint64(s[1])<<32 | uint64(s[0]), Stream: number, Step: s[2]}
		n := uint64(len(y))
		if part := uint64(s[3]); n > 0 && part > math.MaxUint64/n-1 {
			return fmt.Errorf("rng_bit_generator: part %d of %d elements overflows the counter", part, n)
		}
		first := uint64(s[3]) * n
		return r.split(len(y), grain, func(lo, hi int) { vec.FillBits(y[lo:hi], stream, first+uint64(lo)) })
	})
	return nil
}
