package cpu

import (
	"slices"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/plugins/backends/cpu/internal/gemm"
	"github.com/seedbed/seedbed/plugins/backends/cpu/internal/vec"
)

// Elementwise ops on f32 are not lowered one by one. An op whose result only other such ops of its size read is put off; the op at
// the end of such a chain runs all that was put off in one pass, segment by segment in the first-level cache. Rows and columns that
// are broadcast are read where they are. A contraction that only a chain reads is put off too: the chain then runs on each tile of
// it that is finished, while it is in the cache. A function whose derivative is needed later gives that at once, and its argument is
// kept no longer.

const segment = 2048 // elements: a register takes 8 KiB

// fusable says whether an op can be part of a chain.
func fusable(op *ir.Op, types []ir.Type) bool {
	if len(op.Results) != 1 || op.Results[0].DType != ir.F32 || op.Results[0].Elements() == 0 {
		return false
	}
	_, one := unaryF32[op.Name]
	_, two := binaryF32[op.Name]
	return one || two || op.Name == "fma"
}

// fusable is the function of that name, and also knows the gradient of relu.
func (c *compiler) fusable(op *ir.Op) bool { return fusable(op, c.types) || c.reluMask(op) != nil }

// inputs are the values of which a fusable op's result is made, element by element.
func (c *compiler) inputs(op *ir.Op) []ir.Value {
	if mask := c.reluMask(op); mask != nil {
		return []ir.Value{mask.Operands[0], op.Operands[1]}
	}
	return op.Operands
}

// reluMask returns the comparison x > 0 of the gradient of relu, a select between a cotangent and zeros, if op is one and so are all that
// read the comparison: it then needs no memory.
func (c *compiler) reluMask(op *ir.Op) *ir.Op {
	x := &c.fusion
	if op.Name != "select" || op.Results[0].DType != ir.F32 || x.maker[op.Operands[0]] == none {
		return nil
	}
	mask := &x.f.Ops[x.maker[op.Operands[0]]]
	if !c.isReluMask(mask) {
		return nil
	}
	return mask
}

func (c *compiler) isReluMask(op *ir.Op) bool {
	x := &c.fusion
	zeros := func(v ir.Value) bool {
		return x.maker[v] != none && x.f.Ops[x.maker[v]].Name == "constant" && !slices.ContainsFunc(x.f.Ops[x.maker[v]].Attrs.Bytes("value"), func(b byte) bool { return b != 0 })
	}
	if op.Name != "compare" || op.Attrs.Str("direction") != "gt" || c.types[op.Operands[0]].DType != ir.F32 || op.Results[0].Elements() == 0 || !zeros(op.Operands[1]) {
		return false
	}
	return !slices.ContainsFunc(x.readers[op.First], func(i int) bool {
		if i == len(x.f.Ops) {
			return true
		}
		s := &x.f.Ops[i]
		return s.Name != "select" || s.Results[0].DType != ir.F32 || s.Operands[0] != op.First || !zeros(s.Operands[2])
	})
}

// reluGradient is what such a select computes of x and the cotangent.
var reluGradient = binaryVec{
	both: vec.ReluGrad,
	right: func(dst, x []float32, ct float32) {
		for i, v := range x {
			dst[i] = 0
			if v > 0 {
				dst[i] = ct
			}
		}
	},
	left: func(dst, ct []float32, x float32) {
		if x > 0 {
			copy(dst, ct)
		} else {
			clear(dst)
		}
	},
}

// fusion is what the compiler knows of uses.
type fusion struct {
	f       *ir.Func
	maker   []int    // by value: the op, or none
	readers [][]int  // by value: ops; len(f.Ops) for the function's results
	putOff  []*ir.Op // by value: what makes it, if that was put off
	done    []bool   // by op: a sum that has computed what was put off for itself, or what another op has computed beside its own
}

