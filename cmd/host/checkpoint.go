package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/seedbed/seedbed/core/checkpoint"
	"github.com/seedbed/seedbed/core/step"
	"github.com/spf13/cobra"
)

func newCheckpoint() *cobra.Command {
	asJSON := false
	show := &cobra.Command{
		Use: "show CHECKPOINT", Short: "Print what a checkpoint holds",
		Example: "  host checkpoint show runs/a/step-00000100\n  host checkpoint show runs/a/step-00000100 --json", Args: args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			c, err := checkpoint.Open(a[0])
			if err != nil {
				return err
			}
			out, m := cmd.OutOrStdout(), c.Manifest
			if asJSON {
				e := json.NewEncoder(out)
				e.SetIndent("", "  ")
				return e.Encode(m)
			}
			text := fmt.Sprintf("step           %d\nsamples        %d\nABI            %s\nweights_sha256 %s\n", m.Step, m.Samples, m.ABI, m.WeightsSHA256)
			for _, p := range m.Plugins {
				text += fmt.Sprintf("plugin         %s %s\n", p.Name, p.Version)
			}
			for _, f := range m.Files {
				text += fmt.Sprintf("file           %-24s %12d bytes  %s\n", f.Name, f.Size, f.SHA256)
			}
			_, err = fmt.Fprint(out, text)
			return err
		},
	}
	show.Flags().BoolVar(&asJSON, "json", false, "print the manifest as JSON")
	verify := &cobra.Command{
		Use: "verify CHECKPOINT...", Short: "Read every file of checkpoints and compare its SHA-256 with the manifest's",
		Example: "  host checkpoint verify runs/a/step-*", Args: args(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			var failed []error
			for _, path := range a {
				c, err := checkpoint.Open(path)
				if err == nil {
					err = c.Verify()
				}
				if err != nil {
					failed = append(failed, err)
					continue
				}
				if _, err := fmt.Fprintf(cmd.OutOrStdout(), "%s: good, weights %s\n", path, c.Manifest.WeightsSHA256); err != nil {
					return err
				}
			}
			return errors.Join(failed...)
		},
	}
	diff := &cobra.Command{
		Use: "diff A B", Short: "List the parameters in which two checkpoints differ; it fails if there are any",
		Example: "  host checkpoint diff runs/a/step-00000100 runs/b/step-00000100", Args: args(cobra.ExactArgs(2)),
		RunE: func(cmd *cobra.Command, a []string) error {
			var sides [2]*checkpoint.Checkpoint
			for i, path := range a {
				c, err := checkpoint.Open(path)
				if err != nil {
					return err
				}
				sides[i] = c
			}
			differences, err := checkpoint.Diff(sides[0], sides[1])
			if err != nil {
				return err
			}
			for _, d := range differences {
				if _, err := fmt.Fprintln(cmd.OutOrStdout(), d); err != nil {
					return err
				}
			}
			if len(differences) > 0 {
				return fmt.Errorf("%d parameters differ", len(differences))
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), "all parameters are equal")
			return err
		},
	}
	to := ""
	average := &cobra.Command{
		Use: "average CHECKPOINT", Short: "Write the running averages of the parameters as a model, of a run with train.ema_decay",
		Example: "  host checkpoint average runs/a/step-00000100 --out average.safetensors", Args: args(cobra.ExactArgs(1)),
		RunE: func(_ *cobra.Command, a []string) (err error) {
			c, err := checkpoint.Open(a[0])
			if err != nil {
				return err
			}
			f, err := os.CreateTemp(filepath.Dir(to), ".tmp-*")
			if err != nil {
				return err
			}
			w := bufio.NewWriter(f)
			err = c.WriteAverages(w, func(name string) string { return step.SlotName(step.EMASlot, name) })
			if err = errors.Join(err, w.Flush(), f.Sync(), f.Close()); err == nil {
				err = os.Rename(f.Name(), to)
			}
			if err != nil {
				_ = os.Remove(f.Name())
			}
			return err
		},
	}
	average.Flags().StringVar(&to, "out", "average.safetensors", "file to write; one that is there is replaced")
	return group("checkpoint", "Look into checkpoints", "  host checkpoint verify runs/a/step-*", show, verify, diff, average)
}
