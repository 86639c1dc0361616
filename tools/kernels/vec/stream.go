package main

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// A stream computes each element of its outputs from the same element of its inputs and from scalars.
type stream struct {
	name, doc string
	out, in   []string // slices; one in both lists is updated in place
	scalars   []string // "name type"
	unroll    int      // vectors per turn of the main loop
	body      func(e emitter, x, s []vec) []vec
}

// A body with more scalars than this gets none in s and broadcasts each where it needs it: AVX2 has 16 registers.
const residentScalars = 4

func formula1(f func(e emitter, a vec) vec) func(e emitter, x, s []vec) []vec {
	return func(e emitter, x, s []vec) []vec { return []vec{f(e, x[0])} }
}

// formula2 takes its second operand from a slice or a scalar.
func formula2(f func(e emitter, a, b vec) vec) func(e emitter, x, s []vec) []vec {
	return func(e emitter, x, s []vec) []vec {
		v := slices.Concat(x, s)
		return []vec{f(e, v[0], v[1])}
	}
}

func formula3(f func(e emitter, a, b, c vec) vec) func(e emitter, x, s []vec) []vec {
	return func(e emitter, x, s []vec) []vec {
		v := slices.Concat(x, s)
		return []vec{f(e, v[0], v[1], v[2])}
	}
}

func plus(e emitter, a, b vec) vec  { return e.add(a, b) }
func minus(e emitter, a, b vec) vec { return e.sub(a, b) }
func times(e emitter, a, b vec) vec { return e.mul(a, b) }
func over(e emitter, a, b vec) vec  { return e.div(a, b) }

func swapped(f func(e emitter, a, b vec) vec) func(e emitter, a, b vec) vec {
	return func(e emitter, a, b vec) vec { return f(e, b, a) }
}

var one = float32(1)

func rsqrt(e emitter, a vec) vec { return e.div(e.load(e.f32(one)), e.sqrt(a)) }

// a*b + c
func fused(e emitter, a, b, c vec) vec {
	d := e.copy(c)
	e.fma(d, a, b)
	return d
}

var (
	dst    = []string{"dst"}
	a      = []string{"a"}
	ab     = []string{"a", "b"}
	scalar = []string{"s float32"}
)

