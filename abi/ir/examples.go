package ir

import (
	_ "embed"
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/seedbed/seedbed/abi/numerics"
)

//go:embed examples.txt
var exampleText string

// Example is a worked example of an op.
type Example struct {
	Func *Func // of one op
	// Args and Results are little-endian elements, as Backend.Upload takes them.
	Args, Results [][]byte
	// ArgTexts and ResultTexts are the same for people, such as "f32[2] 1 nan".
	ArgTexts, ResultTexts []string
}

// Examples returns one worked example for each op of the table, by its name.
func Examples() (map[string]Example, error) {
	all := map[string]Example{}
	for _, block := range strings.Split(exampleText, "\n\n") {
		var lines []string
		for line := range strings.Lines(block) {
			if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
				lines = append(lines, line)
			}
		}
		if len(lines) == 0 {
			continue
		}
		e, err := parseExample(lines)
		if err != nil {
			return nil, fmt.Errorf("example of %s: %w", lines[0], err)
		}
		all[lines[0]] = e
	}
	return all, nil
}

func parseExample(lines []string) (Example, error) {
	var e Example
	var attrs []Attr
	var want []Type
	b := NewBuilder("example")
	var in []Value
	d := LookupOp(lines[0])
	if d == nil {
		return e, fmt.Errorf("unknown op")
	}
	var regions []string
	inside := 0 // regions that are not closed
	for _, line := range lines[1:] {
		if strings.HasPrefix(line, "func ") || inside > 0 {
			regions = append(regions, line)
			switch {
			case strings.HasSuffix(line, "{"):
				inside++
			case line == "}":
				inside--
			}
			continue
		}
		switch line[0] {
		case '{':
			p := &parser{rest: strings.Trim(line, "{}")}
			for p.space().rest != "" && p.err == nil {
				attrs = append(attrs, p.exampleAttr())
			}
			if p.err != nil {
				return e, p.err
			}
		case '=':
			t, data, err := ParseTensor(line[1:])
			if err != nil {
				return e, err
			}
			want = append(want, t)
			e.Results, e.ResultTexts = append(e.Results, data), append(e.ResultTexts, strings.TrimSpace(line[1:]))
		default:
			t, data, err := ParseTensor(line)
			if err != nil {
				return e, err
			}
			in = append(in, b.Param(d.operandName(len(in)), t))
			e.Args, e.ArgTexts = append(e.Args, data), append(e.ArgTexts, line)
		}
	}
	var got []Type
	var functions []*Func
	if len(regions) > 0 {
		p, err := Parse(fmt.Sprintf("seedbed.program %d\n%s", ABIMajor, strings.Join(regions, "\n")))
		if err != nil {
			return e, err
		}
		functions = p.Funcs
	}
	for i, v := range b.OpRegions(lines[0], d.Version, in, functions, attrs...) {
		name := d.Results[min(i, len(d.Results)-1)]
		if d.VariadicResults {
			name += strconv.Itoa(i)
		}
		b.Return(name, v)
		got = append(got, b.Type(v))
	}
	f, err := b.Func()
	if err != nil {
		return e, err
	}
	if !slices.EqualFunc(got, want, Type.Equal) {
		return e, fmt.Errorf("the results are %v, not %v", got, want)
	}
	e.Func = f
	return e, nil
}

// operandName is the name of operand i, numbered where it repeats.
func (d *OpDef) operandName(i int) string {
	if last := len(d.Operands) - 1; d.Variadic && i >= last {
		return d.Operands[last] + strconv.Itoa(i-last)
	}
	return d.Operands[i]
}

// exampleAttr reads an attribute whose float may be decimal.
func (p *parser) exampleAttr() Attr {
	name, rest, ok := strings.Cut(p.rest, "=f:")
	if number, after, _ := strings.Cut(rest, " "); ok && isName(name) && len(number) != 16 {
		v, err := strconv.ParseFloat(number, 64)
		if err != nil {
			p.fail("attribute %s: %v", name, err)
		}
		p.rest = after
		return FloatAttr(name, v)
	}
	return p.attr()
}

