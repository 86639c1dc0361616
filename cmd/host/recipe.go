package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/seedbed/seedbed/abi/plugin/config"
	"github.com/seedbed/seedbed/core/recipe"
	"github.com/seedbed/seedbed/core/run"
	"github.com/seedbed/seedbed/examples/recipes"
	"github.com/spf13/cobra"
)

func newRecipe() *cobra.Command {
	var sets []string
	show := &cobra.Command{
		Use: "show [RECIPE]", Short: "Print a recipe whole, defaults included, with what each key means",
		Example: "  host recipe show\n  host recipe show bert\n  host recipe show my.yaml --set train.steps=100 > whole.yaml", Args: args(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			r, err := readRecipe(cmd.InOrStdin(), a, sets)
			if err != nil {
				return err
			}
			_, err = cmd.OutOrStdout().Write(r.Commented())
			return err
		},
	}
	check := &cobra.Command{
		Use: "check RECIPE", Short: "Check a recipe, and predict what its run takes",
		Long: "Check a recipe: every key, type, range and name, then, with the plugins started but no data read, that model, objective and data fit\n" +
			"each other. Prints the number of parameters, and what a run takes of arithmetic, memory and, at this machine's peak, time.",
		Example: "  host recipe check my.yaml\n  host recipe check - < my.yaml", Args: args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			r, err := readRecipe(cmd.InOrStdin(), a, sets)
			if err != nil {
				return err
			}
			p, err := run.Predict(cmd.Context(), r, starter(r.Backend.Threads, 0))
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: good\n%s", a[0], p)
			return err
		},
	}
	for _, c := range []*cobra.Command{show, check} {
		c.Flags().StringArrayVar(&sets, "set", nil, "replace a value: key.path=value (repeatable)")
	}
	schema := &cobra.Command{
		Use: "schema", Short: "Print the JSON schema of recipes, for editors",
		Example: "  host recipe schema > recipe.schema.json", Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := cmd.OutOrStdout().Write(recipe.Schema())
			return err
		},
	}
	list := &cobra.Command{
		Use: "list", Short: "List the built-in recipes",
		Long:    "List the built-in recipes. host pretrain NAME runs one; a path with a slash or an extension is a file.",
		Example: "  host recipe list", Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			var b strings.Builder
			for _, r := range recipes.All() {
				fmt.Fprintf(&b, "%-14s %s\n", r.Name, r.Doc)
			}
			_, err := io.WriteString(cmd.OutOrStdout(), b.String())
			return err
		},
	}
	return group("recipe", "Show and check training recipes", "  host recipe list\n  host recipe show", list, show, check, schema)
}

// readRecipe reads the recipe that a names: that of a built-in one or the path
// of a file; - is standard input, and none the default recipe.
func readRecipe(stdin io.Reader, a, sets []string) (*recipe.Recipe, error) {
	name, text, err := "recipe", []byte(nil), error(nil)
	switch {
	case len(a) == 0:
	case a[0] == "-":
		name = "standard input"
		text, err = io.ReadAll(io.LimitReader(stdin, 2<<20)) // Parse refuses more than half of it
	default:
		name = a[0]
		if built, ok := recipes.Find(name); ok {
			text = built.Text
			break
		}
		if text, err = os.ReadFile(name); err != nil && filepath.Ext(name) == "" {
			var names []string
			for _, r := range recipes.All() {
				names = append(names, r.Name)
			}
			if near := config.Nearest(name, names); near != "" {
				err = fmt.Errorf("%w; did you mean %s?", err, near)
			} else {
				err = fmt.Errorf("%w; host recipe list shows those that are built in", err)
			}
		}
	}
	if err != nil {
		return nil, usagef("reading the recipe: %w", err)
	}
	return parseRecipe(name, text, sets)
}

func parseRecipe(name string, text []byte, sets []string) (*recipe.Recipe, error) {
	r, err := recipe.Parse(name, text, sets)
	if err != nil {
		return nil, &usageError{err}
	}
	return r, nil
}
