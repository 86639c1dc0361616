package cases

import (
	"slices"

	"github.com/seedbed/seedbed/abi/ir"
)

// generators are the cells of the ops that are not plainly elementwise. The
// attributes that the op table enumerates are multiplied in by words.
var generators = map[string][]cell{}

func generate(op string, cells ...cell) { generators[op] = cells }

func one(d ir.DType, shape []int, dom domain) []operand { return []operand{{ir.T(d, shape...), dom}} }

var integers = []ir.DType{ir.I32, ir.I64, ir.U8, ir.U32, ir.U64}

func init() {
	generate("constant",
		cell{name: "splat", make: func(r *source, d ir.DType) app { return constant(r, d, true) }},
		cell{name: "dense", make: func(r *source, d ir.DType) app { return constant(r, d, false) }})
	generate("iota", cell{make: func(r *source, d ir.DType) app {
		s := r.shape(1, 4)
		return app{attrs: []ir.Attr{ir.DTypeAttr("dtype", d), ir.IntsAttr("shape", s...), ir.IntAttr("dimension", r.n(len(s)))}}
	}})
	generate("broadcast_in_dim",
		cell{name: "scalar", make: func(r *source, d ir.DType) app {
			return app{operands: one(d, nil, anyValue), attrs: []ir.Attr{ir.IntsAttr("shape", r.shape(0, 3)...), ir.IntsAttr("dimensions")}}
		}},
		cell{name: "new dimensions", make: func(r *source, d ir.DType) app { return broadcast(r, d, false) }},
		cell{name: "stretch", make: func(r *source, d ir.DType) app { return broadcast(r, d, true) }})
	generate("reshape", cell{make: func(r *source, d ir.DType) app {
		s := r.shape(0, 4)
		to := []int{ir.T(d, s...).Elements()}
		for i := 2; i < 6 && r.one(2); i++ {
			if n := to[0]; n%i == 0 && n > 0 {
				to[0] = n / i
				to = append(to, i)
			}
		}
		if to[0] == 1 && len(to) == 1 && r.one(2) {
			to = nil
		}
		return app{operands: one(d, s, anyValue), attrs: []ir.Attr{ir.IntsAttr("shape", to...)}}
	}})
	generate("transpose", cell{make: func(r *source, d ir.DType) app {
		s := r.shape(1, 5)
		return app{operands: one(d, s, anyValue), attrs: []ir.Attr{ir.IntsAttr("permutation", r.perm(len(s))...)}}
	}}, cell{name: "matrix", make: func(r *source, d ir.DType) app {
		return app{operands: one(d, []int{r.size(), r.some() * r.some()}, anyValue), attrs: []ir.Attr{ir.IntsAttr("permutation", 1, 0)}}
	}})
	generate("slice",
		cell{name: "unit stride", make: func(r *source, d ir.DType) app { return slice(r, d, 1) }},
		cell{name: "strided", make: func(r *source, d ir.DType) app { return slice(r, d, 4) }})
	generate("reverse", cell{make: func(r *source, d ir.DType) app {
		s := r.shape(1, 4)
		dims := r.perm(len(s))[:r.in(1, len(s))]
		slices.Sort(dims)
		return app{operands: one(d, s, anyValue), attrs: []ir.Attr{ir.IntsAttr("dimensions", dims...)}}
	}})
	generate("dynamic_slice", cell{make: func(r *source, d ir.DType) app {
		s, block := blocks(r)
		return app{operands: []operand{{ir.T(d, s...), anyValue}, {ir.T(ir.I32, len(s)), between(-3, 9)}}, attrs: []ir.Attr{ir.IntsAttr("shape", block...)}}
	}})
	generate("dynamic_update_slice", cell{make: func(r *source, d ir.DType) app {
		s, block := blocks(r)
		return app{operands: []operand{{ir.T(d, s...), anyValue}, {ir.T(d, block...), anyValue}, {ir.T(ir.I32, len(s)), between(-3, 9)}}}
	}})
	var bits []cell
	for _, to := range ir.DTypes() {
		var from []ir.DType // of any dtype, but f64 is the reference's alone
		if to == ir.F64 {
			from = []ir.DType{to}
		}
		bits = append(bits, cell{name: "as " + to.String(), dtypes: from, make: func(r *source, d ir.DType) app {
			return app{operands: one(d, r.shape(0, 3), anyValue), attrs: []ir.Attr{ir.DTypeAttr("dtype", to)}}
		}})
	}
	generate("bitcast_convert", bits...)
	generate("concatenate", cell{make: func(r *source, d ir.DType) app {
		s := r.shape(1, 4)
		dim := r.n(len(s))
		a := app{attrs: []ir.Attr{ir.IntAttr("dimension", dim)}}
		for range r.in(1, 4) {
			t := slices.Clone(s)
			if len(a.operands) > 0 {
				t[dim] = r.small()
			}
			a.operands = append(a.operands, operand{ir.T(d, t...), anyValue})
		}
		return a
	}})
	generate("pad",
		cell{name: "edges", make: func(r *source, d ir.DType) app { return pad(r, d, 0) }},
		cell{name: "interior", make: func(r *source, d ir.DType) app { return pad(r, d, 3) }})
	var takes, puts []cell
	for _, it := range integers {
		takes = append(takes, cell{name: "by " + it.String(), make: func(r *source, d ir.DType) app { return gather(r, d, it) }})
		puts = append(puts, cell{name: "by " + it.String(), make: func(r *source, d ir.DType) app { return scatter(r, d, it) }})
	}
	// More updates of one destination than a chunk holds.
	puts = append(puts, cell{name: "crowded", make: func(r *source, d ir.DType) app {
		n := pick(r, 511, 512, 513, 1030)
		return app{operands: []operand{{ir.T(d, 2, 1), anyValue}, {ir.T(ir.I32, n), between(0, 1)}, {ir.T(d, n, 1), anyValue}}, attrs: []ir.Attr{ir.IntAttr("axis", 0)}}
	}})
	generate("gather", takes...)
	generate("scatter", puts...)
	var to []cell
	for _, d := range ir.DTypes() {
		if d == ir.F64 {
			to = append(to, cell{name: "to f64", dtypes: []ir.DType{ir.F64}, make: func(r *source, x ir.DType) app { return convert(r, x, ir.F64) }})
			continue
		}
		to = append(to, cell{name: "to " + d.String(), make: func(r *source, x ir.DType) app { return convert(r, x, d) }})
	}
	generate("convert", to...)
}

