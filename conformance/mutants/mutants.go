package mutants

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/conformance/backend"
	"github.com/seedbed/seedbed/conformance/report"
	"github.com/seedbed/seedbed/conformance/suite"
)

// Mutant is something that is wrong in one way.
type Mutant struct {
	// Kind is backend, objective or model.
	Kind string
	// Class is the class of faults; Name says the rest.
	Class, Name string
	// Op is what is wrong, where it is one op of a backend.
	Op string
	// Only is the pattern of the cases that should find it, empty for those of
	// the op.
	Only string
	// Survives says why the suite does not find it, empty where it does.
	Survives string
	// units lists the cases of the suite that should find the mutant.
	units func(m *Mutant) (units []suite.Unit, end func() error, err error)
}

// String returns the mutant's kind, class, op and name.
func (m *Mutant) String() string {
	s := m.Kind + ": " + m.Class
	if m.Op != "" {
		s += ": " + m.Op
	}
	return s + ": " + m.Name
}

// Killed runs the suite against the mutant until a case fails, and returns that
// failure; nil where none did.
func (m *Mutant) Killed(ctx context.Context) (*report.Failure, error) {
	units, end, err := m.units(m)
	if err != nil {
		return nil, fmt.Errorf("%v: %w", m, err)
	}
	var only *regexp.Regexp
	if m.Only != "" {
		only = regexp.MustCompile(m.Only)
	}
	rep := &report.Report{Kind: m.Kind}
	err = suite.Run(ctx, rep, units, suite.Options{Workers: 1, Only: only, FirstFailure: true})
	if ended := end(); err == nil {
		err = ended
	}
	if err != nil {
		return nil, fmt.Errorf("%v: %w", m, err)
	}
	if len(rep.Failures) > 0 {
		first := &rep.Failures[0]
		// A failure of the mutation itself would count as a kill.
		if strings.Contains(first.Message, "the suite itself panicked") {
			return nil, fmt.Errorf("%v: %s", m, first.Message)
		}
		return first, nil
	}
	if rep.Total().Cases == 0 {
		return nil, fmt.Errorf("%v: no case was run", m)
	}
	return nil, nil
}

// profile is the one whose cases find the mutants: that of each change.
var profile = func() backend.Profile {
	p, _ := backend.ProfileByName("core")
	return p
}()

// backendUnits lists the cases of a wrong backend: those of the op, by dtype
// the common one first.
func backendUnits(make func(threads int) *wrong) func(m *Mutant) ([]suite.Unit, func() error, error) {
	return func(m *Mutant) ([]suite.Unit, func() error, error) {
		o := backend.Options{Profile: profile, Seed: 1}
		if m.Op != "" {
			o.Ops = []string{m.Op}
		}
		s, err := backend.New(backend.InProcess(func(threads int) (plugin.Backend, error) {
			w := make(threads)
			w.threads = threads
			return w, nil
		}), o)
		if err != nil {
			return nil, nil, err
		}
		return s.Units, s.Close, nil
	}
}

// inOp makes a mutant of a fault in one op.
func inOp(class, op, name string, f fault) *Mutant {
	return &Mutant{Kind: "backend", Class: class, Op: op, Name: name,
		units: backendUnits(func(int) *wrong { return &wrong{op: op, fault: f} })}
}

// All returns every mutant, in a fixed order. Mutants of ops that the table
// lacks are left out.
var All = once(func() []*Mutant {
	var l []*Mutant
	for _, make := range []func() []*Mutant{
		specialValues, lastPlaces, orders, placements, integersAndBools, randoms, composites, wholes, singles, objectives, models,
	} {
		for _, m := range make() {
			if m.Op == "" || ir.LookupOp(m.Op) != nil {
				l = append(l, m)
			}
		}
	}
	return l
})
