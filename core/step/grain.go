package step

import (
	"errors"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/core/grad"
)

// AccPrefix is put before a result's name to name the parameter that holds its
// sum over earlier grains.
const AccPrefix = "acc."

// Grain returns the two functions that a chain of grains runs: first for its
// first grain and next for the others. Both take what the linked function
// takes and give its results (sums), among them what buffers take
// (plugin.BufferPrefix + name), and the gradient of Loss with respect to every
// parameter that it takes and that is trained, named grad.Prefix + name. next takes the sums so far as
// well, named AccPrefix + result, and gives them with this grain's added: rule
// 9's chain, in order.
func Grain(w *Weights, linked *ir.Func) (first, next *ir.Func, err error) {
	var wrt []string
	for _, p := range w.Trained() {
		if linked.Param(p.Name) >= 0 {
			wrt = append(wrt, p.Name)
		}
	}
	if len(wrt) == 0 {
		return nil, nil, errors.New("all parameters that the loss depends on are frozen")
	}
	if first, err = grad.Reverse(linked, Loss, wrt); err != nil {
		return nil, nil, err
	}
	types := first.Types()
	b := ir.NewBuilder("next")
	var args, sums []ir.Value
	for _, p := range first.Params {
		args = append(args, b.Param(p.Name, p.Type))
	}
	for _, r := range first.Results {
		sums = append(sums, b.Param(AccPrefix+r.Name, types[r.Value]))
	}
	results := b.Inline(first, args)
	for i, r := range first.Results {
		b.Return(r.Name, b.Add(sums[i], results[i]))
	}
	next, err = b.Func()
	return first, next, err
}

// Combine returns the function that adds two chains' sums: it takes "left."
// and "right." + name for every result of first and gives the sums by name.
func Combine(first *ir.Func) (*ir.Func, error) {
	types := first.Types()
	b := ir.NewBuilder("combine")
	var left, right []ir.Value
	for _, r := range first.Results {
		left = append(left, b.Param("left."+r.Name, types[r.Value]))
	}
	for _, r := range first.Results {
		right = append(right, b.Param("right."+r.Name, types[r.Value]))
	}
	for i, r := range first.Results {
		b.Return(r.Name, b.Add(left[i], right[i]))
	}
	return b.Func()
}
