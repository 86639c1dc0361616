package safetensors

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/seedbed/seedbed/abi/ir"
)

// MaxHeader is the largest header, in bytes, that the reader accepts and the writer makes: the limit of upstream.
const MaxHeader = 100_000_000

// metadataKey is the one key of the header that is not a tensor.
const metadataKey = "__metadata__"

// dtypeNames pairs the dtypes of the ABI with the names of the format, in the order in which upstream lays tensors out: widest
// first, so that every tensor is aligned to its element size.
var dtypeNames = [...]struct {
	dtype ir.DType
	name  string
}{
	{ir.U64, "U64"},
	{ir.I64, "I64"},
	{ir.F64, "F64"},
	{ir.F32, "F32"},
	{ir.U32, "U32"},
	{ir.I32, "I32"},
	{ir.BF16, "BF16"},
	{ir.F16, "F16"},
	{ir.U8, "U8"},
	{ir.Bool, "BOOL"},
}

func dtypeNamed(name string) (ir.DType, bool) {
	for _, d := range dtypeNames {
		if d.name == name {
			return d.dtype, true
		}
	}
	return ir.Invalid, false
}

// layoutRank gives the position of d in dtypeNames, or -1.
func layoutRank(d ir.DType) int {
	for i, e := range dtypeNames {
		if e.dtype == d {
			return i
		}
	}
	return -1
}

// entry is what the header says of one tensor. begin and end count from the start of the data.
type entry struct {
	typ        ir.Type
	begin, end int64
}

// tensorError is an error that belongs to one tensor.
type tensorError struct {
	tensor string
	err    error
}

func (e *tensorError) Error() string { return fmt.Sprintf("tensor %q: %v", e.tensor, e.err) }
func (e *tensorError) Unwrap() error { return e.err }

// header is the parsed JSON, before offsets are checked against each other.
type header struct {
	tensors  map[string]entry
	metadata map[string]string
}

// parser reads the header's JSON, of which the format needs very little: objects, strings, and arrays of whole numbers. Writing it
// out is shorter than fencing in encoding/json, which takes the last of duplicate keys, matches keys without regard to case
// and replaces bad UTF-8.
type parser struct {
	text []byte
	pos  int
}

func parseHeader(text []byte) (header, error) {
	h := header{tensors: map[string]entry{}}
	p := &parser{text: text}
	if len(text) == 0 || text[0] != '{' {
		return h, errors.New("the header does not start with '{'")
	}
	if i := invalidUTF8(text); i >= 0 {
		return h, fmt.Errorf("the header is not UTF-8 at byte %d", i)
	}
	err := p.object(func(key string) error {
		if key == metadataKey {
			if h.metadata != nil {
				return fmt.Errorf("%s is given twice", metadataKey)
			}
			h.metadata = map[string]string{}
			return p.object(func(k string) error {
				if _, ok := h.metadata[k]; ok {
					return fmt.Errorf("%s: key %q is given twice", metadataKey, k)
				}
				v, err := p.str()
				if err != nil {
					return fmt.Errorf("%s: key %q: %w", metadataKey, k, err)
				}
				h.metadata[k] = v
				return nil
			})
		}
		if _, ok := h.tensors[key]; ok {
			return &tensorError{key, errors.New("is given twice")}
		}
		if key == "" {
			return &tensorError{key, errors.New("the name is empty")}
		}
		e, err := p.entry()
		if err != nil {
			return &tensorError{key, err}
		}
		h.tensors[key] = e
		return nil
	})
	if err != nil {
		return h, err
	}
	if p.space(); p.pos != len(text) {
		return h, p.fail("expected nothing after the header's object")
	}
	return h, nil
}

