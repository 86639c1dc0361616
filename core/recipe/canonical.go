package recipe

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
)

// appendJSON appends a value as canonical JSON: no white space, keys sorted by
// their bytes, integers in full and other numbers as RFC 8785 writes them.
func appendJSON(b []byte, n *node) []byte {
	switch n.kind {
	case null:
		return append(b, "null"...)
	case boolNode:
		return strconv.AppendBool(b, n.flag)
	case numberNode:
		if n.whole {
			if n.neg {
				b = append(b, '-')
			}
			return strconv.AppendUint(b, n.mag, 10)
		}
		return appendFloat(b, n.num)
	case stringNode:
		return appendString(b, n.text)
	case listNode:
		b = append(b, '[')
		for i, item := range n.items {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendJSON(b, item)
		}
		return append(b, ']')
	}
	order := make([]int, len(n.keys))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(i, j int) int {
		return bytes.Compare([]byte(n.keys[i].name), []byte(n.keys[j].name))
	})
	b = append(b, '{')
	for i, k := range order {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendString(b, n.keys[k].name), ':')
		b = appendJSON(b, n.items[k])
	}
	return append(b, '}')
}

// appendFloat appends the shortest decimal that reads back as x, which must be
// finite, in the form of encoding/json.
func appendFloat(b []byte, x float64) []byte {
	if x == 0 {
		return append(b, '0') // -0 too
	}
	text, err := json.Marshal(x)
	if err != nil {
		return strconv.AppendFloat(b, x, 'g', -1, 64) // not finite: checks refuse the result
	}
	return append(b, text...)
}

// appendString appends a JSON string with no escapes but those that JSON or
// YAML need, so that it is the same string to both.
func appendString(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	for _, c := range s {
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', byte(c))
		case c == '\n':
			b = append(b, `\n`...)
		case c == '\t':
			b = append(b, `\t`...)
		case c == '\r':
			b = append(b, `\r`...)
		case c < ' ', 0x7f <= c && c <= 0xa0, c == 0x2028, c == 0x2029, c == 0xfeff, c == 0xfffe, c == 0xffff:
			b = append(b, '\\', 'u', hex[c>>12&15], hex[c>>8&15], hex[c>>4&15], hex[c&15])
		default:
			b = append(b, string(c)...)
		}
	}
	return append(b, '"')
}
