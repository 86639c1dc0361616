package cases

import (
	"fmt"
	"slices"

	"github.com/seedbed/seedbed/abi/ir"
)

func init() {
	generate("dot_general",
		cell{name: "matrix", make: func(r *source, d ir.DType) app { return matmul(r, d, false, r.small()*r.some(), finite) }},
		cell{name: "transposed", make: func(r *source, d ir.DType) app { return matmul(r, d, true, r.small()*r.some(), finite) }},
		// One off the chunks and super-chunks of rule 5.
		cell{name: "chunks", make: func(r *source, d ir.DType) app {
			return matmul(r, d, r.one(2), pick(r, 511, 512, 513, 1024, 1025), finite)
		}},
		cell{name: "super-chunks", make: func(r *source, d ir.DType) app {
			return dot(d, []int{r.in(1, 2), pick(r, 8191, 8192, 8193, 16385, 24577)}, nil, finite, ir.DotDims{LHSContract: []int{1}, RHSContract: []int{0}}, []int{r.in(1, 3)})
		}},
		cell{name: "tiles", make: func(r *source, d ir.DType) app {
			m, n := r.size(), pick(r, 1, 15, 16, 17, 32, 33, 48, 49)
			m = min(m, 70)
			return dot(d, []int{m, r.some()}, nil, finite, ir.DotDims{LHSContract: []int{1}, RHSContract: []int{0}}, []int{n})
		}},
		cell{name: "vector", make: func(r *source, d ir.DType) app {
			return dot(d, []int{r.size()}, nil, finite, ir.DotDims{LHSContract: []int{0}, RHSContract: []int{0}}, nil)
		}},
		cell{name: "outer", make: func(r *source, d ir.DType) app {
			return dot(d, []int{min(r.size(), 200)}, nil, finite, ir.DotDims{}, []int{r.some()})
		}},
		cell{name: "batched", make: func(r *source, d ir.DType) app {
			a := dot(d, []int{r.small(), r.small(), r.small()}, nil, finite, ir.DotDims{LHSBatch: []int{0}, RHSBatch: []int{0}, LHSContract: []int{2}, RHSContract: []int{1}}, []int{r.small()})
			a.rows = []int{0, 1}
			return a
		}},
		cell{name: "any dimensions", make: func(r *source, d ir.DType) app { return dotAny(r, d) }},
		cell{name: "not finite", make: func(r *source, d ir.DType) app {
			a := matmul(r, d, r.one(2), r.some(), anyValue)
			a.classes = true
			return a
		}})
	generate("reduce",
		cell{name: "last", make: func(r *source, d ir.DType) app {
			s := r.shape(1, 3)
			return app{operands: one(d, s, anyValue), attrs: []ir.Attr{ir.IntsAttr("dimensions", len(s)-1)}}
		}},
		cell{name: "first", make: func(r *source, d ir.DType) app {
			return app{operands: one(d, []int{r.size(), r.some()}, anyValue), attrs: []ir.Attr{ir.IntsAttr("dimensions", 0)}}
		}},
		cell{name: "some", make: func(r *source, d ir.DType) app {
			s := r.shape(1, 4)
			return app{operands: one(d, s, anyValue), attrs: []ir.Attr{ir.IntsAttr("dimensions", someDims(r, len(s))...)}}
		}},
		// One off the blocks of rule 7.
		cell{name: "blocks", make: func(r *source, d ir.DType) app {
			return app{operands: one(d, []int{pick(r, 4095, 4096, 4097, 8192, 8193, 12321)}, finite), attrs: []ir.Attr{ir.IntsAttr("dimensions", 0)}}
		}})
	generate("reduce_dot",
		cell{name: "last", make: func(r *source, d ir.DType) app {
			s := r.shape(1, 3)
			return app{operands: twice(d, s, anyValue), attrs: []ir.Attr{ir.IntsAttr("dimensions", len(s)-1)}}
		}},
		cell{name: "some", make: func(r *source, d ir.DType) app {
			s := r.shape(1, 4)
			return app{operands: twice(d, s, anyValue), attrs: []ir.Attr{ir.IntsAttr("dimensions", someDims(r, len(s))...)}}
		}},
		cell{name: "blocks", make: func(r *source, d ir.DType) app {
			return app{operands: twice(d, []int{pick(r, 4095, 4096, 4097, 8193)}, finite), attrs: []ir.Attr{ir.IntsAttr("dimensions", 0)}}
		}})
	search := cell{make: func(r *source, d ir.DType) app {
		s := r.shape(1, 4)
		dim := r.n(len(s))
		s[dim] = max(s[dim], 1)
		return app{operands: one(d, s, anyValue), attrs: []ir.Attr{ir.IntAttr("dimension", dim)}}
	}}
	generate("argmax", search)
	generate("argmin", search)
	along := func(flag string) []cell {
		var l []cell
		for _, on := range []bool{false, true} {
			l = append(l, cell{name: fmt.Sprint(flag, " ", on), make: func(r *source, d ir.DType) app {
				s := r.shape(1, 4)
				return app{operands: one(d, s, anyValue), attrs: []ir.Attr{ir.IntAttr("dimension", r.n(len(s))), ir.BoolAttr(flag, on)}}
			}})
		}
		return l
	}
	generate("cumsum", along("reverse")...)
	sorts := along("descending")
	for _, payload := range []ir.DType{ir.F32, ir.BF16, ir.I64, ir.Bool} {
		sorts = append(sorts, cell{name: "with " + payload.String(), make: func(r *source, d ir.DType) app {
			s := r.shape(1, 3)
			return app{operands: []operand{{ir.T(d, s...), anyValue}, {ir.T(payload, s...), anyValue}},
				attrs: []ir.Attr{ir.IntAttr("dimension", r.n(len(s))), ir.BoolAttr("descending", r.one(2))}}
		}})
	}
	generate("sort", sorts...)
	generate("top_k", cell{make: func(r *source, d ir.DType) app {
		s := r.shape(1, 3)
		a := app{operands: one(d, s, anyValue), attrs: []ir.Attr{ir.IntAttr("k", r.n(min(s[len(s)-1], 9)+1))}}
		if len(s) > 1 {
			a.rows = []int{0}
		}
		return a
	}})
	draws := func(attrs func(r *source) []ir.Attr) cell {
		return cell{dtypes: []ir.DType{ir.U32}, make: func(r *source, _ ir.DType) app {
			return app{operands: one(ir.U32, []int{4}, randomState(r)),
				attrs: append(attrs(r), ir.IntsAttr("shape", r.shape(0, 3)...), ir.IntAttr("stream", int(r.bits())))}
		}}
	}
	generate("random_normal", draws(func(*source) []ir.Attr { return nil }))
	generate("random_uniform", draws(func(r *source) []ir.Attr {
		low := pick(r, 0, -1, -0.1, 1e-3, -1e30)
		return []ir.Attr{ir.FloatAttr("low", low), ir.FloatAttr("high", low+pick(r, 0, 1, 0.3, 1e20))}
	}))
	generate("random_bernoulli", draws(func(r *source) []ir.Attr {
		return []ir.Attr{ir.FloatAttr("probability", pick(r, 0, 1, 0.5, 0.1, 1e-10, 1-1e-10))}
	}))
	sample := func(more ...func(r *source) ir.Attr) cell {
		return cell{make: func(r *source, d ir.DType) app {
			s := r.shape(1, 3)
			s[len(s)-1] = max(s[len(s)-1], 1)
			a := app{operands: []operand{{ir.T(d, s...), anyValue}, {ir.T(ir.U32, 4), randomState(r)}}, attrs: []ir.Attr{ir.IntAttr("stream", int(r.bits()))}}
			for _, m := range more {
				a.attrs = append(a.attrs, m(r))
			}
			return a
		}}
	}
	generate("random_categorical", sample())
	generate("gumbel_softmax", sample(func(r *source) ir.Attr { return ir.FloatAttr("temperature", pick(r, 1, 0.1, 2.5)) }))
	generate("rng_bit_generator", cell{make: func(r *source, d ir.DType) app {
		return app{operands: one(d, []int{4}, randomState(r)), attrs: []ir.Attr{ir.IntsAttr("shape", r.shape(0, 3)...), ir.IntAttr("stream", int(r.bits()))}}
	}})
}

