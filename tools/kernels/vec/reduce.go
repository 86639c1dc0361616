package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mmcloughlin/avo/operand"
)

// A reduction adds one term per element into the 32 lanes of rule 7 and folds them. It takes one block, n <= 4096.
type reduction struct {
	name, doc string
	in        []string
	scalars   []string
	add       func(e emitter, acc vec, x, s []vec, keep func(vec) vec) // keep zeroes the lanes past the end
}

var reductions = []reduction{
	{"sum", "the sum of a", []string{"a"}, nil, func(e emitter, acc vec, x, s []vec, keep func(vec) vec) { e.addTo(acc, x[0]) }},
	{"sumSquares", "the sum of squares of a", []string{"a"}, nil, func(e emitter, acc vec, x, s []vec, keep func(vec) vec) { e.fma(acc, x[0], x[0]) }},
	{"sumProducts", "the sum of products of a and b", []string{"a", "b"}, nil, func(e emitter, acc vec, x, s []vec, keep func(vec) vec) { e.fma(acc, x[0], x[1]) }},
	{"sumSquaresAbout", "the sum of squares of a - mean", []string{"a"}, []string{"mean"}, func(e emitter, acc vec, x, s []vec, keep func(vec) vec) {
		d := keep(e.sub(x[0], s[0]))
		e.fma(acc, d, d)
	}},
}

// header is func NAME(SLICES *float32, n int, SCALARS float32) float32.
func (k reduction) header() header {
	signature := fmt.Sprintf("func(%s *float32, n int", strings.Join(k.in, ", "))
	for _, s := range k.scalars {
		signature += ", " + s + " float32"
	}
	return header{k.name, signature + ") float32", k.doc + ", one block."}
}

// reductionKernel adds +0 for lanes past the end, which changes no lane: a lane that starts from +0 never becomes -0.
func reductionKernel(e *x86, k reduction) {
	e.function(k.header())
	var at []operand.Mem
	for _, p := range k.in {
		at = append(at, operand.Mem{Base: e.Load(e.Param(p), e.GP64())})
	}
	left := e.Load(e.Param("n"), e.GP64())
	var s []vec
	for _, name := range k.scalars {
		s = append(s, e.scalar(name))
	}
	acc := make([]vec, 32/e.lanes())
	for j := range acc {
		acc[j] = e.zero()
	}
	whole := func(v vec) vec { return v }
	loads := func(j int) (x []vec) {
		for _, m := range at {
			x = append(x, e.load(m.Offset(j*e.bytes())))
		}
		return
	}
	e.Label("loop")
	e.CMPQ(left, operand.U32(32))
	e.JLT(operand.LabelRef("end0"))
	for j := range acc {
		k.add(e, acc[j], loads(j), s, whole)
	}
	for _, m := range at {
		e.ADDQ(operand.U32(128), m.Base)
	}
	e.SUBQ(operand.U32(32), left)
	e.JMP(operand.LabelRef("loop"))
	for j := range acc {
		e.Label(fmt.Sprintf("end%d", j))
		e.CMPQ(left, operand.U32(e.lanes()))
		e.JLT(operand.LabelRef(fmt.Sprintf("part%d", j)))
		k.add(e, acc[j], loads(j), s, whole)
		e.SUBQ(operand.U32(e.lanes()), left)
	}
	e.JMP(operand.LabelRef("fold"))
	for j := range acc {
		e.Label(fmt.Sprintf("part%d", j))
		lanes := e.first(left)
		var x []vec
		for _, m := range at {
			d := e.vec()
			e.loadMasked(m.Offset(j*e.bytes()), lanes, d)
			x = append(x, d)
		}
		k.add(e, acc[j], x, s, func(v vec) vec { return e.keep(lanes, v) })
		e.JMP(operand.LabelRef("fold"))
	}
	e.Label("fold")
	e.returnLanes(e.foldLanes(foldSums(e, acc), plus))
}

// foldSums adds the upper half of the lanes of rule 7 to the lower until one vector is left.
func foldSums(e emitter, acc []vec) vec {
	for n := len(acc) / 2; n > 0; n /= 2 {
		for j := range n {
			e.addTo(acc[j], acc[j+n])
		}
	}
	return acc[0]
}

