package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"github.com/seedbed/seedbed/conformance"
	models "github.com/seedbed/seedbed/conformance/model"
	"github.com/seedbed/seedbed/conformance/report"
	"github.com/seedbed/seedbed/conformance/suite"
	"github.com/spf13/cobra"
)

// conformanceFlags are those that the commands for the kinds of plugins share.
type conformanceFlags struct {
	profile, only, skips, scenarios   string
	seed                              uint64
	workers                           int
	junit, json, html, badge, receipt string
	quiet, receiptOnly, exhaustive    bool
}

// kindOfPlugin is what host conformance can test.
type kindOfPlugin struct {
	name, short, example string
	run                  func(ctx context.Context, plugin string, o conformance.Options, s ...models.Scenario) (*report.Report, error)
}

func newConformance() *cobra.Command {
	var kinds []*cobra.Command
	for _, k := range []kindOfPlugin{
		{"backend", "Hold a backend to the reference's bits", "  host conformance backend cpu --profile core --html report.html\n  host conformance backend ./my-backend --only '^ops/dot_general/'", testBackend},
		{"objective", "Hold an objective to its contract", "  host conformance objective causal_lm --profile core", testObjective},
		{"model", "Hold a model to its contract", "  host conformance model gpt --profile core", testModel},
	} {
		kinds = append(kinds, k.command())
	}
	return group("conformance", "Test plugins against the suite", "  host conformance backend cpu --profile smoke", kinds...)
}

func (k kindOfPlugin) command() *cobra.Command {
	var f conformanceFlags
	c := &cobra.Command{
		Use: k.name + " PLUGIN", Short: k.short, Example: k.example, Args: args(cobra.ExactArgs(1)),
		Long: k.short + ".\n\nPLUGIN is the name of a built-in plugin or the path of an executable. The exit code is 0 only when everything required passed.",
		RunE: func(cmd *cobra.Command, a []string) error {
			o := conformance.Options{Profile: f.profile, Seed: f.seed, Only: f.only, ReceiptOnly: f.receiptOnly, Exhaustive: f.exhaustive, Workers: f.workers}
			if err := o.Check(); err != nil {
				return &usageError{err}
			}
			if f.skips != "" {
				skips, err := readSkips(f.skips)
				if err != nil {
					return &usageError{err}
				}
				o.Skips = skips
			}
			if !f.quiet {
				o.Progress = progressLine(cmd.ErrOrStderr())
			}
			var scenarios []models.Scenario
			if f.scenarios != "" {
				var err error
				if scenarios, err = readScenarios(f.scenarios); err != nil {
					return &usageError{err}
				}
			}
			if os.Getenv("GOGC") == "" {
				debug.SetGCPercent(400) // cases leave much garbage and little else
			}
			rep, err := k.run(cmd.Context(), a[0], o, scenarios...)
			if w := cmd.ErrOrStderr(); !f.quiet && isTerminal(w) {
				_, _ = fmt.Fprint(w, "\r\x1b[K")
			}
			if none := (*suite.NoMatch)(nil); errors.As(err, &none) {
				return usagef("--only: %w", err)
			}
			if err != nil {
				return err
			}
			if err := f.write(rep); err != nil {
				return err
			}
			return tell(cmd.OutOrStdout(), rep)
		},
	}
	fs := c.Flags()
	fs.StringVar(&f.profile, "profile", "smoke", "how much to run: smoke, core, full or exact")
	fs.StringVar(&f.only, "only", "", "run only the cases whose names match this regular expression")
	fs.StringVar(&f.skips, "skips", "", "JSON file of cases that need not pass, each with reason, url and expires")
	fs.Uint64Var(&f.seed, "seed", 1, "what the cases are made from; 1 is that of the committed receipts")
	fs.IntVar(&f.workers, "workers", 0, "sessions of the plugin at once; 0 for one a processor")
	fs.StringVar(&f.junit, "junit", "", "write JUnit XML to this file")
	fs.StringVar(&f.json, "json", "", "write the report as JSON to this file")
	fs.StringVar(&f.html, "html", "", "write the report as a page to this file")
	fs.StringVar(&f.badge, "badge", "", "write an SVG badge to this file")
	fs.StringVar(&f.receipt, "receipt", "", "write the receipt and the hash of each unit to this file")
	fs.BoolVar(&f.receiptOnly, "receipt-only", false, "leave out what adds nothing to the receipt")
	if k.name == "model" {
		fs.StringVar(&f.scenarios, "scenarios", "", "JSON file of the configurations and sizes to try: a list of objects with role, configs, dims, vocab and impossible; a model that is not built in needs it")
	}
	if k.name == "backend" {
		fs.BoolVar(&f.exhaustive, "exhaustive", false, "try all 2^32 inputs of the functions of one f32: hours")
	}
	fs.BoolVar(&f.quiet, "quiet", false, "no progress")
	return c
}

