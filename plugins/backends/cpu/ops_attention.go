package cpu

import (
	"math"
	"slices"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/numerics"
	"github.com/seedbed/seedbed/plugins/backends/cpu/internal/gemm"
	"github.com/seedbed/seedbed/plugins/backends/cpu/internal/vec"
)

// Attention runs head by head, a block of queries at a time, so that scores exist for no more than a block (forward) or a chunk of
// rule 5 (backward) of one head a worker. Keys that no query of a block sees are skipped: they add +0 to a chain that ends in
// "+0 + p". That holds for finite data alone; heads where it could show are computed whole.

const fewQueries = 4 // as when a model generates: keys and values are read once, which packing them would double

// Queries whose scores are computed together, in the cache, at most: multiples of the kernels' 6 rows, where those have 6. Where queries see
// different keys small blocks skip more; else large ones go over keys and values less often.
const (
	causalBlock = 48
	queryBlock  = 96
)

// attention is what forward and backward know of the operands.
type attention struct {
	batch, s, t, h, g, r, d, e int // as in the op's text: r query heads share each of g key heads
	block                      int // queries whose scores are computed together
	causal                     bool
	scale                      float32
	q, k, v                    tensor4
	querySegments, keySegments int      // refs, or none
	bias                       *tensor4 // [B,H,S,T], or [1,H,S,T] with a stride of 0; nil for none
}

// biasOf returns the bias of a query's scores, or nil.
func (a *attention) biasOf(r *run, b, head, query int) []float32 {
	if a.bias == nil {
		return nil
	}
	return r.f32(a.bias.ref)[a.bias.at(b, head, query):][:a.t]
}

// tensor4 is where an operand of rank 4 lies; its last dimension is dense.
type tensor4 struct {
	ref                   int
	offset                int
	batch, position, head int // strides
}

func (x tensor4) at(b, pos, head int) int {
	return x.offset + b*x.batch + pos*x.position + head*x.head
}

// tensor4 returns where operand i of op lies, which can be in a slice's operand.
func (c *compiler) tensor4(op *ir.Op, i int) tensor4 {
	if heads := c.fusion.putOff[op.Operands[i]]; heads != nil && heads.Name == "reshape" {
		if s := c.fusion.putOff[heads.Operands[0]]; s != nil && s.Name == "slice" {
			strides := c.types[s.Operands[0]].Strides()
			x := tensor4{ref: c.value(s.Operands[0]), batch: strides[0], position: strides[1], head: heads.Results[0].Shape[3]}
			for d, from := range s.Attrs.Ints("start") {
				x.offset += from * strides[d]
			}
			return x
		}
	}
	s := c.types[op.Operands[i]].Strides()
	return tensor4{ref: c.in(op, i), batch: s[0], position: s[1], head: s[2]}
}

// putOffHeads puts off a slice [B,S,H*D], and its reshape to [B,S,H,D], that only attention reads: it does so where they are cut from. It
// says whether it did.
func (c *compiler) putOffHeads(op *ir.Op) bool {
	x := &c.fusion
	all := func(op *ir.Op, ok func(*ir.Op) bool) bool {
		return !slices.ContainsFunc(x.readers[op.First], func(i int) bool { return i == len(x.f.Ops) || !ok(&x.f.Ops[i]) })
	}
	attends := func(op *ir.Op) bool {
		switch op.Name {
		case "scaled_dot_product_attention", "scaled_dot_product_attention_grad", "biased_attention", "biased_attention_grad":
			return true
		}
		return false
	}
	splits := func(op *ir.Op) bool {
		from, to := c.types[op.Operands[0]].Shape, op.Results[0].Shape
		return op.Name == "reshape" && len(from) == 3 && len(to) == 4 && slices.Equal(from[:2], to[:2]) && all(op, attends)
	}
	switch op.Name {
	case "slice":
		if op.Results[0].DType != ir.F32 || slices.ContainsFunc(op.Attrs.Ints("stride"), func(n int) bool { return n != 1 }) || !all(op, splits) {
			return false
		}
	case "reshape":
		if s := x.putOff[op.Operands[0]]; s == nil || s.Name != "slice" || !splits(op) {
			return false
		}
	default:
		return false
	}
	x.putOff[op.First] = op
	return true
}

