package main

import (
	"cmp"
	"context"
	"fmt"
	"html"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/seedbed/seedbed/core/profile"
	"github.com/spf13/cobra"
)

// roofline is a model's step beside the least time that the machine's two peaks allow it ("Roofline: An Insightful Visual Performance Model for
// Multicore Architectures", Williams, Waterman and Patterson, 2009). Times are in seconds of a step.
type roofline struct {
	Model     string  `json:"model"`
	CPU       string  `json:"cpu"`
	Threads   int     `json:"threads"`
	PeakFLOPS float64 `json:"peak_flops"`
	PeakBytes float64 `json:"peak_bytes_per_s"`

	Step  float64 `json:"step_s"`
	Bound float64 `json:"bound_s"` // of its ops, one after the other, each by the slower of the two peaks
	FLOPs float64 `json:"flops"`
	Bytes float64 `json:"bytes"`
	// Parts are ops of a kind, then what is no op; their times make up the step's.
	Parts []part `json:"parts"`
}

// part is what some of a step takes, and what it could take at the peaks.
type part struct {
	Name  string  `json:"part"`
	Time  float64 `json:"time_s"`
	Bound float64 `json:"bound_s"`
}

// The parts of a step, in the order in which they are shown.
const (
	inProducts = iota
	inConvolutions
	inAttention
	inOptimizer
	inOtherOps
	besideOps
	parts
)

var partNames = [parts]string{"products", "convolutions", "attention", "optimizer", "other ops", "beside ops"}

// partOf returns the part that an op, or several that run as one, belong to.
func partOf(op string) int {
	for _, x := range []struct {
		in   string
		part int
	}{{"attention", inAttention}, {"conv", inConvolutions}, {"dot_general", inProducts}, {"linear_cross_entropy", inProducts}, {"adamw", inOptimizer}} {
		if strings.Contains(op, x.in) {
			return x.part
		}
	}
	return inOtherOps
}

// newRoofline is that of the median of several runs, whose ops are told apart by types, at the highest of the peaks that were measured beside them:
// another's work on the machine makes a peak lower, never higher.
func newRoofline(model, cpu string, runs []*profile.Report) *roofline {
	runs = slices.SortedFunc(slices.Values(runs), func(a, b *profile.Report) int { return cmp.Compare(a.Step, b.Step) })
	r := runs[len(runs)/2]
	x := &roofline{Model: model, CPU: cpu, Threads: r.Workers, Step: r.Step, FLOPs: r.FLOPs, Bytes: r.Bytes, Parts: make([]part, parts)}
	for _, o := range runs {
		x.PeakFLOPS, x.PeakBytes = max(x.PeakFLOPS, o.PeakFLOPS), max(x.PeakBytes, o.PeakBytes)
	}
	for i, name := range partNames {
		x.Parts[i].Name = name
	}
	for _, op := range r.Ops {
		bound := max(op.FLOPs/x.PeakFLOPS, op.Bytes/x.PeakBytes)
		p := &x.Parts[partOf(op.Name)]
		p.Time += op.Time
		p.Bound += bound
		x.Bound += bound
	}
	x.Parts[besideOps].Time = r.Within + r.Between
	return x
}

// lost is what a step takes beyond the bound.
func (p part) lost() float64 { return p.Time - p.Bound }

func newRooflines() *cobra.Command {
	threads, steps, runs, out, asJSON := runtime.NumCPU(), 3, 3, "", false
	names := slices.Sorted(maps.Keys(models))
	c := &cobra.Command{
		Use:   "roofline [MODEL...]",
		Short: "Print what a step takes beside what the machine's peaks allow, and where the rest goes",
		Long: "Trains each model for some steps in its processes, records every op, and prints the operations and bytes of a step, the least time that the peaks of fused\n" +
			"multiply-adds and of memory allow for its ops one after the other, the time that it took, and in which ops the difference is lost. Models: " + strings.Join(names, ", ") + ";\n" +
			"all of them if none is named. `bench step MODEL --ops` prints a model's whole table.",
		Example: "  go run ./bench roofline vit_b16 gpt2\n  go run ./bench roofline --out docs/performance/roofline.json",
		RunE: func(cmd *cobra.Command, args []string) error {
			chosen, err := choose("model", args, names, names)
			if err != nil {
				return err
			}
			if steps < 1 || runs < 1 {
				return fmt.Errorf("%d runs of %d steps: at least one of each", runs, steps)
			}
			if !asJSON {
				fmt.Println(rooflineHead())
			}
			for _, name := range chosen {
				x, err := measureRoofline(cmd.Context(), name, threads, steps, runs)
				if err != nil {
					return err
				}
				if asJSON {
					err = printJSON(x)
				} else {
					_, err = fmt.Println(x.line())
				}
				if err == nil && out != "" {
					err = mergeRooflines(out, x)
				}
				if err != nil {
					return err
				}
			}
			return nil
		},
	}
	f := c.Flags()
	f.IntVar(&threads, "threads", threads, "workers of the backend")
	f.IntVar(&runs, "runs", runs, "how often each model runs; the run of the median time counts, at the highest peaks of all")
	f.IntVar(&steps, "steps", steps, "steps that each run records; means of them count")
	f.StringVar(&out, "out", "", "file of rooflines, in which these take the place of those of the same models; a plot is drawn beside it")
	f.BoolVar(&asJSON, "json", false, "print one JSON object a model")
	return c
}

