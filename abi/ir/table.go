package ir

import (
	"fmt"
	"slices"
	"strings"
)

// OpDef describes one op: what it takes, what it gives and what it means.
type OpDef struct {
	Name    string
	Version int
	// Group is the heading under which the documentation lists the op.
	Group string
	// Doc says what the op computes; Numerics which rules fix its bits.
	Doc, Numerics string
	// Operands and Results are the names of what the op takes and gives. The
	// last Optional operands are given all together or not at all; Variadic
	// repeats the last operand any number of times, at least once.
	Operands []string
	Optional int
	Variadic bool
	Results  []string
	// VariadicResults repeats the last result any number of times.
	VariadicResults bool
	// Regions are the names of the functions that the op runs; MoreRegions
	// repeats the last any number of times.
	Regions     []string
	MoreRegions bool
	Attrs       []AttrDef

	infer func(c *inference) []Type
	// decompose builds the normative decomposition of a composite.
	decompose func(b *Builder, op *Op, in []Value) []Value
	// grad builds the gradient; nil where no operand has one.
	grad func(g *Gradient) []Value
	// derived says that the gradient is that of the decomposition.
	derived bool
}

// AttrDef describes one attribute of an op. Every attribute is required, so
// that one meaning has one text; the Builder fills in usual values.
type AttrDef struct {
	Name  string
	Kind  AttrKind
	Words []string // the values that an AttrString may take
	Doc   string
}

// IsComposite reports whether the op is defined by a decomposition.
func (d *OpDef) IsComposite() bool { return d.decompose != nil }

// IsDifferentiable reports whether gradients flow through the op.
func (d *OpDef) IsDifferentiable() bool { return d.grad != nil || d.derived }

// IsDerived reports whether the op's gradient is that of its decomposition:
// reverse mode expands it first.
func (d *OpDef) IsDerived() bool { return d.derived }

var table = map[string]*OpDef{}

func define(defs ...*OpDef) {
	for _, d := range defs {
		if d.Version == 0 {
			d.Version = 1
		}
		slices.SortFunc(d.Attrs, func(a, b AttrDef) int { return strings.Compare(a.Name, b.Name) })
		if _, dup := table[d.Name]; dup {
			panic("ir: op defined twice: " + d.Name)
		}
		table[d.Name] = d
	}
}

// LookupOp returns the definition of the op called name, or nil.
func LookupOp(name string) *OpDef { return table[name] }

// OpDefs returns all definitions, sorted by name.
func OpDefs() []*OpDef {
	l := make([]*OpDef, 0, len(table))
	for _, d := range table {
		l = append(l, d)
	}
	slices.SortFunc(l, func(a, b *OpDef) int { return strings.Compare(a.Name, b.Name) })
	return l
}

// Infer checks an op's operand types and attributes against its definition
// and returns the types of its results.
func Infer(name string, version int, operands []Type, attrs Attrs) (results []Type, err error) {
	return infer(name, version, operands, attrs, nil, 0)
}

// infer is Infer for an op in a function at some depth of regions.
func infer(name string, version int, operands []Type, attrs Attrs, regions []*Func, depth int) (results []Type, err error) {
	d := LookupOp(name)
	if d == nil {
		return nil, fmt.Errorf("unknown op %q", name)
	}
	if version != d.Version {
		return nil, fmt.Errorf("op %q has version %d, this ABI knows version %d", name, version, d.Version)
	}
	if err := d.checkOperands(len(operands)); err != nil {
		return nil, err
	}
	for i, t := range operands {
		if err := t.Check(); err != nil {
			return nil, fmt.Errorf("operand %d: %w", i, err)
		}
	}
	if err := d.checkAttrs(attrs); err != nil {
		return nil, err
	}
	if err := d.checkRegions(regions, depth); err != nil {
		return nil, err
	}
	c := &inference{def: d, in: operands, attrs: attrs, regions: regions}
	defer func() {
		if r := recover(); r != nil {
			f, ok := r.(inferFailure)
			if !ok {
				panic(r)
			}
			results, err = nil, f.err
		}
	}()
	results = d.infer(c)
	for i, t := range results {
		if err := t.Check(); err != nil {
			return nil, fmt.Errorf("result %d: %w", i, err)
		}
	}
	return results, nil
}

func (d *OpDef) checkOperands(n int) error {
	most, least := len(d.Operands), len(d.Operands)-d.Optional
	if d.Variadic {
		if n < least {
			return fmt.Errorf("takes at least %d operands, has %d", least, n)
		}
		return nil
	}
	if n != most && n != least {
		return fmt.Errorf("takes %d operands (%s), has %d", most, strings.Join(d.Operands, ", "), n)
	}
	return nil
}

