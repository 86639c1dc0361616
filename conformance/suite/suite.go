package suite

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"regexp"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seedbed/seedbed/conformance/report"
)

// Unit is a group of cases that one worker goes through in order.
type Unit struct {
	Suite, Name string
	// Op and DType place the unit in the pass matrix; empty for others.
	Op, DType string
	// Optional units are run and reported, but no failure of theirs counts.
	Optional bool
	// Receipt says that the unit's results are part of the receipt.
	Receipt bool
	// Cases is how many cases the unit has, for the progress line.
	Cases int
	// Run tells every case to the recorder.
	Run func(ctx context.Context, r *Recorder)
}

// Options choose how units are run.
type Options struct {
	// Workers is how many units run at once. 0 means one a processor.
	Workers int
	// Only chooses the cases whose full name it matches; nil means all.
	Only *regexp.Regexp
	// Skips excuse cases.
	Skips []Skip
	// Whole says that the units have every case there is, so that a skip that
	// matches none of them is a mistake.
	Whole bool
	// Progress, where set, is told now and then how far the run is.
	Progress func(Progress)
	// FirstFailure ends the run at the first failure.
	FirstFailure bool
}

// Progress says how far a run is.
type Progress struct {
	Done, Cases, Failed int
	Suite, Unit         string
}

// maxFailures bounds the failures that a unit describes; it counts them all.
const maxFailures = 5

// Recorder takes the outcomes of a unit's cases. It is for one goroutine.
type Recorder struct {
	unit     *Unit
	options  *Options
	out      report.Unit
	failures []report.Failure
	excused  map[int]int // skips by number, and the cases that they excused
	matched  map[int]int // and those that they matched
	hash     hash.Hash
	first    string // name that was asked for
	whole    bool
	omitted  bool
	done     *atomic.Int64
	failed   *atomic.Int64
	stop     context.CancelFunc
}

// Want reports whether the case called name is to be run.
func (r *Recorder) Want(name string) bool {
	if r.first == "" {
		r.first = name
	}
	if r.options.Only != nil && !r.options.Only.MatchString(name) {
		r.whole = false
		return false
	}
	return true
}

// Case records one case: err is nil if it passed. The result, which may be
// nil, goes into the receipt.
func (r *Recorder) Case(name string, result []byte, err error) {
	r.out.Cases++
	r.done.Add(1)
	skip := slices.IndexFunc(r.options.Skips, func(s Skip) bool { return s.matches(name) })
	if skip >= 0 {
		r.matched[skip]++
	}
	if err == nil {
		fmt.Fprintf(r.hash, "%s %d\n", name, len(result))
		r.hash.Write(result)
		return
	}
	r.whole = false
	if skip >= 0 {
		r.excused[skip]++
		r.out.Skipped++
		return
	}
	r.out.Failed++
	if !r.unit.Optional {
		r.failed.Add(1)
		if r.options.FirstFailure {
			r.stop()
		}
	}
	if len(r.failures) < maxFailures {
		r.failures = append(r.failures, report.Failure{Suite: r.unit.Suite, Unit: r.unit.Name, Case: name, Message: err.Error()})
	}
}

// Omit leaves the unit out of the report: an optional one that the target does
// not have.
func (r *Recorder) Omit() { r.omitted = true }

// Fail records that the rest of the unit could not be run.
func (r *Recorder) Fail(err error) { r.Case(r.unit.Suite+"/"+r.unit.Name, nil, err) }

// Run runs all units and fills in the report's counts, failures, skips and
// receipt. The report's other fields are the caller's. A pattern that matches no
// case is a *NoMatch.
func Run(ctx context.Context, rep *report.Report, units []Unit, o Options) error {
	if len(units) == 0 {
		return errors.New("there are no cases to run")
	}
	if o.Workers <= 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	start := time.Now()
	rep.Started = start.UTC().Truncate(time.Second)
	rep.Environment = environment(o.Workers)
	if o.Only != nil {
		rep.Only = o.Only.String()
	}
	total := 0
	for _, u := range units {
		total += u.Cases
	}
	var done, failed, next atomic.Int64
	var current atomic.Pointer[Unit]
	recorders := make([]*Recorder, len(units))
	var workers sync.WaitGroup
	for range o.Workers {
		workers.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(units) || ctx.Err() != nil {
					return
				}
				current.Store(&units[i])
				recorders[i] = runUnit(ctx, &units[i], &o, &done, &failed, stop)
			}
		})
	}
	finished := make(chan struct{})
	if o.Progress != nil {
		go func() {
			tick := time.NewTicker(200 * time.Millisecond)
			defer tick.Stop()
			for {
				p := Progress{Done: int(done.Load()), Cases: total, Failed: int(failed.Load())}
				if u := current.Load(); u != nil {
					p.Suite, p.Unit = u.Suite, u.Name
				}
				select {
				case <-finished:
					return
				case <-tick.C:
					o.Progress(p)
				}
			}
		}()
	}
	workers.Wait()
	close(finished)
	collect(rep, units, recorders, &o)
	rep.Seconds = time.Since(start).Seconds()
	if o.FirstFailure && failed.Load() > 0 {
		return nil
	}
	if err := ctx.Err(); err != nil || o.Only == nil || len(rep.Units) > 0 {
		return err
	}
	var names []string
	for _, r := range recorders {
		if r.first != "" {
			names = append(names, r.first)
		}
	}
	return &NoMatch{Only: o.Only.String(), Nearest: nearest(o.Only.String(), names)}
}

