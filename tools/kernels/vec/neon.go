package main

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
	"github.com/seedbed/seedbed/tools/kernels/internal/arm64"
)

const (
	neonLanes     = 4
	neonStep      = 2 * neonLanes // elements in a step of what takes long: two vectors side by side wait less for results
	neonRegisters = 32
	neonConstants = 26 // the general register that holds the address of constants; those from there on are not free
)

// neon writes NEON. It records a function with virtual vector registers, and writes it when it has given them real ones. General registers
// it hands out one after the other.
type neon struct {
	text    *arm64.Text
	kernels []string // their names
	words   []uint32 // constants, four words each
	at      map[[4]uint32]int
	err     error
	recording
}

// recording is a function that is not written yet.
type recording struct {
	frame          *arm64.Frame
	vectors        *reg.Collection
	prologue, code []instruction
	scalars        map[string]vec
	addressed      bool        // whether there is an address of constants
	spare          int         // registers for constants that are loaded before everything else
	resident       map[int]vec // constants there, by their place
	general        int         // the next general register
	labels         int         // how many have got a number
	// General registers: the offsets of the second and third element of a part, and an address there.
	second, third, address int
}

// instruction is one that reads vectors before it writes one, or a label.
type instruction struct {
	write   func(t *arm64.Text, r []int) // given the registers of vectors
	vectors []vec
	move    bool   // of vectors[1] to vectors[0]
	label   string // this one
	to      string // where it may jump
}

// kernel writes a function. It records it twice: the first time tells how many registers are left for constants.
func (e *neon) kernel(h header, body func()) {
	record := func(spare int) (write func(), used int) {
		frame := arm64.NewFrame(strings.TrimPrefix(h.signature, "func"))
		e.recording = recording{
			frame: frame, vectors: reg.NewCollection(), general: len(frame.Registers),
			scalars: map[string]vec{}, spare: spare, resident: map[int]vec{},
		}
		body()
		code := slices.Concat(e.prologue, e.code)
		registers, used := allocate(code)
		return func() {
			for _, i := range code {
				r := make([]int, len(i.vectors))
				for k, v := range i.vectors {
					r[k] = registers[v]
				}
				switch {
				case i.label != "":
					e.text.Label(i.label)
				case !i.move || r[0] != r[1]:
					i.write(e.text, r)
				}
			}
		}, used
	}
	_, used := record(0)
	write, used := record(max(0, neonRegisters-used))
	if used > neonRegisters || e.general > neonConstants {
		e.err = errors.Join(e.err, fmt.Errorf("%s needs %d vector registers and %d others", h.name, used, e.general))
	}
	e.text.Function(h.name, ": "+h.doc, e.frame)
	write()
	e.kernels = append(e.kernels, h.name)
}

// allocate gives each vector a register from where it first occurs to where it last does, or to the end of a loop that it is carried
// into. It returns how many it needs.
func allocate(code []instruction) (registers map[vec]int, used int) {
	first, last, labels := map[vec]int{}, map[vec]int{}, map[string]int{}
	for p, i := range code {
		if i.label != "" {
			labels[i.label] = p
		}
		for _, v := range i.vectors {
			if _, ok := first[v]; !ok {
				first[v] = p
			}
			last[v] = p
		}
	}
	for changed := true; changed; {
		changed = false
		for p, i := range code {
			begin, ok := labels[i.to]
			if !ok || begin > p {
				continue
			}
			for v := range first {
				if first[v] < begin && begin <= last[v] && last[v] < p {
					last[v], changed = p, true
				}
			}
		}
	}
	registers = map[vec]int{}
	var holds []vec // by register, nil for none
	for p, i := range code {
		for r, v := range holds {
			if v != nil && (last[v] < p || last[v] == p && first[v] < p) {
				holds[r] = nil
			}
		}
		for _, v := range i.vectors {
			if first[v] != p {
				continue
			}
			if _, ok := registers[v]; ok {
				continue // twice in one instruction
			}
			r := slices.Index(holds, nil)
			if i.move && holds[registers[i.vectors[1]]] == nil {
				r = registers[i.vectors[1]] // the move goes
			}
			if r < 0 {
				r, holds = len(holds), append(holds, nil)
			}
			holds[r], registers[v] = v, r
		}
	}
	return registers, len(holds)
}

func (e *neon) emit(write func(t *arm64.Text, r []int), vectors ...vec) {
	e.code = append(e.code, instruction{write: write, vectors: vectors})
}

// op writes an instruction without vectors.
func (e *neon) op(format string, args ...any) {
	e.emit(func(t *arm64.Text, _ []int) { t.Op(format, args...) })
}