func dense4(ref int, t ir.Type) tensor4 {
	s := t.Strides()
	return tensor4{ref: ref, batch: s[0], position: s[1], head: s[2]}
}

func (c *compiler) attention(op *ir.Op, first, segments int) attention {
	q, v := c.types[op.Operands[first]].Shape, c.types[op.Operands[first+2]].Shape
	a := attention{
		batch: q[0], s: q[1], h: q[2], d: q[3], t: v[1], g: v[2], e: v[3],
		causal: op.Attrs.Bool("causal"), scale: float32(op.Attrs.Float("scale")),
		q: c.tensor4(op, first), k: c.tensor4(op, first+1), v: c.tensor4(op, first+2),
		querySegments: none, keySegments: none,
	}
	a.r = a.h / a.g
	if a.block = causalBlock; !a.causal {
		a.block = gemm.Even(a.s, queryBlock, 6)
	}
	if len(op.Operands) > segments {
		a.querySegments, a.keySegments = c.in(op, segments), c.in(op, segments+1)
	}
	return a
}

// seen is the number of first keys among which are all that a query sees, its segment apart.
func (a *attention) seen(query int) int {
	if !a.causal {
		return a.t
	}
	return min(max(query+a.t-a.s+1, 0), a.t)
}

// span is a range of keys.
type span struct{ from, to int }

// sight tells which keys a query sees.
type sight struct {
	a             *attention
	queries, keys []int32 // segments of a sequence's positions, or nil
	segment       int32   // of the spans
	spans         []span
}

func (a *attention) sight(r *run, b int, s *sight) {
	*s = sight{a: a, spans: append(s.spans[:0], span{0, a.t})}
	if a.querySegments != none {
		s.queries = view[int32](r.mem[a.querySegments])[b*a.s : (b+1)*a.s]
		s.keys = view[int32](r.mem[a.keySegments])[b*a.t : (b+1)*a.t]
		s.spans = s.spans[:0]
	}
}

// each calls f for each range of keys that a query sees, in order.
func (s *sight) each(query int, f func(from, to int)) {
	if s.queries != nil {
		if g := s.queries[query]; g != s.segment || len(s.spans) == 0 {
			s.segment, s.spans = g, s.spans[:0]
			for i := 0; i < len(s.keys); i++ {
				if s.keys[i] != g {
					continue
				}
				from := i
				for i++; i < len(s.keys) && s.keys[i] == g; i++ {
				}
				s.spans = append(s.spans, span{from, i})
			}
		}
	}
	n := s.a.seen(query)
	for _, x := range s.spans {
		if x.from >= n {
			return
		}
		f(x.from, min(x.to, n))
	}
}

// tame says that no product of vectors of these values with others that are tame comes near the largest finite number.
func (r *run) tame(refs ...int) (bool, error) {
	const part = 1 << 16
	for i, ref := range refs {
		if slices.Contains(refs[:i], ref) {
			continue
		}
		x := r.f32(ref)
		totals := make([]float32, (len(x)+part-1)/part)
		err := r.b.pool.For(len(totals), func(_, i int) { totals[i] = vec.SumSquares(x[i*part : min(len(x), (i+1)*part)]) })
		if err != nil {
			return false, err
		}
		if total := vec.Sum(totals); !(total < 1e18) {
			return false, nil
		}
	}
	return true, nil
}

// exponentials turns row, dots of a query with its first len(row) keys, into exp(scale * dot + bias - top) for those that it sees and +0
// for the others; bias may be nil. Without top it takes the maximum and returns it.
func (s *sight) exponentials(row []float32, query int, scale float32, bias []float32, top *float32) float32 {
	max := float32(math.Inf(-1))
	s.each(query, func(from, to int) {
		x := row[from:to]
		if bias == nil && top == nil {
			max = numerics.Max(max, vec.MulMax(x, x, scale))
			return
		}
		vec.MulScalar(x, x, scale)
		if bias != nil {
			vec.Add(x, x, bias[from:to])
		}
		if top == nil {
			max = numerics.Max(max, vec.MaxOf(x))
		}
	})
	switch {
	case top != nil:
		max = *top
	case math.IsInf(float64(max), -1):
		max = 0 // it sees no key
	}
	end := 0
	s.each(query, func(from, to int) {
		clear(row[end:from])
		vec.ExpSub(row[from:to], row[from:to], max)
		end = to
	})
	clear(row[end:])
	return max
}

