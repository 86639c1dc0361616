package cpu

import (
	"math"
	"slices"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/numerics"
	"github.com/seedbed/seedbed/plugins/backends/cpu/internal/vec"
)

// reduction is an operand seen as [before, along, after] where along is reduced; after is 1 where the reduced elements of
// a result lie side by side.
type reduction struct {
	before, along, after int
	move                 func(r *run, dst, src []byte) error // brings an operand to that form, or nil
}

// planReduction merges dimensions. Reduced dimensions that are not neighbours are brought to the end.
func planReduction(t ir.Type, dims []int) reduction {
	var sizes []int
	var reduced []bool
	for d, n := range t.Shape {
		is := slices.Contains(dims, d)
		switch k := len(sizes) - 1; {
		case n == 1:
		case k >= 0 && reduced[k] == is:
			sizes[k] *= n
		default:
			sizes, reduced = append(sizes, n), append(reduced, is)
		}
	}
	p := reduction{before: 1, along: 1, after: 1}
	seen := 0
	for i, is := range reduced {
		switch {
		case is:
			p.along, seen = p.along*sizes[i], seen+1
		case seen == 0:
			p.before *= sizes[i]
		default:
			p.after *= sizes[i]
		}
	}
	if seen > 1 {
		var kept []int
		for d := range t.Shape {
			if !slices.Contains(dims, d) {
				kept = append(kept, d)
			}
		}
		order := slices.Concat(kept, dims)
		shape := pick(t.Shape, order)
		p.before, p.after = p.before*p.after, 1
		p.move = strided{shape: shape, dst: ir.T(ir.U8, shape...).Strides(), src: pick(t.Strides(), order)}.copier(t.DType.Size())
	}
	return p
}

// operands appends steps that bring operands to the plan's form.
func (c *compiler) operands(op *ir.Op, p reduction) []int {
	var refs []int
	for i, v := range op.Operands {
		ref := c.in(op, i)
		if p.move != nil {
			used := c.used[:len(c.used)-1]
			c.used = []int{ref}
			moved := c.temp(c.types[v].Bytes())
			from := ref
			c.emit(func(r *run) error { return p.move(r, r.mem[moved], r.mem[from]) })
			c.used, ref = append(used, moved), moved
		}
		refs = append(refs, ref)
	}
	return refs
}

func reduce(c *compiler, op *ir.Op) error {
	t, kind := c.types[op.Operands[0]], op.Attrs.Str("kind")
	p := planReduction(t, op.Attrs.Ints("dimensions"))
	if t.DType == ir.F32 && kind == "sum" {
		if few, ok := planFewRows(t, op.Attrs.Ints("dimensions")); ok {
			c.sumFewRows(op, few)
			return nil
		}
		c.sum(op, p, terms{a: c.operands(op, p)[0], b: none, mean: none, rstd: none})
		return nil
	}
	switch t.DType {
	case ir.F32:
		f := map[string]func(x, y float32) float32{"prod": func(x, y float32) float32 { return x * y }, "max": numerics.Max, "min": numerics.Min}[kind]
		identity := map[string]float32{"prod": 1, "max": float32(math.Inf(-1)), "min": float32(math.Inf(1))}[kind]
		c.foldFloats(op, p, kind, identity, f)
	case ir.I32:
		fold(c, op, p, map[string]int32{"prod": 1, "max": math.MinInt32, "min": math.MaxInt32}[kind], binaryInt[int32](reduceOps[kind]))
	case ir.I64:
		fold(c, op, p, map[string]int64{"prod": 1, "max": math.MinInt64, "min": math.MaxInt64}[kind], binaryInt[int64](reduceOps[kind]))
	case ir.U8:
		fold(c, op, p, map[string]uint8{"prod": 1, "min": math.MaxUint8}[kind], binaryInt[uint8](reduceOps[kind]))
	case ir.U32:
		fold(c, op, p, map[string]uint32{"prod": 1, "min": math.MaxUint32}[kind], binaryInt[uint32](reduceOps[kind]))
	case ir.U64:
		fold(c, op, p, map[string]uint64{"prod": 1, "min": math.MaxUint64}[kind], binaryInt[uint64](reduceOps[kind]))
	default:
		f := func(x, y uint8) uint8 { return x & y }
		if kind == "or" {
			f = func(x, y uint8) uint8 { return x | y }
		}
		fold(c, op, p, map[string]uint8{"and": 1}[kind], f)
	}
	return nil
}