func isName(s string) bool {
	return s != "" && strings.IndexFunc(s, func(r rune) bool { return r > '~' || !isIdent(byte(r)) }) < 0
}

// ParseTensor reads a tensor as text: its type and its elements, such as
// "f32[2] 1.5 nan" and "bool[2] 0 1"; bytes in hex may stand for all elements,
// as in "u8[2] x:00ff". It returns the little-endian elements.
func ParseTensor(text string) (Type, []byte, error) {
	fields := strings.Fields(text)
	if len(fields) == 0 {
		return Type{}, nil, fmt.Errorf("a tensor begins with its type")
	}
	p := &parser{rest: fields[0]}
	t := p.typ()
	if p.err == nil && p.rest != "" {
		p.fail("unexpected %q", clip(p.rest))
	}
	if p.err == nil {
		p.err = t.Check()
	}
	if p.err != nil {
		return t, nil, p.err
	}
	fields = fields[1:]
	if len(fields) == 1 && strings.HasPrefix(fields[0], "x:") {
		data, err := hex.DecodeString(fields[0][2:])
		if err == nil && len(data) != t.Bytes() {
			err = fmt.Errorf("%v has %d bytes, not %d", t, t.Bytes(), len(data))
		}
		return t, data, err
	}
	if len(fields) != t.Elements() {
		return t, nil, fmt.Errorf("%v has %d elements, not %d", t, t.Elements(), len(fields))
	}
	data := make([]byte, 0, t.Bytes())
	for _, s := range fields {
		e, err := parseElement(t.DType, s)
		if err != nil {
			return t, nil, err
		}
		data = append(data, e...)
	}
	return t, data, nil
}

func parseElement(d DType, s string) ([]byte, error) {
	size := d.Size()
	if d.IsFloat() {
		bits := 32
		if d == F64 {
			bits = 64
		}
		v, err := strconv.ParseFloat(s, bits)
		if err != nil {
			return nil, fmt.Errorf("element %q: %w", s, err)
		}
		return Scalar(d, v)
	}
	if d.IsSigned() {
		v, err := strconv.ParseInt(s, 10, 8*size)
		return littleEndian(uint64(v), size), err
	}
	width := 8 * size
	if d == Bool {
		width = 1
	}
	v, err := strconv.ParseUint(s, 10, width)
	return littleEndian(v, size), err
}

func littleEndian(v uint64, size int) []byte {
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(v >> (8 * i))
	}
	return b
}

// FormatTensor writes what ParseTensor reads: floats in the fewest digits that
// give their bits again.
func FormatTensor(t Type, data []byte) string {
	var b strings.Builder
	b.WriteString(t.String())
	size := t.DType.Size()
	for at := 0; at+size <= len(data); at += size {
		var u uint64
		for i := range size {
			u |= uint64(data[at+i]) << (8 * i)
		}
		b.WriteByte(' ')
		switch t.DType {
		case F32:
			b.WriteString(formatFloat(float64(math.Float32frombits(uint32(u))), 32))
		case BF16:
			b.WriteString(formatFloat(float64(numerics.F32FromBF16(uint16(u))), 32))
		case F16:
			b.WriteString(formatFloat(float64(numerics.F32FromF16(uint16(u))), 32))
		case F64:
			b.WriteString(formatFloat(math.Float64frombits(u), 64))
		case I32:
			b.WriteString(strconv.Itoa(int(int32(u))))
		case I64:
			b.WriteString(strconv.FormatInt(int64(u), 10))
		default:
			b.WriteString(strconv.FormatUint(u, 10))
		}
	}
	return b.String()
}

func formatFloat(v float64, bits int) string {
	switch {
	case v != v:
		return "nan"
	case math.IsInf(v, 1):
		return "inf"
	case math.IsInf(v, -1):
		return "-inf"
	}
	return strconv.FormatFloat(v, 'g', -1, bits)
}