var normGradHeader = header{"layerNormGradSums", "func(dgamma, dbeta, dy, x, gamma *float32, n int, mean, rstd float32, ahead int) (sum, along float32)",
	"adds to the sums over rows of a layer norm's gradient, and returns those over the row; see LayerNormGradSums."}

// normGradKernel is for one block: with h = (x - mean) * rstd it adds dy * h to dgamma and dy to dbeta, and returns the sums of dy * gamma
// and of (dy * gamma) * h. It fetches dy and x from ahead bytes on, where the next row lies.
func normGradKernel(e *x86) {
	e.function(normGradHeader)
	i := e.GP64()
	e.XORQ(i, i)
	at := map[string]operand.Mem{}
	for _, p := range []string{"dgamma", "dbeta", "dy", "x", "gamma"} {
		at[p] = operand.Mem{Base: e.Load(e.Param(p), e.GP64()), Index: i, Scale: 4}
	}
	left, ahead := e.Load(e.Param("n"), e.GP64()), e.Load(e.Param("ahead"), e.GP64())
	next := []operand.Mem{}
	for _, p := range []string{"dy", "x"} {
		base := e.GP64()
		e.LEAQ(operand.Mem{Base: at[p].Base, Index: ahead, Scale: 1}, base)
		next = append(next, operand.Mem{Base: base, Index: i, Scale: 4})
	}
	mean, rstd := e.scalar("mean"), e.scalar("rstd")
	sum, along := make([]vec, 32/e.lanes()), make([]vec, 32/e.lanes())
	for j := range sum {
		sum[j], along[j] = e.zero(), e.zero()
	}
	// row adds the vector that load reads to the accumulators j.
	row := func(j int, load func(p string) vec, keep func(vec) vec, store func(v vec, p string)) {
		h := keep(e.mul(e.sub(load("x"), mean), rstd))
		dy := load("dy")
		dgamma := load("dgamma")
		e.fma(dgamma, dy, h)
		store(dgamma, "dgamma")
		store(e.add(load("dbeta"), dy), "dbeta")
		d := e.mul(dy, load("gamma"))
		e.addTo(sum[j], d)
		e.fma(along[j], d, h)
	}
	whole := func(j, offset int) {
		row(j, func(p string) vec { return e.load(at[p].Offset(offset)) }, func(v vec) vec { return v },
			func(v vec, p string) { e.storeFull(v, at[p].Offset(offset)) })
	}
	e.Label("loop")
	e.CMPQ(left, operand.U32(32))
	e.JLT(operand.LabelRef("end0"))
	for _, m := range next {
		e.PREFETCHT0(m)
		e.PREFETCHT0(m.Offset(64))
	}
	for j := range sum {
		whole(j, j*e.bytes())
	}
	e.ADDQ(operand.U32(32), i)
	e.SUBQ(operand.U32(32), left)
	e.JMP(operand.LabelRef("loop"))
	for j := range sum {
		e.Label(fmt.Sprintf("end%d", j))
		e.CMPQ(left, operand.U32(e.lanes()))
		e.JLT(operand.LabelRef(fmt.Sprintf("part%d", j)))
		whole(j, j*e.bytes())
		e.SUBQ(operand.U32(e.lanes()), left)
	}
	e.JMP(operand.LabelRef("fold"))
	for j := range sum {
		e.Label(fmt.Sprintf("part%d", j))
		lanes := e.first(left)
		row(j, func(p string) vec { d := e.vec(); e.loadMasked(at[p].Offset(j*e.bytes()), lanes, d); return d },
			func(v vec) vec { return e.keep(lanes, v) }, func(v vec, p string) { e.storeMasked(v, lanes, at[p].Offset(j*e.bytes())) })
		e.JMP(operand.LabelRef("fold"))
	}
	e.Label("fold")
	s, a := e.foldLanes(foldSums(e, sum), plus), e.foldLanes(foldSums(e, along), plus)
	e.returnLanes(s, a)
}

// returnLanes returns the lowest lanes of vectors.
func (e *x86) returnLanes(v ...vec) {
	e.VZEROUPPER()
	for i, x := range v {
		e.Store(x, e.ReturnIndex(i))
	}
	e.RET()
}

