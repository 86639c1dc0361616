package recipes

import (
	"embed"
	"strings"
)

//go:embed *.yaml
var files embed.FS

// Recipe is one of them.
type Recipe struct {
	Name string // such as "bert"
	Doc  string // one line
	Text []byte
}

// All returns the recipes in the order of their names.
func All() []Recipe {
	entries, err := files.ReadDir(".")
	if err != nil {
		return nil // it is part of the program
	}
	var list []Recipe
	for _, e := range entries {
		text, err := files.ReadFile(e.Name())
		if err != nil {
			continue
		}
		first, _, _ := strings.Cut(string(text), "\n")
		list = append(list, Recipe{strings.TrimSuffix(e.Name(), ".yaml"), strings.TrimPrefix(first, "# "), text})
	}
	return list
}

// Find returns the recipe of a name.
func Find(name string) (Recipe, bool) {
	for _, r := range All() {
		if r.Name == name {
			return r, true
		}
	}
	return Recipe{}, false
}
