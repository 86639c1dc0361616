package recipe

import (
	"encoding/json"
	"strconv"
	"strings"
)

const maxSets = 1000

// applySets changes the tree by --set arguments, in order: later ones win.
func applySets(root *node, sets []string, errs *collector) {
	if len(sets) > maxSets {
		errs.add(Position{Source: "--set"}, "", "there are %d; at most %d are allowed", len(sets), maxSets)
		return
	}
	type change struct {
		path  []string
		value *node
		at    Position
	}
	var changes []change
	total := 0
	namesPlugin := root.get("model").get("plugin") != nil
	for _, set := range sets {
		at := Position{Source: "--set " + printable(set)}
		if total += len(set); total > maxBytes {
			errs.add(at, "", "all --set together have more than %d bytes", maxBytes)
			return
		}
		path, text, ok := strings.Cut(set, "=")
		if path = strings.TrimSpace(path); !ok || path == "" {
			errs.add(at, "", "must be key.path=value, such as train.steps=100")
			continue
		}
		parts := strings.Split(path, ".")
		if len(parts) > maxDepth {
			errs.add(at, "", "nested more than %d deep", maxDepth)
			continue
		}
		value := &node{kind: stringNode, at: at} // nothing after = is the empty string
		if strings.TrimSpace(text) != "" {
			r := &reader{source: at.Source, set: true, errs: errs}
			before := len(errs.list)
			if value = r.read([]byte(text), printable(path)); len(errs.list) > before {
				continue
			}
			if trimmed := strings.TrimSpace(text); value == nil || value.kind == listNode && trimmed[0] != '[' || value.kind == mapNode && trimmed[0] != '{' {
				errs.add(at, printable(path), "the value must be a scalar, [a list] or {a: mapping}; put a string with ': ' or '#' in quotes")
				continue
			}
		}
		changes = append(changes, change{parts, value, at})
		namesPlugin = namesPlugin || path == "model.plugin" || path == "model"
	}
	// The default config belongs to the default plugin, so that --set can
	// change one field of it only where no plugin is named.
	if m := root.get("model"); !namesPlugin && m.get("config") == nil && (m == nil || m.kind == mapNode) {
		for _, c := range changes {
			if len(c.path) > 2 && c.path[0] == "model" && c.path[1] == "config" {
				preset := (&reader{source: root.at.Source, set: true, errs: errs}).read(fieldAt("model.config").def.(json.RawMessage), "model.config")
				if m == nil {
					m = &node{kind: mapNode, at: preset.at}
					root.put(key{"model", preset.at}, m)
				}
				m.put(key{"config", preset.at}, preset)
				break
			}
		}
	}
	for _, c := range changes {
		apply(root, c.path, c.value, c.at, errs)
	}
}

// apply puts a value at a path, making mappings on the way.
func apply(root *node, path []string, value *node, at Position, errs *collector) {
	n, so := root, ""
	for i, name := range path {
		if so = child(so, name); name == "" {
			errs.add(at, "", "the path has an empty part")
			return
		}
		if i == len(path)-1 {
			n.put(key{name, at}, value)
			return
		}
		next := n.get(name)
		if f := fieldAt(so); f != nil && f.kind != config {
			errs.add(at, so, "has no parts: set it whole; it must be %s", f.valid())
			return
		}
		switch {
		case next == nil || next.kind == null:
			next = &node{kind: mapNode, at: at}
			n.put(key{name, at}, next)
		case next.kind != mapNode:
			errs.add(at, so, "is %s, which has no key %s: set it whole", next.describe(), printable(path[i+1]))
			return
		}
		n = next
	}
}

// printable returns an argument as an error can show it: on one line, and not
// too long.
func printable(s string) string {
	s = shorten(strings.ToValidUTF8(s, "\ufffd"))
	q := strconv.Quote(s)
	if strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`) == s {
		return s
	}
	return q
}