// branch writes an instruction that may jump to a label.
func (e *neon) branch(label, format string, args ...any) {
	e.op(format+" "+label, args...)
	e.code[len(e.code)-1].to = label
}

func (e *neon) label(name string) { e.code = append(e.code, instruction{label: name}) }

// newLabel returns a name that is not in use.
func (e *neon) newLabel(name string) string {
	e.labels++
	return fmt.Sprintf("%s%d", name, e.labels)
}

// sideBySide alternates between the instructions of steps that have nothing to do with each other.
func (e *neon) sideBySide(steps ...func()) {
	before := e.code
	codes := make([][]instruction, len(steps))
	longest := 0
	for i, step := range steps {
		e.code = nil
		step()
		codes[i] = e.code
		longest = max(longest, len(e.code))
	}
	e.code = before
	for k := range longest {
		for _, code := range codes {
			if k < len(code) {
				e.code = append(e.code, code[k])
			}
		}
	}
}

// vector writes an instruction given as a word, to a new register.
func (e *neon) vector(v arm64.Vector, operands ...vec) vec {
	d := e.vec()
	e.into(d, v, operands...)
	return d
}

func (e *neon) into(d vec, v arm64.Vector, operands ...vec) {
	e.emit(func(t *arm64.Text, r []int) { t.Vector(v, r[0], r[1:]...) }, append([]vec{d}, operands...)...)
}

// known writes an instruction that the assembler knows: its format takes the number of the result and those of operands.
func (e *neon) known(format string, operands ...vec) vec {
	d := e.vec()
	e.knownInto(d, format, operands...)
	return d
}

func (e *neon) knownInto(d vec, format string, operands ...vec) {
	e.emit(func(t *arm64.Text, r []int) {
		args := make([]any, len(r))
		for i := range r {
			args[i] = r[i]
		}
		t.Op(format, args...)
	}, append([]vec{d}, operands...)...)
}

// ofTwo is the format of an instruction with a result and two operands, the second first as the assembler has them.
func ofTwo(mnemonic, shape string) string {
	return fmt.Sprintf("%[1]s V%%[3]d.%[2]s, V%%[2]d.%[2]s, V%%[1]d.%[2]s", mnemonic, shape)
}

func (e *neon) vec() vec { return e.vectors.XMM() }

// gp returns a general register.
func (e *neon) gp() int {
	if e.general == 18 {
		e.general++ // the platform's
	}
	e.general++
	return e.general - 1
}

// parameter returns the register of a pointer or an int.
func (e *neon) parameter(name string) int { return e.frame.Registers[name] }

// Constants: an op that is one is its place among all.

func (e *neon) constant(words [4]uint32) operand.Mem {
	place, ok := e.at[words]
	if !ok {
		place = 4 * len(e.words)
		e.at[words], e.words = place, append(e.words, words[:]...)
	}
	return operand.Mem{Disp: place}
}

func (e *neon) u32(x uint32) operand.Mem { return e.constant([4]uint32{x, x, x, x}) }
func (e *neon) u64(x uint64) operand.Mem {
	low, high := uint32(x), uint32(x>>32)
	return e.constant([4]uint32{low, high, low, high})
}
func (e *neon) f32(x float32) operand.Mem { return e.u32(math.Float32bits(x)) }
func (e *neon) f64(x float64) operand.Mem { return e.u64(math.Float64bits(x)) }

// value returns an operand's register. Constants are loaded before everything else where there are registers for them.
func (e *neon) value(x any) vec {
	m, ok := x.(operand.Mem)
	if !ok {
		return x.(vec)
	}
	if v := e.resident[m.Disp]; v != nil {
		return v
	}
	v := e.constantAt(m)
	if e.spare > 0 {
		e.spare--
		load := len(e.code) - 1
		e.resident[m.Disp], e.prologue, e.code = v, append(e.prologue, e.code[load]), e.code[:load]
	}
	return v
}

// constantAt loads a constant here.
func (e *neon) constantAt(m operand.Mem) vec {
	if !e.addressed {
		e.addressed = true
		e.prologue = append(e.prologue, instruction{write: func(t *arm64.Text, _ []int) { t.Op("MOVD $constants<>(SB), R%d", neonConstants) }})
	}
	return e.loadAt(neonConstants, m.Disp)
}

// scalar is loaded before everything else.
func (e *neon) scalar(name string) vec {
	v, ok := e.scalars[name]
	if !ok {
		v = e.vec()
		e.scalars[name] = v
		address := e.frame.Addresses[name]
		e.prologue = append(e.prologue,
			instruction{vectors: []vec{v}, write: func(t *arm64.Text, r []int) { t.Op("FMOVS %s, F%d", address, r[0]) }},
			instruction{vectors: []vec{v}, write: func(t *arm64.Text, r []int) { t.Op("VDUP V%d.S[0], V%d.S4", r[0], r[0]) }})
	}
	return v
}

