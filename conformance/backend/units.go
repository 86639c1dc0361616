package backend

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/conformance/cases"
	"github.com/seedbed/seedbed/conformance/suite"
	"github.com/seedbed/seedbed/core/device"
	"github.com/seedbed/seedbed/core/plugins"
)

// Options choose the cases.
type Options struct {
	Profile Profile
	Seed    uint64
	// Ops limits the op cases to some ops; empty means all.
	Ops []string
	// DTypes limits them to some dtypes.
	DTypes []ir.DType
	// Exhaustive adds all 2^32 inputs of the functions of one f32.
	Exhaustive bool
}

// Profile says how much is run.
type Profile struct {
	Name string
	// Ops is how many cases a unit of an op and a dtype has at least; a unit has
	// at least PerCell a cell.
	Ops, PerCell int
	// Gradients is how many gradient cases a unit has, Fuzz how many programs
	// there are of a dtype and Long how many over long rows, Varied how many cases of a unit are run in other ways, Invalid how
	// many invalid programs there are of each kind.
	Gradients, Fuzz, Long, Varied, Invalid int
	// Training is how many states of each training run are compared.
	Training int
}

// Profiles are smoke (seconds), core (for each change: a minute on two cores),
// full (nightly) and exact (what full adds to the receipt, and nothing else).
// The cases of a smaller one are among those of a larger one.
var Profiles = []Profile{
	{Name: "smoke", Ops: 12, PerCell: 2, Gradients: 4, Fuzz: 60, Long: 2, Varied: 1, Invalid: 8},
	{Name: "core", Ops: 84, PerCell: 14, Gradients: 12, Fuzz: 1250, Long: 24, Varied: 6, Invalid: 76, Training: 3},
	{Name: "full", Ops: 200, PerCell: 30, Gradients: 40, Fuzz: 2000, Long: 96, Varied: 20, Invalid: 76, Training: 5},
	{Name: "exact", Ops: 200, PerCell: 30, Gradients: 40, Fuzz: 2000},
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
	// messages are sessions of a process whose tensors travel in messages, not in
	// shared memory; nil where the target is no process.
	messages *sessions
}

// Close ends every session of the target.
func (s *Suites) Close() error {
	if s.messages == nil {
		return s.sessions.close()
	}
	return errors.Join(s.sessions.close(), s.messages.close())
}

// New lists the units of a target.
func New(t Target, o Options) (*Suites, error) {
	s := &Suites{sessions: newSessions(t)}
	if t.process != nil {
		s.messages = newSessions(processOn(*t.process, plugins.PlaneGRPC))
	}
	units, err := cases.Units()
	if err != nil {
		return nil, err
	}
	gradients, err := cases.Gradients()
	if err != nil {
		return nil, err
	}
	chosen := func(u cases.Unit) bool {
		return (len(o.Ops) == 0 || slices.Contains(o.Ops, u.Op.Name)) && (len(o.DTypes) == 0 || slices.Contains(o.DTypes, u.DType))
	}
	p, seed := o.Profile, o.Seed
	for _, u := range units {
		if !chosen(u) {
			continue
		}
		n := max(p.Ops, p.PerCell*len(u.Cells()))
		s.add(matrix("ops", u), n, u.CaseName, func(ctx context.Context, session *session, i int) ([]byte, error) {
			c, err := u.Case(seed, i)
			return session.judge(ctx, c, err)
		})
	}
	for _, u := range gradients {
		if chosen(u) {
			s.add(matrix("gradients", u), p.Gradients, u.GradientName, func(ctx context.Context, session *session, i int) ([]byte, error) {
				c, err := u.Gradient(seed, i, false)
				return session.judge(ctx, c, err)
			})
		}
	}
	if err := s.addEvery(o, chosen); err != nil {
		return nil, err
	}
	if p.Varied > 0 {
		s.addVariations(units, chosen, p, seed)
	}
	if len(o.Ops) > 0 {
		return s, nil
	}
	for _, d := range cases.Fuzzed() {
		if len(o.DTypes) > 0 && !slices.Contains(o.DTypes, d) {
			continue
		}
		s.addPrograms("fuzz", d, true, p.Fuzz, cases.ProgramName, func(i int) (*cases.Case, error) { return cases.Program(seed, d, i) })
		if p.Long > 0 {
			s.addPrograms("long", d, false, p.Long, cases.LongProgramName, func(i int) (*cases.Case, error) { return cases.LongProgram(seed, d, i) })
		}
	}
	if p.Training > 0 {
		s.addTraining(p, seed)
	}
	if p.Invalid > 0 {
		s.addMisuse(p, seed)
		if t.process != nil {
			s.addFaults(*t.process, p.Training)
		}
	}
	return s, nil
}

// addPrograms adds a unit of random programs; one that fails is shrunk.
func (s *Suites) addPrograms(name string, d ir.DType, receipt bool, n int, caseName func(d ir.DType, i int) string, program func(i int) (*cases.Case, error)) {
	unit := suite.Unit{Suite: name, Name: d.String(), DType: d.String(), Receipt: receipt}
	s.add(unit, n, func(i int) string { return caseName(d, i) }, func(ctx context.Context, session *session, i int) ([]byte, error) {
		c, err := program(i)
		if err != nil {
			return nil, err
		}
		got, err := session.results(ctx, c)
		if err != nil {
			small, smaller := session.shrink(ctx, c, 300)
			if smaller != nil {
				err = fmt.Errorf("%w\nof %d ops, %d were needed to show it", smaller, len(c.Func.Ops), len(small.Func.Ops))
			}
		}
		return bytes.Join(got, nil), err
	})
}