func nonzero(x float32) float32 {
	if x == 0 {
		return 1
	}
	return x
}

// headWork is what a worker keeps for attention: operands of one head in the order of the kernels.
type headWork struct {
	packs [4]*gemm.PackedB
	sight sight
}

// pack packs k by n elements of x, where b's rows and columns step as given.
func (w *headWork) pack(r *run, worker, slot, k, n int, x []float32, rowStride, colStride int) (*gemm.PackedB, error) {
	p, err := r.b.gemm.PackBOn(worker, k, n, gemm.Operand{Data: x, RowStride: rowStride, ColStride: colStride}, w.packs[slot])
	if err == nil {
		w.packs[slot] = p
	}
	return p, err
}

// from cuts what a matrix needs from a slice; a matrix without elements may lie past its end.
func from(x []float32, at int) []float32 { return x[min(at, len(x)):] }

func scaledDotProductAttention(c *compiler, op *ir.Op) error {
	if d := op.Results[0].DType; d != ir.F32 {
		return unknown(d)
	}
	a := c.attention(op, 0, 3)
	return c.attend(op, a)
}

func biasedAttention(c *compiler, op *ir.Op) error {
	if d := op.Results[0].DType; d != ir.F32 {
		return unknown(d)
	}
	a := c.attention(op, 0, 4)
	a.bias = c.bias(op, 3)
	return c.attend(op, a)
}

// bias returns operand i, which is one for all sequences or one for each.
func (c *compiler) bias(op *ir.Op, i int) *tensor4 {
	s := c.types[op.Operands[i]].Strides()
	x := tensor4{ref: c.in(op, i), batch: s[0], position: s[1], head: s[2]} // "position" is the head's, "head" the query's: see biasOf
	if c.types[op.Operands[i]].Shape[0] == 1 {
		x.batch = 0
	}
	return &x
}

func (c *compiler) attend(op *ir.Op, a attention) error {
	scores := c.temp(4 * a.block * a.t * c.b.pool.Workers())
	out := c.outs(op)
	y := dense4(out[0], op.Results[0])
	c.emit(func(r *run) error {
		skip := false
		if a.causal {
			var err error
			if skip, err = r.tame(a.v.ref); err != nil {
				return err
			}
		}
		return r.each(a.batch*a.h, func(worker, i int) error {
			return a.forward(r, worker, i/a.h, i%a.h, r.f32(scores)[a.block*a.t*worker:], y, r.f32(out[1]), r.f32(out[2]), skip)
		})
	})
	return nil
}

// forward computes one head of one sequence. skip says that keys which are not seen need not be read.
func (a *attention) forward(r *run, worker, b, head int, scores []float32, y tensor4, tops, sums []float32, skip bool) error {
	w, kv := &r.b.heads[worker], head/a.r
	q, k, v := r.f32(a.q.ref), r.f32(a.k.ref), r.f32(a.v.ref)
	keys := gemm.Operand{Data: from(k, a.k.at(b, 0, kv)), RowStride: 1, ColStride: a.k.position}
	values := gemm.Operand{Data: from(v, a.v.at(b, 0, kv)), RowStride: a.v.position, ColStride: 1}
	var packedKeys, packedValues *gemm.PackedB
	if a.s > fewQueries {
		var err error
		if packedKeys, err = w.pack(r, worker, 0, a.d, a.t, keys.Data, keys.RowStride, keys.ColStride); err != nil {
			return err
		}
		if packedValues, err = w.pack(r, worker, 1, a.t, a.e, values.Data, values.RowStride, values.ColStride); err != nil {
			return err
		}
	}
	a.sight(r, b, &w.sight)
	var sum [queryBlock]float32
	for q0 := 0; q0 < a.s; q0 += a.block {
		rows := min(a.block, a.s-q0)
		n := a.t
		if skip {
			n = a.seen(q0 + rows - 1)
		}
		err := r.b.gemm.RunOn(worker, &gemm.Problem{
			M: rows, N: n, K: a.d, C: scores, CRow: n, B: keys, PackedB: packedKeys,
			A: gemm.Operand{Data: from(q, a.q.at(b, q0, head)), RowStride: a.q.position, ColStride: 1},
		})
		if err != nil {
			return err
		}
		stats := (b*a.h+head)*a.s + q0
		for i := range rows {
			row := scores[i*n : (i+1)*n]
			tops[stats+i] = w.sight.exponentials(row, q0+i, a.scale, a.biasOf(r, b, head, q0+i), nil)
			sum[i] = vec.Sum(row[:min(n, a.seen(q0+i))])
			sums[stats+i] = sum[i]
		}
		out := r.f32(y.ref)
		err = r.b.gemm.RunOn(worker, &gemm.Problem{
			M: rows, N: a.e, K: n, C: from(out, y.at(b, q0, head)), CRow: y.position, B: values, PackedB: packedValues,
			A: gemm.Operand{Data: scores, RowStride: n, ColStride: 1},
		})
		if err != nil {
			return err
		}
		for i := range rows {
			row := out[y.at(b, q0+i, head):][:a.e]
			vec.DivScalar(row, row, nonzero(sum[i]))
		}
	}
	return nil
}