func readSkips(name string) ([]suite.Skip, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	skips, err := suite.ReadSkips(file, time.Now())
	if err = errors.Join(err, file.Close()); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return skips, nil
}

func readScenarios(name string) (l []models.Scenario, err error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&l); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if len(l) == 0 {
		return nil, fmt.Errorf("%s: there is no scenario in it", name)
	}
	return l, nil
}

// progressLine keeps one line of a terminal up to date; elsewhere it writes one a minute.
func progressLine(w io.Writer) func(suite.Progress) {
	live := isTerminal(w)
	start := time.Now()
	last := start
	return func(p suite.Progress) {
		if !live {
			if time.Since(last) < time.Minute {
				return
			}
			last = time.Now()
		}
		percent, left := 0, ""
		if p.Cases > 0 {
			percent = min(100*p.Done/p.Cases, 100)
		}
		// A guess from what went before; short runs need none.
		if passed := time.Since(start); percent > 0 && passed > 20*time.Second {
			left = fmt.Sprintf(", %v left", (passed * time.Duration(p.Cases-min(p.Done, p.Cases)) / time.Duration(p.Done)).Round(time.Second))
		}
		line := fmt.Sprintf("%3d%%  %d of %d cases, %d failed%s  %s/%s", percent, p.Done, p.Cases, p.Failed, left, p.Suite, p.Unit)
		if live {
			_, _ = fmt.Fprintf(w, "\r\x1b[K%.100s", line)
		} else {
			_, _ = fmt.Fprintln(w, line)
		}
	}
}

// write writes every file that was asked for.
func (f *conformanceFlags) write(rep *report.Report) error {
	for _, out := range []struct {
		name  string
		write func(w io.Writer) error
	}{
		{f.junit, rep.WriteJUnit}, {f.json, rep.WriteJSON}, {f.html, rep.WriteHTML}, {f.badge, rep.WriteBadge},
		{f.receipt, func(w io.Writer) error { return conformance.WriteReceipt(w, rep) }},
	} {
		if out.name == "" {
			continue
		}
		var b strings.Builder
		if err := out.write(&b); err != nil {
			return fmt.Errorf("%s: %w", out.name, err)
		}
		if err := os.WriteFile(out.name, []byte(b.String()), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// tell prints the outcome and returns an error where it is not a pass.
func tell(w io.Writer, rep *report.Report) error {
	var b strings.Builder
	const most = 20
	for i, x := range rep.Failures {
		if i == most {
			fmt.Fprintf(&b, "... and %d more; --json has them all\n", len(rep.Failures)-most)
			break
		}
		fmt.Fprintf(&b, "FAIL %s: %s\n", x.Case, x.Message)
	}
	for _, s := range rep.Suites() {
		fmt.Fprintf(&b, "%-12s %7d cases %7d passed %6d failed %6d skipped %8.1f s\n", s.Name, s.Cases, s.Passed, s.Failed, s.Skipped, s.Seconds)
	}
	fmt.Fprintf(&b, "%s: %s in %.1f s\n", rep.Target, rep.Summary(), rep.Seconds)
	if rep.Receipt != "" {
		fmt.Fprintln(&b, rep.Receipt)
	} else {
		fmt.Fprintf(&b, "no receipt: %s\n", rep.NoReceipt)
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return err
	}
	if !rep.Passed() {
		return fmt.Errorf("%s does not conform", rep.Target)
	}
	return nil
}
