package recipe

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/seedbed/seedbed/abi/plugin"
)

// Position is a place in a recipe's text or a --set.
type Position struct {
	Source string // the recipe's name, or such as "--set train.steps=3"
	Line   int    // from 1; 0 where only the source is known
	Column int    // in characters, from 1
}

// String returns "name:line:column", or "name" without a line.
func (p Position) String() string {
	if p.Line == 0 {
		return p.Source
	}
	return fmt.Sprintf("%s:%d:%d", p.Source, p.Line, p.Column)
}

// Error is one thing that is wrong with a recipe.
type Error struct {
	Position
	Path string // of the key, such as "train.steps"; empty for the whole text
	Msg  string // what is wrong and what would be right
	Err  error  // the cause, if it is that of a plugin
}

// Error returns "name:line:column: path: message".
func (e *Error) Error() string {
	if e.Path == "" {
		return e.Position.String() + ": " + e.Msg
	}
	return e.Position.String() + ": " + e.Path + ": " + e.Msg
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// maxErrors is how many errors are told of at once.
const maxErrors = 10

// Errors are what is wrong with a recipe, at most 10, in the order of the
// text, then of the --sets. More says how many there were besides.
type Errors struct {
	List []*Error
	More int
}

// Error returns one line for each error.
func (e *Errors) Error() string {
	lines := make([]string, 0, len(e.List)+1)
	for _, one := range e.List {
		lines = append(lines, one.Error())
	}
	if e.More > 0 {
		lines = append(lines, fmt.Sprintf("and %d more errors", e.More))
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns the errors of List.
func (e *Errors) Unwrap() []error {
	list := make([]error, len(e.List))
	for i, one := range e.List {
		list[i] = one
	}
	return list
}

// collector gathers errors; several of one path are told of once.
type collector struct {
	name string
	list []*Error
	seen map[string]bool
}

func (c *collector) add(at Position, path, format string, args ...any) {
	key := at.String() + "\x00" + path
	if c.seen[key] {
		return
	}
	if c.seen == nil {
		c.seen = map[string]bool{}
	}
	c.seen[key] = true
	c.list = append(c.list, &Error{Position: at, Path: path, Msg: fmt.Sprintf(format, args...)})
}

func (c *collector) err() error {
	if len(c.list) == 0 {
		return nil
	}
	slices.SortStableFunc(c.list, func(a, b *Error) int {
		if ta, tb := a.Source == c.name, b.Source == c.name; ta != tb {
			if ta {
				return -1
			}
			return 1
		}
		if a.Source != b.Source { // --sets stay in the order found
			return 0
		}
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Column - b.Column
	})
	n := min(len(c.list), maxErrors)
	return &Errors{List: c.list[:n], More: len(c.list) - n}
}

// Where returns the place that gave the value of a path such as
// "model.config.n_head" or "data.paths[1]", or of the nearest part of it that
// was given at all. What came from defaults is at the recipe's name alone.
func (r *Recipe) Where(path string) Position {
	for path != "" {
		if at, ok := r.where[path]; ok {
			return at
		}
		path = parent(path)
	}
	return Position{Source: r.source()}
}

func (r *Recipe) source() string {
	if r.name == "" {
		return "recipe"
	}
	return r.name
}

// Errorf returns an error about the value of a path, with its place.
func (r *Recipe) Errorf(path, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Position: r.Where(path), Path: path, Msg: err.Error(), Err: errors.Unwrap(err)}
}

// PluginError turns an error of the plugin of a section ("model" or
// "objective") into one with the place in the recipe: a *plugin.ConfigError
// about the field n_head of the model is one about model.config.n_head. Other
// errors are about the plugin's name; nil stays nil.
func (r *Recipe) PluginError(section string, err error) error {
	if err == nil {
		return nil
	}
	path, msg := section+".plugin", err.Error()
	if ce := (*plugin.ConfigError)(nil); errors.As(err, &ce) {
		path, msg = section+".config", ce.Msg
		switch field := strings.TrimPrefix(ce.Field, "."); {
		case field == "":
		case strings.HasPrefix(field, "["):
			path += field
		default:
			path += "." + field
		}
	}
	return &Error{Position: r.Where(path), Path: path, Msg: msg, Err: err}
}

// child returns the path of a key: a.b, or a["b c"] if the key is not a word.
func child(path, key string) string {
	word := key != ""
	for _, c := range key {
		word = word && (c == '_' || c == '-' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z')
	}
	switch {
	case !word:
		return path + "[" + strconv.Quote(key) + "]"
	case path == "":
		return key
	}
	return path + "." + key
}

func index(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

// parent removes the last part of a path.
func parent(path string) string {
	return path[:max(strings.LastIndexAny(path, ".["), 0)]
}
