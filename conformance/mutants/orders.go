package mutants

import (
	"slices"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/numerics"
)

// offsets lists, for each result of a reduction of t along dims, the elements
// that it combines, row-major.
func offsets(t ir.Type, dims []int) [][]int {
	var kept []int
	for d := range t.Shape {
		if !slices.Contains(dims, d) {
			kept = append(kept, d)
		}
	}
	walk := func(dims []int, from []int) []int {
		at := from
		for _, d := range dims {
			var next []int
			for _, o := range at {
				for i := range t.Shape[d] {
					next = append(next, o+i*t.Strides()[d])
				}
			}
			at = next
		}
		return at
	}
	var groups [][]int
	for _, o := range walk(kept, []int{0}) {
		groups = append(groups, walk(dims, []int{o}))
	}
	return groups
}

// sumIn computes f32 sums in another way.
func sumIn(add func(x []float32) float32) fault {
	return fault{after: func(op *ir.Op, in, out []tensor) {
		if op.Name == "reduce" && op.Attrs.Str("kind") != "sum" || out[0].DType != ir.F32 {
			return
		}
		for n, g := range offsets(in[0].Type, op.Attrs.Ints("dimensions")) {
			x := make([]float32, len(g))
			for i, o := range g {
				x[i] = in[0].f32(o)
			}
			out[0].setF32(n, add(x))
		}
	}}
}

// lanes sums as rule 7 does with other numbers of lanes and elements a block.
func lanes(x []float32, width, block int) float32 {
	if len(x) > block {
		var sums []float32
		for len(x) > 0 {
			n := min(block, len(x))
			sums = append(sums, lanes(x[:n], width, block))
			x = x[n:]
		}
		return lanes(sums, width, block)
	}
	l := make([]float32, width)
	for i, v := range x {
		l[i%width] += v
	}
	for w := width / 2; w > 0; w /= 2 {
		for j := range w {
			l[j] += l[j+w]
		}
	}
	return l[0]
}

func sequential(x []float32) (s float32) {
	for _, v := range x {
		s += v
	}
	return s
}

// dots computes f32 contractions in another way: acc gets the factors in the
// order of k.
func dots(acc func(l, r []float32) float32) fault {
	return fault{after: func(op *ir.Op, in, out []tensor) {
		if out[0].DType != ir.F32 {
			return
		}
		d := ir.DotDimsOf(op.Attrs)
		lf, rf := d.LHSFree(in[0].Rank()), d.RHSFree(in[1].Rank())
		ls := walkDims(in[0].Type, append(slices.Clone(d.LHSBatch), lf...), d.LHSContract)
		rs := walkDims(in[1].Type, append(slices.Clone(d.RHSBatch), rf...), d.RHSContract)
		nb := 1
		for _, k := range d.LHSBatch {
			nb *= in[0].Shape[k]
		}
		if nb == 0 || len(ls) == 0 || len(rs) == 0 {
			return
		}
		nl, nr := len(ls)/nb, len(rs)/nb
		n := 0
		for b := range nb {
			for i := range nl {
				for j := range nr {
					lo, ro := ls[b*nl+i], rs[b*nr+j]
					x, y := make([]float32, len(lo)), make([]float32, len(lo))
					for k := range lo {
						x[k], y[k] = in[0].f32(lo[k]), in[1].f32(ro[k])
					}
					out[0].setF32(n, acc(x, y))
					n++
				}
			}
		}
	}}
}

// walkDims lists, for each index of the outer dimensions, the offsets along the
// inner ones.
func walkDims(t ir.Type, outer, inner []int) [][]int {
	expand := func(at []int, dims []int) []int {
		for _, d := range dims {
			var next []int
			for _, o := range at {
				for i := range t.Shape[d] {
					next = append(next, o+i*t.Strides()[d])
				}
			}
			at = next
		}
		return at
	}
	var l [][]int
	for _, o := range expand([]int{0}, outer) {
		l = append(l, expand([]int{o}, inner))
	}
	return l
}

// chunked is rule 5 with other sizes; 0 super for none.
func chunked(l, r []float32, chunk, super int) float32 {
	if super > 0 && len(l) > super {
		s := chunked(l[:super], r[:super], chunk, super)
		return s + chunked(l[super:], r[super:], chunk, super)
	}
	var s float32
	for len(l) > 0 {
		n := min(chunk, len(l))
		var p float32
		for k := range n {
			p = numerics.FMA(l[k], r[k], p)
		}
		s += p
		l, r = l[n:], r[n:]
	}
	return s
}

func reversed(l, r []float32) ([]float32, []float32) {
	a, b := slices.Clone(l), slices.Clone(r)
	slices.Reverse(a)
	slices.Reverse(b)
	return a, b
}

