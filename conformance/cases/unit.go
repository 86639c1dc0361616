package cases

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/plugins/backends/reference"
)

// Case is one program and its arguments.
type Case struct {
	// Name is unique: suite, op, dtype and number, such as "ops/add/f32/17".
	Name  string
	Op    string
	DType ir.DType
	// Cell names the attributes and the structure of the operands.
	Cell string
	Func *ir.Func
	Args [][]byte
	// Classes says that results need agree in their class alone (rule 3).
	Classes bool
	// Rows lists the arguments whose dimension 0 is that of every result, such
	// that each row of the results depends on those rows alone.
	Rows []int
}

// Unit is an op with a dtype: the square of the pass matrix that its cases
// fill.
type Unit struct {
	Op    *ir.OpDef
	DType ir.DType
	cells []cell
}

// cell is one way to apply an op: a combination of attributes and of the
// structure of operands.
type cell struct {
	name string
	// dtypes are tried with it; empty for all. A cell is part of a unit where
	// the op table accepts it.
	dtypes []ir.DType
	make   func(r *source, d ir.DType) app
}

// app is an op applied to operands.
type app struct {
	operands []operand
	attrs    []ir.Attr
	regions  []*ir.Func
	classes  bool
	rows     []int
}

type operand struct {
	ir.Type
	domain domain
}

// Units returns every unit of the op table, by op and dtype, in a fixed order.
var Units = sync.OnceValues(func() ([]Unit, error) {
	var units []Unit
	for _, def := range ir.OpDefs() {
		before := len(units)
		all := cellsOf(def)
		if all == nil {
			return nil, fmt.Errorf("op %s has no cases: give it a generator in conformance/cases", def.Name)
		}
		for _, d := range ir.DTypes() {
			u := Unit{Op: def, DType: d}
			for _, c := range all {
				ok, err := accepted(def, d, c)
				if err != nil {
					return nil, err
				}
				if ok {
					u.cells = append(u.cells, c)
				}
			}
			if len(u.cells) > 0 {
				units = append(units, u)
			}
		}
		if len(units) == before {
			return nil, fmt.Errorf("op %s has a generator in conformance/cases, but the op table accepts none of its cases", def.Name)
		}
	}
	return units, nil
})

// probes is how many variants of a cell are shown to the op table.
const probes = 12

// accepted asks the op table whether it takes a cell with a dtype. It takes all
// of a cell's variants or none: a generator that makes some which are refused
// would lose cases unseen.
func accepted(def *ir.OpDef, d ir.DType, c cell) (bool, error) {
	if len(c.dtypes) > 0 && !slices.Contains(c.dtypes, d) {
		return false, nil
	}
	yes, no := 0, error(nil)
	for i := range probes {
		a := c.make(newSource(0, def.Name, i, i), d)
		if f, err := a.function(def); err != nil {
			no = err
		} else if !known(f) {
			return false, nil
		} else {
			yes++
		}
	}
	if yes > 0 && no != nil {
		return false, fmt.Errorf("op %s, cell %q, dtype %v: the op table takes %d of %d variants only: %w", def.Name, c.name, d, yes, probes, no)
	}
	return yes > 0, nil
}

// known reports whether the reference computes with every dtype of a function:
// what it cannot do has no cases.
func known(f *ir.Func) bool {
	dtypes := reference.Backend{}.Info().DTypes
	for _, t := range f.Types() {
		if !slices.Contains(dtypes, t.DType) {
			return false
		}
	}
	return true
}

// function builds the program of one op.
func (a app) function(def *ir.OpDef) (*ir.Func, error) {
	b := ir.NewBuilder("case")
	in := make([]ir.Value, len(a.operands))
	for i, o := range a.operands {
		in[i] = b.Param(fmt.Sprintf("x%d", i), o.Type)
	}
	for i, v := range b.OpRegions(def.Name, def.Version, in, a.regions, a.attrs...) {
		b.Return(fmt.Sprintf("y%d", i), v)
	}
	return b.Func()
}

// Name returns the unit's name, such as "add/f32".
func (u Unit) Name() string { return u.Op.Name + "/" + u.DType.String() }

// Required reports whether a backend of the Exact profile runs the unit. f64
// is the reference's, as the truth for gradients.
func (u Unit) Required() bool { return u.DType != ir.F64 }

// Cells returns the names of the unit's cells.
func (u Unit) Cells() []string {
	l := make([]string, len(u.cells))
	for i, c := range u.cells {
		l[i] = c.name
	}
	return l
}

// CaseName returns the name of case number i.
func (u Unit) CaseName(i int) string { return fmt.Sprintf("ops/%s/%d", u.Name(), i) }

// Case returns case number i of the unit. Consecutive numbers go through the
// cells first, then through sizes and flavours of values.
func (u Unit) Case(seed uint64, i int) (*Case, error) {
	c := u.cells[i%len(u.cells)]
	variant := i / len(u.cells)
	name := u.CaseName(i)
	r := newSource(seed, u.Name(), i, variant)
	a := c.make(r, u.DType)
	f, err := a.function(u.Op)
	if err != nil {
		return nil, fmt.Errorf("case %s (%s): %w", name, c.name, err)
	}
	k := &Case{Name: name, Op: u.Op.Name, DType: u.DType, Cell: c.name, Func: f, Classes: a.classes, Rows: a.rows}
	for _, o := range a.operands {
		k.Args = append(k.Args, r.fill(o.Type, o.domain, variant%flavours))
	}
	return k, nil
}

// Text returns the program as text.
func (c *Case) Text() string { return (&ir.Program{Funcs: []*ir.Func{c.Func}}).String() }

// words multiplies cells by the values of the op's enumerated attributes.
func words(def *ir.OpDef, cells []cell) []cell {
	for _, ad := range def.Attrs {
		if ad.Words == nil {
			continue
		}
		var more []cell
		for _, c := range cells {
			for _, w := range ad.Words {
				inner := c.make
				more = append(more, cell{strings.TrimPrefix(c.name+" "+ad.Name+"="+w, " "), c.dtypes, func(r *source, d ir.DType) app {
					a := inner(r, d)
					a.attrs = append(a.attrs, ir.StringAttr(ad.Name, w))
					return a
				}})
			}
		}
		cells = more
	}
	return cells
}

// cellsOf returns the cells of an op, nil where nobody has written any.
func cellsOf(def *ir.OpDef) []cell {
	cells, ok := generators[def.Name]
	if !ok && def.Group == "elementwise" {
		cells = elementwise(def)
	}
	if cells == nil {
		return nil
	}
	return words(def, append(slices.Clone(cells), hard[def.Name]...))
}