func newFusion(f *ir.Func) fusion {
	n := f.NumValues()
	x := fusion{f: f, maker: slices.Repeat([]int{none}, n), readers: make([][]int, n), putOff: make([]*ir.Op, n), done: make([]bool, len(f.Ops)+1)}
	for i := range f.Ops {
		for k := range f.Ops[i].Results {
			x.maker[f.Ops[i].Result(k)] = i
		}
		for _, v := range f.Ops[i].Operands {
			x.readers[v] = append(x.readers[v], i)
		}
	}
	for _, r := range f.Results {
		x.readers[r.Value] = append(x.readers[r.Value], len(f.Ops))
	}
	return x
}

// read says whether anything reads a result of op.
func (c *compiler) read(op *ir.Op) bool {
	for i := range op.Results {
		if len(c.fusion.readers[op.Result(i)]) > 0 {
			return true
		}
	}
	return false
}

// chained says whether only ops of a chain of op's size read what it gives, and sums that compute it on the way.
func (c *compiler) chained(op *ir.Op) bool {
	x := &c.fusion
	if len(op.Results) != 1 {
		return false
	}
	size := op.Results[0].Elements()
	for _, i := range x.readers[op.First] {
		if i == len(x.f.Ops) || !c.sumsAbout(&x.f.Ops[i], op) && (!c.fusable(&x.f.Ops[i]) || x.f.Ops[i].Results[0].Elements() != size) {
			return false
		}
	}
	return true
}

// sumsAbout says whether sum is one of those that aboutMean knows if op, of one of its operands, is put off.
func (c *compiler) sumsAbout(sum, op *ir.Op) bool {
	putOff := func(v ir.Value, name string) bool { d := c.fusion.putOff[v]; return d != nil && d.Name == name }
	normal := op.Name == "multiply" && putOff(op.Operands[0], "subtract")
	if sum.Name != "reduce_dot" || sum.Operands[1] != op.First || op.Name != "subtract" && !normal || !putOff(op.Operands[1], "broadcast_in_dim") {
		return false
	}
	squares := sum.Operands[0] == op.First
	return squares != normal
}

// putOff puts op off if it can be, and says whether it did.
func (c *compiler) putOff(op *ir.Op) bool {
	switch {
	case op.Results[0].DType != ir.F32 || op.Results[0].Elements() == 0 || !c.chained(op):
		return false
	case c.fusable(op):
	case op.Name == "broadcast_in_dim":
		if _, _, ok := c.repeats(op); !ok || c.splats[op.Operands[0]] != nil {
			return false
		}
	case op.Name == "dot_general":
		if len(ir.DotDimsOf(op.Attrs).LHSBatch) > 0 || !c.readOnce(op) {
			return false
		}
	default:
		return false
	}
	c.fusion.putOff[op.First] = op
	return true
}

// readOnce says whether one op reads op's result, or two of which one is the other's derivative.
func (c *compiler) readOnce(op *ir.Op) bool {
	x := &c.fusion
	readers := x.readers[op.First]
	if len(readers) != 2 || readers[1] == len(x.f.Ops) { // the function's results come last
		return len(readers) == 1
	}
	f, ok := withDerivative[x.f.Ops[readers[0]].Name]
	return ok && x.f.Ops[readers[1]].Name == f.derivative
}

// repeats describes a broadcast as reading element i/each%period of its operand for element i of its result.
func (c *compiler) repeats(op *ir.Op) (each, period int, ok bool) {
	in, t, dims := c.types[op.Operands[0]], op.Results[0], op.Attrs.Ints("dimensions")
	period = in.Elements()
	switch period {
	case 0:
		return 0, 0, false
	case 1:
		return max(t.Elements(), 1), 1, true
	}
	// The operand's dimensions that are not 1 must be neighbours and whole.
	each, next := 1, none
	for i := len(dims) - 1; i >= 0; i-- {
		switch d := dims[i]; {
		case in.Shape[i] == 1:
		case in.Shape[i] != t.Shape[d] || next != none && product(t.Shape[d+1:next]) != 1 || next != none && d > next:
			return 0, 0, false
		default:
			if next == none {
				each = product(t.Shape[d+1:])
			}
			next = d
		}
	}
	return each, period, true
}