var streams = []stream{
	{"add", "a + b", dst, ab, nil, 4, formula2(plus)},
	{"sub", "a - b", dst, ab, nil, 4, formula2(minus)},
	{"mul", "a * b", dst, ab, nil, 4, formula2(times)},
	{"div", "a / b", dst, ab, nil, 2, formula2(over)},
	{"max", "the maximum of a and b", dst, ab, nil, 2, formula2(emitter.maximum)},
	{"min", "the minimum of a and b", dst, ab, nil, 2, formula2(emitter.minimum)},
	{"addScalar", "a + s", dst, a, scalar, 4, formula2(plus)},
	{"subScalar", "a - s", dst, a, scalar, 4, formula2(minus)},
	{"scalarSub", "s - a", dst, a, scalar, 4, formula2(swapped(minus))},
	{"mulScalar", "a * s", dst, a, scalar, 4, formula2(times)},
	{"divScalar", "a / s", dst, a, scalar, 2, formula2(over)},
	{"scalarDiv", "s / a", dst, a, scalar, 2, formula2(swapped(over))},
	{"maxScalar", "the maximum of a and s", dst, a, scalar, 2, formula2(emitter.maximum)},
	{"minScalar", "the minimum of a and s", dst, a, scalar, 2, formula2(emitter.minimum)},
	{"neg", "-a", dst, a, nil, 4, formula1(negate)},
	{"abs", "|a|", dst, a, nil, 4, formula1(abs)},
	{"sqrt", "the square root of a", dst, a, nil, 2, formula1(func(e emitter, x vec) vec { return e.sqrt(x) })},
	{"rsqrt", "1 / sqrt(a), two rounded operations", dst, a, nil, 2, formula1(rsqrt)},
	{"relu", "a where a > 0 or NaN, else +0", dst, a, nil, 4, formula1(emitter.relu)},
	{"reluGrad", "b where a > 0, else +0", dst, ab, nil, 4, formula2(func(e emitter, x, dy vec) vec { return e.keep(e.compare(greater, x, e.f32(0)), dy) })},
	{"fma", "a * b + c, rounded once", dst, []string{"a", "b", "c"}, nil, 2, formula3(fused)},
	{"fmaScalar", "a * s + c, rounded once", dst, []string{"a", "c"}, scalar, 4, formula3(func(e emitter, a, c, s vec) vec { return fused(e, a, s, c) })},

	{"center", "(a - mean) * rstd", dst, a, []string{"mean float32", "rstd float32"}, 4,
		func(e emitter, x, s []vec) []vec { return []vec{e.mul(e.sub(x[0], s[0]), s[1])} }},
	{"layerNorm", "((a - mean) * rstd) * gamma + beta, each operation rounded", dst, []string{"a", "gamma", "beta"}, []string{"mean float32", "rstd float32"}, 2,
		func(e emitter, x, s []vec) []vec {
			return []vec{e.add(e.mul(e.mul(e.sub(x[0], s[0]), s[1]), x[1]), x[2])}
		}},
	{"rmsNorm", "(a * rstd) * gamma, each operation rounded", dst, []string{"a", "gamma"}, []string{"rstd float32"}, 2,
		func(e emitter, x, s []vec) []vec { return []vec{e.mul(e.mul(x[0], s[0]), x[1])} }},
	{"mulSubScalar", "(a - s) * b, each operation rounded", dst, ab, scalar, 4,
		formula3(func(e emitter, a, b, s vec) vec { return e.mul(e.sub(a, s), b) })},
	{"layerNormGrad", "((a * gamma - shift) - ((b - mean) * rstd) * along) * rstd, each operation rounded", dst, []string{"a", "gamma", "b"},
		[]string{"mean float32", "rstd float32", "shift float32", "along float32"}, 2,
		func(e emitter, x, s []vec) []vec {
			return []vec{e.mul(e.sub(e.sub(e.mul(x[0], x[1]), s[2]), e.mul(e.mul(e.sub(x[2], s[0]), s[1]), s[3])), s[1])}
		}},
	{"softmaxGrad", "p / sum and then (p * (d - inner)) * scale, each operation rounded", []string{"p", "d"}, []string{"p", "d"},
		[]string{"sum float32", "inner float32", "scale float32"}, 2,
		func(e emitter, x, s []vec) []vec {
			p := e.div(x[0], s[0])
			return []vec{p, e.mul(e.mul(p, e.sub(x[1], s[1])), s[2])}
		}},

	{"adamw", "one AdamW step; see AdamW", []string{"p", "m", "v"}, []string{"p", "m", "v", "grad"}, adamwScalars, 1, adamw},
	{"sgd", "one step of gradient descent with momentum; see SGD", []string{"p", "m"}, []string{"p", "m", "grad"}, sgdScalars, 1, sgd},

	{"dropout", "a * scale where bits < threshold, else +0", dst, []string{"a", "bits"}, []string{"threshold uint32", "scale float32"}, 2,
		func(e emitter, x, s []vec) []vec { return []vec{e.keep(e.below(x[1], s[0]), e.mul(x[0], s[1]))} }},
}

var (
	adamwScalars = []string{"weight float32", "clip float32", "omb1 float32", "b2 float32", "omb2 float32", "decay float32", "step float32", "sbc2 float32", "eps float32"}
	sgdScalars   = []string{"weight float32", "clip float32", "momentum float32", "decay float32", "lr float32"}
)

func adamw(e emitter, x, _ []vec) []vec {
	p, m, v, g := x[0], x[1], x[2], x[3]
	s := e.scalar
	g = e.mul(e.div(g, s("weight")), s("clip"))
	m1 := e.copy(m)
	e.fma(m1, e.sub(g, m), s("omb1"))
	v1 := e.mul(v, s("b2"))
	e.fma(v1, e.mul(g, g), s("omb2"))
	p1 := e.copy(p)
	e.fnma(p1, p, s("decay"))
	p1 = e.sub(p1, e.div(e.mul(m1, s("step")), e.add(e.div(e.sqrt(v1), s("sbc2")), s("eps"))))
	return []vec{p1, m1, v1}
}