// maxQueries bounds the contraction over queries: a longer one needs the tree of rule 5.
const maxQueries = numerics.SuperChunkK

func scaledDotProductAttentionGrad(c *compiler, op *ir.Op) error {
	if d := op.Results[0].DType; d != ir.F32 {
		return unknown(d)
	}
	dy, y, tops, sums := c.tensor4(op, 0), c.tensor4(op, 4), c.in(op, 5), c.in(op, 6)
	return c.attendGrad(op, dy, y, tops, sums, c.attention(op, 1, 7), none)
}

func biasedAttentionGrad(c *compiler, op *ir.Op) error {
	if d := op.Results[0].DType; d != ir.F32 {
		return unknown(d)
	}
	dy, y, tops, sums := c.tensor4(op, 0), c.tensor4(op, 5), c.in(op, 6), c.in(op, 7)
	a := c.attention(op, 1, 8)
	a.bias = c.bias(op, 4)
	n := a.h * a.s * a.t
	scores := c.temp(4 * a.batch * n)
	if err := c.attendGrad(op, dy, y, tops, sums, a, scores); err != nil {
		return err
	}
	c.used = []int{scores}
	out := c.temp(4 * n)
	c.refs[op.Result(3)] = out
	c.emit(func(r *run) error {
		x, sum := r.f32(scores), r.f32(out)
		return r.split(n, grain, func(lo, hi int) {
			// By rule 7: a sequence is a lane, from +0.
			for b := range a.batch {
				vec.AddScalar(x[b*n+lo:b*n+hi], x[b*n+lo:b*n+hi], 0)
			}
			for w := 16; w > 0; w /= 2 {
				for b := 0; b < w && b+w < a.batch; b++ {
					vec.Add(x[b*n+lo:b*n+hi], x[b*n+lo:b*n+hi], x[(b+w)*n+lo:(b+w)*n+hi])
				}
			}
			copy(sum[lo:hi], x[lo:hi])
		})
	})
	return nil
}

// attendGrad lowers the gradient but for that of a bias; scores, if not none, gets the cotangents [B,H,S,T] of the scores before the scale.
func (c *compiler) attendGrad(op *ir.Op, dy, y tensor4, tops, sums int, a attention, scores int) error {
	workers := c.b.pool.Workers()
	chunk := min(numerics.ChunkK, a.r*a.s)
	size := chunk * 2 * a.t
	if a.r > 1 {
		size += chunk * (a.d + a.e)
	}
	scratch := c.temp(4 * size * workers)
	out := make([]int, 3)
	for i := range out {
		out[i] = c.temp(op.Results[i].Bytes())
		c.refs[op.Result(i)] = out[i]
	}
	g := attentionGrad{
		attention: a, dy: dy, y: y, tops: tops, sums: sums, scores: scores, chunk: chunk,
		dq: dense4(out[0], op.Results[0]), dk: dense4(out[1], op.Results[1]), dv: dense4(out[2], op.Results[2]),
	}
	c.emit(func(r *run) error {
		// Keys that are not seen can be skipped if their part in every sum is a finite number times +0.
		skip := false
		if a.causal {
			var err error
			if skip, err = r.tame(a.q.ref, a.k.ref, a.v.ref, dy.ref, y.ref, sums); err != nil {
				return err
			}
		}
		return r.each(a.batch*a.g, func(worker, i int) error {
			return g.backward(r, worker, i/a.g, i%a.g, r.f32(scratch)[size*worker:][:size], skip)
		})
	})
	return nil
}

