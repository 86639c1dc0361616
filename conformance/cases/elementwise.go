package cases

import "github.com/seedbed/seedbed/abi/ir"

// elementwise makes the cells of any op whose operands have one shape. Operands
// called predicate are bools.
func elementwise(def *ir.OpDef) []cell {
	build := func(r *source, d ir.DType, shape []int) app {
		a := app{}
		for i, name := range def.Operands {
			o := operand{Type: ir.T(d, shape...)}
			if name == "predicate" {
				o.DType = ir.Bool
			}
			a.operands = append(a.operands, o)
			a.rows = append(a.rows, i)
		}
		if len(shape) == 0 {
			a.rows = nil
		}
		return a
	}
	cells := []cell{
		{name: "vector", make: func(r *source, d ir.DType) app { return build(r, d, []int{r.size()}) }},
		{name: "shaped", make: func(r *source, d ir.DType) app { return build(r, d, r.shape(0, 4)) }},
	}
	if def.Name == "clamp" {
		cells = append(cells, cell{name: "scalar bounds", make: func(r *source, d ir.DType) app {
			bound := operand{Type: ir.T(d)}
			return app{operands: []operand{bound, {Type: ir.T(d, r.shape(0, 3)...)}, bound}}
		}})
	}
	return cells
}