// foldLanes combines the upper half of v with the lower until one lane is left.
func (e *x86) foldLanes(v vec, f func(e emitter, a, b vec) vec) vec {
	if e.wide {
		hi := e.YMM()
		e.VEXTRACTF64X4(operand.U8(1), v, hi)
		y := e.ymm()
		v = f(y, v.AsY().(vec), hi)
	}
	hi := e.XMM()
	e.VEXTRACTF128(operand.U8(1), v, hi)
	x := e.xmm()
	v = f(x, v.AsX().(vec), hi)
	hi = e.XMM()
	e.VMOVHLPS(v, v, hi)
	v = f(x, v, hi)
	hi = e.XMM()
	e.VMOVSHDUP(v, hi)
	return f(x, v, hi)
}

// maxHeader is of the maximum, or with scaled of what also writes a * s to dst and returns the maximum of that.
func maxHeader(scaled bool) header {
	if scaled {
		return header{"mulMax", "func(dst, a *float32, n int, s float32) float32", "a * s, and the maximum of that, -Inf for none."}
	}
	return header{"maxOf", "func(a *float32, n int) float32", "the maximum of a, -Inf for none."}
}

func maxKernel(e *x86, scaled bool) {
	e.function(maxHeader(scaled))
	var pointers []string
	if scaled {
		pointers = append(pointers, "dst")
	}
	var at []operand.Mem // of the output, where there is one, and the input
	for _, p := range append(pointers, "a") {
		at = append(at, operand.Mem{Base: e.Load(e.Param(p), e.GP64())})
	}
	left := e.Load(e.Param("n"), e.GP64())
	from := at[len(at)-1]
	var s vec
	if scaled {
		s = e.scalar("s")
	}
	acc := make([]vec, 4)
	for j := range acc {
		acc[j] = e.load(e.f32(negativeInfinity))
	}
	into := func(j int, x vec) { e.VMOVAPS(e.maximum(acc[j], x), acc[j]) }
	whole := func(j int) {
		x := e.load(from.Offset(j * e.bytes()))
		if scaled {
			x = e.mul(x, s)
			e.storeFull(x, at[0].Offset(j*e.bytes()))
		}
		into(j, x)
	}
	advance := func(vectors int) {
		for _, m := range at {
			e.ADDQ(operand.U32(vectors*e.bytes()), m.Base)
		}
		e.SUBQ(operand.U32(vectors*e.lanes()), left)
	}
	e.Label("loop")
	e.CMPQ(left, operand.U32(4*e.lanes()))
	e.JLT(operand.LabelRef("single"))
	for j := range acc {
		whole(j)
	}
	advance(4)
	e.JMP(operand.LabelRef("loop"))
	e.Label("single")
	e.CMPQ(left, operand.U32(e.lanes()))
	e.JLT(operand.LabelRef("partial"))
	whole(0)
	advance(1)
	e.JMP(operand.LabelRef("single"))
	e.Label("partial")
	e.TESTQ(left, left)
	e.JE(operand.LabelRef("fold"))
	lanes, x := e.first(left), e.vec()
	e.loadMasked(from, lanes, x)
	if scaled {
		x = e.mul(x, s)
		e.storeMasked(x, lanes, at[0])
	}
	into(0, e.blend(lanes, e.load(e.f32(negativeInfinity)), x))
	e.Label("fold")
	for n := 2; n > 0; n /= 2 {
		for j := range n {
			acc[j] = e.maximum(acc[j], acc[j+n])
		}
	}
	e.returnLanes(e.foldLanes(acc[0], emitter.maximum))
}

// columnTile is the number of columns whose 32 lanes stay in L1 together.
const columnTile = 128

const prefetchRows = 8

// A columnReduction adds one term per element into the 32 lanes of its column.
type columnReduction struct {
	name, doc string
	in        []string // matrices
	about     []string // rows that stand for all
	add       func(e emitter, acc vec, x, about []vec) vec
}

var columnReductions = []columnReduction{
	{"addColumns", "a", []string{"a"}, nil, func(e emitter, acc vec, x, _ []vec) vec { return e.add(acc, x[0]) }},
	{"addColumnProducts", "a * b", []string{"a", "b"}, nil, func(e emitter, acc vec, x, _ []vec) vec {
		e.fma(acc, x[0], x[1])
		return acc
	}},
	{"addColumnSquaresAbout", "the square of a - mean", []string{"a"}, []string{"mean"}, func(e emitter, acc vec, x, about []vec) vec {
		d := e.sub(x[0], about[0])
		e.fma(acc, d, d)
		return acc
	}},
	{"addColumnProductsAbout", "a * ((b - mean) * rstd)", []string{"a", "b"}, []string{"mean", "rstd"}, func(e emitter, acc vec, x, about []vec) vec {
		e.fma(acc, x[0], e.mul(e.sub(x[1], about[0]), about[1]))
		return acc
	}},
}

