package conformance

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"testing"

	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/conformance/backend"
	"github.com/seedbed/seedbed/conformance/dataset"
	"github.com/seedbed/seedbed/conformance/model"
	"github.com/seedbed/seedbed/conformance/objective"
	"github.com/seedbed/seedbed/conformance/report"
	"github.com/seedbed/seedbed/conformance/suite"
)

// Options choose what is run. The zero value is the smoke profile.
type Options struct {
	// Profile is smoke, core, full or exact; empty means smoke.
	Profile string
	// Seed makes the cases; 0 means 1, that of the committed receipts.
	Seed uint64
	// ReceiptOnly leaves out what adds nothing to the receipt.
	ReceiptOnly bool
	// Exhaustive adds all 2^32 inputs of a backend's functions of one f32.
	Exhaustive bool
	// Only is a regular expression over the names of cases, such as "^ops/add/".
	Only string
	// Skips excuse cases from passing; ReadSkips reads them from a file.
	Skips []suite.Skip
	// Workers is how many sessions of the target run at once; 0 means one a
	// processor.
	Workers int
	// Progress, where set, is told now and then how far the run is.
	Progress func(suite.Progress)
}

// Check returns what is wrong with the options.
func (o Options) Check() error {
	if _, err := o.suiteOptions(); err != nil {
		return err
	}
	_, err := depth(o.Profile)
	return err
}

// suiteOptions checks the options and fills in the usual values.
func (o *Options) suiteOptions() (suite.Options, error) {
	if o.Profile == "" {
		o.Profile = "smoke"
	}
	if o.Seed == 0 {
		o.Seed = receiptSeed
	}
	s := suite.Options{Workers: o.Workers, Skips: o.Skips, Whole: o.Profile == "full" && !o.ReceiptOnly, Progress: o.Progress}
	if o.Only != "" {
		re, err := regexp.Compile(o.Only)
		if err != nil {
			return s, fmt.Errorf("the pattern of cases: %w", err)
		}
		s.Only = re
	}
	return s, nil
}

// Backend runs the backend suites against a target. The report tells what
// failed; the error that the suite could not be run.
func Backend(ctx context.Context, t backend.Target, o Options) (*report.Report, error) {
	so, err := o.suiteOptions()
	if err != nil {
		return nil, err
	}
	p, err := backend.ProfileByName(o.Profile)
	if err != nil {
		return nil, err
	}
	s, err := backend.New(t, backend.Options{Profile: p, Seed: o.Seed, Exhaustive: o.Exhaustive})
	if err != nil {
		return nil, err
	}
	name, err := s.Describe(ctx)
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	rep := &report.Report{Kind: "backend", Target: name, Profile: o.Profile, Seed: o.Seed}
	units := s.Units
	if o.ReceiptOnly {
		units = slices.DeleteFunc(slices.Clone(units), func(u suite.Unit) bool { return !u.Receipt })
	}
	err = suite.Run(ctx, rep, units, so)
	if closed := s.Close(); closed != nil { // a failure of the target, not a reason to say nothing of the others
		rep.Failures = append(rep.Failures, report.Failure{Suite: "end", Case: "end", Message: "it does not end as it should: " + closed.Error()})
	}
	holdToReceipt(rep)
	return rep, err
}

// RunBackend runs the backend suites as a Go test: every unit is a subtest,
// and the receipt is logged.
func RunBackend(t *testing.T, target backend.Target, o Options) *report.Report {
	t.Helper()
	return tell(t)(Backend(t.Context(), target, o))
}

// tell turns a report into subtests.
func tell(t *testing.T) func(rep *report.Report, err error) *report.Report {
	return func(rep *report.Report, err error) *report.Report {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		failures := map[string][]report.Failure{}
		for _, f := range rep.Failures {
			failures[f.Suite+"/"+f.Unit] = append(failures[f.Suite+"/"+f.Unit], f)
		}
		for _, u := range rep.Units {
			name := u.Suite + "/" + u.Name
			if u.Failed > 0 {
				t.Run(name, func(t *testing.T) {
					t.Errorf("%d of %d cases failed", u.Failed, u.Cases)
					for _, f := range failures[name] {
						t.Errorf("%s: %s", f.Case, f.Message)
					}
				})
			}
			delete(failures, name)
		}
		for _, l := range failures {
			for _, f := range l {
				t.Errorf("%s %s: %s", f.Suite, f.Case, f.Message)
			}
		}
		c := rep.Total()
		if c.Passed == 0 {
			t.Error("no case passed")
		}
		t.Logf("%s: %d cases, %d passed, %d failed, %d skipped in %.1f s", rep.Target, c.Cases, c.Passed, c.Failed, c.Skipped, rep.Seconds)
		if rep.Receipt != "" {
			t.Log(rep.Receipt)
		} else {
			t.Logf("no receipt: %s", rep.NoReceipt)
		}
		return rep
	}
}

