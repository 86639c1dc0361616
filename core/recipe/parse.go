package recipe

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"

	pluginconfig "github.com/seedbed/seedbed/abi/plugin/config"
)

// Parse reads a recipe. name is what errors call the text, such as its path.
// Each of sets is key.path=value and replaces a value of the text, or one in a
// plugin's config; values are YAML scalars or flow values, such as
// optimizer.betas=[0.9, 0.99]. What neither gives has its default.
//
// The error is an *Errors. Parse never returns a recipe with an error.
func Parse(name string, text []byte, sets []string) (*Recipe, error) {
	if name == "" {
		name = "recipe"
	}
	errs := &collector{name: name}
	root := (&reader{source: name, errs: errs}).read(text, "")
	switch {
	case len(errs.list) > 0 && root == nil:
		return nil, errs.err()
	case root == nil || root.kind == null:
		root = &node{kind: mapNode, at: Position{Source: name}}
	case root.kind != mapNode:
		errs.add(root.at, "", "a recipe is a mapping, such as \"train: {steps: 100}\", not %s", root.describe())
		return nil, errs.err()
	}
	applySets(root, sets, errs)
	if !fits(root, errs) {
		return nil, errs.err()
	}

	r := zero()
	r.name, r.where = name, map[string]Position{}
	d := decoder{r: &r, errs: errs}
	d.section(root, "")
	if m := root.get("model"); m.get("plugin") != nil && m.get("config") == nil {
		r.Model.Config = json.RawMessage("{}")
	}
	if len(errs.list) == 0 {
		r.resolve()
		r.check(errs)
	}
	if len(errs.list) == 0 {
		if n := len(r.YAML()); n > maxBytes {
			errs.add(Position{Source: name}, "", "written in full the recipe has %d bytes; at most %d are allowed", n, maxBytes)
		}
	}
	if err := errs.err(); err != nil {
		return nil, err
	}
	return &r, nil
}

// fits checks that a tree, changed by --sets, can be written and read again.
func fits(root *node, errs *collector) bool {
	tokens := 0
	var walk func(n *node, depth int) (ok bool)
	walk = func(n *node, depth int) bool {
		if tokens += 2 + 3*len(n.items); tokens > maxTokens {
			errs.add(n.at, "", "the recipe has too many values: more than %d YAML tokens", maxTokens)
			return false
		}
		if n.kind >= listNode && depth > maxDepth {
			errs.add(n.at, "", "nested more than %d deep", maxDepth)
			return false
		}
		for _, item := range n.items {
			if !walk(item, depth+1) {
				return false
			}
		}
		return true
	}
	return walk(root, 1)
}

// decoder fills a recipe from nodes, by the table.
type decoder struct {
	r    *Recipe
	errs *collector
}

// section reads a mapping of the table, "" for the whole recipe.
func (d *decoder) section(n *node, path string) {
	names := keysOf(path)
	for i, k := range n.keys {
		value, sub := n.items[i], child(path, k.name)
		switch f := fieldAt(sub); {
		case f != nil:
			d.field(f, value, k.at)
		case path == "" && isSection(k.name):
			d.r.where[sub] = k.at
			if value.kind != mapNode {
				d.errs.add(value.at, sub, "must be a mapping with some of the keys %s, not %s; leave it out for the defaults", strings.Join(keysOf(sub), ", "), value.describe())
				continue
			}
			d.section(value, sub)
		default:
			d.unknown(k, path, sub, names)
		}
	}
}

// unknown tells of a key that is not in the table, with the nearest that is.
func (d *decoder) unknown(k key, path, sub string, names []string) {
	if near := pluginconfig.Nearest(k.name, names); near != "" {
		d.errs.add(k.at, sub, "unknown key; did you mean %s?", child(path, near))
		return
	}
	// A key in the wrong section is as common as a misspelt one.
	for _, s := range sections {
		for _, name := range keysOf(s.path) {
			if name == k.name {
				d.errs.add(k.at, sub, "unknown key; did you mean %s?", child(s.path, name))
				return
			}
		}
	}
	d.errs.add(k.at, sub, "unknown key; valid keys are %s", strings.Join(names, ", "))
}