// leaf is something that a chain reads from memory: element i/each%period of ref for element i.
type leaf struct{ ref, each, period int }

// source is an operand of an instruction.
type source struct {
	kind  sourceKind
	index int     // of the register, of the leaf
	value float32 // of a constant
}

type sourceKind uint8

const (
	constantSource sourceKind = iota
	registerSource
	leafSource
)

// instruction is one op of a chain. It writes a register, or where out is not none an output.
type instruction struct {
	unary    func(dst, a []float32)
	both     func(dst, grad, a []float32) // instead: grad goes to another output
	grad     int                          // ref
	binary   binaryVec
	isFMA    bool
	in       []source
	register int
	out      int // ref
}

// chain is what runs in one pass.
type chain struct {
	size         int
	leaves       []leaf
	instructions []instruction
	registers    int
	fills        int // the first of registers for an element that stands for all of an operand
	width        int // elements of a register
	scratch      int // ref: the registers of all workers
	cuts         []int
	cold         []int // refs: what a chain that runs on tiles reads or writes beside them
}

// force runs what was put off for a value, which it gives a store.
func (c *compiler) force(v ir.Value) {
	used := c.used
	c.used = nil
	op := c.fusion.putOff[v]
	c.fusion.putOff[v] = nil
	at := c.begin(op)
	if c.fusable(op) {
		c.chain(op)
	} else if err := lowerings[op.Name](c, op); err != nil {
		c.failed = err
	}
	c.work, c.used = at, used
}

// chain lowers op and all that was put off for it.
func (c *compiler) chain(root *ir.Op) {
	g := &chainBuilder{c: c, ch: &chain{size: root.Results[0].Elements()}, values: map[ir.Value]source{}, derivatives: map[*ir.Op]*ir.Op{}}
	g.collect(root)
	g.findDerivatives()
	g.emit(root)
}

type chainBuilder struct {
	c      *compiler
	ch     *chain
	ops    []*ir.Op // of the chain, in order
	dot    *ir.Op   // whose tiles it runs on, or nil
	values map[ir.Value]source

	derivatives map[*ir.Op]*ir.Op // that ops give beside their values
}

// collect finds the ops of the chain.
func (g *chainBuilder) collect(root *ir.Op) {
	c := g.c
	seen := map[ir.Value]bool{}
	var visit func(op *ir.Op)
	visit = func(op *ir.Op) {
		for _, v := range c.inputs(op) {
			if p := c.fusion.putOff[v]; p != nil && !seen[v] {
				seen[v] = true
				switch {
				case c.fusable(p):
					visit(p)
				case p.Name == "dot_general" && g.dot == nil:
					g.dot = p
				}
			}
		}
		g.ops = append(g.ops, op)
	}
	visit(root)
	slices.SortFunc(g.ops, func(a, b *ir.Op) int { return int(a.First - b.First) })
	g.ops = slices.CompactFunc(g.ops, func(a, b *ir.Op) bool { return a == b })
}

// findDerivatives finds, for ops of the chain, later ones that are their derivatives. These are computed now if nothing else needs the
// argument later, which they then take the place of.
func (g *chainBuilder) findDerivatives() {
	c := g.c
	x := &c.fusion
	last := x.maker[g.ops[len(g.ops)-1].First]
	for _, op := range g.ops {
		f, ok := withDerivative[op.Name]
		if !ok || x.maker[op.Operands[0]] == none {
			continue
		}
		var derivative *ir.Op
		for _, i := range x.readers[op.Operands[0]] {
			switch {
			case i < len(x.f.Ops) && slices.Contains(g.ops, &x.f.Ops[i]):
			case i < len(x.f.Ops) && i > last && x.f.Ops[i].Name == f.derivative && derivative == nil && c.waits(&x.f.Ops[i]):
				derivative = &x.f.Ops[i]
			default:
				ok = false
			}
		}
		if ok && derivative != nil {
			g.derivatives[op] = derivative
			x.done[x.maker[derivative.First]] = true
		}
	}
}

