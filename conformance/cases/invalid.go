package cases

import (
	"fmt"
	"slices"
	"strings"

	"github.com/seedbed/seedbed/abi/ir"
)

// Invalid is a program that breaks one rule, and what its error must say.
type Invalid struct {
	Name string
	Func *ir.Func
	// Op is the number of the op that the error must name, -1 for none.
	Op int
	// Says is in the error's message.
	Says string
}

// breakage is a way to break a valid function. It returns the op at fault, what
// the error says, and whether it applies.
type breakage struct {
	name  string
	apply func(r *source, f *ir.Func) (op int, says string, ok bool)
}

// withOp breaks one op.
func withOp(apply func(r *source, f *ir.Func, op *ir.Op) (says string, ok bool)) func(r *source, f *ir.Func) (int, string, bool) {
	return func(r *source, f *ir.Func) (int, string, bool) {
		if len(f.Ops) == 0 {
			return 0, "", false
		}
		i := r.n(len(f.Ops))
		says, ok := apply(r, f, &f.Ops[i])
		return i, says, ok
	}
}

var breakages = []breakage{
	{"unknown op", withOp(func(r *source, _ *ir.Func, op *ir.Op) (string, bool) {
		op.Name += pick(r, "_v2", "x", "2")
		return "unknown op", true
	})},
	{"later version", withOp(func(r *source, _ *ir.Func, op *ir.Op) (string, bool) {
		op.Version += r.in(1, 9)
		return "version", true
	})},
	{"operand out of range", withOp(func(r *source, f *ir.Func, op *ir.Op) (string, bool) {
		if len(op.Operands) == 0 {
			return "", false
		}
		op.Operands[r.n(len(op.Operands))] = ir.Value(f.NumValues() + r.n(1000))
		return "not defined before", true
	})},
	{"operand negative", withOp(func(r *source, _ *ir.Func, op *ir.Op) (string, bool) {
		if len(op.Operands) == 0 {
			return "", false
		}
		op.Operands[r.n(len(op.Operands))] = ir.Value(-1 - r.n(1000))
		return "not defined before", true
	})},
	{"operand defined later", withOp(func(r *source, _ *ir.Func, op *ir.Op) (string, bool) {
		if len(op.Operands) == 0 {
			return "", false
		}
		op.Operands[r.n(len(op.Operands))] = op.First
		return "not defined before", true
	})},
	{"too many operands", withOp(func(_ *source, _ *ir.Func, op *ir.Op) (string, bool) {
		if ir.LookupOp(op.Name).Variadic || len(op.Operands) == 0 {
			return "", false
		}
		op.Operands = append(op.Operands, slices.Repeat(op.Operands[:1], 9)...)
		return "operands", true
	})},
	{"too few operands", withOp(func(_ *source, _ *ir.Func, op *ir.Op) (string, bool) {
		if len(op.Operands) == 0 {
			return "", false
		}
		op.Operands = nil
		return "operands", true
	})},
	{"attribute missing", withOp(func(r *source, _ *ir.Func, op *ir.Op) (string, bool) {
		if len(op.Attrs) == 0 {
			return "", false
		}
		i := r.n(len(op.Attrs))
		says := fmt.Sprintf("attribute %q is missing", op.Attrs[i].Name)
		op.Attrs = slices.Delete(op.Attrs, i, i+1)
		return says, true
	})},
	{"attribute unknown", withOp(func(_ *source, _ *ir.Func, op *ir.Op) (string, bool) {
		op.Attrs = append(op.Attrs, ir.IntAttr("zzz", 1))
		return `unknown attribute "zzz"`, true
	})},
	{"attribute twice", withOp(func(r *source, _ *ir.Func, op *ir.Op) (string, bool) {
		if len(op.Attrs) == 0 {
			return "", false
		}
		i := r.n(len(op.Attrs))
		op.Attrs = slices.Insert(op.Attrs, i, op.Attrs[i])
		return "attribute", true
	})},
	{"attributes unsorted", withOp(func(_ *source, _ *ir.Func, op *ir.Op) (string, bool) {
		if len(op.Attrs) < 2 {
			return "", false
		}
		slices.Reverse(op.Attrs)
		return "not sorted", true
	})},
	{"attribute of another kind", withOp(func(r *source, _ *ir.Func, op *ir.Op) (string, bool) {
		if len(op.Attrs) == 0 {
			return "", false
		}
		a := &op.Attrs[r.n(len(op.Attrs))]
		kind := ir.AttrInt
		if a.Kind == kind {
			kind = ir.AttrBool
		}
		*a = ir.Attr{Name: a.Name, Kind: kind}
		return "of kind", true
	})},
	{"attribute holds more than its kind", withOp(func(_ *source, _ *ir.Func, op *ir.Op) (string, bool) {
		if len(op.Attrs) == 0 {
			return "", false
		}
		for i := range op.Attrs {
			if a := &op.Attrs[i]; a.Kind == ir.AttrInts || a.Kind == ir.AttrInt {
				a.Str = "stowaway"
				return "attribute", true
			}
		}
		return "", false
	})},
	{"word of another op", withOp(func(_ *source, _ *ir.Func, op *ir.Op) (string, bool) {
		for _, ad := range ir.LookupOp(op.Name).Attrs {
			if ad.Words != nil {
				i := slices.IndexFunc(op.Attrs, func(a ir.Attr) bool { return a.Name == ad.Name })
				op.Attrs[i].Str = "median"
				return "not one of", true
			}
		}
		return "", false
	})},
	{"result of another shape", withOp(func(r *source, _ *ir.Func, op *ir.Op) (string, bool) {
		t := &op.Results[r.n(len(op.Results))]
		*t = t.With(append(slices.Clone(t.Shape), 1)...)
		return "the results are", true
	})},
	{"result of another dtype", withOp(func(r *source, _ *ir.Func, op *ir.Op) (string, bool) {
		t := &op.Results[r.n(len(op.Results))]
		d := ir.U64
		if t.DType == d {
			d = ir.F16
		}
		*t = t.As(d)
		return "the results are", true
	})},
	{"results numbered wrongly", withOp(func(r *source, _ *ir.Func, op *ir.Op) (string, bool) {
		op.First += ir.Value(r.in(1, 5))
		return "numbered", true
	})},
	{"parameter of no dtype", func(r *source, f *ir.Func) (int, string, bool) {
		if len(f.Params) == 0 {
			return 0, "", false
		}
		f.Params[r.n(len(f.Params))].Type.DType = ir.DType(200)
		return -1, "invalid dtype", true
	}},
	{"parameter of negative size", func(r *source, f *ir.Func) (int, string, bool) {
		if len(f.Params) == 0 {
			return 0, "", false
		}
		p := &f.Params[r.n(len(f.Params))]
		p.Type = p.Type.With(-1 - r.n(9))
		return -1, "negative", true
	}},
	{"parameter too deep", func(r *source, f *ir.Func) (int, string, bool) {
		if len(f.Params) == 0 {
			return 0, "", false
		}
		p := &f.Params[r.n(len(f.Params))]
		p.Type = p.Type.With(slices.Repeat([]int{1}, ir.MaxRank+1+r.n(9))...)
		return -1, "rank", true
	}},
	{"parameter too large", func(r *source, f *ir.Func) (int, string, bool) {
		if len(f.Params) == 0 {
			return 0, "", false
		}
		p := &f.Params[r.n(len(f.Params))]
		p.Type = p.Type.With(1<<30, 1<<30, 1<<r.n(30))
		return -1, "elements", true
	}},
	{"parameter twice", func(_ *source, f *ir.Func) (int, string, bool) {
		if len(f.Params) < 2 {
			return 0, "", false
		}
		f.Params[1].Name = f.Params[0].Name
		return -1, "declared twice", true
	}},
	{"parameter of a bad name", func(r *source, f *ir.Func) (int, string, bool) {
		if len(f.Params) == 0 {
			return 0, "", false
		}
		f.Params[r.n(len(f.Params))].Name = pick(r, "", "a b", "\x00", `"`, strings.Repeat("n", 257), "é")
		return -1, "name", true
	}},
	{"result of no value", func(r *source, f *ir.Func) (int, string, bool) {
		f.Results[r.n(len(f.Results))].Value = ir.Value(f.NumValues() + r.n(9))
		return -1, "does not exist", true
	}},
	{"result twice", func(_ *source, f *ir.Func) (int, string, bool) {
		f.Results = append(f.Results, f.Results[0])
		return -1, "returned twice", true
	}},
	{"no results", func(_ *source, f *ir.Func) (int, string, bool) {
		f.Results = nil
		return -1, "returns nothing", true
	}},
	{"function of no name", func(_ *source, f *ir.Func) (int, string, bool) {
		f.Name = ""
		return -1, "name", true
	}},
}