func (e *neon) load(m op) vec { return e.value(m) }

func (e *neon) zero() vec { return e.known("VEOR V%[1]d.B16, V%[1]d.B16, V%[1]d.B16") }

func (e *neon) copy(v vec) vec {
	d := e.vec()
	e.move(d, v)
	return d
}

func (e *neon) move(d, v vec) {
	e.knownInto(d, "VMOV V%[2]d.B16, V%[1]d.B16", v)
	e.code[len(e.code)-1].move = true
}

func (e *neon) add(a vec, b op) vec { return e.vector(arm64.FADD, a, e.value(b)) }
func (e *neon) sub(a vec, b op) vec { return e.vector(arm64.FSUB, a, e.value(b)) }
func (e *neon) mul(a vec, b op) vec { return e.vector(arm64.FMUL, a, e.value(b)) }
func (e *neon) div(a vec, b op) vec { return e.vector(arm64.FDIV, a, e.value(b)) }
func (e *neon) sqrt(a op) vec       { return e.vector(arm64.FSQRT, e.value(a)) }
func (e *neon) and(a vec, b op) vec { return e.known(ofTwo("VAND", "B16"), a, e.value(b)) }
func (e *neon) or(a vec, b op) vec  { return e.known(ofTwo("VORR", "B16"), a, e.value(b)) }
func (e *neon) xor(a vec, b op) vec { return e.known(ofTwo("VEOR", "B16"), a, e.value(b)) }

func (e *neon) addTo(acc, a vec)      { e.into(acc, arm64.FADD, acc, a) }
func (e *neon) fma(acc, a vec, b op)  { e.into(acc, arm64.FMLA, a, e.value(b)) }
func (e *neon) fnma(acc, a vec, b op) { e.into(acc, arm64.FMLS, a, e.value(b)) }

// FMAX and FMIN are those of IEEE-754-2019.
func (e *neon) maximum(a, b vec) vec  { return e.vector(arm64.FMAX, a, b) }
func (e *neon) minimum(a, b vec) vec  { return e.vector(arm64.FMIN, a, b) }
func (e *neon) maxps(a vec, b op) vec { return e.maximum(a, e.value(b)) }
func (e *neon) minps(a vec, b op) vec { return e.minimum(a, e.value(b)) }
func (e *neon) relu(x vec) vec        { return e.maxps(x, e.f32(0)) }

func (e *neon) compare(predicate int, a vec, b op) mask {
	y := e.value(b)
	not := func(v vec) mask { return mask{e.vector(arm64.NOT, v)} }
	switch predicate {
	case equal:
		return mask{e.vector(arm64.FCMEQ, a, y)}
	case notEqual:
		return not(e.vector(arm64.FCMEQ, a, y))
	case greater:
		return mask{e.vector(arm64.FCMGT, a, y)}
	case notGreater:
		return not(e.vector(arm64.FCMGT, a, y))
	case notGreaterEq:
		return not(e.vector(arm64.FCMGE, a, y))
	case notLessEqual:
		return not(e.vector(arm64.FCMGE, y, a))
	case ordered:
		return mask{e.and(e.vector(arm64.FCMEQ, a, a), e.vector(arm64.FCMEQ, y, y))}
	}
	panic(fmt.Sprintf("predicate %#x", predicate))
}

func (e *neon) below(a, b vec) mask           { return mask{e.vector(arm64.CMHI, b, a)} }
func (e *neon) orMask(a, b mask) mask         { return mask{e.or(a.r.(vec), b.r.(vec))} }
func (e *neon) andMask(a, b mask) mask        { return mask{e.and(a.r.(vec), b.r.(vec))} }
func (e *neon) keep(m mask, v vec) vec        { return e.and(v, m.r.(vec)) }
func (e *neon) blend(m mask, a vec, b op) vec { return e.choose(m.r.(vec), a, e.value(b)) }

// choose takes the bits of b where those of m are set, and those of a elsewhere.
func (e *neon) choose(m, a, b vec) vec {
	d := e.copy(m)
	e.knownInto(d, ofTwo("VBSL", "B16"), b, a)
	return d
}

// bits copies the mask to a general register, lane i to bit i.
func (e *neon) bits(m mask) int {
	return e.sum(e.and(m.r.(vec), e.constant([4]uint32{1, 2, 4, 8})))
}

// sum copies the sum of integer lanes, of which none may overflow, to a general register.
func (e *neon) sum(v vec) int {
	s, d := e.known("VADDV V%[2]d.S4, V%[1]d", v), e.gp()
	e.knownInto(s, fmt.Sprintf("VMOV V%%[1]d.S[0], R%d", d))
	return d
}

