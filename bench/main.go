package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	root := &cobra.Command{
		Use:           "bench",
		Short:         "Measure the project beside others on this machine",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(newPeers(), newGate(), newGenerate(), newTokenizerBench(), newScaling(), newStep(), newRooflines(), newBoundary(), newGEMM(), newKernels(), newLearning(), newPaper(), newServe())
	if err := root.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// printJSON writes one line.
func printJSON(v any) error { return json.NewEncoder(os.Stdout).Encode(v) }

// choose returns those of all that args name, or all if args is empty. names are theirs, in order.
func choose[T any](what string, args, names []string, all []T) ([]T, error) {
	if len(args) == 0 {
		return all, nil
	}
	var chosen []T
	for _, name := range args {
		i := slices.Index(names, name)
		if i < 0 {
			return nil, fmt.Errorf("there is no %s %q; there are %s", what, name, strings.Join(names, ", "))
		}
		chosen = append(chosen, all[i])
	}
	return chosen, nil
}
