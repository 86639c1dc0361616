package recipe

import (
	"bytes"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
)

// Difference is a key that has two values.
type Difference struct {
	Path string // such as "train.steps" or "model.config.n_head"
	A, B string // as YAML; empty where a plugin's config lacks the key
}

// Differences lists the keys on which results depend and that a and b give
// other values, in the order of the table. Of data.paths it is not the names
// that count but what the files hold, which a recipe does not know: it is left
// out.
func Differences(a, b *Recipe) []Difference {
	var list []Difference
	for i := range fields {
		f := &fields[i]
		x, y := f.ptr(a), f.ptr(b)
		switch {
		case f.free:
		case f.kind == config:
			list = append(list, configDifferences(f.path, *x.(*json.RawMessage), *y.(*json.RawMessage))...)
		case f.kind == texts && slices.Equal(*x.(*[]string), *y.(*[]string)): // nil is as empty as []
		case f.kind == objectives && len(a.Objective.Also)+len(b.Objective.Also) == 0:
		case !reflect.DeepEqual(x, y):
			list = append(list, Difference{f.path, scalars(x), scalars(y)})
		}
	}
	return list
}

// configDifferences compares two JSON objects in canonical form key by key.
func configDifferences(path string, a, b json.RawMessage) []Difference {
	if bytes.Equal(a, b) {
		return nil
	}
	var x, y map[string]json.RawMessage
	if json.Unmarshal(a, &x) != nil || json.Unmarshal(b, &y) != nil {
		return []Difference{{path, string(a), string(b)}}
	}
	both := maps.Clone(x)
	maps.Copy(both, y)
	var list []Difference
	for _, name := range slices.Sorted(maps.Keys(both)) {
		if !bytes.Equal(x[name], y[name]) {
			list = append(list, Difference{child(path, name), string(x[name]), string(y[name])})
		}
	}
	return list
}
