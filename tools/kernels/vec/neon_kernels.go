package main

import (
	"errors"
	"fmt"
	"slices"

	"github.com/seedbed/seedbed/tools/kernels/internal/arm64"
)

// neonFiles returns the files of NEON by name.
func neonFiles() (map[string][]byte, error) {
	e := &neon{text: arm64.New("vec"), at: map[[4]uint32]int{}}
	for _, f := range roundedFunctions {
		e.rounded(f)
	}
	for _, k := range streams {
		e.stream(k)
	}
	for _, k := range reductions {
		e.reduction(k)
	}
	e.normGrad()
	e.maxOf(false)
	e.maxOf(true)
	for _, k := range columnReductions {
		e.columns(k)
	}
	e.philox()
	for _, k := range picks {
		e.pick(k)
	}
	e.transpose()
	e.columnDots()
	e.fetch()
	e.text.Constants("constants", e.words)
	files := e.text.Files()
	var err error
	files["table_arm64_gen.go"], err = tableFile("arm64", table("neon", neonStep, e.kernels, "_neon"))
	return files, errors.Join(e.err, err)
}

func (e *neon) loadAt(base, offset int) vec {
	v := e.vec()
	e.loadInto(v, base, offset)
	return v
}

func (e *neon) loadInto(v vec, base, offset int) {
	e.knownInto(v, fmt.Sprintf("FMOVQ %d(R%d), F%%[1]d", offset, base))
}

func (e *neon) storeAt(v vec, base, offset int) {
	e.knownInto(v, fmt.Sprintf("FMOVQ F%%[1]d, %d(R%d)", offset, base))
}

// part prepares for the last 1 to 3 elements, as many as the register left says. Their vectors hold the first element again in lanes past the
// end, so that these cannot do anything new; what lanes past the end have they write where the first has it, or the last.
func (e *neon) part(left int) {
	if e.second == 0 {
		e.second, e.third = e.gp(), e.gp()
	}
	e.op("CMP $1, R%d", left)
	e.op("CSET GT, R%d", e.second)
	e.op("LSL $2, R%d", e.second)
	e.op("SUB $1, R%d, R%d", left, e.third)
	e.op("LSL $2, R%d", e.third)
}

func (e *neon) loadPart(base int) vec {
	v := e.vec()
	e.loadPartInto(v, base)
	return v
}

func (e *neon) loadPartInto(v vec, base int) {
	e.knownInto(v, fmt.Sprintf("VLD1R (R%d), [V%%[1]d.S4]", base))
	e.eachOfPart(base, func(lane, at int) { e.knownInto(v, fmt.Sprintf("VLD1 (R%d), V%%[1]d.S[%d]", at, lane)) })
}

func (e *neon) storePart(v vec, base int) {
	e.knownInto(v, fmt.Sprintf("FMOVS F%%[1]d, (R%d)", base))
	e.eachOfPart(base, func(lane, at int) { e.knownInto(v, fmt.Sprintf("VST1 V%%[1]d.S[%d], (R%d)", lane, at)) })
}

// eachOfPart gives the addresses of the second and third element.
func (e *neon) eachOfPart(base int, access func(lane, at int)) {
	if e.address == 0 {
		e.address = e.gp()
	}
	for i, offset := range []int{e.second, e.third} {
		e.op("ADD R%d, R%d, R%d", offset, base, e.address)
		access(i+1, e.address)
	}
}

// span is some vectors of slices, or the part of one that is left at the end.
type span struct {
	*neon
	vectors int
	part    bool
}

// read loads vector i of a slice.
func (s span) read(base, i int) vec {
	if s.part {
		return s.loadPart(base)
	}
	return s.loadAt(base, 16*i)
}

func (s span) write(v vec, base, i int) {
	if s.part {
		s.storePart(v, base)
	} else {
		s.storeAt(v, base, 16*i)
	}
}

// spans goes through slices of as many elements as the register left says: as many vectors at a time as vectors says, first more and then fewer.
func (e *neon) spans(left int, slices []int, vectors []int, each func(s span)) {
	for _, n := range vectors {
		loop, end := e.newLabel("vectors"), e.newLabel("end")
		e.op("SUBS $%d, R%d", neonLanes*n, left)
		e.branch(end, "BLT")
		e.label(loop)
		each(span{e, n, false})
		for _, p := range slices {
			e.op("ADD $%d, R%d", 16*n, p)
		}
		e.op("SUBS $%d, R%d", neonLanes*n, left)
		e.branch(loop, "BGE")
		e.label(end)
		e.op("ADD $%d, R%d", neonLanes*n, left)
	}
	done := e.newLabel("done")
	e.branch(done, "CBZ R%d,", left)
	e.part(left)
	each(span{e, 1, true})
	e.label(done)
}