// readLater says whether anything but the chain reads op's result, or will.
func (g *chainBuilder) readLater(op *ir.Op, inChain map[int]bool) bool {
	x := &g.c.fusion
	return slices.ContainsFunc(x.readers[op.First], func(i int) bool { return !inChain[i] && !x.done[i] })
}

// waits says whether op will have to be lowered, and was not yet.
func (c *compiler) waits(op *ir.Op) bool {
	return c.read(op) && c.refs[op.First] == none && c.fusion.putOff[op.First] == nil
}

func (g *chainBuilder) emit(root *ir.Op) {
	c, ch := g.c, g.ch
	inChain := map[int]bool{}
	for _, op := range g.ops {
		inChain[c.fusion.maker[op.First]] = true
	}
	if g.dot != nil && (g.readLater(g.dot, inChain) || !g.tiles()) {
		g.dot = nil
	}
	if g.dot != nil {
		c.fusion.putOff[g.dot.First] = nil
	}
	for _, op := range g.ops {
		c.fusion.putOff[op.First] = nil
	}
	var all []*ir.Op
	if g.dot != nil {
		all = append(all, g.dot)
	}
	for _, op := range g.ops {
		if mask := c.reluMask(op); mask != nil {
			all = append(all, mask)
		}
		all = append(all, op)
	}
	c.begin(all...)
	// Leaves first: asking for them may run what was put off for them.
	donor := none
	for _, op := range g.ops {
		for _, v := range c.inputs(op) {
			if _, ok := g.values[v]; ok || slices.ContainsFunc(g.ops, func(o *ir.Op) bool { return o.First == v }) || g.dot != nil && g.dot.First == v {
				continue
			}
			if s, ok := c.scalar(v); ok {
				g.values[v] = source{kind: constantSource, value: s}
				continue
			}
			l := leaf{each: 1, period: ch.size}
			if p := c.fusion.putOff[v]; p != nil && p.Name == "broadcast_in_dim" {
				l.each, l.period, _ = c.repeats(p)
				l.ref = c.value(p.Operands[0])
				l = g.widened(l)
			} else {
				l.ref = c.value(v)
			}
			if c.stores[l.ref].kind == inParam && l.period == ch.size {
				donor = l.ref
			}
			g.values[v] = source{kind: leafSource, index: len(ch.leaves)}
			ch.leaves = append(ch.leaves, l)
		}
	}
	var multiply *contraction
	if g.dot != nil {
		multiply = c.contraction(g.dot)
	}
	rootOut := none
	outputs := 0
	for _, op := range g.ops {
		from := c.inputs(op)
		in := make([]source, len(from))
		for i, v := range from {
			if g.dot != nil && v == g.dot.First {
				in[i] = source{kind: leafSource, index: none} // the leaf comes last
			} else {
				in[i] = g.values[v]
			}
		}
		x := instruction{unary: unaryF32[op.Name], binary: binaryF32[op.Name], isFMA: op.Name == "fma", in: in, out: none}
		if c.reluMask(op) != nil {
			x.binary = reluGradient
		}
		kept := op == root || g.readLater(op, inChain)
		if d := g.derivatives[op]; d != nil {
			x.both, x.grad = withDerivative[op.Name].both, c.temp(d.Results[0].Bytes())
			c.refs[d.First] = x.grad
			ch.cold = append(ch.cold, x.grad)
			outputs++
		}
		if kept {
			x.out = c.temp(op.Results[0].Bytes())
			c.refs[op.First] = x.out
			g.values[op.First] = source{kind: leafSource, index: len(ch.leaves)}
			ch.leaves = append(ch.leaves, leaf{ref: x.out, each: 1, period: ch.size})
			outputs++
		} else {
			x.register = g.register(op)
			g.values[op.First] = source{kind: registerSource, index: x.register}
		}
		if op == root {
			rootOut = x.out
		}
		ch.instructions = append(ch.instructions, x)
	}
	for _, l := range ch.leaves {
		if l.each > 1 {
			ch.cuts = append(ch.cuts, l.each)
		}
		if l.period*l.each < ch.size {
			ch.cuts = append(ch.cuts, l.period*l.each)
		}
	}
	ch.width, ch.fills = min(segment, ch.size), ch.registers
	for i := range ch.instructions {
		for k, s := range ch.instructions[i].in {
			if ch.scalar(s) {
				ch.registers = max(ch.registers, ch.fills+k+1)
			}
		}
	}
	ch.scratch = c.temp(4 * ch.width * ch.registers * c.b.pool.Workers())
	if multiply == nil {
		c.emit(ch.pass)
		c.steps[len(c.steps)-1].inPlace = outputs == 1
		return
	}
	// The product is made where its result goes, unless that may become the memory of a parameter that the chain reads.
	to := rootOut
	isResult := slices.Contains(c.fusion.readers[root.First], len(c.fusion.f.Ops))
	if donor = keepApart(donor, multiply.l.ref, multiply.r.ref); isResult && donor != none {
		to = c.temp(4 * ch.size)
	}
	for i := range ch.instructions {
		for k := range ch.instructions[i].in {
			if s := &ch.instructions[i].in[k]; s.kind == leafSource && s.index == none {
				s.index = len(ch.leaves)
			}
		}
	}
	for _, l := range ch.leaves {
		if l.period == ch.size && l.ref != to {
			ch.cold = append(ch.cold, l.ref)
		}
	}
	ch.leaves = append(ch.leaves, leaf{ref: to, each: 1, period: ch.size})
	c.emit(func(r *run) error { return multiply.run(r, to, ch) })
	if outputs == 1 && to != rootOut {
		c.steps[len(c.steps)-1].pairs = map[int]int{rootOut: donor}
	}
}