type attentionGrad struct {
	attention
	dy, y, dq, dk, dv tensor4
	tops, sums        int // refs
	scores            int // ref, or none: the scores' cotangents, for a bias
	chunk             int // queries whose probabilities are kept at a time
}

// backward computes one key head of one sequence: the queries of all heads that share it, head by head, a chunk at a time.
func (a *attentionGrad) backward(r *run, worker, b, kv int, scratch []float32, skip bool) error {
	w := &r.b.heads[worker]
	q, k, v, dy := r.f32(a.q.ref), r.f32(a.k.ref), r.f32(a.v.ref), r.f32(a.dy.ref)
	k, v = from(k, a.k.at(b, 0, kv)), from(v, a.v.at(b, 0, kv))
	keysT, err := w.pack(r, worker, 0, a.d, a.t, k, 1, a.k.position)
	if err != nil {
		return err
	}
	valuesT, err := w.pack(r, worker, 1, a.e, a.t, v, 1, a.v.position)
	if err != nil {
		return err
	}
	keys, err := w.pack(r, worker, 2, a.t, a.d, k, a.k.position, 1)
	if err != nil {
		return err
	}
	a.sight(r, b, &w.sight)
	cut := func(n int) []float32 {
		x := scratch[:n]
		scratch = scratch[n:]
		return x
	}
	p, ds := cut(a.chunk*a.t), cut(a.chunk*a.t)
	var queries, cts []float32 // of several heads, one after the other
	if a.r > 1 {
		queries, cts = cut(a.chunk*a.d), cut(a.chunk*a.e)
	}
	total := a.r * a.s
	for f0 := 0; f0 < total; f0 += a.chunk {
		f1 := min(f0+a.chunk, total)
		for f := f0; f < f1; {
			head, s := kv*a.r+f/a.s, f%a.s
			rows := min(a.block, a.s-s, f1-f)
			n := a.t
			if skip {
				n = a.seen(s + rows - 1)
			}
			at := (f - f0) * a.t
			if err := a.scoresGrad(r, worker, b, head, s, rows, n, p[at:], ds[at:], keysT, valuesT, skip); err != nil {
				return err
			}
			err := r.b.gemm.RunOn(worker, &gemm.Problem{
				M: rows, N: a.d, K: n, C: from(r.f32(a.dq.ref), a.dq.at(b, s, head)), CRow: a.dq.position, PackedB: keys,
				A: gemm.Operand{Data: ds[at:], RowStride: a.t, ColStride: 1},
			})
			if err != nil {
				return err
			}
			if a.r > 1 {
				for i := range rows {
					copy(queries[(f-f0+i)*a.d:][:a.d], from(q, a.q.at(b, s+i, head)))
					copy(cts[(f-f0+i)*a.e:][:a.e], from(dy, a.dy.at(b, s+i, head)))
				}
			}
			f += rows
		}
		x, y := gemm.Operand{Data: queries, RowStride: a.d, ColStride: 1}, gemm.Operand{Data: cts, RowStride: a.e, ColStride: 1}
		if a.r == 1 {
			x.Data, x.RowStride = from(q, a.q.at(b, f0, kv)), a.q.position
			y.Data, y.RowStride = from(dy, a.dy.at(b, f0, kv)), a.dy.position
		}
		if err := a.overQueries(r, worker, f0, f1, p, y, a.e, r.f32(a.dv.ref), a.dv, b, kv, skip); err != nil {
			return err
		}
		if err := a.overQueries(r, worker, f0, f1, ds, x, a.d, r.f32(a.dk.ref), a.dk, b, kv, skip); err != nil {
			return err
		}
	}
	if total == 0 { // sums of nothing
		for i := range a.t {
			clear(r.f32(a.dk.ref)[a.dk.at(b, i, kv):][:a.d])
			clear(r.f32(a.dv.ref)[a.dv.at(b, i, kv):][:a.e])
		}
	}
	return nil
}

