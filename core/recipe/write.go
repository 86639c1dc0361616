package recipe

import (
	"bytes"
	"encoding/json"
	"fmt"
	"sort"
	"strconv"
	"strings"
)

// YAML returns the recipe as canonical text: every field in the order of the
// table, every default written out. Parse gives the same recipe back, and the
// same recipe gives the same bytes.
func (r *Recipe) YAML() []byte { return r.write(false) }

// Commented returns the text of YAML with what each field means, its range
// and its default.
func (r *Recipe) Commented() []byte { return r.write(true) }

func (r *Recipe) write(comments bool) []byte {
	var b bytes.Buffer
	current := ""
	for i := range fields {
		f := &fields[i]
		section, key := f.split()
		indent := ""
		if section != "" {
			indent = "  "
		}
		if section != current {
			current = section
			if comments {
				b.WriteByte('\n')
				comment(&b, "", sectionDoc(section))
			}
			b.WriteString(section + ":\n")
		}
		if comments {
			comment(&b, indent, f.doc+" "+f.about())
		}
		b.WriteString(indent + key + ":")
		if c, ok := f.ptr(r).(*json.RawMessage); ok {
			writeConfig(&b, *c, indent+"  ")
		} else {
			b.WriteString(" " + scalars(f.ptr(r)) + "\n")
		}
	}
	return b.Bytes()
}

func sectionDoc(path string) string {
	for _, s := range sections {
		if s.path == path {
			return s.doc
		}
	}
	return ""
}

// about returns a field's values and default in a sentence.
func (f *field) about() string {
	valid := f.valid()
	return strings.ToUpper(valid[:1]) + valid[1:] + ". Default: " + f.defaultText() + "."
}

// defaultText returns the default in YAML.
func (f *field) defaultText() string {
	d := zero()
	if c, ok := f.ptr(&d).(*json.RawMessage); ok {
		return string(*c)
	}
	return scalars(f.ptr(&d))
}

// comment writes text as comment lines of at most 80 characters.
func comment(b *bytes.Buffer, indent, text string) {
	line := indent + "#"
	for _, word := range strings.Fields(text) {
		if len(line)+1+len(word) > 80 && line != indent+"#" {
			b.WriteString(line + "\n")
			line = indent + "#"
		}
		line += " " + word
	}
	b.WriteString(line + "\n")
}

// scalars returns what p points to in YAML, on one line.
func scalars(p any) string {
	switch p := p.(type) {
	case *uint64:
		return strconv.FormatUint(*p, 10)
	case *int:
		return strconv.Itoa(*p)
	case *int64:
		return strconv.FormatInt(*p, 10)
	case *float64:
		return string(appendFloat(nil, *p))
	case *bool:
		return strconv.FormatBool(*p)
	case *string:
		return quoteIfNeeded(*p)
	case *[]string:
		list := make([]string, len(*p))
		for i, s := range *p {
			list[i] = string(appendString(nil, s))
		}
		return "[" + strings.Join(list, ", ") + "]"
	case *[]Weighted:
		list := make([]string, len(*p))
		for i, o := range *p {
			config := string(spaced(o.Config))
			if !json.Valid(o.Config) {
				config = "null" // for Check to refuse
			}
			list[i] = "{plugin: " + string(appendString(nil, o.Plugin)) + ", config: " + config + ", weight: " + string(appendFloat(nil, o.Weight)) + "}"
		}
		return "[" + strings.Join(list, ", ") + "]"
	case *[2]float64:
		return "[" + string(appendFloat(nil, p[0])) + ", " + string(appendFloat(nil, p[1])) + "]"
	}
	return fmt.Sprint(p)
}

// quoteIfNeeded leaves words as they are and quotes all else.
func quoteIfNeeded(s string) string {
	plain := s != ""
	for i, c := range s {
		plain = plain && ('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || i > 0 && (c == '_' || c == '-' || c == '/' || c == '.' || '0' <= c && c <= '9'))
	}
	switch strings.ToLower(s) {
	case "true", "false", "null", "yes", "no", "on", "off", "y", "n", "inf", "nan", "infinity":
		plain = false
	}
	if plain {
		return s
	}
	return string(appendString(nil, s))
}

// writeConfig writes a JSON object as a block mapping whose values are JSON.
func writeConfig(b *bytes.Buffer, object json.RawMessage, indent string) {
	var values map[string]json.RawMessage
	if err := json.Unmarshal(object, &values); err != nil || len(values) == 0 {
		// Not an object: as it is, for Check to refuse.
		if text := strings.TrimSpace(string(object)); err != nil && text != "" {
			b.WriteString(" " + text + "\n")
			return
		}
		b.WriteString(" {}\n")
		return
	}
	names := make([]string, 0, len(values))
	for name := range values {
		names = append(names, name)
	}
	sort.Strings(names)
	b.WriteByte('\n')
	for _, name := range names {
		b.WriteString(indent + quoteIfNeeded(name) + ": " + string(spaced(values[name])) + "\n")
	}
}

// spaced puts a space after the commas and colons of canonical JSON, so that
// every YAML parser takes it for a flow value.
func spaced(text []byte) []byte {
	var b []byte
	quoted := false
	for i := 0; i < len(text); i++ {
		c := text[i]
		b = append(b, c)
		switch {
		case quoted && c == '\\' && i+1 < len(text):
			i++
			b = append(b, text[i])
		case c == '"':
			quoted = !quoted
		case !quoted && (c == ',' || c == ':'):
			b = append(b, ' ')
		}
	}
	return b
}
