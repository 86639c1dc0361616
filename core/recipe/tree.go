package recipe

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Bounds of a text. The YAML parser's time grows as the square of the number
// of keys, and its stack with the nesting, so both are bounded before it runs.
const (
	maxBytes  = 1 << 20
	maxTokens = 1 << 15
	maxDepth  = 32
)

// node is a value with its place. Scalars are read by YAML 1.2's core schema,
// whatever the parser thinks of them.
type node struct {
	kind  nodeKind
	at    Position
	text  string  // of a string; of a number as it was written
	num   float64 // of a number
	mag   uint64  // of an integer: its magnitude
	neg   bool    // of an integer: its sign
	whole bool    // the number is an integer that mag and neg hold
	flag  bool    // of a boolean
	items []*node // of a list; the values of a mapping
	keys  []key   // of a mapping, unique
}

type key struct {
	name string
	at   Position
}

type nodeKind uint8

const (
	null nodeKind = iota
	boolNode
	numberNode
	stringNode
	listNode
	mapNode
)

// describe says what a value is, for an error.
func (n *node) describe() string {
	switch n.kind {
	case null:
		return "nothing"
	case boolNode:
		return strconv.FormatBool(n.flag)
	case numberNode:
		return shorten(n.text)
	case stringNode:
		return strconv.Quote(shorten(n.text))
	case listNode:
		return "a list"
	}
	return "a mapping"
}

// shorten keeps the head of a long text, for errors.
func shorten(s string) string {
	const limit = 60
	if utf8.RuneCountInString(s) <= limit {
		return s
	}
	return string([]rune(s)[:limit-3]) + "..."
}

// get returns the value of a mapping's key, or nil.
func (n *node) get(name string) *node {
	if n == nil {
		return nil
	}
	for i, k := range n.keys {
		if k.name == name {
			return n.items[i]
		}
	}
	return nil
}

// put sets the value of a mapping's key.
func (n *node) put(k key, value *node) {
	for i := range n.keys {
		if n.keys[i].name == k.name {
			n.keys[i], n.items[i] = k, value
			return
		}
	}
	n.keys, n.items = append(n.keys, k), append(n.items, value)
}

// reader turns YAML into nodes.
type reader struct {
	source string
	set    bool // a --set, whose lines and columns say nothing
	errs   *collector
	depth  int
	used   map[*token.Token]bool // scalars that became nodes or keys
}

func (r *reader) at(tk *token.Token) Position {
	if r.set || tk == nil || tk.Position == nil || tk.Position.Line < 1 {
		return Position{Source: r.source}
	}
	return Position{r.source, tk.Position.Line, max(tk.Position.Column, 1)}
}

func (r *reader) fail(tk *token.Token, path, format string, args ...any) {
	r.errs.add(r.at(tk), path, format, args...)
}

// read returns the value of a text, nil if the text has none or is not YAML
// that a recipe may hold; the latter leaves an error. path is that of the
// value.
func (r *reader) read(input []byte, path string) (root *node) {
	before := len(r.errs.list)
	// The parser is handed text that nobody has looked at. A panic in it, which
	// fuzzing has not found, must not end the host.
	defer func() {
		if p := recover(); p != nil {
			root = nil
			r.fail(nil, path, "the YAML parser failed (%v): simplify the text", p)
		}
	}()
	if !r.plain(input, path) {
		return nil
	}
	// All line ends are the same to YAML (1.2.2, section 5.4), but the lexer
	// loses count of lines at lone carriage returns.
	text := strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(string(input))
	tokens := lexer.Tokenize(strings.TrimPrefix(text, "\ufeff"))
	if !r.tame(tokens, path) {
		return nil
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		if ye := yaml.Error(nil); errors.As(err, &ye) {
			r.fail(ye.GetToken(), path, "not valid YAML: %s", ye.GetMessage())
		} else {
			r.fail(nil, path, "not valid YAML: %v", err)
		}
		return nil
	}
	r.used = map[*token.Token]bool{}
	defer func() {
		// Text that the parser leaves out without a word must not be lost.
		for i, tk := range tokens {
			if scalarTokens[tk.Type] && !r.used[tk] && len(r.errs.list) == before {
				if i > 0 && (tokens[i-1].Type == token.LiteralType || tokens[i-1].Type == token.FoldedType) {
					continue // used by its head
				}
				r.fail(tk, path, "not valid YAML: %s does not belong here", strconv.Quote(shorten(tk.Value)))
			}
		}
	}()
	for _, doc := range file.Docs {
		if doc.Body == nil {
			continue
		}
		if root != nil {
			tk := doc.Body.GetToken()
			if doc.Start != nil {
				tk = doc.Start
			}
			r.fail(tk, path, "a second YAML document: a recipe is one")
			return root
		}
		root = r.value(doc.Body, path)
	}
	return root
}