func (e *neon) widen(v vec) pair {
	return pair{e.vector(arm64.FCVTL, v), e.vector(arm64.FCVTL2, v)}
}

func (e *neon) narrow(p pair) vec {
	d := e.vector(arm64.FCVTN, p[0])
	e.into(d, arm64.FCVTN2, p[1])
	return d
}

// both1 loads a constant twice: what it is for will be overwritten, and a load is cheaper than a copy, which takes a place in the
// pipelines of arithmetic.
func (e *neon) both1(m operand.Mem) pair { return pair{e.constantAt(m), e.constantAt(m)} }

// both applies f to the halves of pairs, or to what stands for both halves.
func (e *neon) both(f func(a, b vec) vec, a pair, b any) (d pair) {
	h := halves(b)
	if m, ok := b.(operand.Mem); ok {
		v := e.value(m)
		h = [2]op{v, v}
	}
	for i := range d {
		d[i] = f(a[i], h[i].(vec))
	}
	return d
}

func (e *neon) word(v arm64.Vector) func(a, b vec) vec {
	return func(a, b vec) vec { return e.vector(v, a, b) }
}

func (e *neon) named(mnemonic, shape string) func(a, b vec) vec {
	return func(a, b vec) vec { return e.known(ofTwo(mnemonic, shape), a, b) }
}

func (e *neon) addpd(a pair, b any) pair { return e.both(e.word(arm64.FADD64), a, b) }
func (e *neon) subpd(a pair, b any) pair { return e.both(e.word(arm64.FSUB64), a, b) }
func (e *neon) mulpd(a pair, b any) pair { return e.both(e.word(arm64.FMUL64), a, b) }
func (e *neon) divpd(a pair, b any) pair { return e.both(e.word(arm64.FDIV64), a, b) }
func (e *neon) andpd(a pair, b any) pair { return e.both(e.named("VAND", "B16"), a, b) }
func (e *neon) orpd(a pair, b any) pair  { return e.both(e.named("VORR", "B16"), a, b) }
func (e *neon) xorpd(a pair, b any) pair { return e.both(e.named("VEOR", "B16"), a, b) }
func (e *neon) addq(a pair, b any) pair  { return e.both(e.named("VADD", "D2"), a, b) }
func (e *neon) subq(a pair, b any) pair  { return e.both(e.named("VSUB", "D2"), a, b) }

func (e *neon) shiftLeft(a pair, n int) pair  { return e.shift("VSHL", a, n) }
func (e *neon) shiftRight(a pair, n int) pair { return e.shift("VUSHR", a, n) }

func (e *neon) shift(mnemonic string, a pair, n int) (d pair) {
	for i := range d {
		d[i] = e.known(fmt.Sprintf("%s $%d, V%%[2]d.D2, V%%[1]d.D2", mnemonic, n), a[i])
	}
	return d
}

func (e *neon) blendSign(s, a, b pair) (d pair) {
	for i := range d {
		d[i] = e.choose(e.vector(arm64.CMLT0, s[i]), a[i], b[i])
	}
	return d
}

func (e *neon) blendEqual(a pair, n operand.Mem, other, b pair) (d pair) {
	m := e.both(e.named("VCMEQ", "D2"), a, n)
	for i := range d {
		d[i] = e.choose(m[i], other[i], b[i])
	}
	return d
}

func (e *neon) addMul(acc, a pair, b any) { e.accumulate(arm64.FMLA64, acc, a, b) }
func (e *neon) subMul(acc, a pair, b any) { e.accumulate(arm64.FMLS64, acc, a, b) }

func (e *neon) accumulate(v arm64.Vector, acc, a pair, b any) {
	i := 0
	e.both(func(x, y vec) vec {
		e.into(acc[i], v, x, y)
		i++
		return nil
	}, a, b)
}

func (e *neon) mulAdd(acc pair, b, c any) pair {
	d := e.both(func(_, y vec) vec { return e.copy(y) }, acc, c)
	e.addMul(d, acc, b)
	return d
}

func (e *neon) polynomial(x pair, c ...float64) pair {
	linear := func(i int) pair {
		p := e.both1(e.f64(c[i]))
		if i+1 < len(c) {
			e.addMul(p, x, e.f64(c[i+1]))
		}
		return p
	}
	square := e.mulpd(x, x)
	i := (len(c) - 1) &^ 1
	acc := linear(i)
	for i -= 2; i >= 0; i -= 2 {
		acc = e.mulAdd(acc, square, linear(i))
	}
	return acc
}