// unrolled are the vectors of spans for a loop of n at a time.
func unrolled(n int) []int {
	if n == 1 {
		return []int{1}
	}
	return []int{n, 1}
}

func (e *neon) parameters(names ...string) (registers []int) {
	for _, name := range names {
		registers = append(registers, e.parameter(name))
	}
	return
}

// result stores lane 0 of v.
func (e *neon) result(v vec, name string) {
	e.knownInto(v, "FMOVS F%[1]d, "+e.frame.Addresses[name])
}

func (e *neon) stream(k stream) {
	e.kernel(k.header(), func() {
		s := k.resident(e)
		e.spans(e.parameter("n"), e.parameters(k.pointers()...), unrolled(k.unroll), func(at span) {
			x := make([][]vec, at.vectors)
			for u := range x {
				for _, p := range e.parameters(k.in...) {
					x[u] = append(x[u], at.read(p, u))
				}
			}
			var steps []func()
			for u := range x {
				steps = append(steps, func() {
					for j, y := range k.body(e, x[u], s) {
						at.write(y, e.parameter(k.out[j]), u)
					}
				})
			}
			e.sideBySide(steps...)
		})
		e.op("RET")
	})
}

// first is the mask of as many lanes as a register says.
func (e *neon) first(n int) mask {
	return e.below(e.value(e.constant([4]uint32{0, 1, 2, 3})), e.known(fmt.Sprintf("VDUP R%d, V%%[1]d.S4", n)))
}

func (e *neon) zeros(n int) []vec {
	v := make([]vec, n)
	for i := range v {
		v[i] = e.zero()
	}
	return v
}

// block goes through a block of slices, 32 elements at a time: each is called for vector i of these, whose lanes are those of accumulators i.
// What is left over at the end is read before the last whole vectors: part is called for it with the addresses of slices, and returns what is held
// of it, whose lanes past the end, or all where nothing is left over, become +0. last is called with that and its lanes' mask, for some i.
func (e *neon) block(slices []int, held int, each func(i int), part func(at []int) []vec, last func(i int, held []vec, lanes mask)) {
	const vectors = 32 / neonLanes
	left := e.parameter("n")
	e.op("SUBS $32, R%d", left)
	e.branch("tail", "BLT")
	e.label("loop")
	for i := 0; i < vectors; i += 2 {
		e.sideBySide(func() { each(i) }, func() { each(i + 1) })
	}
	for _, p := range slices {
		e.op("ADD $128, R%d", p)
	}
	e.op("SUBS $32, R%d", left)
	e.branch("loop", "BGE")
	e.label("tail")
	e.op("ADD $32, R%d", left)

	rest, whole := e.gp(), e.gp()
	e.op("AND $3, R%d, R%d", left, rest)
	lanes, holds := e.first(rest), e.zeros(held)
	e.branch("whole", "CBZ R%d,", rest)
	e.part(rest)
	e.op("SUB R%d, R%d, R%d", rest, left, whole)
	var at []int
	for _, p := range slices {
		at = append(at, e.gp())
		e.op("ADD R%d<<2, R%d, R%d", whole, p, at[len(at)-1])
	}
	for i, v := range part(at) {
		e.knownInto(holds[i], ofTwo("VAND", "B16"), v, lanes.r.(vec))
	}
	e.label("whole")
	for i := range vectors - 1 {
		e.op("SUBS $%d, R%d", neonLanes, left)
		e.branch(fmt.Sprintf("last%d", i), "BLT")
		each(i)
	}
	for i := vectors - 1; i >= 0; i-- {
		e.label(fmt.Sprintf("last%d", i))
		last(i, holds, lanes)
		if i > 0 {
			e.branch("fold", "B")
		}
	}
	e.label("fold")
}

