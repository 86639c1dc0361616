package main

import (
	"cmp"
	"context"
	"math"
	"slices"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/numerics"
)

func init() {
	add(map[string]func(s site) kernel{
		"reduce": reduce, "reduce_dot": reduceDot, "cumsum": cumsum, "argmax": arg, "argmin": arg, "sort": sort, "top_k": topK,
	})
}

// reducers are the ops that kinds of reductions repeat.
var reducers = map[string]string{"sum": "add", "prod": "multiply", "max": "maximum", "min": "minimum", "and": "and", "or": "or"}

// identity is what a reduction of no elements gives.
func identity(d ir.DType, kind string) word {
	if d.IsFloat() {
		v := map[string]float64{"prod": 1, "max": math.Inf(-1), "min": math.Inf(1)}[kind]
		return floats(d).store(float32(v))
	}
	all := word(math.MaxUint64) >> (64 - 8*d.Size())
	top := all/2 + 1 // the sign
	switch {
	case kind == "prod" || kind == "and":
		return 1
	case kind == "max" && d.IsSigned():
		return top
	case kind == "min" && d.IsSigned():
		return top - 1
	case kind == "min":
		return all
	}
	return 0
}

// folding returns a function that combines elements one after the other.
func folding(d ir.DType, kind string) func(words []word) word {
	first := identity(d, kind)
	if !d.IsFloat() {
		f := twoIntegers(d, reducers[kind])
		return func(words []word) word {
			x := first
			for _, w := range words {
				x = f(x, w)
			}
			return x
		}
	}
	e, f := floats(d), ofTwoFloats[reducers[kind]]
	return func(words []word) word {
		x := e.load(first)
		for _, w := range words {
			x = f(x, e.load(w))
		}
		return e.store(x)
	}
}

// rows returns where the elements of each result of a reduction lie: the first
// of each, and all others from there.
func rows(t ir.Type, dims []int) (firsts, along []int) {
	rest := without(t.Rank(), dims)
	return offsets(0, pick(t.Shape, rest), pick(t.Strides(), rest)), offsets(0, pick(t.Shape, dims), pick(t.Strides(), dims))
}

// take copies the elements of a row.
func take(row, words []word, first int, along []int) []word {
	row = row[:0]
	for _, o := range along {
		row = append(row, words[first+o])
	}
	return row
}

func reduce(s site) kernel {
	t, kind := s.in[0], s.Attrs.Str("kind")
	firsts, along := rows(t, s.Attrs.Ints("dimensions"))
	f := folding(t.DType, kind)
	if kind == "sum" && t.DType.IsFloat() {
		e := floats(t.DType)
		f = func(words []word) word { return e.store(numerics.Sum(e.loadAll(words))) }
	}
	return func(_ context.Context, in, out [][]word) error {
		var row []word
		for i, first := range firsts {
			row = take(row, in[0], first, along)
			out[0][i] = f(row)
		}
		return nil
	}
}

func reduceDot(s site) kernel {
	e := floats(s.in[0].DType)
	firsts, along := rows(s.in[0], s.Attrs.Ints("dimensions"))
	return func(_ context.Context, in, out [][]word) error {
		for i, first := range firsts {
			var sum numerics.SumAcc
			for _, o := range along {
				sum.AddProduct(e.load(in[0][first+o]), e.load(in[1][first+o]))
			}
			out[0][i] = e.store(sum.Sum())
		}
		return nil
	}
}

// cumsum adds in f32, or in integers that wrap around, and stores every sum.
func cumsum(s site) kernel {
	t := s.in[0]
	firsts, along := rows(t, []int{s.Attrs.Int("dimension")})
	if s.Attrs.Bool("reverse") {
		slices.Reverse(along)
	}
	return func(_ context.Context, in, out [][]word) error {
		for _, first := range firsts {
			if t.DType.IsFloat() {
				e, sum := floats(t.DType), float32(0)
				for _, o := range along {
					sum += e.load(in[0][first+o])
					out[0][first+o] = e.store(sum)
				}
				continue
			}
			f, sum := twoIntegers(t.DType, "add"), word(0)
			for _, o := range along {
				sum = f(sum, in[0][first+o])
				out[0][first+o] = sum
			}
		}
		return nil
	}
}

// order returns how a dtype is sorted: NaNs are equal, and after everything.
func order(d ir.DType) func(x, y word) int {
	switch {
	case d.IsFloat():
		e := floats(d)
		return func(a, b word) int {
			x, y := e.load(a), e.load(b)
			if nx, ny := x != x, y != y; nx || ny {
				return int(truth(nx)) - int(truth(ny))
			}
			return cmp.Compare(x, y)
		}
	case d == ir.I32 || d == ir.I64:
		number := integers(d)
		return func(x, y word) int { return cmp.Compare(number(x), number(y)) }
	}
	return cmp.Compare[word]
}

// better reports whether x is beyond y as an extreme; a NaN is beyond every
// number either way.
func better(d ir.DType, largest bool) func(x, y word) bool {
	before := order(d)
	if largest {
		return func(x, y word) bool { return before(x, y) > 0 }
	}
	if !d.IsFloat() {
		return func(x, y word) bool { return before(x, y) < 0 }
	}
	e := floats(d)
	return func(x, y word) bool {
		if v := e.load(y); v != v {
			return false
		}
		v := e.load(x)
		return v != v || before(x, y) < 0
	}
}

// arg is argmax and argmin: the first of the extremes.
func arg(s site) kernel {
	firsts, along := rows(s.in[0], []int{s.Attrs.Int("dimension")})
	better := better(s.in[0].DType, s.Name == "argmax")
	return func(_ context.Context, in, out [][]word) error {
		var row []word
		for i, first := range firsts {
			row = take(row, in[0], first, along)
			best := 0
			for k, x := range row {
				if better(x, row[best]) {
					best = k
				}
			}
			out[0][i] = word(best)
		}
		return nil
	}
}

// ranks returns the places of a row's elements in their order, equal ones as
// they stand.
func ranks(row []word, before func(x, y word) int, descending bool) []int {
	l := offsets(0, []int{len(row)}, []int{1})
	slices.SortStableFunc(l, func(i, j int) int {
		if descending {
			i, j = j, i
		}
		return before(row[i], row[j])
	})
	return l
}

// sort orders all operands by the first.
func sort(s site) kernel {
	firsts, along := rows(s.in[0], []int{s.Attrs.Int("dimension")})
	before, descending := order(s.in[0].DType), s.Attrs.Bool("descending")
	return func(_ context.Context, in, out [][]word) error {
		var row []word
		for _, first := range firsts {
			row = take(row, in[0], first, along)
			for to, from := range ranks(row, before, descending) {
				for k := range in {
					out[k][first+along[to]] = in[k][first+along[from]]
				}
			}
		}
		return nil
	}
}

// topK gives the largest of the last dimension and their places.
func topK(s site) kernel {
	k, before := s.Attrs.Int("k"), order(s.in[0].DType)
	firsts, along := rows(s.in[0], []int{s.in[0].Rank() - 1})
	return func(_ context.Context, in, out [][]word) error {
		var row []word
		for i, first := range firsts {
			row = take(row, in[0], first, along)
			for n, from := range ranks(row, before, true)[:k] {
				out[0][i*k+n], out[1][i*k+n] = row[from], word(from)
			}
		}
		return nil
	}
}
