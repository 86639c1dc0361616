package main

import (
	"context"
	"slices"

	"github.com/seedbed/seedbed/abi/ir"
)

func init() {
	add(map[string]func(s site) kernel{
		"constant": constant, "iota": iota_, "reshape": reshape, "broadcast_in_dim": broadcast, "transpose": transpose, "slice": slice,
		"reverse": reverse, "concatenate": concatenate, "pad": pad, "dynamic_slice": dynamicSlice, "dynamic_update_slice": dynamicUpdateSlice,
		"gather": gather, "scatter": scatter,
	})
}

// read makes a kernel whose result i is element table[i] of its operand.
func read(table []int) kernel {
	return func(_ context.Context, in, out [][]word) error {
		for i, o := range table {
			out[0][i] = in[0][o]
		}
		return nil
	}
}

// constant repeats its value, one element or all.
func constant(s site) kernel {
	value := unpack(s.out[0].DType, s.Attrs.Bytes("value"))
	return func(_ context.Context, _, out [][]word) error {
		for i := range out[0] {
			out[0][i] = value[i%len(value)]
		}
		return nil
	}
}

func iota_(s site) kernel {
	t := s.out[0]
	strides := make([]int, t.Rank())
	strides[s.Attrs.Int("dimension")] = 1
	words := make([]word, t.Elements())
	for i, v := range offsets(0, t.Shape, strides) {
		if words[i] = word(v); t.DType.IsFloat() {
			words[i] = floats(t.DType).store(float32(v))
		} else if n := t.DType.Size(); n < 8 {
			words[i] &= 1<<(8*n) - 1
		}
	}
	return func(_ context.Context, _, out [][]word) error {
		copy(out[0], words)
		return nil
	}
}

func reshape(site) kernel { return map1(func(x word) word { return x }) }

func broadcast(s site) kernel {
	x := s.in[0]
	strides, from := make([]int, s.out[0].Rank()), x.Strides()
	for i, d := range s.Attrs.Ints("dimensions") {
		if x.Shape[i] != 1 {
			strides[d] = from[i]
		}
	}
	return read(offsets(0, s.out[0].Shape, strides))
}

func transpose(s site) kernel {
	return read(offsets(0, s.out[0].Shape, pick(s.in[0].Strides(), s.Attrs.Ints("permutation"))))
}

func slice(s site) kernel {
	first, strides := 0, s.in[0].Strides()
	start, step := s.Attrs.Ints("start"), s.Attrs.Ints("stride")
	for d := range strides {
		first += start[d] * strides[d]
		strides[d] *= step[d]
	}
	return read(offsets(first, s.out[0].Shape, strides))
}

func reverse(s site) kernel {
	first, strides := 0, s.in[0].Strides()
	for _, d := range s.Attrs.Ints("dimensions") {
		first += (s.in[0].Shape[d] - 1) * strides[d]
		strides[d] = -strides[d]
	}
	return read(offsets(first, s.in[0].Shape, strides))
}

// write puts element i of words at place table[i] of out.
func write(out []word, table []int, words []word) {
	for i, o := range table {
		out[o] = words[i]
	}
}

func concatenate(s site) kernel {
	d, strides, first := s.Attrs.Int("dimension"), s.out[0].Strides(), 0
	tables := make([][]int, len(s.in))
	for i, t := range s.in {
		tables[i] = offsets(first*strides[d], t.Shape, strides)
		first += t.Shape[d]
	}
	return func(_ context.Context, in, out [][]word) error {
		for i, table := range tables {
			write(out[0], table, in[i])
		}
		return nil
	}
}

func pad(s site) kernel {
	first, strides := 0, s.out[0].Strides()
	low, interior := s.Attrs.Ints("low"), s.Attrs.Ints("interior")
	for d := range strides {
		first += low[d] * strides[d]
		strides[d] *= interior[d] + 1
	}
	table := offsets(first, s.in[0].Shape, strides)
	return func(_ context.Context, in, out [][]word) error {
		for i := range out[0] {
			out[0][i] = in[1][0]
		}
		write(out[0], table, in[0])
		return nil
	}
}