var reduceOps = map[string]string{"sum": "add", "prod": "multiply", "max": "maximum", "min": "minimum"}

func reduceDot(c *compiler, op *ir.Op) error {
	if d := op.Results[0].DType; d != ir.F32 {
		return unknown(d)
	}
	p := planReduction(c.types[op.Operands[0]], op.Attrs.Ints("dimensions"))
	t, ok := c.aboutMean(op, p)
	if !ok {
		in := c.operands(op, p)
		t = terms{a: in[0], b: in[1], mean: none, rstd: none}
	}
	c.sum(op, p, t)
	return nil
}

// terms are what is summed: refs, or none, of vec.Terms.
type terms struct{ a, b, mean, rstd int }

// aboutMean returns the terms of a sum over columns of squares about their means, or of products with what is normalized, as those of
// batch normalization are: what has been put off for them is computed on the way.
func (c *compiler) aboutMean(op *ir.Op, p reduction) (t terms, ok bool) {
	if p.after == 1 || p.move != nil {
		return terms{}, false
	}
	putOff := func(v ir.Value, name string) *ir.Op {
		if d := c.fusion.putOff[v]; d != nil && d.Name == name {
			return d
		}
		return nil
	}
	row := func(v ir.Value) (of ir.Value, ok bool) {
		d := putOff(v, "broadcast_in_dim")
		if d == nil {
			return 0, false
		}
		each, period, _ := c.repeats(d)
		return d.Operands[0], each == 1 && period == p.after
	}
	v, rstd := op.Operands[1], ir.NoValue
	if m := putOff(v, "multiply"); m != nil {
		if rstd, ok = row(m.Operands[1]); !ok {
			return terms{}, false
		}
		v = m.Operands[0]
	}
	s := putOff(v, "subtract")
	if s == nil || (v == op.Operands[0]) == (rstd != ir.NoValue) {
		return terms{}, false
	}
	mean, ok := row(s.Operands[1])
	if !ok {
		return terms{}, false
	}
	if rstd == ir.NoValue {
		t = terms{a: c.value(s.Operands[0]), b: none, mean: c.value(mean), rstd: none}
	} else {
		t = terms{a: c.value(op.Operands[0]), b: c.value(s.Operands[0]), mean: c.value(mean), rstd: c.value(rstd)}
	}
	c.fusion.done[c.fusion.maker[op.First]] = true
	return t, true
}

// fold combines the elements of each result in ascending order.
func fold[T element](c *compiler, op *ir.Op, p reduction, identity T, f func(x, y T) T) {
	foldRows(c, op, p, identity, func(row, x []T) {
		for ; len(x) > 0; x = x[len(row):] {
			for i, v := range x[:len(row)] {
				row[i] = f(row[i], v)
			}
		}
	})
}

// foldFloats is fold with what instructions there are.
func (c *compiler) foldFloats(op *ir.Op, p reduction, kind string, identity float32, f func(x, y float32) float32) {
	rows := map[string]func(dst, x, y []float32){"max": vec.Max, "min": vec.Min}[kind]
	switch {
	case kind == "max" && p.after == 1:
		foldRows(c, op, p, identity, func(row, x []float32) { row[0] = numerics.Max(row[0], vec.MaxOf(x)) })
	case rows != nil && p.after >= cacheLine/4:
		foldRows(c, op, p, identity, func(row, x []float32) {
			for ; len(x) > 0; x = x[len(row):] {
				rows(row, row, x[:len(row)])
			}
		})
	default:
		fold(c, op, p, identity, f)
	}
}