// matrix places a unit of cases in the pass matrix.
func matrix(name string, u cases.Unit) suite.Unit {
	return suite.Unit{Suite: name, Name: u.Name(), Op: u.Op.Name, DType: u.DType.String(), Optional: !u.Required(), Receipt: u.Required()}
}

// add adds a unit of n cases, which run on one session.
func (s *Suites) add(u suite.Unit, n int, name func(i int) string, run func(ctx context.Context, session *session, i int) ([]byte, error)) {
	s.addOn(0, u, n, name, run)
}

func (s *Suites) addOn(threads int, u suite.Unit, n int, name func(i int) string, run func(ctx context.Context, session *session, i int) ([]byte, error)) {
	u.Cases = n
	u.Run = func(ctx context.Context, r *suite.Recorder) {
		session := s.sessions.get(threads)
		defer s.sessions.put(session)
		if u.Optional && !session.knows(ctx, u.DType) {
			r.Omit()
			return
		}
		for i := range n {
			if ctx.Err() != nil {
				return
			}
			if name := name(i); r.Want(name) {
				result, err := run(ctx, session, i)
				r.Case(name, result, err)
			}
		}
	}
	s.Units = append(s.Units, u)
}

// knows reports whether the target computes with a dtype.
func (s *session) knows(ctx context.Context, dtype string) bool {
	known := false
	err := s.do(ctx, func(_ context.Context, _ device.Device, info plugin.BackendInfo) error {
		known = slices.ContainsFunc(info.DTypes, func(d ir.DType) bool { return d.String() == dtype })
		return nil
	})
	return known && err == nil
}

// judge runs a case, unless it could not be made, and returns what the receipt
// takes of it.
func (s *session) judge(ctx context.Context, c *cases.Case, err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	got, err := s.results(ctx, c)
	return bytes.Join(got, nil), err
}

// results runs a case and holds its results against the reference's.
func (s *session) results(ctx context.Context, c *cases.Case) ([][]byte, error) {
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

// addVariations runs cases in other ways.
func (s *Suites) addVariations(units []cases.Unit, chosen func(cases.Unit) bool, p Profile, seed uint64) {
	for _, u := range units {
		if !chosen(u) {
			continue
		}
		m := matrix("invariance", u)
		m.Receipt = false
		ways := variations
		if s.messages != nil {
			ways = append(slices.Clip(ways), inMessages)
		}
		m.Cases = len(ways) * p.Varied
		m.Run = func(ctx context.Context, r *suite.Recorder) {
			for _, v := range ways {
				sessions := s.sessions
				if v.messages {
					sessions = s.messages
				}
				session := sessions.get(v.threads)
				defer sessions.put(session)
				if m.Optional && !session.knows(ctx, m.DType) {
					r.Omit()
					return
				}
				// A variation that fits few cases looks for them further on.
				for i, n := 0, 0; n < p.Varied && i < 4*p.Varied && ctx.Err() == nil; i++ {
					name := fmt.Sprintf("invariance/%s/%s/%d", u.Name(), v.name, i)
					c, err := u.Case(seed, i)
					if err == nil && !v.applies(c) {
						continue
					}
					n++
					if r.Want(name) {
						r.Case(name, nil, cmp.Or(err, session.vary(ctx, v, c)))
					}
				}
			}
		}
		s.Units = append(s.Units, m)
	}
}

// vary runs a case in another way.
func (s *session) vary(ctx context.Context, v variation, c *cases.Case) error {
	want, err := Expect(c)
	if err != nil {
		return err
	}
	var got [][]byte
	if err := s.do(ctx, func(ctx context.Context, d device.Device, info plugin.BackendInfo) (err error) {
		got, err = v.run(ctx, d, info, c)
		return err
	}); err != nil {
		return fmt.Errorf("%w\n%s", err, c.Text())
	}
	return Compare(c, got, want)
}

// addMisuse adds the invalid programs and the wrong calls.
func (s *Suites) addMisuse(p Profile, seed uint64) {
	for _, b := range cases.Breakages() {
		s.Units = append(s.Units, suite.Unit{Suite: "invalid", Name: b, Cases: p.Invalid, Run: func(ctx context.Context, r *suite.Recorder) {
			for i := range p.Invalid {
				if name := fmt.Sprintf("invalid/%s/%d", b, i); r.Want(name) && ctx.Err() == nil {
					v, err := cases.InvalidProgram(seed, b, i)
					if err == nil {
						err = refuse(v)
					}
					r.Case(name, nil, err)
				}
			}
		}})
	}
	for _, m := range misuses {
		s.add(suite.Unit{Suite: "misuse", Name: m.name}, 1, func(int) string { return "misuse/" + m.name }, func(ctx context.Context, session *session, _ int) ([]byte, error) {
			return nil, session.misused(ctx, m.call)
		})
	}
}

// Describe returns the target's name and version, or why it does not start.
func (s *Suites) Describe(ctx context.Context) (name string, err error) {
	session := s.sessions.get(0)
	defer s.sessions.put(session)
	err = session.do(ctx, func(_ context.Context, _ device.Device, info plugin.BackendInfo) error {
		name = info.Name + " " + info.Version
		return nil
	})
	return name, err
}