// block returns the offset at which a block begins in a whole, moved so that it
// lies inside.
func block(start []word, number func(word) int64, whole, part ir.Type) int {
	first := 0
	for d, stride := range whole.Strides() {
		first += stride * int(clamp(number(start[d]), whole.Shape[d]-part.Shape[d]))
	}
	return first
}

func clamp(i int64, last int) int64 { return min(max(i, 0), int64(last)) }

func dynamicSlice(s site) kernel {
	table, number := offsets(0, s.out[0].Shape, s.in[0].Strides()), integers(s.in[1].DType)
	return func(_ context.Context, in, out [][]word) error {
		first := block(in[1], number, s.in[0], s.out[0])
		for i, o := range table {
			out[0][i] = in[0][first+o]
		}
		return nil
	}
}

func dynamicUpdateSlice(s site) kernel {
	table, number := offsets(0, s.in[1].Shape, s.out[0].Strides()), integers(s.in[2].DType)
	return func(_ context.Context, in, out [][]word) error {
		copy(out[0], in[0])
		write(out[0][min(block(in[2], number, s.out[0], s.in[1]), len(out[0])):], table, in[1])
		return nil
	}
}

// around returns how many elements lie before, along and after an axis.
func around(shape []int, axis int) (before, along, after int) {
	return ir.T(ir.U8, shape[:axis]...).Elements(), shape[axis], ir.T(ir.U8, shape[axis+1:]...).Elements()
}

func gather(s site) kernel {
	before, along, after := around(s.in[0].Shape, s.Attrs.Int("axis"))
	number := integers(s.in[1].DType)
	return func(_ context.Context, in, out [][]word) error {
		to := out[0]
		for a := range before {
			for _, i := range in[1] {
				from := in[0][(a*along+int(clamp(number(i), along-1)))*after:]
				to = to[copy(to, from[:after]):]
			}
		}
		return nil
	}
}

// scatter collects, for each row along the axis, which updates go there.
func scatter(s site) kernel {
	before, along, after := around(s.in[0].Shape, s.Attrs.Int("axis"))
	number, combine := integers(s.in[1].DType), combiner(s.in[0].DType, s.Attrs.Str("mode"))
	return func(_ context.Context, in, out [][]word) error {
		copy(out[0], in[0])
		updates := map[int64][]int{}
		for k, w := range in[1] {
			if i := number(w); i >= 0 && i < int64(along) {
				updates[i] = append(updates[i], k)
			}
		}
		for i, from := range updates { // each row is written by itself
			for a := range before {
				for c := range after {
					row := make([]word, len(from))
					for n, k := range from {
						row[n] = in[2][(a*len(in[1])+k)*after+c]
					}
					to := &out[0][(a*along+int(i))*after+c]
					*to = combine(*to, row)
				}
			}
		}
		return nil
	}
}

// combiner returns what a mode of scatter makes of an element and the updates
// that it gets, in their order.
func combiner(d ir.DType, mode string) func(x word, updates []word) word {
	if mode == "set" {
		return func(_ word, updates []word) word { return updates[len(updates)-1] }
	}
	kind := map[string]string{"add": "sum", "mul": "prod", "max": "max", "min": "min"}[mode]
	if !d.IsFloat() {
		f := twoIntegers(d, reducers[kind])
		return func(x word, updates []word) word {
			for _, u := range updates {
				x = f(x, u)
			}
			return x
		}
	}
	e := floats(d)
	if mode == "add" { // the updates' sum is a contraction with ones
		return func(x word, updates []word) word {
			l := e.loadAll(updates)
			return e.store(e.load(x) + dot(l, slices.Repeat([]float32{1}, len(l))))
		}
	}
	f := ofTwoFloats[reducers[kind]]
	return func(x word, updates []word) word {
		v := e.load(x)
		for _, u := range updates {
			v = f(v, e.load(u))
		}
		return e.store(v)
	}
}
