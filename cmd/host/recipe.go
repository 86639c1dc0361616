package main

import (
	"encoding/json"
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
	checkJSON, listJSON := false, false
	check := &cobra.Command{
		Use: "check RECIPE", Short: "Check a recipe, and predict what its run takes",
		Long: "Check a recipe: every key, type, range and name, then, with the plugins started but no data read, that model, objective and data fit\n" +
			"each other. Prints the number of parameters, and what a run takes of arithmetic, memory and, at this machine's peak, time.",
		Example: "  host recipe check my.yaml\n  host recipe check bert-paper --json\n  host recipe check - < my.yaml", Args: args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			r, err := readRecipe(cmd.InOrStdin(), a, sets)
			if err != nil {
				return err
			}
			p, err := run.Predict(cmd.Context(), r, starter(r.Backend.Threads, 0))
			if err != nil {
				return err
			}
			if checkJSON {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(prediction(a[0], p))
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: good\n%s", a[0], p)
			return err
		},
	}
	check.Flags().BoolVar(&checkJSON, "json", false, "print one JSON object")
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
				if listJSON {
					line, err := json.Marshal(object{"name": r.Name, "doc": r.Doc})
					if err != nil {
						return err
					}
					fmt.Fprintf(&b, "%s\n", line)
					continue
				}
				fmt.Fprintf(&b, "%-14s %s\n", r.Name, r.Doc)
			}
			_, err := io.WriteString(cmd.OutOrStdout(), b.String())
			return err
		},
	}
	list.Flags().BoolVar(&listJSON, "json", false, "print one JSON object a recipe")
	return group("recipe", "Show and check training recipes", "  host recipe list\n  host recipe show", list, show, check, schema)
}

// prediction is what a good recipe takes, for scripts. What is not known of the machine is left out.
func prediction(name string, p *run.Prediction) object {
	o := object{"recipe": name, "role": p.Role, "parameters": p.Parameters, "rows": p.Rows, "grains": p.Grains, "steps": p.Steps, "step_flops": p.StepFLOPs,
		"memory_bytes": p.MemoryBytes, "memory": p.Memory, "fits": p.TooLarge == ""}
	if p.TooLarge != "" {
		o["remedy"] = p.TooLarge
	}
	if p.Tokens > 0 {
		o["tokens"] = p.Tokens
	}
	if p.FreeBytes > 0 {
		o["free_bytes"] = p.FreeBytes
	}
	if p.PeakFLOPS > 0 {
		o["device"], o["peak_flops"], o["seconds_at_peak"] = p.Device, p.PeakFLOPS, p.AtPeak()
	}
	return o
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
