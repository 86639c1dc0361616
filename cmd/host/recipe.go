package main

import (
	"fmt"
	"io"
	"os"

	"github.com/seedbed/seedbed/core/recipe"
	"github.com/spf13/cobra"
)

func newRecipe() *cobra.Command {
	var sets []string
	show := &cobra.Command{
		Use: "show [RECIPE.yaml]", Short: "Print a recipe whole, defaults included, with what each key means",
		Example: "  host recipe show\n  host recipe show my.yaml --set train.steps=100 > whole.yaml", Args: args(cobra.MaximumNArgs(1)),
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
		Use: "check RECIPE.yaml", Short: "Check a recipe: every key, type, range and name",
		Example: "  host recipe check my.yaml\n  host recipe check - < my.yaml", Args: args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			if _, err := readRecipe(cmd.InOrStdin(), a, sets); err != nil {
				return err
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s: good\n", a[0])
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
	return group("recipe", "Show and check training recipes", "  host recipe show", show, check, schema)
}

// readRecipe reads the recipe that a names; - is standard input, and none the
// default recipe.
func readRecipe(stdin io.Reader, a, sets []string) (*recipe.Recipe, error) {
	name, text, err := "recipe", []byte(nil), error(nil)
	switch {
	case len(a) == 0:
	case a[0] == "-":
		name = "standard input"
		text, err = io.ReadAll(io.LimitReader(stdin, 2<<20)) // Parse refuses more than half of it
	default:
		name = a[0]
		text, err = os.ReadFile(a[0])
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