// MaxDepth bounds how deep regions may lie within regions.
const MaxDepth = 8

func (d *OpDef) checkRegions(regions []*Func, depth int) error {
	if n := len(regions); n < len(d.Regions) || n > len(d.Regions) && !d.MoreRegions || n > MaxFuncs {
		return fmt.Errorf("runs %d functions (%s), has %d", len(d.Regions), strings.Join(d.Regions, ", "), n)
	}
	if len(regions) > 0 && depth >= MaxDepth {
		return fmt.Errorf("regions lie more than %d deep", MaxDepth)
	}
	for i, f := range regions {
		if f == nil {
			return fmt.Errorf("region %d is missing", i)
		}
		if err := f.verify(depth + 1); err != nil {
			return fmt.Errorf("region %d: %w", i, err)
		}
	}
	return nil
}

func (d *OpDef) checkAttrs(attrs Attrs) error {
	for i, a := range attrs {
		if i > 0 && attrs[i-1].Name >= a.Name {
			return fmt.Errorf("attributes are not sorted by name at %q", a.Name)
		}
		k := slices.IndexFunc(d.Attrs, func(ad AttrDef) bool { return ad.Name == a.Name })
		if k < 0 {
			return fmt.Errorf("unknown attribute %q", a.Name)
		}
		ad := d.Attrs[k]
		if a.Kind != ad.Kind {
			return fmt.Errorf("attribute %q is of kind %v, not %v", a.Name, ad.Kind, a.Kind)
		}
		if !a.Equal(a.pure()) {
			return fmt.Errorf("attribute %q holds more than its kind", a.Name)
		}
		if ad.Words != nil && !slices.Contains(ad.Words, a.Str) {
			return fmt.Errorf("attribute %q is %q, not one of %s", a.Name, a.Str, strings.Join(ad.Words, ", "))
		}
		if a.Kind == AttrBool && a.Int != 0 && a.Int != 1 {
			return fmt.Errorf("attribute %q is not a bool", a.Name)
		}
		if a.Kind == AttrDType && (a.Int < 0 || a.Int > 255 || !DType(a.Int).Valid()) {
			return fmt.Errorf("attribute %q is not a dtype", a.Name)
		}
	}
	if len(attrs) != len(d.Attrs) {
		for _, ad := range d.Attrs {
			if _, ok := attrs.Get(ad.Name); !ok {
				return fmt.Errorf("attribute %q is missing", ad.Name)
			}
		}
	}
	return nil
}

// inference is what a definition's infer function works on. Its methods stop
// inference with an error when a requirement does not hold.
type inference struct {
	def     *OpDef
	in      []Type
	attrs   Attrs
	regions []*Func
}

type inferFailure struct{ err error }

func (c *inference) fail(format string, args ...any) {
	panic(inferFailure{fmt.Errorf(format, args...)})
}

func (c *inference) require(ok bool, format string, args ...any) {
	if !ok {
		c.fail(format, args...)
	}
}

func (c *inference) name(i int) string {
	if i < len(c.def.Operands) {
		return c.def.Operands[i]
	}
	return c.def.Operands[len(c.def.Operands)-1]
}

func (c *inference) float(i int) Type {
	c.require(c.in[i].DType.IsFloat(), "%s must be of a float dtype, is %v", c.name(i), c.in[i])
	return c.in[i]
}

func (c *inference) rank(i, rank int) Type {
	c.require(c.in[i].Rank() == rank, "%s must have rank %d, is %v", c.name(i), rank, c.in[i])
	return c.in[i]
}

func (c *inference) sameAs(i int, want Type) {
	c.require(c.in[i].Equal(want), "%s must be %v, is %v", c.name(i), want, c.in[i])
}

// dims returns an attribute holding distinct dimensions of a tensor of the
// given rank.
func (c *inference) dims(attr string, rank int) []int {
	l := c.attrs.Ints(attr)
	for i, d := range l {
		c.require(d >= 0 && d < rank, "%s: dimension %d is outside rank %d", attr, d, rank)
		c.require(!slices.Contains(l[:i], d), "%s: dimension %d is given twice", attr, d)
	}
	return l
}

func (c *inference) dim(attr string, rank int) int {
	d := c.attrs.Int(attr)
	c.require(d >= 0 && d < rank, "%s: dimension %d is outside rank %d", attr, d, rank)
	return d
}

func (c *inference) shape(attr string) []int {
	l := c.attrs.Ints(attr)
	if err := T(U8, l...).Check(); err != nil {
		c.fail("%s: %v", attr, err)
	}
	return l
}
