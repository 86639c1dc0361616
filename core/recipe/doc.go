// Package recipe reads and writes training recipes: YAML files that say which
// model is trained on what, how, and for how long. Parse is strict: a key that
// does not exist, a value outside its range, a duplicate key, an alias or a
// NaN is an error with its line, its column and the nearest valid name. One
// table, in fields.go, is the source of the checks, the defaults, the comments
// of (*Recipe).Commented, the JSON schema and the reference in Markdown.
//
// It imports package abi/plugin, for the errors of plugins, and a YAML parser.
// Start reading at Recipe in recipe.go, then at fields.go.
package recipe