// Breakages returns the names of the ways in which programs are broken.
func Breakages() []string {
	l := make([]string, len(breakages))
	for i, b := range breakages {
		l[i] = b.name
	}
	return l
}

// InvalidProgram returns invalid program number i of a breakage, made of a
// fuzzed program.
func InvalidProgram(seed uint64, name string, i int) (*Invalid, error) {
	k := slices.IndexFunc(breakages, func(b breakage) bool { return b.name == name })
	if k < 0 {
		return nil, fmt.Errorf("no breakage %q", name)
	}
	r := newSource(seed, "invalid/"+name, i, i)
	for try := range 100 {
		c, err := Program(seed, ir.F32, 1000*i+try)
		if err != nil {
			return nil, err
		}
		f := clone(c.Func)
		if op, says, ok := breakages[k].apply(r, f); ok {
			return &Invalid{Name: fmt.Sprintf("invalid/%s/%d", name, i), Func: f, Op: op, Says: says}, nil
		}
	}
	return nil, fmt.Errorf("breakage %q fits no program", name)
}

func clone(f *ir.Func) *ir.Func {
	g := &ir.Func{Name: f.Name, Params: slices.Clone(f.Params), Ops: slices.Clone(f.Ops), Results: slices.Clone(f.Results)}
	for i := range g.Ops {
		op := &g.Ops[i]
		op.Operands, op.Attrs, op.Results = slices.Clone(op.Operands), slices.Clone(op.Attrs), slices.Clone(op.Results)
	}
	return g
}