func (e *neon) reduction(k reduction) {
	e.kernel(k.header(), func() {
		var s []vec
		for _, name := range k.scalars {
			s = append(s, e.scalar(name))
		}
		acc := e.zeros(32 / neonLanes)
		in := e.parameters(k.in...)
		e.block(in, len(in),
			func(i int) {
				var x []vec
				for _, p := range in {
					x = append(x, e.loadAt(p, 16*i))
				}
				k.add(e, acc[i], x, s, func(v vec) vec { return v })
			},
			func(at []int) (x []vec) {
				for _, p := range at {
					x = append(x, e.loadPart(p))
				}
				return
			},
			func(i int, x []vec, lanes mask) {
				k.add(e, acc[i], x, s, func(v vec) vec { return e.keep(lanes, v) })
			})
		e.result(e.fold(foldSums(e, acc), e.addTo), "ret")
		e.op("RET")
	})
}

// fold combines the upper half of the lanes with the lower until one is left.
func (e *neon) fold(v vec, into func(acc, a vec)) vec {
	into(v, e.known("VEXT $8, V%[2]d.B16, V%[2]d.B16, V%[1]d.B16", v))
	into(v, e.known("VDUP V%[2]d.S[1], V%[1]d.S4", v))
	return v
}

func (e *neon) normGrad() {
	e.kernel(normGradHeader, func() {
		mean, rstd := e.scalar("mean"), e.scalar("rstd")
		sum, along := e.zeros(32/neonLanes), e.zeros(32/neonLanes)
		ahead, line := e.parameter("ahead"), e.gp()
		// row returns what enters the sums.
		row := func(dgamma, dbeta, dy, x, gamma vec, store func(dgamma, dbeta vec)) (d, h vec) {
			h = e.mul(e.sub(x, mean), rstd)
			e.fma(dgamma, dy, h)
			store(dgamma, e.add(dbeta, dy))
			return e.mul(dy, gamma), h
		}
		add := func(i int, d, h vec) {
			e.addTo(sum[i], d)
			e.fma(along[i], d, h)
		}
		slices := e.parameters("dgamma", "dbeta", "dy", "x", "gamma")
		e.block(slices, 2,
			func(i int) {
				if i == 0 {
					for _, p := range slices[2:4] {
						e.op("ADD R%d, R%d, R%d", ahead, p, line)
						e.op("PRFM (R%d), PLDL1KEEP", line)
						e.op("PRFM 64(R%d), PLDL1KEEP", line)
					}
				}
				v := func(p int) vec { return e.loadAt(slices[p], 16*i) }
				d, h := row(v(0), v(1), v(2), v(3), v(4), func(dgamma, dbeta vec) {
					e.storeAt(dgamma, slices[0], 16*i)
					e.storeAt(dbeta, slices[1], 16*i)
				})
				add(i, d, h)
			},
			func(at []int) []vec {
				v := func(p int) vec { return e.loadPart(at[p]) }
				d, h := row(v(0), v(1), v(2), v(3), v(4), func(dgamma, dbeta vec) {
					e.storePart(dgamma, at[0])
					e.storePart(dbeta, at[1])
				})
				return []vec{d, h}
			},
			func(i int, held []vec, _ mask) { add(i, held[0], held[1]) })
		e.result(e.fold(foldSums(e, sum), e.addTo), "sum")
		e.result(e.fold(foldSums(e, along), e.addTo), "along")
		e.op("RET")
	})
}

func (e *neon) maxOf(scaled bool) {
	e.kernel(maxHeader(scaled), func() {
		slices := []string{"a"}
		var s vec
		if scaled {
			slices, s = append(slices, "dst"), e.scalar("s")
		}
		acc := make([]vec, 4)
		for j := range acc {
			acc[j] = e.constantAt(e.f32(negativeInfinity))
		}
		into := func(acc, x vec) { e.into(acc, arm64.FMAX, acc, x) }
		p := e.parameters(slices...)
		e.spans(e.parameter("n"), p, unrolled(len(acc)), func(at span) {
			for j := range at.vectors {
				x := at.read(p[0], j)
				if scaled {
					x = e.mul(x, s)
					at.write(x, p[1], j)
				}
				into(acc[j], x)
			}
		})
		into(acc[0], acc[2])
		into(acc[1], acc[3])
		into(acc[0], acc[1])
		e.result(e.fold(acc[0], into), "ret")
		e.op("RET")
	})
}