func constant(r *source, d ir.DType, splat bool) app {
	t := ir.T(d, r.shape(0, 3)...)
	value := r.fill(t, anyValue, r.variant%flavours)
	if splat {
		value = r.fill(ir.T(d), anyValue, r.variant%flavours)
	}
	return app{attrs: []ir.Attr{ir.DTypeAttr("dtype", d), ir.IntsAttr("shape", t.Shape...), ir.BytesAttr("value", value)}}
}

func broadcast(r *source, d ir.DType, stretch bool) app {
	to := r.shape(1, 4)
	dims := r.perm(len(to))[:r.in(1, len(to))]
	slices.Sort(dims)
	from := make([]int, len(dims))
	for i, k := range dims {
		from[i] = to[k]
		if stretch && (i == 0 || r.one(2)) {
			from[i] = 1
		}
	}
	return app{operands: one(d, from, anyValue), attrs: []ir.Attr{ir.IntsAttr("shape", to...), ir.IntsAttr("dimensions", dims...)}}
}

func slice(r *source, d ir.DType, most int) app {
	s := r.shape(1, 4)
	start, limit, stride := make([]int, len(s)), make([]int, len(s)), make([]int, len(s))
	for i, n := range s {
		start[i] = r.in(0, min(n, 3))
		limit[i] = r.in(max(start[i], n-3), n)
		stride[i] = r.in(1, most)
	}
	return app{operands: one(d, s, anyValue), attrs: []ir.Attr{ir.IntsAttr("start", start...), ir.IntsAttr("limit", limit...), ir.IntsAttr("stride", stride...)}}
}

// blocks returns a shape and one of a block in it.
func blocks(r *source) (s, block []int) {
	s = r.shape(0, 4)
	for _, n := range s {
		block = append(block, r.in(max(0, n-3), n))
	}
	return s, block
}

func pad(r *source, d ir.DType, most int) app {
	s := r.shape(1, 3)
	low, high, interior := make([]int, len(s)), make([]int, len(s)), make([]int, len(s))
	for i := range s {
		low[i], high[i], interior[i] = r.in(0, 3), r.in(0, 3), r.in(0, most)
	}
	return app{operands: []operand{{ir.T(d, s...), anyValue}, {ir.T(d), anyValue}},
		attrs: []ir.Attr{ir.IntsAttr("low", low...), ir.IntsAttr("high", high...), ir.IntsAttr("interior", interior...)}}
}

func gather(r *source, d, it ir.DType) app {
	s := r.shape(1, 3)
	axis := r.n(len(s))
	s[axis] = max(s[axis], 1)
	var at []int
	for range r.in(0, 2) {
		at = append(at, r.small())
	}
	return app{operands: []operand{{ir.T(d, s...), anyValue}, {ir.T(it, at...), reach(it, s[axis])}}, attrs: []ir.Attr{ir.IntAttr("axis", axis)}}
}

func scatter(r *source, d, it ir.DType) app {
	s := r.shape(1, 3)
	axis := r.n(len(s))
	var at []int
	for range r.in(0, 2) {
		at = append(at, r.small())
	}
	updates := slices.Concat(s[:axis], at, s[axis+1:])
	return app{operands: []operand{{ir.T(d, s...), anyValue}, {ir.T(it, at...), reach(it, s[axis])}, {ir.T(d, updates...), anyValue}}, attrs: []ir.Attr{ir.IntAttr("axis", axis)}}
}

// reach is index, within what a dtype holds.
func reach(it ir.DType, n int) domain {
	dom := index(n)
	if it == ir.U8 {
		dom.hi = min(dom.hi, 255)
	}
	return dom
}

func convert(r *source, from, to ir.DType) app {
	return app{operands: one(from, []int{r.size()}, anyValue), attrs: []ir.Attr{ir.DTypeAttr("dtype", to)}, rows: []int{0}}
}
