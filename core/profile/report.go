package profile

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/seedbed/seedbed/abi/plugin"
)

// Report is where the time of a step goes. Times are in seconds of a step, means
// over the steps recorded; FLOPs are those of matrix products and convolutions.
type Report struct {
	Device  string `json:"device"`
	Workers int    `json:"workers"`
	// What the machine can do, measured beside the steps, all workers together.
	PeakFLOPS float64 `json:"peak_flops_per_s"`
	PeakBytes float64 `json:"peak_bytes_per_s"`
	Steps     int     `json:"steps"`

	Step float64 `json:"step_s"` // from the begin of the first run to the end of the last, by step
	Ops  []Op    `json:"ops"`    // longest first
	// Within is what runs take beside their ops, Between the time without a run,
	// in which the backend has no work.
	Within  float64 `json:"within_runs_s"`
	Between float64 `json:"between_runs_s"`
	// Bound is the least that the ops could take, one after the other, at the
	// machine's peaks.
	Bound float64 `json:"bound_s"`
	FLOPs float64 `json:"flops"`
	Bytes float64 `json:"bytes"`
}

// Op is an op, or several that run as one, wherever it is in a step.
type Op struct {
	Name  string  `json:"op"`
	Types string  `json:"types,omitempty"` // of operands and results, where ops are told apart by them
	Count float64 `json:"count"`           // in a step
	Time  float64 `json:"time_s"`
	FLOPs float64 `json:"flops"`
	Bytes float64 `json:"bytes"` // of operands and results, each once
	// Bound is the least time that FLOPs and Bytes take at the machine's peaks,
	// whichever is more; 0 where no peak is known.
	Bound float64 `json:"bound_s"`
}

// New makes the report of a number of steps. byTypes tells ops of different
// types apart. Of the device it takes its name, workers and peak.
func New(s plugin.Stats, p plugin.Profile, steps int, byTypes bool) (*Report, error) {
	if steps < 1 || len(p.Runs) == 0 {
		return nil, errors.New("profile: nothing was recorded")
	}
	n := float64(steps)
	r := &Report{Device: s.Device, Workers: s.Workers, PeakFLOPS: s.PeakFLOPS, PeakBytes: p.PeakBytes, Steps: steps}
	first, last := p.Runs[0], p.Runs[len(p.Runs)-1]
	r.Step = last.Begin.Add(last.Took).Sub(first.Begin).Seconds() / n
	type key struct{ name, types string }
	at := map[key]int{}
	inRuns, inOps := 0.0, 0.0
	for _, run := range p.Runs {
		inRuns += run.Took.Seconds() / n
		for _, o := range run.Ops {
			k := key{name: o.Name}
			if byTypes {
				k.types = o.Types
			}
			i, ok := at[k]
			if !ok {
				i = len(r.Ops)
				at[k] = i
				r.Ops = append(r.Ops, Op{Name: k.name, Types: k.types})
			}
			x := &r.Ops[i]
			x.Count += 1 / n
			x.Time += o.Took.Seconds() / n
			x.FLOPs += float64(o.FLOPs) / n
			x.Bytes += float64(o.Bytes) / n
			x.Bound += max(ratio(float64(o.FLOPs), r.PeakFLOPS), ratio(float64(o.Bytes), r.PeakBytes)) / n
			inOps += o.Took.Seconds() / n
		}
	}
	r.Within, r.Between = max(inRuns-inOps, 0), max(r.Step-inRuns, 0)
	for _, x := range r.Ops {
		r.Bound += x.Bound
		r.FLOPs += x.FLOPs
		r.Bytes += x.Bytes
	}
	slices.SortStableFunc(r.Ops, func(a, b Op) int {
		return cmp.Or(cmp.Compare(b.Time, a.Time), strings.Compare(a.Name, b.Name), strings.Compare(a.Types, b.Types))
	})
	return r, nil
}

// ratio is a / b, 0 where b is not known.
func ratio(a, b float64) float64 {
	if b <= 0 {
		return 0
	}
	return a / b
}

// Write prints the table. Of ops that together take less than a hundredth of a
// step it prints the sum alone.
func (r *Report) Write(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%d steps of %s on %s, %d workers; peaks measured beside them: %.1f GFLOP/s, %.1f GB/s\n\n",
		r.Steps, milliseconds(r.Step), r.Device, r.Workers, r.PeakFLOPS/1e9, r.PeakBytes/1e9)
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "ms a step\t% of step\tat peak, ms\tGFLOP\t% of peak\tGB\t% of peak\tin a step\t\top")
	line := func(x Op, what string) {
		fmt.Fprintf(t, "%.2f\t%.1f\t%.2f\t%.2f\t%.0f\t%.3f\t%.0f\t%.4g\t\t%s\n", 1e3*x.Time, 100*ratio(x.Time, r.Step), 1e3*x.Bound,
			x.FLOPs/1e9, 100*ratio(ratio(x.FLOPs, x.Time), r.PeakFLOPS), x.Bytes/1e9, 100*ratio(ratio(x.Bytes, x.Time), r.PeakBytes), x.Count, what)
	}
	var sum, small Op
	rest := r.Step - r.Within - r.Between
	for _, x := range r.Ops {
		add(&sum, x)
		if rest -= x.Time; rest+x.Time < 0.01*r.Step {
			add(&small, x)
			continue
		}
		line(x, strings.TrimSpace(x.Name+" "+x.Types))
	}
	if small.Count > 0 {
		line(small, "all other ops")
	}
	fmt.Fprintf(t, "%.2f\t%.1f\t\t\t\t\t\t\t\t%s\n", 1e3*r.Within, 100*ratio(r.Within, r.Step), "within runs, beside ops")
	fmt.Fprintf(t, "%.2f\t%.1f\t\t\t\t\t\t\t\t%s\n", 1e3*r.Between, 100*ratio(r.Between, r.Step), "between runs: the backend has no work")
	sum.Time = r.Step
	line(sum, "a step")
	if err := t.Flush(); err != nil {
		return err
	}
	lost := r.Step - r.Bound
	fmt.Fprintf(&b, "\nAt the peaks a step takes %s: %.0f %% of what it took. Of the other %s:\n", milliseconds(r.Bound), 100*ratio(r.Bound, r.Step), milliseconds(lost))
	type loss struct {
		what string
		time float64
	}
	losses := []loss{{"runs beside their ops", r.Within}, {"waiting between runs", r.Between}}
	for _, x := range r.Ops {
		losses = append(losses, loss{strings.TrimSpace(x.Name + " " + x.Types), x.Time - x.Bound})
	}
	slices.SortStableFunc(losses, func(a, b loss) int { return cmp.Compare(b.time, a.time) })
	for _, l := range losses[:min(8, len(losses))] {
		if l.time > 0.002*r.Step {
			fmt.Fprintf(&b, "  %s (%.0f %%) in %s\n", milliseconds(l.time), 100*ratio(l.time, lost), l.what)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func add(sum *Op, x Op) {
	sum.Count += x.Count
	sum.Time += x.Time
	sum.FLOPs += x.FLOPs
	sum.Bytes += x.Bytes
	sum.Bound += x.Bound
}

func milliseconds(s float64) string {
	return fmt.Sprintf("%.4g ms", float64(time.Duration(s*1e9).Nanoseconds())/1e6)
}
