package cases

import "github.com/seedbed/seedbed/abi/ir"

// joined returns a function of x that gives x joined with itself: its double,
// or for bools its opposite.
func joined(name string, t ir.Type) *ir.Func {
	b := ir.NewBuilder(name)
	x := b.Param("x", t)
	if t.DType == ir.Bool {
		b.Return("y", b.Unary("not", x))
	} else {
		b.Return("y", b.Add(x, x))
	}
	return must(b)
}

func same(name string, t ir.Type) *ir.Func {
	b := ir.NewBuilder(name)
	b.Return("y", b.Param("x", t))
	return must(b)
}

// must returns the function, nil where the op table refused it: a unit without
// its functions is refused too.
func must(b *ir.Builder) *ir.Func {
	f, err := b.Func()
	if err != nil {
		return nil
	}
	return f
}

func init() {
	generate("call", cell{make: func(r *source, d ir.DType) app {
		t := ir.T(d, r.shape(0, 3)...)
		return app{operands: []operand{{t, anyValue}}, regions: []*ir.Func{joined("callee", t)}}
	}})
	generate("case", cell{make: func(r *source, d ir.DType) app {
		t := ir.T(d, r.shape(0, 3)...)
		return app{operands: []operand{{ir.T(ir.I32), between(-1, 4)}, {t, anyValue}}, regions: []*ir.Func{same("a", t), joined("b", t), same("c", t)}}
	}})
	generate("while", cell{make: func(r *source, d ir.DType) app {
		t, count := ir.T(d, r.shape(0, 3)...), ir.T(ir.I32)
		b := ir.NewBuilder("condition")
		i := b.Param("i", count)
		b.Param("x", t)
		b.Return("more", b.Compare("gt", i, b.Zeros(count)))
		condition := must(b)
		b = ir.NewBuilder("body")
		i = b.Param("i", count)
		x := b.Param("x", t)
		b.Return("i", b.Sub(i, b.Full(count, 1)))
		// A loop with a call in it.
		b.Return("x", b.Call(joined("callee", t), x)[0])
		return app{operands: []operand{{count, between(-1, 5)}, {t, anyValue}}, regions: []*ir.Func{condition, must(b)}}
	}})
}
