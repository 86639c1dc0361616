package ir

import (
	"encoding/hex"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Parse reads the text form that String prints and verifies it. Errors name
// the line. Spaces and tabs may vary; a line that starts with # is a comment.
func Parse(text string) (*Program, error) {
	p := &parser{}
	prog := &Program{}
	// open holds the functions that are not closed, and between them, as nil,
	// the lists of regions of their last ops.
	var open []*Func
	started := false
	for n, line := range strings.Split(text, "\n") {
		p.rest, p.line = strings.TrimSpace(line), n+1
		if p.rest == "" || p.rest[0] == '#' {
			continue
		}
		var f *Func // that the line belongs to
		if len(open) > 0 {
			f = open[len(open)-1]
		}
		switch {
		case !started:
			p.word("seedbed.program")
			if v := p.int(); p.err == nil && v != ABIMajor {
				p.fail("program of ABI major %d, this is %d", v, ABIMajor)
			}
			started = true
		case p.rest == "}" && len(open) > 0:
			open, p.rest = open[:len(open)-1], ""
			switch {
			case f == nil: // the end of a list
			case len(open) == 0:
				prog.Funcs = append(prog.Funcs, f)
			default:
				outer := open[len(open)-2]
				op := &outer.Ops[len(outer.Ops)-1]
				op.Regions = append(op.Regions, f)
			}
		case f == nil:
			if open = append(open, p.function()); len(open) > 2*MaxDepth+1 {
				p.fail("regions lie more than %d deep", MaxDepth)
			}
		case strings.HasPrefix(p.rest, "return"):
			p.word("return")
			name := p.quoted()
			f.Results = append(f.Results, Result{Name: name, Value: p.ref()})
		case len(f.Results) > 0:
			p.fail("an op after return")
		default:
			f.Ops = append(f.Ops, p.op())
			if p.err == nil && p.has("{") {
				open = append(open, nil)
			}
		}
		if p.err == nil && p.space().rest != "" {
			p.fail("unexpected %q", clip(p.rest))
		}
		if p.err != nil {
			return nil, p.err
		}
	}
	if len(open) > 0 {
		return nil, fmt.Errorf("line %d: func %s is not closed", p.line, open[0].Name)
	}
	if err := prog.Verify(); err != nil {
		return nil, err
	}
	return prog, nil
}

// parser reads one line; the first error sticks.
type parser struct {
	rest string
	line int
	err  error
}

func clip(s string) string {
	if len(s) > 40 {
		return s[:40] + "..."
	}
	return s
}

func (p *parser) fail(format string, args ...any) {
	if p.err == nil {
		p.err = fmt.Errorf("line %d: %s", p.line, fmt.Sprintf(format, args...))
	}
}

func (p *parser) space() *parser {
	p.rest = strings.TrimLeft(p.rest, " \t\r")
	return p
}

// has takes prefix if it comes next.
func (p *parser) has(prefix string) bool {
	rest, ok := strings.CutPrefix(p.space().rest, prefix)
	if ok && p.err == nil {
		p.rest = rest
		return true
	}
	return false
}

func (p *parser) word(w string) {
	if !p.has(w) {
		p.fail("expected %q, found %q", w, clip(p.rest))
	}
}

// take returns what comes next, as long as ok holds.
func (p *parser) take(ok func(c byte) bool) string {
	p.space()
	i := 0
	for i < len(p.rest) && ok(p.rest[i]) {
		i++
	}
	s := p.rest[:i]
	p.rest = p.rest[i:]
	return s
}

func isIdent(c byte) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

func isNumber(c byte) bool { return c == '-' || c >= '0' && c <= '9' }

func (p *parser) ident() string {
	s := p.take(isIdent)
	if s == "" {
		p.fail("expected a name, found %q", clip(p.rest))
	}
	return s
}

func (p *parser) int() int64 {
	s := p.take(isNumber)
	v, err := strconv.ParseInt(s, 10, 64)
	if err != nil || strconv.FormatInt(v, 10) != s {
		p.fail("expected an integer, found %q", clip(s+p.rest))
	}
	return v
}

func (p *parser) ref() Value {
	p.word("%")
	v := p.int()
	if v < 0 || v > math.MaxInt32 {
		p.fail("value number %d is out of range", v)
		return NoValue
	}
	return Value(v)
}

func (p *parser) quoted() string {
	q, err := strconv.QuotedPrefix(p.space().rest)
	if err != nil {
		p.fail("expected a quoted name, found %q", clip(p.rest))
		return ""
	}
	p.rest = p.rest[len(q):]
	s, err := strconv.Unquote(q)
	if err != nil {
		p.fail("bad quoted name %s", clip(q))
	}
	return s
}

func (p *parser) ints() []int64 {
	p.word("[")
	var l []int64
	for p.err == nil && !p.has("]") {
		if len(l) > 0 {
			p.word(",")
		}
		l = append(l, p.int())
	}
	return l
}

func (p *parser) typ() Type {
	d, err := ParseDType(p.ident())
	if err != nil {
		p.fail("%v", err)
	}
	t := Type{DType: d}
	for _, n := range p.ints() {
		t.Shape = append(t.Shape, int(n))
	}
	return t
}

func (p *parser) function() *Func {
	p.word("func")
	p.space()
	name, rest, ok := strings.Cut(p.rest, "(")
	if !ok {
		p.fail("expected a parameter list, found %q", clip(p.rest))
		return nil
	}
	f := &Func{Name: name}
	p.rest = rest
	for p.err == nil && !p.has(")") {
		if len(f.Params) > 0 {
			p.word(",")
		}
		if v := p.ref(); p.err == nil && int(v) != len(f.Params) {
			p.fail("parameter %d is numbered %d", len(f.Params), v)
		}
		n := p.quoted()
		p.word(":")
		f.Params = append(f.Params, Param{Name: n, Type: p.typ()})
	}
	p.word("{")
	return f
}

func (p *parser) op() Op {
	op := Op{First: p.ref()}
	n := 1
	for p.err == nil && p.has(",") {
		if v := p.ref(); p.err == nil && v != op.First+Value(n) {
			p.fail("results are not numbered in order at %d", v)
		}
		n++
	}
	p.word("=")
	op.Name = p.ident()
	p.word(".")
	op.Version = int(p.int())
	p.word("(")
	for p.err == nil && !p.has(")") {
		if len(op.Operands) > 0 {
			p.word(",")
		}
		op.Operands = append(op.Operands, p.ref())
	}
	if p.has("{") {
		for p.err == nil && !p.has("}") {
			op.Attrs = append(op.Attrs, p.attr())
		}
	}
	p.word(":")
	op.Results = append(op.Results, p.typ())
	for p.err == nil && p.has(",") {
		op.Results = append(op.Results, p.typ())
	}
	if p.err == nil && n != len(op.Results) {
		p.fail("%d results have %d types", n, len(op.Results))
	}
	return op
}

func (p *parser) attr() Attr {
	a := Attr{Name: p.ident()}
	p.word("=")
	p.space()
	switch {
	case strings.HasPrefix(p.rest, "["):
		a.Kind, a.Ints = AttrInts, p.ints()
	case strings.HasPrefix(p.rest, `"`):
		a.Kind, a.Str = AttrString, p.quoted()
	case p.has("true"):
		a.Kind, a.Int = AttrBool, 1
	case p.has("false"):
		a.Kind = AttrBool
	case p.has("f:"):
		s := p.take(isIdent)
		v, err := strconv.ParseUint(s, 16, 64)
		if err != nil || len(s) != 16 {
			p.fail("expected 16 hex digits, found %q", clip(s))
		}
		a.Kind, a.Float = AttrFloat, math.Float64frombits(v)
	case p.has("x:"):
		v, err := hex.DecodeString(p.take(isIdent))
		if err != nil {
			p.fail("bytes of attribute %q: %v", a.Name, err)
		}
		a.Kind, a.Str = AttrBytes, string(v)
	case p.has("dtype:"):
		d, err := ParseDType(p.ident())
		if err != nil {
			p.fail("%v", err)
		}
		a.Kind, a.Int = AttrDType, int64(d)
	default:
		a.Kind, a.Int = AttrInt, p.int()
	}
	return a
}