// widened repeats a short row that is broadcast over others until it fills a segment, so that segments are no shorter than those of
// other operands.
func (g *chainBuilder) widened(l leaf) leaf {
	period := l.period
	width := segment / max(period, 1) * period
	if g.dot != nil || l.each > 1 || period < 2 || width <= period || width > g.ch.size {
		return l
	}
	c, from := g.c, l.ref
	used := c.used
	c.used = []int{from}
	to := c.temp(4 * width)
	c.emit(func(r *run) error {
		dst, src := r.f32(to), r.f32(from)
		for i := 0; i < width; i += period {
			copy(dst[i:], src[:period])
		}
		return nil
	})
	c.used = append(used, to)
	return leaf{ref: to, each: 1, period: width}
}

// keepApart returns ref unless it is one of the others.
func keepApart(ref int, others ...int) int {
	if slices.Contains(others, ref) {
		return none
	}
	return ref
}

// tiles says whether the chain can run on tiles of the contraction: whether all broadcasts are even along its rows.
func (g *chainBuilder) tiles() bool {
	c := g.c
	t := c.types[g.dot.Operands[1]]
	n := product(pick(t.Shape, ir.DotDimsOf(g.dot.Attrs).RHSFree(t.Rank())))
	for _, op := range g.ops {
		for _, v := range c.inputs(op) {
			p := c.fusion.putOff[v]
			if p == nil || p.Name != "broadcast_in_dim" {
				continue
			}
			each, period, _ := c.repeats(p)
			if each > 1 && each%n != 0 || each == 1 && period%n != 0 {
				return false
			}
		}
	}
	return true
}

// register returns one that no later instruction of the chain needs.
func (g *chainBuilder) register(op *ir.Op) int {
	at := slices.Index(g.ops, op)
	busy := map[int]bool{}
	for _, o := range g.ops[:at] {
		s := g.values[o.First]
		if s.kind != registerSource {
			continue
		}
		for _, later := range g.ops[at:] {
			// An operand of op itself may give op its register: kernels work in place.
			if later != op && slices.Contains(g.c.inputs(later), o.First) {
				busy[s.index] = true
			}
		}
	}
	n := 0
	for busy[n] {
		n++
	}
	g.ch.registers = max(g.ch.registers, n+1)
	return n
}