// plain checks the size and the characters of a text.
func (r *reader) plain(input []byte, path string) bool {
	if len(input) > maxBytes {
		r.fail(nil, path, "the text has %d bytes; at most %d are read", len(input), maxBytes)
		return false
	}
	line, column := 1, 1
	for i := 0; i < len(input); {
		c, n := utf8.DecodeRune(input[i:])
		at := Position{Source: r.source, Line: line, Column: column}
		if r.set {
			at = Position{Source: r.source}
		}
		switch {
		case c == utf8.RuneError && n == 1:
			r.errs.add(at, path, "the text is not UTF-8: byte 0x%02x", input[i])
			return false
		case c < ' ' && c != '\t' && c != '\n' && c != '\r', 0x7f <= c && c <= 0x9f && c != 0x85, c == 0xfffe, c == 0xffff, c == 0xfeff && i > 0:
			r.errs.add(at, path, "the character %U may not be in YAML; in a string in double quotes, escape it", c)
			return false
		}
		if column++; c == '\n' || c == '\r' && (i+1 == len(input) || input[i+1] != '\n') {
			line, column = line+1, 1
		}
		i += n
	}
	return true
}

// refused are the parts of YAML that a recipe does not have.
var refused = map[token.Type]string{
	token.AnchorType:     "YAML anchors (&) are not allowed; put a string that begins with & in quotes",
	token.AliasType:      "YAML aliases (*) are not allowed; put a string that begins with * in quotes",
	token.TagType:        "YAML tags (!) are not allowed; put a string that begins with ! in quotes",
	token.DirectiveType:  "YAML directives (%) are not allowed",
	token.MergeKeyType:   "YAML merge keys (<<) are not allowed; write the keys out",
	token.MappingKeyType: "YAML's \"? key\" is not allowed; write key: value",
}

var scalarTokens = map[token.Type]bool{
	token.StringType: true, token.SingleQuoteType: true, token.DoubleQuoteType: true, token.NullType: true, token.BoolType: true,
	token.IntegerType: true, token.BinaryIntegerType: true, token.OctetIntegerType: true, token.HexIntegerType: true,
	token.FloatType: true, token.InfinityType: true, token.NanType: true,
}

// tame refuses what recipes do not have, and whatever would make the parser
// slow or deep.
func (r *reader) tame(tokens token.Tokens, path string) bool {
	if len(tokens) > maxTokens {
		r.fail(tokens[maxTokens], path, "the text has more than %d YAML tokens", maxTokens)
		return false
	}
	flow := 0
	var columns []int // of the block collections around the token
	for i, tk := range tokens {
		if msg, ok := refused[tk.Type]; ok {
			r.fail(tk, path, "%s", msg)
			return false
		}
		column := tk.Position.Column
		switch tk.Type {
		case token.MappingStartType, token.SequenceStartType:
			flow++
		case token.MappingEndType, token.SequenceEndType:
			flow--
		case token.MappingValueType:
			if flow > 0 {
				continue // the brackets count
			}
			if i > 0 {
				column = tokens[i-1].Position.Column
			}
			fallthrough
		case token.SequenceEntryType:
			for len(columns) > 0 && columns[len(columns)-1] >= column {
				columns = columns[:len(columns)-1]
			}
			columns = append(columns, column)
		}
		if flow+len(columns) > maxDepth {
			r.fail(tk, path, "nested more than %d deep", maxDepth)
			return false
		}
	}
	return true
}

// value turns a YAML node into ours.
func (r *reader) value(y ast.Node, path string) *node {
	tk := y.GetToken()
	n := &node{at: r.at(tk)}
	r.used[tk] = true
	if r.depth++; r.depth > maxDepth*2 {
		r.fail(tk, path, "nested more than %d deep", maxDepth)
		return n
	}
	defer func() { r.depth-- }()
	switch y := y.(type) {
	case *ast.MappingNode:
		return r.mapping(n, y.Values, path)
	case *ast.MappingValueNode:
		return r.mapping(n, []*ast.MappingValueNode{y}, path)
	case *ast.SequenceNode:
		n.kind = listNode
		for i, item := range y.Values {
			n.items = append(n.items, r.value(item, index(path, i)))
		}
		return n
	case *ast.LiteralNode:
		n.kind, n.text = stringNode, y.Value.Value
		return n
	case *ast.StringNode:
		if tk.Type == token.SingleQuoteType || tk.Type == token.DoubleQuoteType {
			n.kind, n.text = stringNode, y.Value
			return n
		}
		r.scalar(n, y.Value, path)
		return n
	case *ast.NullNode:
		return n
	case *ast.BoolNode, *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		r.scalar(n, tk.Value, path)
		return n
	}
	r.fail(tk, path, "this part of YAML (%s) is not allowed", strings.ToLower(y.Type().String()))
	return n
}

