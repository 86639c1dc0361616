package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
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
	root.AddCommand(newPeers(), newGate(), newGenerate(), newTokenizerBench(), newScaling(), newStep(), newBoundary(), newGEMM(), newKernels(), newLearning(), newPaper(), newServe())
	if err := root.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// printJSON writes one line.
func printJSON(v any) error { return json.NewEncoder(os.Stdout).Encode(v) }