// pass runs the chain over whole tensors.
func (ch *chain) pass(r *run) error {
	const part = 4 * segment
	parts := (ch.size + part - 1) / part
	return r.b.pool.For(parts, func(worker, i int) { ch.run(r, worker, i*part, min(ch.size, (i+1)*part)) })
}

// run computes elements [lo, hi).
func (ch *chain) run(r *run, worker, lo, hi int) {
	registers := r.f32(ch.scratch)[worker*ch.registers*ch.width:][:ch.registers*ch.width]
	for lo < hi {
		n := min(segment, hi-lo)
		for _, cut := range ch.cuts {
			n = min(n, cut-lo%cut)
		}
		ch.segment(r, registers, lo, n)
		lo += n
	}
}

// onTile computes the elements of a tile of the product whose rows have n.
func (ch *chain) onTile(r *run, t gemm.Tile, n int) {
	const ahead = 2 // rows: caches do not foresee where the next begins
	fetch := func(row int) {
		for _, ref := range ch.cold {
			vec.Fetch(r.f32(ref)[row*n+t.Col0 : row*n+t.Col1])
		}
	}
	for row := t.Row0; row < min(t.Row0+ahead, t.Row1); row++ {
		fetch(row)
	}
	for row := t.Row0; row < t.Row1; row++ {
		if row+ahead < t.Row1 {
			fetch(row + ahead)
		}
		ch.run(r, t.Worker, row*n+t.Col0, row*n+t.Col1)
	}
}

// scalar says whether one element stands for all of an operand in a segment.
func (ch *chain) scalar(s source) bool {
	switch {
	case s.kind == constantSource:
		return true
	case s.kind == registerSource || s.index == none:
		return false
	}
	return ch.leaves[s.index].each > 1 || ch.leaves[s.index].period == 1 && ch.size > 1
}

func (ch *chain) segment(r *run, registers []float32, at, n int) {
	// operand returns a slice, or one element that stands for all.
	operand := func(s source) (x []float32, scalar float32, isScalar bool) {
		switch s.kind {
		case constantSource:
			return nil, s.value, true
		case registerSource:
			return registers[s.index*ch.width:][:n], 0, false
		}
		l := ch.leaves[s.index]
		i := at / l.each % l.period
		if ch.scalar(s) {
			return nil, r.f32(l.ref)[i], true
		}
		return r.f32(l.ref)[i : i+n], 0, false
	}
	filled := func(k int, x []float32, s float32, isScalar bool) []float32 {
		if isScalar {
			x = registers[(ch.fills+k)*ch.width:][:n]
			vec.Fill(x, s)
		}
		return x
	}
	for i := range ch.instructions {
		x := &ch.instructions[i]
		var dst []float32
		if x.out != none {
			dst = r.f32(x.out)[at : at+n]
		} else {
			dst = registers[x.register*ch.width:][:n]
		}
		a, sa, scalarA := operand(x.in[0])
		switch {
		case x.both != nil:
			x.both(dst, r.f32(x.grad)[at:at+n], filled(0, a, sa, scalarA))
		case x.isFMA:
			b, sb, scalarB := operand(x.in[1])
			z, sz, scalarZ := operand(x.in[2])
			vec.FMA(dst, filled(0, a, sa, scalarA), filled(1, b, sb, scalarB), filled(2, z, sz, scalarZ))
		case x.unary != nil:
			x.unary(dst, filled(0, a, sa, scalarA))
		default:
			b, sb, scalarB := operand(x.in[1])
			switch {
			case scalarB:
				x.binary.right(dst, filled(0, a, sa, scalarA), sb)
			case scalarA:
				x.binary.left(dst, b, sa)
			default:
				x.binary.both(dst, a, b)
			}
		}
	}
}