func runUnit(ctx context.Context, u *Unit, o *Options, done, failed *atomic.Int64, stop context.CancelFunc) (r *Recorder) {
	r = &Recorder{unit: u, options: o, hash: sha256.New(), whole: true, done: done, failed: failed, stop: stop,
		excused: map[int]int{}, matched: map[int]int{},
		out: report.Unit{Suite: u.Suite, Name: u.Name, Op: u.Op, DType: u.DType, Optional: u.Optional}}
	start := time.Now()
	defer func() {
		if p := recover(); p != nil {
			r.Fail(fmt.Errorf("the suite itself panicked: %v\n%s", p, debug.Stack()))
		}
		r.out.Seconds = time.Since(start).Seconds()
		r.out.Hash = hex.EncodeToString(r.hash.Sum(nil))
	}()
	u.Run(ctx, r)
	return r
}

// Guard calls f, of what is under test, and turns its panic into an error.
func Guard(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panicked: %v\n%s", p, debug.Stack())
		}
	}()
	return f()
}

// collect puts the outcomes into the report, in the order of the units.
func collect(rep *report.Report, units []Unit, recorders []*Recorder, o *Options) {
	excused, matched := make([]int, len(o.Skips)), make([]int, len(o.Skips))
	receipt := sha256.New()
	covered := 0
	for i, r := range recorders {
		if r == nil {
			rep.NoReceipt = "the run was ended early"
			continue
		}
		for k, n := range r.excused {
			excused[k] += n
		}
		for k, n := range r.matched {
			matched[k] += n
		}
		if r.omitted || r.out.Cases == 0 && o.Only != nil {
			continue
		}
		if r.out.Cases == 0 {
			r.Fail(errors.New("the unit has no cases"))
		}
		if units[i].Receipt {
			covered += r.out.Cases
			fmt.Fprintf(receipt, "%s/%s %s\n", r.out.Suite, r.out.Name, r.out.Hash)
			if !r.whole && rep.NoReceipt == "" {
				rep.NoReceipt = fmt.Sprintf("%s/%s did not pass as a whole", r.out.Suite, r.out.Name)
			}
		} else {
			r.out.Hash = ""
		}
		if r.out.Optional {
			r.out.Skipped, r.out.Failed = r.out.Skipped+r.out.Failed, 0
		} else {
			rep.Failures = append(rep.Failures, r.failures...)
		}
		rep.Units = append(rep.Units, r.out)
	}
	for k, s := range o.Skips {
		rep.Skips = append(rep.Skips, report.Skip{Cases: s.Cases, Reason: s.Reason, URL: s.URL, Expires: s.Expires, Used: excused[k]})
		fail := func(format string, args ...any) {
			rep.Failures = append(rep.Failures, report.Failure{Suite: "skips", Case: s.Cases, Message: fmt.Sprintf(format, args...)})
		}
		switch {
		case o.Only != nil:
		case matched[k] == 0:
			if o.Whole {
				fail("the skip matches no case; take it out")
			}
		case excused[k] == 0:
			fail("unexpected pass: all %d cases that the skip matches pass; take it out", matched[k])
		}
	}
	switch {
	case o.Only != nil:
		rep.NoReceipt = "only some cases were chosen"
	case covered == 0:
		rep.NoReceipt = "no case of these suites adds to one"
	case rep.NoReceipt == "":
		whose := "" // all backends have one, an objective and a model one of its own
		if rep.Kind != "backend" {
			whose = fmt.Sprintf("%s=%q ", rep.Kind, rep.Target)
		}
		rep.Receipt = fmt.Sprintf("seedbed receipt 1 %sprofile=%s seed=%d cases=%d sha256:%s", whose, rep.Profile, rep.Seed, covered, hex.EncodeToString(receipt.Sum(nil)))
	}
}

func environment(workers int) report.Environment {
	e := report.Environment{OS: runtime.GOOS, Arch: runtime.GOARCH, CPUs: runtime.NumCPU(), Go: runtime.Version(), Workers: workers, CPU: processor()}
	if info, ok := debug.ReadBuildInfo(); ok {
		var l []string
		for _, s := range info.Settings {
			if s.Key == "GOAMD64" || s.Key == "GOARM64" || s.Key == "-gcflags" || s.Key == "CGO_ENABLED" {
				l = append(l, s.Key+"="+s.Value)
			}
		}
		e.Build = strings.Join(l, " ")
	}
	return e
}