func orders() (l []*Mutant) {
	for name, f := range ordered(map[string]func(x []float32) float32{
		"8 lanes":    func(x []float32) float32 { return lanes(x, 8, 4096) },
		"16 lanes":   func(x []float32) float32 { return lanes(x, 16, 4096) },
		"64 lanes":   func(x []float32) float32 { return lanes(x, 64, 4096) },
		"one lane":   sequential,
		"half block": func(x []float32) float32 { return lanes(x, 32, 2048) },
		"no blocks":  func(x []float32) float32 { return lanes(x, 32, 1<<40) },
		"pairwise": func(x []float32) float32 {
			var sum func(x []float32) float32
			sum = func(x []float32) float32 {
				if len(x) < 2 {
					return sequential(x)
				}
				return sum(x[:len(x)/2]) + sum(x[len(x)/2:])
			}
			return sum(x)
		},
		"in float64": func(x []float32) float32 {
			s := 0.0
			for _, v := range x {
				s += float64(v)
			}
			return float32(s)
		},
		"ring order": func(x []float32) float32 {
			k := len(x) / 3
			return lanes(append(slices.Clone(x[k:]), x[:k]...), 32, 4096)
		},
		"backwards": func(x []float32) float32 { y, _ := reversed(x, x); return lanes(y, 32, 4096) },
		"without +0 +": func(x []float32) float32 {
			if len(x) == 1 {
				return x[0]
			}
			return lanes(x, 32, 4096)
		},
		"compensated": func(x []float32) float32 {
			var s, c float32
			for _, v := range x {
				y := v - c
				t := s + y
				c = (t - s) - y
				s = t
			}
			return s
		},
		"split over threads": func(x []float32) float32 {
			return lanes(x[:len(x)/2], 32, 4096) + lanes(x[len(x)/2:], 32, 4096)
		},
	}) {
		l = append(l, inOp("wrong order of a sum", "reduce", name, sumIn(f)))
	}
	for name, f := range ordered(map[string]func(l, r []float32) float32{
		"chunks of 256":     func(l, r []float32) float32 { return chunked(l, r, 256, 8192) },
		"chunks of 1024":    func(l, r []float32) float32 { return chunked(l, r, 1024, 8192) },
		"no chunks":         func(l, r []float32) float32 { return chunked(l, r, 1<<40, 0) },
		"no super-chunks":   func(l, r []float32) float32 { return chunked(l, r, 512, 0) },
		"super-chunks 4096": func(l, r []float32) float32 { return chunked(l, r, 512, 4096) },
		"backwards": func(l, r []float32) float32 {
			l, r = reversed(l, r)
			return chunked(l, r, 512, 8192)
		},
		"not fused": func(l, r []float32) float32 {
			var s float32
			for k := range l {
				s += float32(l[k] * r[k])
			}
			return s
		},
		"in float64": func(l, r []float32) float32 {
			s := 0.0
			for k := range l {
				s += float64(float64(l[k]) * float64(r[k]))
			}
			return float32(s)
		},
		"8 lanes": func(l, r []float32) float32 {
			p := make([]float32, 8)
			for k := range l {
				p[k%8] = numerics.FMA(l[k], r[k], p[k%8])
			}
			return lanes(p, 8, 8)
		},
		"4 accumulators": func(l, r []float32) float32 {
			p := make([]float32, 4)
			for k := range l {
				p[k%4] = numerics.FMA(l[k], r[k], p[k%4])
			}
			return (p[0] + p[1]) + (p[2] + p[3])
		},
		"without +0 +": func(l, r []float32) float32 {
			if len(l) == 1 {
				return l[0] * r[0]
			}
			return chunked(l, r, 512, 8192)
		},
		"the last k is lost": func(l, r []float32) float32 {
			if n := len(l); n%8 == 1 && n > 1 {
				return chunked(l[:n-1], r[:n-1], 512, 8192)
			}
			return chunked(l, r, 512, 8192)
		},
		"chains of chunks start from the last sum": func(l, r []float32) float32 {
			var s float32
			for k := range l {
				s = numerics.FMA(l[k], r[k], s)
			}
			return s
		},
	}) {
		l = append(l, inOp("wrong order of a contraction", "dot_general", name, dots(f)))
	}
	product := func(kind string, f func(x []float32) float32) fault {
		return fault{after: func(op *ir.Op, in, out []tensor) {
			if out[0].DType != ir.F32 || op.Name == "reduce" && op.Attrs.Str("kind") != kind {
				return
			}
			for n, g := range offsets(in[0].Type, op.Attrs.Ints("dimensions")) {
				x := make([]float32, len(g))
				for i, o := range g {
					x[i] = in[0].f32(o)
					if len(in) > 1 {
						x[i] = float32(x[i] * in[1].f32(o))
					}
				}
				out[0].setF32(n, f(x))
			}
		}}
	}
	l = append(l,
		inOp("wrong order of a product", "reduce", "prod pairwise", product("prod", func(x []float32) float32 {
			var f func(x []float32) float32
			f = func(x []float32) float32 {
				switch len(x) {
				case 0:
					return 1
				case 1:
					return x[0]
				}
				return f(x[:len(x)/2]) * f(x[len(x)/2:])
			}
			return f(x)
		})),
		inOp("contracted fma", "reduce_dot", "products are rounded", product("", func(x []float32) float32 { return lanes(x, 32, 4096) })),
		inOp("wrong order of a sum", "reduce_dot", "one lane", product("", sequential)),
		inOp("wrong identity", "reduce", "max starts at 0", product("max", func(x []float32) float32 {
			m := float32(0)
			for _, v := range x {
				m = numerics.Max(m, v)
			}
			return m
		})),
		inOp("wrong identity", "reduce", "max starts at the smallest finite number", product("max", func(x []float32) float32 {
			m := float32(-3.4028234663852886e38)
			for _, v := range x {
				m = numerics.Max(m, v)
			}
			return m
		})),
		inOp("NaN is dropped", "reduce", "max ignores NaN", product("max", func(x []float32) float32 {
			m := float32(negInf)
			for _, v := range x {
				if v > m {
					m = v
				}
			}
			return m
		})),
		inOp("NaN is dropped", "reduce", "min gives the last comparison's operand", product("min", func(x []float32) float32 {
			m := float32(-negInf)
			for _, v := range x {
				if !(m < v) {
					m = v
				}
			}
			return m
		})),
		inOp("operand order decides", "reduce", "max of zeros is the last", product("max", func(x []float32) float32 {
			m := float32(negInf)
			for _, v := range x {
				if v >= m || v != v {
					m = v
				}
				if m != m {
					break
				}
			}
			return m
		})))
	return l
}