func rooflineHead() string {
	s := fmt.Sprintf("%-14s %8s %7s %9s %9s %7s   lost, s:", "model", "GFLOP", "GB", "bound, s", "step, s", "share")
	for _, name := range partNames {
		s += fmt.Sprintf(" %*s", len(name), name)
	}
	return s
}

func (x *roofline) line() string {
	s := fmt.Sprintf("%-14s %8.1f %7.2f %9.3f %9.3f %6.1f%%           ", x.Model, x.FLOPs/1e9, x.Bytes/1e9, x.Bound, x.Step, 100*x.Bound/x.Step)
	for _, p := range x.Parts {
		s += fmt.Sprintf(" %*.3f", len(p.Name), p.lost())
	}
	return s
}

// measureRoofline runs a model's steps in processes of their own.
func measureRoofline(ctx context.Context, name string, threads, steps, runs int) (*roofline, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	var reports []*profile.Report
	for range runs {
		s, _, err := runSide(ctx, self, []string{"step", name, "--ops", "--types", "--threads", strconv.Itoa(threads), "--steps", strconv.Itoa(steps)}, nil)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if s.Ops == nil || !(s.Ops.PeakFLOPS > 0 && s.Ops.PeakBytes > 0) {
			return nil, fmt.Errorf("%s: the backend recorded no ops, or knows no peaks", name)
		}
		reports = append(reports, s.Ops)
	}
	return newRoofline(name, processorName(), reports), nil
}

// mergeRooflines puts x into the file and draws the plot beside it.
func mergeRooflines(path string, x *roofline) error {
	list, err := readList[*roofline](path)
	if err != nil {
		return err
	}
	for _, r := range list {
		if r == nil || r.Model == "" || !(r.Step > 0) || len(r.Parts) != parts {
			return fmt.Errorf("%s: a roofline without model, step or parts", path)
		}
	}
	if list, err = merge(path, list, x, func(a, b *roofline) int { return strings.Compare(a.Model, b.Model) }); err != nil {
		return err
	}
	return os.WriteFile(strings.TrimSuffix(path, filepath.Ext(path))+".svg", []byte(rooflinePlot(list)), 0o666)
}

// rooflinePlot draws each step as a bar of one length: the part that the peaks allow, then what each part of it loses.
func rooflinePlot(list []*roofline) string {
	const left, width, bar, gap, top = 130, 640, 20, 8, 84
	colors := [parts]string{"#d98c5f", "#c7b24a", "#8f6fb5", "#5fa37c", "#b8b8b8", "#6e6e6e"}
	const allowed = "#3572b0"
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="12">`+"\n", left+width+110, top+len(list)*(bar+gap)+14)
	fmt.Fprint(&b, `<rect width="100%" height="100%" fill="white"/><text x="10" y="20" font-size="15">A training step: what the machine's peaks allow, and where the rest of its time goes</text>`+"\n")
	if len(list) > 0 {
		fmt.Fprintf(&b, `<text x="10" y="40" fill="#555">%s, %d threads, fp32</text>`+"\n", html.EscapeString(list[0].CPU), list[0].Threads)
	}
	at := left
	legend := func(color, name string) {
		fmt.Fprintf(&b, `<rect x="%d" y="54" width="12" height="12" fill="%s"/><text x="%d" y="64">%s</text>`, at, color, at+16, name)
		at += 32 + 7*len(name)
	}
	legend(allowed, "at the peaks")
	for i, name := range partNames {
		legend(colors[i], name)
	}
	b.WriteString("\n")
	for i, r := range list {
		y := top + i*(bar+gap)
		fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="end">%s</text>`, left-8, y+bar-5, html.EscapeString(r.Model))
		x := float64(left)
		segment := func(time float64, color string) {
			w := width * max(time, 0) / r.Step
			fmt.Fprintf(&b, `<rect x="%.1f" y="%d" width="%.1f" height="%d" fill="%s"/>`, x, y, w, bar, color)
			x += w
		}
		segment(r.Bound, allowed)
		for k, p := range r.Parts {
			segment(p.lost(), colors[k])
		}
		fmt.Fprintf(&b, `<text x="%d" y="%d" fill="white">%.0f %%</text><text x="%d" y="%d">%.2f s</text>`+"\n", left+6, y+bar-5, 100*r.Bound/r.Step, left+width+8, y+bar-5, r.Step)
	}
	b.WriteString("</svg>\n")
	return b.String()
}