// header is func NAME(lanes, MATRICES, ROWS *float32, rows, cols, stride int): lanes[r mod 32][c] takes the term of row r and
// column c, for cols <= 128; rows of lanes are 128 apart, rows of matrices stride apart.
func (k columnReduction) header() header {
	return header{k.name, fmt.Sprintf("func(lanes, %s *float32, rows, cols, stride int)", strings.Join(slices.Concat(k.in, k.about), ", ")),
		"adds " + k.doc + " into the 32 lanes of each column."}
}

func columnsKernel(e *x86, k columnReduction) {
	in := slices.Concat(k.in, k.about)
	e.function(k.header())
	lanes, rows, cols, stride := e.Load(e.Param("lanes"), e.GP64()), e.Load(e.Param("rows"), e.GP64()), e.Load(e.Param("cols"), e.GP64()), e.Load(e.Param("stride"), e.GP64())
	e.SHLQ(operand.U8(2), stride)
	c, left, r, to := e.GP64(), e.GP64(), e.GP64(), e.GP64()
	var at []operand.Mem
	for _, p := range in {
		at = append(at, operand.Mem{Base: e.Load(e.Param(p), e.GP64()), Index: c, Scale: 4})
	}
	acc := operand.Mem{Base: to, Index: c, Scale: 4}
	// Rows of wide matrices lie on pages of their own, beyond which the hardware does not fetch ahead.
	var ahead []operand.Mem
	for _, m := range at[:len(k.in)] {
		base := e.GP64()
		e.LEAQ(operand.Mem{Base: m.Base, Index: stride, Scale: prefetchRows}, base)
		ahead = append(ahead, operand.Mem{Base: base, Index: c, Scale: 4})
	}
	combine := func(x []vec, acc vec) vec { return k.add(e, acc, x[:len(k.in)], x[len(k.in):]) }
	e.XORQ(r, r)
	e.Label("row")
	e.TESTQ(rows, rows)
	e.JE(operand.LabelRef("done"))
	e.MOVQ(r, to)
	e.SHLQ(operand.U8(9), to) // 128 columns of 4 bytes
	e.ADDQ(lanes, to)
	e.XORQ(c, c)
	e.MOVQ(cols, left)
	for _, u := range []int{4, 1} {
		loop, end := fmt.Sprintf("vectors%d", u), fmt.Sprintf("end%d", u)
		e.Label(loop)
		e.CMPQ(left, operand.U32(u*e.lanes()))
		e.JLT(operand.LabelRef(end))
		for line := 0; u > 1 && line < u*e.bytes(); line += 64 {
			for _, m := range ahead {
				e.PREFETCHT0(m.Offset(line))
			}
		}
		for j := range u {
			var x []vec
			for _, m := range at {
				x = append(x, e.load(m.Offset(j*e.bytes())))
			}
			e.storeFull(combine(x, e.load(acc.Offset(j*e.bytes()))), acc.Offset(j*e.bytes()))
		}
		e.ADDQ(operand.U32(u*e.lanes()), c)
		e.SUBQ(operand.U32(u*e.lanes()), left)
		e.JMP(operand.LabelRef(loop))
		e.Label(end)
	}
	e.TESTQ(left, left)
	e.JE(operand.LabelRef("next"))
	first := e.first(left)
	var x []vec
	for _, m := range at {
		d := e.vec()
		e.loadMasked(m, first, d)
		x = append(x, d)
	}
	y := e.vec()
	e.loadMasked(acc, first, y)
	e.storeMasked(combine(x, y), first, acc)
	e.Label("next")
	for _, m := range slices.Concat(at[:len(k.in)], ahead) {
		e.ADDQ(stride, m.Base)
	}
	e.INCQ(r)
	e.ANDQ(operand.U32(31), r)
	e.DECQ(rows)
	e.JMP(operand.LabelRef("row"))
	e.Label("done")
	e.VZEROUPPER()
	e.RET()
}