// depth is how many random batches, seeds or requests try each property of an
// objective, a model or a dataset.
func depth(profile string) (int, error) {
	switch profile {
	case "smoke":
		return 4, nil
	case "core":
		return 20, nil
	case "full", "exact":
		return 100, nil
	}
	return 0, fmt.Errorf("unknown profile %q; there are smoke, core, full and exact", profile)
}

// Objective runs the objective suites. Without scenarios those of the
// objective's roles are taken.
func Objective(ctx context.Context, o plugin.Objective, o2 Options, scenarios ...objective.Scenario) (*report.Report, error) {
	so, err := o2.suiteOptions()
	if err != nil {
		return nil, err
	}
	n, err := depth(o2.Profile)
	if err != nil {
		return nil, err
	}
	info := o.Info()
	if len(scenarios) == 0 {
		known := 0
		for _, role := range info.Roles {
			if l, err := objective.ByRole(role); err == nil {
				scenarios = append(scenarios, l...)
				known++
			}
		}
		if known == 0 {
			return nil, fmt.Errorf("no scenario is known for any role of %s (%v); give RunObjective your own", info.Name, info.Roles)
		}
	}
	rep := &report.Report{Kind: "objective", Target: info.Name + " " + info.Version, Profile: o2.Profile, Seed: o2.Seed}
	return rep, suite.Run(ctx, rep, objective.Units(o, scenarios, o2.Seed, n), so)
}

// RunObjective runs the objective suites as a Go test.
func RunObjective(t *testing.T, o plugin.Objective, options Options, scenarios ...objective.Scenario) *report.Report {
	t.Helper()
	return tell(t)(Objective(t.Context(), o, options, scenarios...))
}

// Model runs the model suites. Without scenarios those of a built-in model of
// its name are taken.
func Model(ctx context.Context, m plugin.Model, o Options, scenarios ...model.Scenario) (*report.Report, error) {
	so, err := o.suiteOptions()
	if err != nil {
		return nil, err
	}
	n, err := depth(o.Profile)
	if err != nil {
		return nil, err
	}
	info := m.Info()
	if len(scenarios) == 0 {
		if scenarios, err = model.ByName(info.Name); err != nil {
			return nil, err
		}
	}
	for i := range scenarios {
		if err := scenarios[i].Check(); err != nil {
			return nil, err
		}
	}
	rep := &report.Report{Kind: "model", Target: info.Name + " " + info.Version, Profile: o.Profile, Seed: o.Seed}
	return rep, suite.Run(ctx, rep, model.Units(m, scenarios, o.Seed, n), so)
}

// RunModel runs the model suites as a Go test.
func RunModel(t *testing.T, m plugin.Model, options Options, scenarios ...model.Scenario) *report.Report {
	t.Helper()
	return tell(t)(Model(t.Context(), m, options, scenarios...))
}

// Dataset runs the dataset suites.
func Dataset(ctx context.Context, d dataset.Target, o Options) (*report.Report, error) {
	so, err := o.suiteOptions()
	if err != nil {
		return nil, err
	}
	n, err := depth(o.Profile)
	if err != nil {
		return nil, err
	}
	rep := &report.Report{Kind: "dataset", Target: d.Name, Profile: o.Profile, Seed: o.Seed}
	return rep, suite.Run(ctx, rep, dataset.Units(d, o.Seed, n), so)
}

// RunDataset runs the dataset suites as a Go test.
func RunDataset(t *testing.T, d dataset.Target, options Options) *report.Report {
	t.Helper()
	return tell(t)(Dataset(t.Context(), d, options))
}