func (e *neon) columns(k columnReduction) {
	e.kernel(k.header(), func() {
		in := e.parameters(slices.Concat(k.in, k.about)...)
		lanes, rows, cols, stride := e.parameter("lanes"), e.parameter("rows"), e.parameter("cols"), e.parameter("stride")
		r, to, left, far, line := e.gp(), e.gp(), e.gp(), e.gp(), e.gp()
		var at []int // in the row
		for range in {
			at = append(at, e.gp())
		}
		e.op("LSL $2, R%d", stride)
		e.op("LSL $3, R%d, R%d", stride, far)
		e.op("MOVD ZR, R%d", r)
		e.label("row")
		e.branch("end", "CBZ R%d,", rows)
		e.op("ADD R%d<<9, R%d, R%d", r, lanes, to) // 128 columns of 4 bytes
		for i := range in {
			e.op("MOVD R%d, R%d", in[i], at[i])
		}
		e.op("MOVD R%d, R%d", cols, left)
		e.spans(left, append([]int{to}, at...), unrolled(4), func(s span) {
			if s.vectors > 1 { // rows of wide matrices lie on pages of their own, beyond which the hardware does not fetch ahead
				for _, p := range at[:len(k.in)] {
					e.op("ADD R%d, R%d, R%d", far, p, line)
					e.op("PRFM (R%d), PLDL1KEEP", line)
				}
			}
			for j := range s.vectors {
				var x []vec
				for _, p := range at {
					x = append(x, s.read(p, j))
				}
				s.write(k.add(e, s.read(to, j), x[:len(k.in)], x[len(k.in):]), to, j)
			}
		})
		for _, p := range in[:len(k.in)] {
			e.op("ADD R%d, R%d", stride, p)
		}
		e.op("ADD $1, R%d", r)
		e.op("AND $31, R%d", r)
		e.op("SUB $1, R%d", rows)
		e.branch("row", "B")
		e.label("end")
		e.op("RET")
	})
}

func (e *neon) rounded(f rounded) {
	e.kernel(f.header(), func() {
		n, src, to := e.parameter("n"), e.parameter("src"), e.parameters(f.outputs()...)
		// The second vector begins after some elements: 4, or less for the last 4 to 7, which the first has too.
		left, after, at, bits, valid := e.gp(), e.gp(), e.gp(), e.gp(), e.gp()
		var s vec
		if f.subtrahend {
			s = e.scalar("s")
		}
		x := [2]vec{e.vec(), e.vec()}
		e.op("MOVD R%d, R%d", n, left)
		e.op("MOVD $%d, R%d", neonLanes, after)
		e.op("MOVD $%d, R%d", 1<<neonStep-1, valid)
		e.op("MOVD ZR, R%d", bits)
		e.label("loop")
		e.op("CMP $%d, R%d", neonStep, left)
		e.branch("partial", "BLT")
		for i, v := range x {
			e.loadInto(v, src, 16*i)
		}
		e.label("body")
		var y [2][]vec
		var bad [2]mask
		var steps []func()
		for i, v := range x {
			steps = append(steps, func() {
				if f.subtrahend {
					e.into(v, arm64.FSUB, v, s)
				}
				y[i], bad[i] = f.evaluate(e, v)
			})
		}
		e.sideBySide(steps...)
		e.branch("doubt", "CBNZ R%d,", e.sum(e.orMask(bad[0], bad[1]).r.(vec)))
		whole := func() {
			for k, p := range to {
				e.storeAt(y[0][k], p, 0)
				e.storeAt(y[1][k], p, 16)
			}
		}
		e.op("CMP $%d, R%d", neonStep, left)
		e.branch("last", "BLT")
		whole()
		for _, p := range append(to, src) {
			e.op("ADD $%d, R%d", 4*neonStep, p)
		}
		e.op("SUB $%d, R%d", neonStep, left)
		e.branch("loop", "B")

		e.label("partial")
		e.branch("return", "CBZ R%d,", left)
		e.op("SUBS $%d, R%d, R%d", neonLanes, left, after)
		e.branch("few", "BLT")
		e.op("ADD R%d<<2, R%d, R%d", after, src, at)
		e.loadInto(x[0], src, 0)
		e.loadInto(x[1], at, 0)
		e.branch("body", "B")
		e.label("few")
		e.op("MOVD ZR, R%d", after)
		e.op("LSL R%d, R%d", left, valid) // its zeros are the lanes
		e.op("MVN R%d, R%d", valid, valid)
		e.part(left)
		e.loadPartInto(x[0], src)
		e.move(x[1], x[0])
		e.branch("body", "B")

		e.label("doubt")
		for i, m := range bad {
			for _, v := range y[i] {
				e.knownInto(v, ofTwo("VBIT", "B16"), x[i], m.r.(vec))
			}
		}
		first, second := e.bits(bad[0]), e.bits(bad[1])
		e.op("LSL R%d, R%d", after, second)
		e.op("ORR R%d, R%d, R%d", first, second, bits)
		e.op("AND R%d, R%d", valid, bits)
		e.op("SUB R%d, R%d", left, n)
		e.op("CMP $%d, R%d", neonStep, left)
		e.branch("last", "BLT")
		whole()
		e.branch("return", "B")

		e.label("last")
		e.op("CMP $%d, R%d", neonLanes, left)
		e.branch("lastFew", "BLT")
		for k, p := range to {
			e.op("ADD R%d<<2, R%d, R%d", after, p, at)
			e.storeAt(y[0][k], p, 0)
			e.storeAt(y[1][k], at, 0)
		}
		e.branch("return", "B")
		e.label("lastFew")
		for k, p := range to {
			e.storePart(y[0][k], p)
		}
		e.label("return")
		e.op("MOVD R%d, %s", n, e.frame.Addresses["at"])
		e.op("MOVW R%d, %s", bits, e.frame.Addresses["doubtful"])
		e.op("RET")
	})
}

