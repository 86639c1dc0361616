package batch

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/seedbed/seedbed/abi/ir"
)

// Output finds one of a model's outputs, f32 of the given rank with at least
// one element.
func Output(outputs []ir.Param, name string, rank int) (ir.Type, error) {
	for _, o := range outputs {
		if o.Name != name {
			continue
		}
		if o.Type.DType != ir.F32 || o.Type.Rank() != rank || o.Type.Elements() == 0 || o.Type.Elements() > math.MaxInt32*64 {
			return ir.Type{}, fmt.Errorf("the model's output %q is %v; the objective needs f32 of rank %d with at least one element", name, o.Type, rank)
		}
		return o.Type, nil
	}
	return ir.Type{}, fmt.Errorf("the model has no output %q, which the objective needs", name)
}

// Fields returns the fields of a batch, sorted by name: the model's inputs,
// each of which must be among makes with the same type, and extra ones that
// the loss takes. The state of random draws is the host's.
func Fields(inputs []ir.Param, makes map[string]ir.Type, extra ...ir.Param) ([]ir.Param, error) {
	fields := slices.Clone(extra)
	for _, in := range inputs {
		if in.Name == "state" {
			continue
		}
		t, ok := makes[in.Name]
		if !ok {
			return nil, fmt.Errorf("the model takes an input %q, which the objective does not make; it makes %s",
				in.Name, strings.Join(slices.Sorted(maps.Keys(makes)), ", "))
		}
		if !in.Type.Equal(t) {
			return nil, fmt.Errorf("the model's input %q is %v; the objective makes %v", in.Name, in.Type, t)
		}
		fields = append(fields, in)
	}
	slices.SortFunc(fields, func(x, y ir.Param) int { return strings.Compare(x.Name, y.Name) })
	return fields, nil
}