// field reads a value into the recipe.
func (d *decoder) field(f *field, n *node, keyAt Position) {
	d.r.where[f.path] = n.at
	bad := func() { d.errs.add(n.at, f.path, "must be %s, not %s", f.valid(), n.describe()) }
	if n.kind == null {
		d.errs.add(keyAt, f.path, "has no value; it must be %s; leave the key out for the default", f.valid())
		return
	}
	switch p := f.ptr(d.r).(type) {
	case *uint64, *int, *int64:
		if n.kind != numberNode || !n.whole || n.neg || !f.allowsInt(n.mag) {
			bad()
			return
		}
		switch p := p.(type) {
		case *uint64:
			*p = n.mag
		case *int:
			*p = int(n.mag)
		case *int64:
			*p = int64(n.mag)
		}
	case *float64:
		if n.kind != numberNode || !f.allows(n.num) {
			bad()
			return
		}
		*p = n.num + 0 // -0 becomes 0
	case *bool:
		if n.kind != boolNode {
			bad()
			return
		}
		*p = n.flag
	case *string:
		if n.kind != stringNode {
			d.notString(f, n, bad)
			return
		}
		if f.kind == words {
			d.word(f, n)
		} else {
			d.text(f, n, f.path)
		}
		*p = n.text
	case *[]string:
		if n.kind != listNode {
			bad()
			return
		}
		if len(n.items) > maxListLength {
			d.errs.add(n.at, f.path, "has %d items; at most %d are allowed", len(n.items), maxListLength)
			return
		}
		*p = make([]string, len(n.items))
		for i, item := range n.items {
			sub := index(f.path, i)
			d.r.where[sub] = item.at
			if item.kind != stringNode {
				d.errs.add(item.at, sub, "must be a string, not %s", quoteHint(item))
				continue
			}
			d.text(f, item, sub)
			(*p)[i] = item.text
		}
	case *[2]float64:
		if n.kind != listNode || len(n.items) != 2 {
			bad()
			return
		}
		for i, item := range n.items {
			sub := index(f.path, i)
			d.r.where[sub] = item.at
			if item.kind != numberNode || !f.allows(item.num) {
				d.errs.add(item.at, sub, "must be a number in %s, not %s", f.interval(), item.describe())
				continue
			}
			p[i] = item.num + 0
		}
	case *[]Weighted:
		if n.kind != listNode {
			bad()
			return
		}
		if len(n.items) > maxObjectives {
			d.errs.add(n.at, f.path, "has %d items; at most %d are allowed", len(n.items), maxObjectives)
			return
		}
		for i, item := range n.items {
			*p = append(*p, d.objective(index(f.path, i), item))
		}
	case *json.RawMessage:
		if n.kind != mapNode {
			bad()
			return
		}
		d.locate(n, f.path)
		*p = appendJSON(nil, n)
	}
}

// maxObjectives bounds those after the first.
const maxObjectives = 15

// objective reads one of several objectives, whose keys are checked as those of
// the first.
func (d *decoder) objective(at string, n *node) Weighted {
	d.r.where[at] = n.at
	names := []string{"plugin", "config", "weight"}
	if n.kind != mapNode {
		d.errs.add(n.at, at, "must be a mapping with the keys %s, not %s", strings.Join(names, ", "), n.describe())
		return Weighted{}
	}
	one := zero()
	one.where = map[string]Position{}
	sub := decoder{r: &one, errs: &collector{name: d.errs.name}}
	for i, k := range n.keys {
		if slices.Contains(names, k.name) {
			sub.field(fieldAt("objective."+k.name), n.items[i], k.at)
		} else if near := pluginconfig.Nearest(k.name, names); near != "" {
			d.errs.add(k.at, child(at, k.name), "unknown key; did you mean %s?", child(at, near))
		} else {
			d.errs.add(k.at, child(at, k.name), "unknown key; valid keys are %s", strings.Join(names, ", "))
		}
	}
	for path, position := range one.where {
		d.r.where[at+strings.TrimPrefix(path, "objective")] = position
	}
	for _, e := range sub.errs.list {
		d.errs.add(e.Position, at+strings.TrimPrefix(e.Path, "objective"), "%s", e.Msg)
	}
	if n.get("plugin") == nil {
		d.errs.add(n.at, at, "needs a plugin, such as {plugin: sentence_pairs}")
	}
	o := one.Objective
	return Weighted{o.Plugin, o.Config, o.Weight}
}

// notString tells of a value that is not a string and could be meant as one.
func (d *decoder) notString(f *field, n *node, bad func()) {
	if n.kind == numberNode || n.kind == boolNode {
		d.errs.add(n.at, f.path, "must be %s, not %s", f.valid(), quoteHint(n))
		return
	}
	bad()
}

func quoteHint(n *node) string {
	if n.kind == numberNode {
		return "the number " + n.describe() + "; put it in quotes if it is meant as a string"
	}
	if n.kind == boolNode {
		return n.describe() + "; put it in quotes if it is meant as a string"
	}
	return n.describe()
}

// word checks one of some words.
func (d *decoder) word(f *field, n *node) {
	for _, c := range f.choices {
		if n.text == c {
			return
		}
	}
	if near := pluginconfig.Nearest(n.text, f.choices); near != "" {
		d.errs.add(n.at, f.path, "must be %s, not %s; did you mean %s?", f.valid(), n.describe(), near)
		return
	}
	d.errs.add(n.at, f.path, "must be %s, not %s", f.valid(), n.describe())
}

// text checks a string of the table.
func (d *decoder) text(f *field, n *node, path string) {
	if msg := f.badText(n.text); msg != "" {
		d.errs.add(n.at, path, "%s", msg)
	}
}

// badText says what is wrong with a string, "" if nothing is.
func (f *field) badText(s string) string {
	if s == "" && f.nonEmpty {
		return "must not be empty"
	}
	if len(s) > maxTextBytes {
		return fmt.Sprintf("has %d bytes; at most %d are allowed", len(s), maxTextBytes)
	}
	for _, c := range s {
		if unicode.IsControl(c) {
			return fmt.Sprintf("%s has the control character %U", strconv.Quote(shorten(s)), c)
		}
	}
	if f.check != nil {
		if msg := f.check(s); msg != "" {
			return strconv.Quote(shorten(s)) + " " + msg
		}
	}
	return ""
}

// locate remembers the places of the parts of a config.
func (d *decoder) locate(n *node, path string) {
	for i, item := range n.items {
		sub := index(path, i)
		if n.kind == mapNode {
			sub = child(path, n.keys[i].name)
		}
		d.r.where[sub] = item.at
		d.locate(item, sub)
	}
}
