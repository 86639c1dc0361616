package recipe

import (
	"fmt"
	"strings"
)

// Reference returns the page in Markdown that says what a recipe can say: a
// table of the keys for each section.
func Reference() string {
	var b strings.Builder
	b.WriteString(`# Recipes

<!-- Made from the table in core/recipe/fields.go by: go test ./core/recipe -run TestReference -update -->

A recipe is a YAML file that says which model is trained on what, how, and for how long. What it leaves out has its default, so that the empty
recipe is a good one. A key that does not exist or a value that is out of range is an error with its line, its column and the nearest name.

    host recipe show > my.yaml        # the default recipe, whole, with comments
    host recipe check my.yaml
    host recipe schema > recipe.schema.json
    host pretrain my.yaml --set train.steps=1000

Results do not depend on keys marked free: a run may be resumed with other values of them. All others decide its bits.
`)
	section := "none yet"
	cell := strings.NewReplacer("|", "\\|", "<", "&lt;", "*", "\\*")
	for i := range fields {
		f := &fields[i]
		if s, _ := f.split(); s != section {
			section = s
			if s != "" {
				fmt.Fprintf(&b, "\n## %s\n\n%s\n", s, cell.Replace(sectionDoc(s)))
			}
			b.WriteString("\n| key | value | default | meaning |\n|---|---|---|---|\n")
		}
		doc := cell.Replace(f.doc)
		if f.free {
			doc += " *Free.*"
		}
		fmt.Fprintf(&b, "| `%s` | %s | `%s` | %s |\n", f.path, cell.Replace(f.valid()), f.defaultText(), doc)
	}
	return b.String()
}