// foldRows has f combine the rows x with a row of results, which begins as the identity.
func foldRows[T element](c *compiler, op *ir.Op, p reduction, identity T, f func(row, x []T)) {
	in := c.operands(op, p)[0]
	out := c.out(op)
	c.emit(func(r *run) error {
		x, y := view[T](r.mem[in]), view[T](r.mem[out])
		return r.split(p.before, max(1, grain/max(1, p.along*p.after)), func(lo, hi int) {
			for a := lo; a < hi; a++ {
				row := y[a*p.after : (a+1)*p.after]
				for i := range row {
					row[i] = identity
				}
				f(row, x[a*p.along*p.after:(a+1)*p.along*p.after])
			}
		})
	})
}

// sum is a sum of terms (rule 7).
func (c *compiler) sum(op *ir.Op, p reduction, t terms) {
	// Workers sum blocks of rows, for some columns each; the sums of blocks are then rows to sum.
	blocks := max(1, (p.along+numerics.SumBlock-1)/numerics.SumBlock)
	tiles := (p.after + vec.ColumnTile - 1) / vec.ColumnTile
	partial := c.temp(4 * p.before * blocks * p.after)
	scratch := none
	if p.after > 1 {
		scratch = c.temp(4 * vec.ColumnScratch * c.b.pool.Workers())
	}
	out := c.out(op)
	c.emit(func(r *run) error {
		read := func(ref int) []float32 {
			if ref == none {
				return nil
			}
			return r.f32(ref)
		}
		x, y, z, sums := r.f32(t.a), read(t.b), r.f32(out), r.f32(partial)
		if len(z) == 0 {
			return nil
		}
		if blocks == 1 {
			sums = z
		}
		var err error
		if p.after == 1 {
			err = r.split(p.before*blocks, max(1, grain/max(1, min(p.along, numerics.SumBlock))), func(lo, hi int) {
				for i := lo; i < hi; i++ {
					a, b := i/blocks, i%blocks
					from, to := a*p.along+b*numerics.SumBlock, a*p.along+min(p.along, (b+1)*numerics.SumBlock)
					if y != nil {
						sums[i] = vec.SumProducts(x[from:to], y[from:to])
					} else {
						sums[i] = vec.Sum(x[from:to])
					}
				}
			})
		} else {
			mean, rstd := read(t.mean), read(t.rstd)
			err = r.b.pool.For(p.before*blocks*tiles, func(worker, i int) {
				a, b, first := i/tiles/blocks, i/tiles%blocks, i%tiles*vec.ColumnTile
				lo := (a*p.along + b*numerics.SumBlock) * p.after
				hi := (a*p.along + min(p.along, (b+1)*numerics.SumBlock)) * p.after
				n := min(vec.ColumnTile, p.after-first)
				part := vec.Terms{A: x[lo:hi], Mean: mean, Rstd: rstd}
				if y != nil {
					part.B = y[lo:hi]
				}
				vec.SumTerms(sums[i/tiles*p.after+first:][:n], part, first, p.after, r.f32(scratch)[worker*vec.ColumnScratch:][:vec.ColumnScratch])
			})
		}
		if err != nil || blocks == 1 {
			return err
		}
		return r.b.pool.For(p.before, func(worker, a int) {
			rows := sums[a*blocks*p.after : (a+1)*blocks*p.after]
			if p.after == 1 {
				z[a] = vec.Sum(rows)
				return
			}
			s := r.f32(scratch)[worker*vec.ColumnScratch:][:vec.ColumnScratch]
			vec.SumColumns(z[a*p.after:(a+1)*p.after], rows, s)
		})
	})
}

// fewRows are the sums, element by element, of 2, 4, 8, 16 or 32 rows each, wherever these lie. Each row has lanes of its own, so that rule 7's
// folds of lanes are sums of rows: the second half to the first until one is left.
type fewRows struct {
	cols int   // of a row
	at   []int // the rows of a sum, from its first
	// The sums have this shape, and their first rows these strides.
	shape, strides []int
}