// scoresGrad computes the probabilities p and the cotangents ds of the scaled scores for rows queries and the first n keys.
func (a *attentionGrad) scoresGrad(r *run, worker, b, head, s, rows, n int, p, ds []float32, keysT, valuesT *gemm.PackedB, skip bool) error {
	dy, y := r.f32(a.dy.ref), r.f32(a.y.ref)
	err := r.b.gemm.RunOn(worker, &gemm.Problem{
		M: rows, N: n, K: a.d, C: p, CRow: a.t, PackedB: keysT,
		A: gemm.Operand{Data: from(r.f32(a.q.ref), a.q.at(b, s, head)), RowStride: a.q.position, ColStride: 1},
	})
	if err != nil {
		return err
	}
	err = r.b.gemm.RunOn(worker, &gemm.Problem{
		M: rows, N: n, K: a.e, C: ds, CRow: a.t, PackedB: valuesT,
		A: gemm.Operand{Data: from(dy, a.dy.at(b, s, head)), RowStride: a.dy.position, ColStride: 1},
	})
	if err != nil {
		return err
	}
	stats := (b*a.h+head)*a.s + s
	read := a.t // keys that overQueries reads of these rows
	if a.blocks(skip) {
		read = min(a.t, (n+a.block-1)/a.block*a.block)
	}
	for i := range rows {
		m := n
		if skip {
			m = a.seen(s + i)
			clear(p[i*a.t+m : i*a.t+read])
			clear(ds[i*a.t+m : i*a.t+read])
		}
		p, ds := p[i*a.t:][:m], ds[i*a.t:][:m]
		r.b.heads[worker].sight.exponentials(p, s+i, a.scale, a.biasOf(r, b, head, s+i), &r.f32(a.tops)[stats+i])
		sum := nonzero(r.f32(a.sums)[stats+i])
		inner := vec.SumProducts(from(dy, a.dy.at(b, s+i, head))[:a.e], from(y, a.y.at(b, s+i, head))[:a.e])
		if a.scores == none {
			vec.SoftmaxGrad(p, ds, sum, inner, a.scale)
			continue
		}
		vec.DivScalar(p, p, sum)
		vec.SubScalar(ds, ds, inner)
		vec.Mul(ds, p, ds)
		row := r.f32(a.scores)[(stats+i)*a.t:][:a.t]
		clear(row[copy(row, ds):])
		vec.MulScalar(ds, ds, a.scale)
	}
	return nil
}

// blocks says whether sums over queries begin at the first that sees a block of keys: where the queries are those of one head.
func (a *attentionGrad) blocks(skip bool) bool { return skip && a.causal && a.r == 1 }

// overQueries adds a chunk's part to the cotangent of keys or values: x^T y for x [f1-f0, t] and y [f1-f0, width].
func (a *attentionGrad) overQueries(r *run, worker, f0, f1 int, x []float32, y gemm.Operand, width int, out []float32, to tensor4, b, kv int, skip bool) error {
	w := &r.b.heads[worker]
	packed, err := w.pack(r, worker, 3, f1-f0, width, y.Data, y.RowStride, y.ColStride)
	if err != nil {
		return err
	}
	block := a.t
	if skip = a.blocks(skip); skip {
		block = a.block
	}
	for t := 0; t < a.t; t += block {
		first := f0
		if skip {
			first = min(max(f0, t-(a.t-a.s)), f1)
		}
		err := r.b.gemm.RunOn(worker, &gemm.Problem{
			M: min(block, a.t-t), N: width, K: f1 - first, C: from(out, to.at(b, t, kv)), CRow: to.position,
			A:       gemm.Operand{Data: from(x, (first-f0)*a.t+t), RowStride: 1, ColStride: a.t},
			PackedB: packed, Row0: first - f0, Accumulate: f0 > 0,
		})
		if err != nil {
			return err
		}
	}
	return nil
}
