package backend

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/conformance/cases"
	"github.com/seedbed/seedbed/conformance/suite"
	"github.com/seedbed/seedbed/core/device"
)

// Options choose the cases.
type Options struct {
	Profile Profile
	Seed    uint64
	// Ops limits the op cases to some ops; empty means all.
	Ops []string
	// DTypes limits them to some dtypes.
	DTypes []ir.DType
}

// Profile says how much is run.
type Profile struct {
	Name string
	// Ops is how many cases a unit of an op and a dtype has at least; a unit has
	// at least perCell a cell.
	Ops, PerCell int
}

// Profiles are smoke (half a minute), core (five minutes, for each change),
// full (nightly) and exact (what full adds to the receipt, and nothing else).
// The cases of a smaller one are among those of a larger one.
var Profiles = []Profile{
	{Name: "smoke", Ops: 12, PerCell: 2},
	{Name: "core", Ops: 50, PerCell: 8},
	{Name: "full", Ops: 150, PerCell: 25},
	{Name: "exact", Ops: 150, PerCell: 25},
}

// ProfileByName returns a profile.
func ProfileByName(name string) (Profile, error) {
	i := slices.IndexFunc(Profiles, func(p Profile) bool { return p.Name == name })
	if i < 0 {
		return Profile{}, fmt.Errorf("unknown profile %q; there are smoke, core, full and exact", name)
	}
	return Profiles[i], nil
}

// Suites are a target's units. Close ends what they started.
type Suites struct {
	Units    []suite.Unit
	sessions *sessions
}

// Close ends every session of the target.
func (s *Suites) Close() error { return s.sessions.close() }

// New lists the units of a target.
func New(t Target, o Options) (*Suites, error) {
	s := &Suites{sessions: newSessions(t)}
	if err := s.addOps(o); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *Suites) addOps(o Options) error {
	units, err := cases.Units()
	if err != nil {
		return err
	}
	for _, u := range units {
		if len(o.Ops) > 0 && !slices.Contains(o.Ops, u.Op.Name) || len(o.DTypes) > 0 && !slices.Contains(o.DTypes, u.DType) {
			continue
		}
		n := max(o.Profile.Ops, o.Profile.PerCell*len(u.Cells()))
		s.Units = append(s.Units, suite.Unit{
			Suite: "ops", Name: u.Name(), Op: u.Op.Name, DType: u.DType.String(),
			Optional: !u.Required(), Receipt: u.Required(), Cases: n,
			Run: func(ctx context.Context, r *suite.Recorder) {
				session := s.sessions.get(0)
				defer s.sessions.put(session)
				for i := range n {
					if ctx.Err() != nil {
						return
					}
					if name := u.CaseName(i); r.Want(name) {
						got, err := session.check(ctx, u, o.Seed, i)
						r.Case(name, bytes.Join(got, nil), err)
					}
				}
			},
		})
	}
	return nil
}

// check runs one case and holds it against the reference.
func (s *session) check(ctx context.Context, u cases.Unit, seed uint64, i int) ([][]byte, error) {
	c, err := u.Case(seed, i)
	if err != nil {
		return nil, err
	}
	want, err := Expect(c)
	if err != nil {
		return nil, fmt.Errorf("%w\n%s", err, c.Text())
	}
	got, err := s.run(ctx, c.Func, c.Args)
	if err != nil {
		return nil, fmt.Errorf("could not run: %w\ncase %s, cell %q\n%s", err, c.Name, c.Cell, c.Text())
	}
	return got, Compare(c, got, want)
}

// Describe returns the target's name and version, or why it does not start.
func (s *Suites) Describe(ctx context.Context) string {
	session := s.sessions.get(0)
	defer s.sessions.put(session)
	name := "?"
	if err := session.do(ctx, func(_ context.Context, _ device.Device, info plugin.BackendInfo) error {
		name = info.Name + " " + info.Version
		return nil
	}); err != nil {
		name = err.Error()
	}
	return name
}