func (r *reader) mapping(n *node, values []*ast.MappingValueNode, path string) *node {
	n.kind = mapNode
	if len(values) > 0 && values[0].Key != nil {
		n.at = r.at(values[0].Key.GetToken())
	}
	first := make(map[string]Position, len(values))
	for _, kv := range values {
		tk := kv.Key.GetToken()
		r.used[tk] = true
		var name string
		switch k := kv.Key.(type) {
		case *ast.StringNode:
			name = k.Value
		default:
			r.fail(tk, path, "the key %s is not a string: put it in quotes", shorten(tk.Value))
			continue
		}
		sub := child(path, name)
		if at, ok := first[name]; ok {
			if at.Line > 0 {
				r.fail(tk, sub, "the key is there twice, first at line %d", at.Line)
			} else {
				r.fail(tk, sub, "the key is there twice")
			}
			continue
		}
		first[name] = r.at(tk)
		value := &node{at: r.at(tk)}
		if kv.Value != nil {
			if value = r.value(kv.Value, sub); value.kind == null {
				value.at = r.at(tk) // an implicit null has no place of its own
			}
		}
		n.keys, n.items = append(n.keys, key{name, r.at(tk)}), append(n.items, value)
	}
	return n
}

// scalar reads an unquoted scalar by the core schema of YAML 1.2 (section
// 10.3.2), and refuses those that other versions and readers take for numbers.
func (r *reader) scalar(n *node, s, path string) {
	bad := func(format string, args ...any) {
		r.errs.add(n.at, path, format, args...)
		n.kind, n.text = stringNode, s
	}
	switch s {
	case "", "~", "null", "Null", "NULL":
		n.kind = null
		return
	case "true", "True", "TRUE", "false", "False", "FALSE":
		n.kind, n.flag = boolNode, s[0] == 't' || s[0] == 'T'
		return
	}
	switch strings.ToLower(strings.TrimLeft(s, "+-")) {
	case ".inf", ".nan", "inf", "nan", "infinity", "-.inf":
		bad("%s is not a finite number; put it in quotes if it is a string", s)
		return
	}
	switch numberForm(s) {
	case notNumber:
		n.kind, n.text = stringNode, s
	case oddNumber:
		bad("%s is a number to some readers of YAML and not to others: write it in decimal, or in quotes if it is a string", shorten(s))
	default:
		if err := n.setNumber(s); err != nil {
			bad("%s %v", shorten(s), err)
		}
	}
}

type form uint8

const (
	notNumber form = iota
	oddNumber      // hexadecimal, octal, with _ or a leading 0
	decimalNumber
)

// numberForm classifies an unquoted scalar.
func numberForm(s string) form {
	s = strings.TrimLeft(s[:1], "+-") + s[1:]
	if s == "" {
		return notNumber
	}
	digits := func(t string) (rest string, n int) {
		for n < len(t) && '0' <= t[n] && t[n] <= '9' {
			n++
		}
		return t[n:], n
	}
	if strings.Contains(s, "_") {
		if t := strings.ReplaceAll(s, "_", ""); s[0] != '_' && t != "" && numberForm(t) != notNumber {
			return oddNumber
		}
		return notNumber
	}
	if len(s) > 2 && s[0] == '0' && strings.ContainsRune("xXoObB", rune(s[1])) {
		if strings.Trim(s[2:], "0123456789abcdefABCDEF") == "" {
			return oddNumber
		}
		return notNumber
	}
	rest, whole := digits(s)
	fraction := 0
	if strings.HasPrefix(rest, ".") {
		rest, fraction = digits(rest[1:])
	}
	if whole+fraction == 0 {
		return notNumber
	}
	if rest != "" && (rest[0] == 'e' || rest[0] == 'E') {
		rest = rest[1:]
		if rest != "" && (rest[0] == '+' || rest[0] == '-') {
			rest = rest[1:]
		}
		var exponent int
		if rest, exponent = digits(rest); exponent == 0 {
			return notNumber
		}
	}
	switch {
	case rest != "":
		return notNumber
	case whole > 1 && s[0] == '0':
		return oddNumber
	}
	return decimalNumber
}

// setNumber makes n the decimal number s. Integers beyond uint64 and numbers
// beyond float64 are errors.
func (n *node) setNumber(s string) error {
	x, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return fmt.Errorf("is too large for a 64-bit number")
	}
	n.kind, n.text, n.num = numberNode, s, x
	if t := strings.TrimPrefix(s, "+"); !strings.ContainsAny(t, ".eE") {
		magnitude := strings.TrimPrefix(t, "-")
		if n.mag, err = strconv.ParseUint(magnitude, 10, 64); err != nil {
			return fmt.Errorf("is too large for a 64-bit integer")
		}
		n.whole, n.neg = true, magnitude != t && n.mag != 0
		return nil
	}
	// 1e4 and 2.0 are integers as well: JSON schemas say so.
	const exact = 1 << 53
	if x >= -exact && x <= exact && x == float64(int64(x)) {
		n.whole, n.neg = true, x < 0
		n.mag = uint64(max(x, -x))
	}
	return nil
}
