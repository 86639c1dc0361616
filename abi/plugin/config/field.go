package config

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/seedbed/seedbed/abi/plugin"
)

// Field is one field of a configuration: its name, where its value goes and
// which values are good. Make it with Int, Float, Bool or Word.
type Field struct {
	name  string
	to    any // *int, *float64, *bool or *string
	reset func()
	check func() error
	want  string   // for a value of another type
	also  []string // what others call it
}

// Int is a whole number from lo to hi.
func Int(name string, to *int, value, lo, hi int) Field {
	return Field{name: name, to: to, reset: func() { *to = value }, want: "a whole number of at most 64 bits", check: func() error {
		if *to < lo || *to > hi {
			return Wrong(name, "must be %d to %d, is %d", lo, hi, *to)
		}
		return nil
	}}
}

// Float is a number from lo to hi.
func Float(name string, to *float64, value, lo, hi float64) Field {
	return Field{name: name, to: to, reset: func() { *to = value }, want: "a number within the range of float64", check: func() error {
		if !(*to >= lo && *to <= hi) {
			return Wrong(name, "must be %v to %v, is %v", lo, hi, *to)
		}
		return nil
	}}
}

// Rate is a probability below 1, as dropout takes it; 0 unless given.
func Rate(name string, to *float64) Field {
	f := Float(name, to, 0, 0, 1)
	f.check = func() error {
		if !(*to >= 0 && *to < 1) {
			return Wrong(name, "must be at least 0 and below 1, is %v", *to)
		}
		return nil
	}
	return f
}

// Bool is true or false.
func Bool(name string, to *bool, value bool) Field {
	return Field{name: name, to: to, reset: func() { *to = value }, want: "true or false", check: func() error { return nil }}
}

// Word is one of words, the first unless given.
func Word(name string, to *string, words ...string) Field {
	return Field{name: name, to: to, reset: func() { *to = words[0] }, want: "a string", check: func() error { return oneOf(name, *to, words) }}
}

// Also returns the field with the names that other configurations have for it:
// they are not read, but the error for them names the field.
func (f Field) Also(names ...string) Field {
	f.also = names
	return f
}

// Preset is a named set of values that stand in for the defaults.
type Preset struct {
	Name string
	Set  func()
}

// Read fills the fields: with their defaults, then those of the preset that the
// field "preset" names (the first unless given; a configuration without
// presets has no such field), then what raw gives. Empty text is an empty
// object and null is the default.
func Read(raw json.RawMessage, presets []Preset, fields ...Field) error {
	o, err := parseObject(raw)
	if err != nil {
		return err
	}
	var known []string
	for _, f := range fields {
		f.reset()
		known = append(known, f.name)
	}
	if len(presets) > 0 {
		known = append(known, "preset")
	}
	for _, name := range o.order {
		if slices.Contains(known, name) {
			continue
		}
		for _, f := range fields {
			if slices.Contains(f.also, name) {
				return unknown(name, f.name)
			}
		}
		return Unknown(name, known)
	}
	if len(presets) > 0 {
		var names []string
		for _, p := range presets {
			names = append(names, p.Name)
		}
		preset := ""
		f := Word("preset", &preset, names...)
		f.reset()
		if err := f.read(o); err != nil {
			return err
		}
		presets[slices.Index(names, preset)].Set()
	}
	for _, f := range fields {
		if err := f.read(o); err != nil {
			return err
		}
	}
	return nil
}

// read takes the field's value, where it is given, and checks it either way.
func (f Field) read(o object) error {
	if v, ok := o.values[f.name]; ok && string(v) != "null" && json.Unmarshal(v, f.to) != nil {
		return Wrong(f.name, "must be %s, is %s", f.want, Clip(string(v)))
	}
	return f.check()
}

// JSON writes the fields in order as an object that Read reads again.
func JSON(fields ...Field) (json.RawMessage, error) {
	b := []byte{'{'}
	for i, f := range fields {
		v, err := json.Marshal(f.to)
		if err != nil {
			return nil, fmt.Errorf("config field %s: %w", f.name, err)
		}
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(append(append(b, '"'), f.name...), '"', ':'), v...)
	}
	return append(b, '}'), nil
}

// Wrong is the error that a field is wrong.
func Wrong(field, format string, args ...any) error {
	return &plugin.ConfigError{Field: field, Msg: fmt.Sprintf(format, args...)}
}

// Unknown is the error that there is no field of that name among those known.
func Unknown(field string, known []string) error {
	if near := Nearest(field, known); near != "" {
		return unknown(field, near)
	}
	return Wrong(Clip(field), "there is no such field; there are %s", strings.Join(known, ", "))
}

func unknown(field, near string) error {
	return Wrong(Clip(field), "there is no such field; the nearest is %q", near)
}

func oneOf(name, v string, words []string) error {
	if !slices.Contains(words, v) {
		return Wrong(name, "must be one of %s, is %q", strings.Join(words, ", "), Clip(v))
	}
	return nil
}