func planFewRows(t ir.Type, dims []int) (p fewRows, ok bool) {
	p = fewRows{cols: 1, at: []int{0}}
	strides, last := t.Strides(), len(t.Shape)
	for ; last > 0 && !slices.Contains(dims, last-1); last-- {
		p.cols *= t.Shape[last-1]
	}
	for d, n := range t.Shape[:last] {
		if !slices.Contains(dims, d) {
			p.shape, p.strides = append(p.shape, n), append(p.strides, strides[d])
			continue
		}
		if n*len(p.at) > numerics.SumLanes {
			return p, false
		}
		var at []int
		for _, o := range p.at {
			for i := range n {
				at = append(at, o+i*strides[d])
			}
		}
		p.at = at
	}
	k := len(p.at)
	return p, k > 1 && k&(k-1) == 0 && p.cols >= cacheLine/4
}

func (c *compiler) sumFewRows(op *ir.Op, p fewRows) {
	in, half := c.in(op, 0), len(p.at)/2
	part := min(p.cols, 1024)
	scratch := c.temp(4 * half * part * c.b.pool.Workers())
	out := c.out(op)
	sums := product(p.shape)
	size := max(1, grain/(p.cols*len(p.at)))
	c.emit(func(r *run) error {
		x, z := r.f32(in), r.f32(out)
		return r.b.pool.For((sums+size-1)/size, func(worker, i int) {
			held, index := r.f32(scratch)[worker*half*part:][:half*part], make([]int, len(p.shape))
			for s := i * size; s < min(sums, (i+1)*size); s++ {
				unflatten(index, p.shape, s)
				first := offset(index, p.strides)
				for c := 0; c < p.cols; c += part {
					n := min(part, p.cols-c)
					for k, at := range p.at[:half] {
						vec.Add(held[k*n:(k+1)*n], x[first+at+c:][:n], x[first+p.at[half+k]+c:][:n])
					}
					for k := half * n / 2; k >= n; k /= 2 {
						vec.AddInto(held[:k], held[k:2*k])
					}
					vec.AddScalar(z[s*p.cols+c:][:n], held[:n], 0) // lanes begin at +0: a sum is never -0
				}
			}
		})
	})
}

// argExtreme lowers argmax and argmin.
func argExtreme(c *compiler, op *ir.Op) error {
	t := c.types[op.Operands[0]]
	before, along, after := around(t.Shape, op.Attrs.Int("dimension"))
	largest := op.Name == "argmax"
	switch t.DType {
	case ir.F32:
		search(c, op, before, along, after, beatsFloat(largest))
	case ir.I32:
		search(c, op, before, along, after, beatsInt[int32](largest))
	case ir.I64:
		search(c, op, before, along, after, beatsInt[int64](largest))
	case ir.U8:
		search(c, op, before, along, after, beatsInt[uint8](largest))
	case ir.U32:
		search(c, op, before, along, after, beatsInt[uint32](largest))
	case ir.U64:
		search(c, op, before, along, after, beatsInt[uint64](largest))
	default:
		return unknown(t.DType)
	}
	return nil
}

// beatsFloat: a NaN beats every number.
func beatsFloat(largest bool) func(x, y float32) bool {
	if largest {
		return func(x, y float32) bool { return x > y || x != x && y == y }
	}
	return func(x, y float32) bool { return x < y || x != x && y == y }
}

func beatsInt[T integer](largest bool) func(x, y T) bool {
	if largest {
		return func(x, y T) bool { return x > y }
	}
	return func(x, y T) bool { return x < y }
}

func search[T element](c *compiler, op *ir.Op, before, along, after int, beats func(x, y T) bool) {
	in := c.in(op, 0)
	out := c.out(op)
	c.emit(func(r *run) error {
		x, y := view[T](r.mem[in]), view[int32](r.mem[out])
		return r.split(before*after, max(1, grain/along), func(lo, hi int) {
			for n := lo; n < hi; n++ {
				column := x[n/after*along*after+n%after:]
				best := 0
				for i := range along {
					if beats(column[i*after], column[best*after]) {
						best = i
					}
				}
				y[n] = int32(best)
			}
		})
	})
}
