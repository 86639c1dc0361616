package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/spf13/cobra"
)

func newVersion() *cobra.Command {
	asJSON := false
	c := &cobra.Command{
		Use: "version", Short: "Print the version of the program and of the ABI it speaks",
		Example: "  host version\n  host version --json", Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			v := struct {
				Version string `json:"version"`
				ABI     string `json:"abi"`
				Go      string `json:"go"`
				System  string `json:"system"`
			}{"unknown", fmt.Sprintf("%d.%d", ir.ABIMajor, ir.ABIMinor), runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH}
			if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
				v.Version = info.Main.Version
			}
			if asJSON {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(v)
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "host %s, ABI %s, %s, %s\n", v.Version, v.ABI, v.Go, v.System)
			return err
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return c
}
