package cpu

import (
	"slices"

	"github.com/seedbed/seedbed/abi/ir"
)

// rewrite returns a function that gives the same bits as f by fewer passes over memory:
//
//   - a contraction whose free dimensions are only then transposed contracts its operands the other way round: a product is the
//     same in either order, and so is the order of k;
//   - values that are padded with zeros to one size and then added, as the gradients of slices are, are put side by side; the +0 that
//     is added after it turns a -0 as the sum does;
//   - an op that adds a parameter to a value, as the sums over grains do, comes right after the value, which then need not be kept.
func rewrite(f *ir.Func) (*ir.Func, error) {
	types := f.Types()
	maker := make([]int, len(types)) // op, or none
	uses := make([]int, len(types))
	for v := range maker {
		maker[v] = none
	}
	for i := range f.Ops {
		for k := range f.Ops[i].Results {
			maker[f.Ops[i].Result(k)] = i
		}
		for _, v := range f.Ops[i].Operands {
			uses[v]++
		}
	}
	for _, r := range f.Results {
		uses[r.Value]++
	}

	joined := map[int]*join{}  // by the last addition
	swapped := map[int]bool{}  // contractions
	follows := map[int][]int{} // ops that come right after an op
	moved := make([]bool, len(f.Ops))
	for i := range slices.Backward(f.Ops) { // the last addition of a sum comes before its first
		if j := findJoin(f, i, maker, uses); j != nil && !moved[i] {
			joined[i] = j
			for _, k := range j.ops {
				moved[k] = true
			}
		}
	}
	for i := range f.Ops {
		op := &f.Ops[i]
		if moved[i] || joined[i] != nil {
			continue
		}
		switch at := lastMaker(op, maker); {
		case at == none:
		case op.Name == "transpose" && uses[op.Operands[0]] == 1 && swaps(&f.Ops[at], types, op.Attrs.Ints("permutation")):
			swapped[at], moved[i] = true, true
		case at < i-1 && fusable(op, types) && len(op.Operands) == 2 && slices.ContainsFunc(op.Operands, func(v ir.Value) bool { return maker[v] == none }):
			follows[at] = append(follows[at], i)
			moved[i] = true
		}
	}

	b := ir.NewBuilder(f.Name)
	m := make([]ir.Value, len(types))
	for i, p := range f.Params {
		m[i] = b.Param(p.Name, p.Type)
	}
	var put func(i int)
	put = func(i int) {
		op := &f.Ops[i]
		if j := joined[i]; j != nil {
			var parts []ir.Value
			for _, p := range j.parts {
				parts = append(parts, m[p.value])
			}
			m[op.First] = b.Add(b.Concatenate(j.dim, parts...), b.Zeros(op.Results[0]))
		} else if swapped[i] {
			d := ir.DotDimsOf(op.Attrs)
			m[op.First] = b.DotGeneral(m[op.Operands[1]], m[op.Operands[0]], ir.DotDims{LHSContract: d.RHSContract, RHSContract: d.LHSContract})
		} else {
			copy(m[op.First:], b.CopyOp(op, m))
		}
		for _, k := range follows[i] {
			put(k)
		}
	}
	for i := range f.Ops {
		op := &f.Ops[i]
		switch {
		case !moved[i]:
			put(i)
		case op.Name == "transpose": // what it transposed is so already
			m[op.First] = m[op.Operands[0]]
			for _, k := range follows[i] {
				put(k)
			}
		}
	}
	for _, r := range f.Results {
		b.Return(r.Name, m[r.Value])
	}
	return b.Func()
}

// join is a sum of padded values that lie side by side along a dimension.
type join struct {
	dim   int
	parts []part
	ops   []int // that it stands for
}

type part struct {
	value    ir.Value
	from, to int // along the dimension
}

// findJoin returns the join that op i ends, or nil.
func findJoin(f *ir.Func, i int, maker, uses []int) *join {
	root := &f.Ops[i]
	if root.Name != "add" || root.Results[0].DType != ir.F32 {
		return nil
	}
	j := &join{dim: none}
	var visit func(v ir.Value) bool
	visit = func(v ir.Value) bool {
		if maker[v] == none || uses[v] != 1 {
			return false
		}
		op := &f.Ops[maker[v]]
		j.ops = append(j.ops, maker[v])
		switch op.Name {
		case "add":
			return visit(op.Operands[0]) && visit(op.Operands[1])
		case "pad":
			return j.pad(f, op, maker)
		}
		return false
	}
	if !visit(root.Operands[0]) || !visit(root.Operands[1]) {
		return nil
	}
	slices.SortFunc(j.parts, func(a, b part) int { return a.from - b.from })
	end := 0
	for _, p := range j.parts {
		if p.from != end {
			return nil
		}
		end = p.to
	}
	if end != root.Results[0].Shape[j.dim] {
		return nil
	}
	return j
}

// pad adds a part if op pads with +0 along the join's dimension alone.
func (j *join) pad(f *ir.Func, op *ir.Op, maker []int) bool {
	zero := maker[op.Operands[1]]
	if zero == none || f.Ops[zero].Name != "constant" || slices.Max(f.Ops[zero].Attrs.Bytes("value")) != 0 {
		return false
	}
	low, high, interior := op.Attrs.Ints("low"), op.Attrs.Ints("high"), op.Attrs.Ints("interior")
	for d := range low {
		switch {
		case interior[d] != 0 || low[d] < 0 || high[d] < 0:
			return false
		case low[d] == 0 && high[d] == 0:
		case j.dim != none && j.dim != d:
			return false
		default:
			j.dim = d
		}
	}
	if j.dim == none {
		return false
	}
	j.parts = append(j.parts, part{op.Operands[0], low[j.dim], op.Results[0].Shape[j.dim] - high[j.dim]})
	return true
}

// lastMaker returns the last op that makes one of op's operands, or none.
func lastMaker(op *ir.Op, maker []int) int {
	last := none
	for _, v := range op.Operands {
		last = max(last, maker[v])
	}
	return last
}

// swaps says whether op is a contraction without batch dimensions and permutation puts the free dimensions of its second operand
// before those of its first.
func swaps(op *ir.Op, types []ir.Type, permutation []int) bool {
	if op.Name != "dot_general" {
		return false
	}
	d := ir.DotDimsOf(op.Attrs)
	if len(d.LHSBatch) > 0 {
		return false
	}
	first := len(d.LHSFree(types[op.Operands[0]].Rank()))
	for i, p := range permutation {
		if p != (i+first)%len(permutation) {
			return false
		}
	}
	return first < len(permutation) || first == 0
}