func invalidUTF8(b []byte) int {
	if utf8.Valid(b) {
		return -1
	}
	for i := 0; i < len(b); {
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return -1
}

func (p *parser) entry() (entry, error) {
	var e entry
	var shape, offsets []int64
	var dtype string
	seen := map[string]bool{}
	err := p.object(func(key string) (err error) {
		if seen[key] {
			return fmt.Errorf("key %q is given twice", key)
		}
		seen[key] = true
		switch key {
		case "dtype":
			dtype, err = p.str()
		case "shape":
			shape, err = p.numbers(ir.MaxRank)
		case "data_offsets":
			offsets, err = p.numbers(2)
		default:
			return fmt.Errorf("unknown key %q", key)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
		return nil
	})
	if err != nil {
		return e, err
	}
	for _, key := range []string{"dtype", "shape", "data_offsets"} {
		if !seen[key] {
			return e, fmt.Errorf("%s is missing", key)
		}
	}
	d, ok := dtypeNamed(dtype)
	if !ok {
		return e, fmt.Errorf("dtype %q is not supported; convert the tensor to one of F32, BF16, F16, F64, I32, I64, U8, U32, U64, BOOL", dtype)
	}
	if len(offsets) != 2 {
		return e, fmt.Errorf("data_offsets holds %d numbers, not 2", len(offsets))
	}
	e.typ = ir.Type{DType: d, Shape: make([]int, len(shape))}
	for i, n := range shape {
		if n > math.MaxInt32 {
			return e, fmt.Errorf("dimension %d is too large (%d)", i, n)
		}
		e.typ.Shape[i] = int(n)
	}
	if err := e.typ.Check(); err != nil {
		return e, err
	}
	e.begin, e.end = offsets[0], offsets[1]
	if e.begin > e.end {
		return e, fmt.Errorf("data_offsets [%d,%d] end before they begin", e.begin, e.end)
	}
	if want := int64(e.typ.Bytes()); e.end-e.begin != want {
		return e, fmt.Errorf("data_offsets [%d,%d] hold %d bytes, %v needs %d", e.begin, e.end, e.end-e.begin, e.typ, want)
	}
	return e, nil
}

func (p *parser) fail(format string, args ...any) error {
	return fmt.Errorf("header byte %d: %s", p.pos, fmt.Sprintf(format, args...))
}

func (p *parser) space() {
	for p.pos < len(p.text) && bytes.IndexByte([]byte(" \t\r\n"), p.text[p.pos]) >= 0 {
		p.pos++
	}
}

// next skips white space and reports whether c follows, consuming it if so.
func (p *parser) next(c byte) bool {
	p.space()
	if p.pos < len(p.text) && p.text[p.pos] == c {
		p.pos++
		return true
	}
	return false
}

// object reads an object and calls value after each key and colon.
func (p *parser) object(value func(key string) error) error {
	if !p.next('{') {
		return p.fail("expected '{'")
	}
	if p.next('}') {
		return nil
	}
	for {
		key, err := p.str()
		if err != nil {
			return err
		}
		if !p.next(':') {
			return p.fail("expected ':'")
		}
		if err := value(key); err != nil {
			return err
		}
		if p.next('}') {
			return nil
		}
		if !p.next(',') {
			return p.fail("expected ',' or '}'")
		}
	}
}

// numbers reads an array of at most limit whole numbers from 0 to 2^63-1.
func (p *parser) numbers(limit int) ([]int64, error) {
	if !p.next('[') {
		return nil, p.fail("expected '['")
	}
	var list []int64
	if p.next(']') {
		return list, nil
	}
	for {
		p.space()
		start := p.pos
		for p.pos < len(p.text) && p.text[p.pos] >= '0' && p.text[p.pos] <= '9' {
			p.pos++
		}
		digits := string(p.text[start:p.pos])
		n, err := strconv.ParseInt(digits, 10, 64)
		if err != nil || len(digits) > 1 && digits[0] == '0' {
			p.pos = start
			return nil, p.fail("expected a whole number from 0 to 2^63-1")
		}
		if len(list) == limit {
			return nil, p.fail("more than %d numbers", limit)
		}
		list = append(list, n)
		if p.next(']') {
			return list, nil
		}
		if !p.next(',') {
			return nil, p.fail("expected ',' or ']'")
		}
	}
}

// str reads a string. The text is known to be UTF-8.
func (p *parser) str() (string, error) {
	if !p.next('"') {
		return "", p.fail("expected a string")
	}
	var b []byte
	for p.pos < len(p.text) {
		c := p.text[p.pos]
		switch {
		case c == '"':
			p.pos++
			return string(b), nil
		case c < 0x20:
			return "", p.fail("control character in a string")
		case c != '\\':
			b = append(b, c)
			p.pos++
		default:
			r, err := p.escape()
			if err != nil {
				return "", err
			}
			b = utf8.AppendRune(b, r)
		}
	}
	return "", p.fail("the string does not end")
}

func (p *parser) escape() (rune, error) {
	start := p.pos
	p.pos++
	if p.pos == len(p.text) {
		return 0, p.fail("the string does not end")
	}
	c := p.text[p.pos]
	p.pos++
	if i := bytes.IndexByte([]byte(`"\/bfnrt`), c); i >= 0 {
		return rune("\"\\/\b\f\n\r\t"[i]), nil
	}
	if c == 'u' {
		r, ok := p.hex4()
		if ok && utf16.IsSurrogate(r) {
			if bytes.HasPrefix(p.text[p.pos:], []byte(`\u`)) {
				p.pos += 2
				var low rune
				low, ok = p.hex4()
				r = utf16.DecodeRune(r, low)
			}
			ok = ok && r > 0xffff
		}
		if ok {
			return r, nil
		}
	}
	p.pos = start
	return 0, p.fail("bad escape in a string")
}

func (p *parser) hex4() (rune, bool) {
	if len(p.text)-p.pos < 4 {
		return 0, false
	}
	n, err := strconv.ParseUint(string(p.text[p.pos:p.pos+4]), 16, 16)
	if err != nil {
		return 0, false
	}
	p.pos += 4
	return rune(n), true
}

// appendString writes s as JSON the way upstream's serde_json does: only what must be escaped is.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c == '\b':
			b = append(b, `\b`...)
		case c == '\f':
			b = append(b, `\f`...)
		case c == '\n':
			b = append(b, `\n`...)
		case c == '\r':
			b = append(b, `\r`...)
		case c == '\t':
			b = append(b, `\t`...)
		case c < 0x20:
			b = fmt.Appendf(b, `\u%04x`, c)
		default:
			b = append(b, c)
		}
	}
	return append(b, '"')
}
