package checkpoint

import (
	"fmt"
	"strings"
)

// Renamed returns the names of the tensors by what rules call them, which are
// done in order: old=new, wherever the first text stands in a name, and
// ^old=new, where a name begins with it.
func (t *Tensors) Renamed(rules []string) (map[string]string, error) {
	of := map[string]string{}
	for _, name := range t.Names() {
		now := name
		for _, rule := range rules {
			now = renamed(now, rule)
		}
		if other, twice := of[now]; twice {
			return nil, fmt.Errorf("calls both %q and %q of %s %q", other, name, t.Path, now)
		}
		of[now] = name
	}
	return of, nil
}

func renamed(name, rule string) string {
	from, to, _ := strings.Cut(rule, "=")
	if start, ok := strings.CutPrefix(from, "^"); ok {
		if rest, ok := strings.CutPrefix(name, start); ok {
			return to + rest
		}
		return name
	}
	return strings.ReplaceAll(name, from, to)
}