// randomState keeps the part of a state small, so that no counter overflows.
func randomState(r *source) domain { return pick(r, between(0, 9), between(0, 1<<32-1)) }

func twice(d ir.DType, shape []int, dom domain) []operand {
	return append(one(d, shape, dom), one(d, shape, dom)...)
}

func someDims(r *source, rank int) []int {
	dims := r.perm(rank)[:r.in(0, rank)]
	slices.Sort(dims)
	return dims
}

// dot makes an app whose rhs has the batching and contracting dimensions that
// lhs has, in the places that dd says, and free dimensions after them.
func dot(d ir.DType, lhs, rhs []int, dom domain, dd ir.DotDims, free []int) app {
	if rhs == nil {
		n := len(dd.RHSBatch) + len(dd.RHSContract) + len(free)
		rhs = slices.Repeat([]int{-1}, n)
		for i, k := range dd.RHSBatch {
			rhs[k] = lhs[dd.LHSBatch[i]]
		}
		for i, k := range dd.RHSContract {
			rhs[k] = lhs[dd.LHSContract[i]]
		}
		for i := range rhs {
			if rhs[i] < 0 {
				rhs[i], free = free[0], free[1:]
			}
		}
	}
	return app{operands: []operand{{ir.T(d, lhs...), dom}, {ir.T(d, rhs...), dom}}, attrs: []ir.Attr{
		ir.IntsAttr("lhs_batching_dimensions", dd.LHSBatch...), ir.IntsAttr("rhs_batching_dimensions", dd.RHSBatch...),
		ir.IntsAttr("lhs_contracting_dimensions", dd.LHSContract...), ir.IntsAttr("rhs_contracting_dimensions", dd.RHSContract...)}}
}

func matmul(r *source, d ir.DType, transposed bool, k int, dom domain) app {
	m, n := r.small(), r.some()*r.small()
	if transposed {
		return dot(d, []int{k, m}, nil, dom, ir.DotDims{LHSContract: []int{0}, RHSContract: []int{1}}, []int{n})
	}
	a := dot(d, []int{m, k}, nil, dom, ir.DotDims{LHSContract: []int{1}, RHSContract: []int{0}}, []int{n})
	return a
}

// dotAny picks roles for the dimensions of both sides and permutes them.
func dotAny(r *source, d ir.DType) app {
	nb, nc, lf, rf := r.in(0, 2), r.in(0, 2), r.in(0, 2), r.in(0, 2)
	lp, rp := r.perm(nb+nc+lf), r.perm(nb+nc+rf)
	lhs := make([]int, len(lp))
	for i := range lhs {
		lhs[i] = r.in(1, 5)
		if r.one(24) {
			lhs[i] = 0
		}
	}
	dd := ir.DotDims{LHSBatch: lp[:nb], RHSBatch: rp[:nb], LHSContract: lp[nb : nb+nc], RHSContract: rp[nb : nb+nc]}
	free := make([]int, rf)
	for i := range free {
		free[i] = r.in(1, 5)
	}
	return dot(d, lhs, nil, finite, dd, free)
}
