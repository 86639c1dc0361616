package cpu

import (
	"slices"

	"github.com/seedbed/seedbed/abi/ir"
)

// rewrite returns a function that gives the same bits as f by fewer passes over memory:
//
//   - a contraction whose free dimensions are only then transposed contracts its operands the other way round: a product is the
//     same in either order, and so is the order of k;
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

	swapped := map[int]bool{}  // contractions
	follows := map[int][]int{} // ops that come right after an op
	moved := make([]bool, len(f.Ops))
	for i := range f.Ops {
		op := &f.Ops[i]
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
		if swapped[i] {
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