func (e *neon) philox() {
	e.kernel(philoxHeader, func() {
		to, blocks := e.parameter("dst"), e.parameter("blocks")
		add := func(a vec, b op) vec { return e.known(ofTwo("VADD", "S4"), a, e.value(b)) }
		// product returns the high and low halves of the 64-bit products of all lanes.
		product := func(a vec, x uint32) (hi, lo vec) {
			m := e.value(e.u32(x))
			p, q := e.vector(arm64.UMULL, a, m), e.vector(arm64.UMULL2, a, m)
			return e.known(ofTwo("VUZP2", "S4"), p, q), e.known(ofTwo("VUZP1", "S4"), p, q)
		}
		low := [2]vec{add(e.scalar("low"), e.constant([4]uint32{0, 1, 2, 3})), add(e.scalar("low"), e.constant([4]uint32{4, 5, 6, 7}))}
		e.label("loop")
		e.branch("end", "CBZ R%d,", blocks)
		var c [2][4]vec
		for i := range c {
			c[i] = [4]vec{low[i], e.scalar("high"), e.scalar("stream"), e.scalar("step")}
		}
		k0, k1 := e.scalar("key0"), e.scalar("key1")
		for round := range 10 {
			if round > 0 {
				k0, k1 = add(k0, e.u32(philoxW0)), add(k1, e.u32(philoxW1))
			}
			for i, w := range c {
				hi0, lo0 := product(w[0], philoxM0)
				hi1, lo1 := product(w[2], philoxM1)
				c[i] = [4]vec{e.xor(e.xor(w[1], k0), hi1), lo1, e.xor(e.xor(w[3], k1), hi0), lo0}
			}
		}
		for i, w := range c {
			for j, v := range e.transposed(w) {
				e.storeAt(v, to, 16*(4*i+j))
			}
			e.knownInto(low[i], ofTwo("VADD", "S4"), low[i], e.value(e.u32(neonStep)))
		}
		e.op("ADD $%d, R%d", 16*neonStep, to)
		e.op("SUB $%d, R%d", neonStep, blocks)
		e.branch("loop", "B")
		e.label("end")
		e.op("RET")
	})
}

// transposed returns the columns of four rows.
func (e *neon) transposed(r [4]vec) [4]vec {
	two := func(name, shape string, a, b vec) vec { return e.known(ofTwo(name, shape), a, b) }
	t0, t1 := two("VTRN1", "S4", r[0], r[1]), two("VTRN2", "S4", r[0], r[1])
	t2, t3 := two("VTRN1", "S4", r[2], r[3]), two("VTRN2", "S4", r[2], r[3])
	return [4]vec{two("VTRN1", "D2", t0, t2), two("VTRN1", "D2", t1, t3), two("VTRN2", "D2", t0, t2), two("VTRN2", "D2", t1, t3)}
}

func (e *neon) pick(k pick) {
	e.kernel(k.header(), func() {
		number, p := e.scalar("number"), e.parameters("best", "top", "a")
		e.spans(e.parameter("n"), p, []int{1}, func(s span) {
			best, old, v := s.read(p[0], 0), s.read(p[1], 0), s.read(p[2], 0)
			wins := k.choose(e, old, v)
			s.write(e.blend(wins, best, number), p[0], 0)
			s.write(e.blend(wins, old, v), p[1], 0)
		})
		e.op("RET")
	})
}

