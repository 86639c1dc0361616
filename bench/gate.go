package main

import (
	"fmt"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"
)

// regression is how much less than the least ratio that was committed a ratio may be before it is more than noise.
const regression = 0.1

func newGate() *cobra.Command {
	o := peersOptions{}
	committed := filepath.FromSlash("docs/performance/peers.json")
	c := &cobra.Command{
		Use:   "gate [MODEL...]",
		Short: "Fail where the project has become slower than the committed ratios, beyond noise",
		Long: "Compares steps with PyTorch as installed once more, for each MODEL or all that the file of committed comparisons has, and fails where even\n" +
			"the best of the new ratios is less than nine tenths of the worst that was committed. Ratios of a machine of another kind tell nothing: it must\n" +
			"have the same processor.",
		Example: "  go run ./bench gate gpt_small",
		RunE: func(cmd *cobra.Command, args []string) error {
			list, err := readComparisons(committed)
			if err != nil {
				return err
			}
			list = slices.DeleteFunc(list, func(c *comparison) bool {
				return c.Peer != asInstalled || len(args) > 0 && !slices.Contains(args, c.Model)
			})
			if len(list) == 0 {
				return fmt.Errorf("%s has no comparison with %s of these models", committed, asInstalled)
			}
			return runGate(list, func(before *comparison) (*comparison, error) {
				if cpu := processorName(); before.CPU != cpu {
					return nil, fmt.Errorf("%s was measured on %s, this is %s", before.Model, before.CPU, cpu)
				}
				o.threads = before.Threads
				now, err := runPeers(cmd.Context(), []string{before.Model}, o)
				if err != nil {
					return nil, err
				}
				return now[0], nil
			})
		},
	}
	f := c.Flags()
	f.StringVar(&committed, "committed", committed, "file of comparisons, as peers writes it")
	f.StringVar(&o.scripts, "peers", filepath.FromSlash("../shared/peers"), "folder of the peers' scripts")
	f.StringVar(&o.python, "python", "", "Python interpreter that has torch and transformers; default one in a virtual environment made for it")
	f.IntVar(&o.pairs, "pairs", 3, "how often both sides run")
	f.IntVar(&o.steps, "steps", 5, "steps that each run times; their median counts")
	f.IntVar(&o.warmup, "warmup", 2, "steps before them")
	return c
}

// runGate compares what was committed with what is measured now.
func runGate(committed []*comparison, measure func(before *comparison) (*comparison, error)) error {
	var slower []string
	for _, before := range committed {
		now, err := measure(before)
		if err != nil {
			return err
		}
		least, best := slices.Min(before.Ratios), slices.Max(now.Ratios)
		verdict := "as before"
		if best < (1-regression)*least {
			verdict = "SLOWER"
			slower = append(slower, before.Model)
		}
		fmt.Printf("%-14s committed %.2f (%.2f to %.2f), now %.2f (%.2f to %.2f): %s\n", before.Model,
			before.Ratio, least, slices.Max(before.Ratios), now.Ratio, slices.Min(now.Ratios), best, verdict)
	}
	if len(slower) > 0 {
		return fmt.Errorf("slower than committed: %v", slower)
	}
	return nil
}
