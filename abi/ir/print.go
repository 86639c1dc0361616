package ir

import (
	"encoding/hex"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// String returns the canonical text of the program. Parse reads it back.
//
//	seedbed.program 1
//	func loss(%0 "x": f32[2,3], %1 "w": f32[3]) {
//	  %2 = broadcast_in_dim.1(%1) {dimensions=[1] shape=[2,3]} : f32[2,3]
//	  %3 = multiply.1(%0, %2) : f32[2,3]
//	  %4 = reduce.1(%3) {dimensions=[0,1] kind="sum"} : f32[]
//	  return "loss" %4
//	}
//
// An op that runs functions of its own has them after it, in braces:
//
//	%1 = while.1(%0) : i32[] {
//	  func condition(%0 "i": i32[]) {
//	    ...
//
// Floats are printed as the hex of their bits and bytes in hex, so that the
// text says exactly what the program holds.
func (p *Program) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "seedbed.program %d\n", ABIMajor)
	for _, f := range p.Funcs {
		f.print(&b, "")
	}
	return b.String()
}

// String returns the canonical text of the function.
func (f *Func) String() string {
	var b strings.Builder
	f.print(&b, "")
	return b.String()
}

func (f *Func) print(b *strings.Builder, indent string) {
	b.WriteString(indent + "func " + f.Name + "(")
	for i, p := range f.Params {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(b, "%%%d %q: %v", i, p.Name, p.Type)
	}
	b.WriteString(") {\n")
	for i := range f.Ops {
		b.WriteString(indent + "  ")
		f.Ops[i].print(b)
		if regions := f.Ops[i].Regions; len(regions) > 0 {
			b.WriteString(" {\n")
			for _, r := range regions {
				r.print(b, indent+"    ")
			}
			b.WriteString(indent + "  }")
		}
		b.WriteByte('\n')
	}
	for _, r := range f.Results {
		fmt.Fprintf(b, "%s  return %q %%%d\n", indent, r.Name, r.Value)
	}
	b.WriteString(indent + "}\n")
}

// String returns the op's line of the program text, without its regions.
func (o *Op) String() string {
	var b strings.Builder
	o.print(&b)
	return b.String()
}

func (o *Op) print(b *strings.Builder) {
	for i := range o.Results {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(b, "%%%d", o.Result(i))
	}
	fmt.Fprintf(b, " = %s.%d(", o.Name, o.Version)
	for i, v := range o.Operands {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(b, "%%%d", v)
	}
	b.WriteByte(')')
	if len(o.Attrs) > 0 {
		b.WriteString(" {")
		for i, a := range o.Attrs {
			if i > 0 {
				b.WriteByte(' ')
			}
			b.WriteString(a.Name + "=" + a.value())
		}
		b.WriteByte('}')
	}
	b.WriteString(" : ")
	for i, t := range o.Results {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(t.String())
	}
}

// value returns the attribute's value in text form; its first character tells
// the kind.
func (a Attr) value() string {
	switch a.Kind {
	case AttrInt:
		return strconv.FormatInt(a.Int, 10)
	case AttrInts:
		l := make([]string, len(a.Ints))
		for i, v := range a.Ints {
			l[i] = strconv.FormatInt(v, 10)
		}
		return "[" + strings.Join(l, ",") + "]"
	case AttrFloat:
		return fmt.Sprintf("f:%016x", math.Float64bits(a.Float))
	case AttrString:
		return strconv.Quote(a.Str)
	case AttrBool:
		return strconv.FormatBool(a.Int != 0)
	case AttrDType:
		return "dtype:" + DType(a.Int).String()
	case AttrBytes:
		return "x:" + hex.EncodeToString([]byte(a.Str))
	}
	return "?"
}