// strided returns registers of the addresses base, base + stride, and so on; base is the first.
func (e *neon) strided(base, stride, n int) []int {
	at := []int{base}
	for i := 1; i < n; i++ {
		at = append(at, e.gp())
		e.op("ADD R%d, R%d, R%d", stride, at[i-1], at[i])
	}
	return at
}

func (e *neon) fourAt(rows []int, offset int) (v [4]vec) {
	for i := range v {
		v[i] = e.loadAt(rows[i], offset)
	}
	return
}

func (e *neon) transpose() {
	e.kernel(transposeHeader, func() {
		dst, src, blocks, to, from := e.parameter("dst"), e.parameter("src"), e.parameter("blocks"), e.parameter("dstStride"), e.parameter("srcStride")
		e.op("LSL $2, R%d", to)
		e.op("LSL $2, R%d", from)
		rows := e.strided(src, from, 8)
		e.label("loop")
		e.branch("end", "CBZ R%d,", blocks)
		for _, offset := range []int{0, 16} {
			low, high := e.transposed(e.fourAt(rows[:4], offset)), e.transposed(e.fourAt(rows[4:], offset))
			for i := range low {
				e.storeAt(low[i], dst, 0)
				e.storeAt(high[i], dst, 16)
				e.op("ADD R%d, R%d", to, dst)
			}
		}
		for _, p := range rows {
			e.op("ADD $32, R%d", p)
		}
		e.op("SUB $1, R%d", blocks)
		e.branch("loop", "B")
		e.label("end")
		e.op("RET")
	})
}

// columnDots runs chains side by side in the lanes, so it transposes blocks of 4 columns by 4 k in registers.
func (e *neon) columnDots() {
	e.kernel(columnDotsHeader, func() {
		sums, x, b := e.parameter("sums"), e.parameter("x"), e.parameter("b")
		blocks, stride, next := e.parameter("blocks"), e.parameter("stride"), e.parameter("next")
		ahead, address := e.gp(), e.gp()
		e.op("LSL $2, R%d", stride)
		e.op("MOVD $%d, R%d", dotLines*line, ahead)
		e.op("ADD R%d, R%d", ahead, next)
		columns := []int{e.gp()}
		for range 7 {
			columns = append(columns, e.gp())
		}
		acc := e.zeros(dotColumns / neonLanes)
		e.label("loop")
		e.op("CMP $%d, R%d", dotLines, blocks)
		e.op("CSEL LE, R%d, R%d, R%d", next, ahead, ahead)
		var factors [4]vec
		for i := range factors {
			factors[i] = e.loadAt(x, 16*i)
		}
		for g := 0; g < len(acc); g += 2 {
			if g == 0 {
				e.op("MOVD R%d, R%d", b, columns[0])
			} else {
				e.op("ADD R%d, R%d, R%d", stride, columns[7], columns[0])
			}
			for i := range columns[1:] {
				e.op("ADD R%d, R%d, R%d", stride, columns[i], columns[i+1])
			}
			for i, f := range factors {
				for half := range 2 {
					for j, v := range e.transposed(e.fourAt(columns[4*half:], 16*i)) {
						e.emit(func(t *arm64.Text, r []int) { t.Fmla(r[0], r[1], r[2], j) }, acc[g+half], v, f)
					}
				}
			}
			for _, p := range columns {
				e.op("ADD R%d, R%d, R%d", ahead, p, address)
				e.op("PRFM (R%d), PLDL1KEEP", address)
			}
		}
		e.op("ADD $64, R%d", x)
		e.op("ADD $64, R%d", b)
		e.op("SUBS $1, R%d", blocks)
		e.branch("loop", "BNE")
		for g, v := range acc {
			e.addTo(v, e.loadAt(sums, 16*g))
			e.storeAt(v, sums, 16*g)
		}
		e.op("RET")
	})
}

func (e *neon) fetch() {
	e.kernel(fetchHeader, func() {
		a, lines := e.parameter("a"), e.parameter("lines")
		e.label("loop")
		e.op("PRFM (R%d), PLDL1KEEP", a)
		e.op("ADD $%d, R%d", line, a)
		e.op("SUBS $1, R%d", lines)
		e.branch("loop", "BGT")
		e.op("RET")
	})
}
