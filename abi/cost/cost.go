package cost

import (
	"fmt"
	"strconv"

	"github.com/seedbed/seedbed/abi/ir"
)

// FLOPs counts floating-point operations.
type FLOPs struct {
	// Contractions are those of matrix products and convolutions: two for each
	// multiply-add, what is masked included. It is what the literature counts,
	// and what a share of a machine's peak is a share of.
	Contractions int64
	// Others are the rest: one for each element that an op computes or a sum
	// takes up, two where it also multiplies. Moving, comparing and selecting
	// count nothing, integers neither.
	Others int64
}

// Add returns the sum of both.
func (c FLOPs) Add(d FLOPs) FLOPs {
	return FLOPs{c.Contractions + d.Contractions, c.Others + d.Others}
}

// Times returns n times c.
func (c FLOPs) Times(n int) FLOPs {
	return FLOPs{c.Contractions * int64(n), c.Others * int64(n)}
}

// Count counts one run of a function. Composites count as their
// decompositions, whatever a backend makes of them. An *ir.Error names a
// contraction of which nothing is known.
func Count(f *ir.Func) (FLOPs, error) {
	f, err := ir.Expand(f, func(*ir.Op) bool { return false })
	if err != nil {
		return FLOPs{}, err
	}
	var sum FLOPs
	types := f.Types()
	for i := range f.Ops {
		op := &f.Ops[i]
		in := make([]ir.Type, len(op.Operands))
		for k, v := range op.Operands {
			in[k] = types[v]
		}
		one, ok := primitive(op, in)
		if !ok {
			return FLOPs{}, &ir.Error{Func: f.Name, Op: i, Name: op.Name, Msg: "nothing is known of what the op costs"}
		}
		sum = sum.Add(one)
	}
	return sum, nil
}

// Of counts one op on operands of the types in, as Count does.
func Of(op *ir.Op, in []ir.Type) (FLOPs, error) {
	if !ir.LookupOp(op.Name).IsComposite() {
		n, ok := primitive(op, in)
		if !ok {
			return FLOPs{}, fmt.Errorf("%s: nothing is known of what the op costs", op.Name)
		}
		return n, nil
	}
	f := &ir.Func{Name: op.Name}
	x := *op
	x.Operands = make([]ir.Value, len(in))
	for i, t := range in {
		f.Params = append(f.Params, ir.Param{Name: strconv.Itoa(i), Type: t})
		x.Operands[i] = ir.Value(i)
	}
	x.First = ir.Value(len(in))
	f.Ops = []ir.Op{x}
	for i := range x.Results {
		f.Results = append(f.Results, ir.Result{Name: strconv.Itoa(i), Value: x.Result(i)})
	}
	return Count(f)
}

// primitive counts an op that is no composite; ok says whether it is known what
// it costs.
func primitive(op *ir.Op, in []ir.Type) (n FLOPs, ok bool) {
	if !op.Results[0].DType.IsFloat() {
		return FLOPs{}, true
	}
	group := ir.LookupOp(op.Name).Group
	switch rule := rules[op.Name]; {
	case rule != nil:
		return rule(op, in), true
	case group == "contraction" || group == "control flow":
		return FLOPs{}, false
	case group != "data movement" && group != "random":
		return others(1, op.Results[0]), true
	}
	return FLOPs{}, true
}

// A rule counts one op, whose result is of floats.
type rule func(op *ir.Op, in []ir.Type) FLOPs

// rules are for the ops that do not count one for each element of the result,
// nor, moving data, nothing.
var rules = map[string]rule{
	"fma":        func(op *ir.Op, _ []ir.Type) FLOPs { return others(2, op.Results[0]) },
	"select":     func(*ir.Op, []ir.Type) FLOPs { return FLOPs{} },
	"reduce":     func(_ *ir.Op, in []ir.Type) FLOPs { return others(1, in[0]) },
	"reduce_dot": func(_ *ir.Op, in []ir.Type) FLOPs { return others(2, in[0]) },
	"scatter": func(op *ir.Op, in []ir.Type) FLOPs {
		if op.Attrs.Str("mode") == "set" {
			return FLOPs{}
		}
		return others(1, in[2])
	},
	"dot_general": func(op *ir.Op, in []ir.Type) FLOPs {
		k := 1
		for _, d := range ir.DotDimsOf(op.Attrs).LHSContract {
			k *= in[0].Shape[d]
		}
		return contraction(k, op.Results[0])
	},
	// A result element takes the taps and input channels of one output channel,
	// the last dimension of the kernel.
	"convolution": func(op *ir.Op, in []ir.Type) FLOPs { return contraction(channel(in[1]), op.Results[0]) },
	"convolution_filter_grad": func(op *ir.Op, in []ir.Type) FLOPs {
		return contraction(channel(op.Results[0]), in[1])
	},
}

func others(n int64, t ir.Type) FLOPs { return FLOPs{Others: n * int64(t.Elements())} }

// contraction counts k multiply-adds for each element of t.
func contraction(k int, t ir.Type) FLOPs {
	return FLOPs{Contractions: 2 * int64(k) * int64(t.Elements())}
}

// channel is the number of elements of a kernel that belong to one index of its
// last dimension.
func channel(kernel ir.Type) int {
	return kernel.Elements() / max(kernel.Shape[kernel.Rank()-1], 1)
}