func sgd(e emitter, x, _ []vec) []vec {
	p, m, g := x[0], x[1], x[2]
	s := e.scalar
	m1 := e.mul(e.div(g, s("weight")), s("clip"))
	e.fma(m1, m, s("momentum"))
	p1 := e.copy(p)
	e.fnma(p1, p, s("decay"))
	e.fnma(p1, m1, s("lr"))
	return []vec{p1, m1}
}

// pointers are the slices, outputs first.
func (k stream) pointers() []string {
	pointers := slices.Clone(k.out)
	for _, p := range k.in {
		if !slices.Contains(pointers, p) {
			pointers = append(pointers, p)
		}
	}
	return pointers
}

// header is func NAME(SLICES *float32, n int, SCALARS).
func (k stream) header() header {
	signature := fmt.Sprintf("func(%s *float32, n int", strings.Join(k.pointers(), ", "))
	for _, s := range k.scalars {
		signature += ", " + s
	}
	return header{k.name, signature + ")", k.doc + "."}
}

// resident returns the scalars of a body that gets them.
func (k stream) resident(e emitter) (s []vec) {
	if len(k.scalars) <= residentScalars {
		for _, name := range k.scalars {
			s = append(s, e.scalar(strings.Fields(name)[0]))
		}
	}
	return s
}

func streamKernel(e *x86, k stream) {
	pointers := k.pointers()
	e.function(k.header())
	i, left := e.GP64(), e.GP64()
	at := map[string]operand.Mem{}
	for _, p := range pointers {
		at[p] = operand.Mem{Base: e.Load(e.Param(p), e.GP64()), Index: i, Scale: 4}
	}
	e.Load(e.Param("n"), left)
	e.XORQ(i, i)
	s := k.resident(e)
	w := e.lanes()
	if k.unroll > 1 {
		e.Label("loop")
		e.CMPQ(left, operand.U32(w*k.unroll))
		e.JLT(operand.LabelRef("single"))
		for u := range k.unroll {
			var x []vec
			for _, p := range k.in {
				x = append(x, e.load(at[p].Offset(u*e.bytes())))
			}
			for j, y := range k.body(e, x, s) {
				e.storeFull(y, at[k.out[j]].Offset(u*e.bytes()))
			}
		}
		e.ADDQ(operand.U32(w*k.unroll), i)
		e.SUBQ(operand.U32(w*k.unroll), left)
		e.JMP(operand.LabelRef("loop"))
	}
	var x []vec
	for range k.in {
		x = append(x, e.vec())
	}
	e.Label("single")
	e.CMPQ(left, operand.U32(w))
	e.JLT(operand.LabelRef("partial"))
	for j, p := range k.in {
		e.VMOVUPS(at[p], x[j])
	}
	e.Label("body")
	y := k.body(e, x, s)
	e.CMPQ(left, operand.U32(w))
	e.JLT(operand.LabelRef("last"))
	for j := range y {
		e.storeFull(y[j], at[k.out[j]])
	}
	e.ADDQ(operand.U32(w), i)
	e.SUBQ(operand.U32(w), left)
	e.JMP(operand.LabelRef("single"))

	e.Label("partial")
	e.TESTQ(left, left)
	e.JE(operand.LabelRef("done"))
	lanes := e.first(left)
	for j, p := range k.in {
		e.loadMasked(at[p], lanes, x[j])
	}
	e.JMP(operand.LabelRef("body"))
	e.Label("last")
	lanes = e.first(left)
	for j := range y {
		e.storeMasked(y[j], lanes, at[k.out[j]])
	}
	e.Label("done")
	e.VZEROUPPER()
	e.RET()
}

func (e *x86) keep(m mask, v vec) vec {
	d := e.vec()
	if e.wide {
		e.VMOVAPS_Z(v, m.r, d)
	} else {
		e.VPAND(v, m.r, d)
	}
	return d
}

func (e *x86) below(a, b vec) mask {
	if e.wide {
		k := e.K()
		e.VPCMPUD(operand.U8(1), b, a, k)
		return mask{k}
	}
	// No unsigned comparison in AVX2: flipping the top bits turns it into the signed one.
	top := e.load(e.u32(1 << 31))
	d := e.vec()
	e.VPCMPGTD(e.xor(a, top), e.xor(b, top), d)
	return mask{d}
}

var negativeInfinity = float32(math.Inf(-1))

type register = reg.Register
