package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// number writes a figure for people.
func (f *figure) number(v float64) string {
	switch {
	case f.Percent:
		return fmt.Sprintf("%.2f %%", 100*v)
	case math.Abs(v) < 0.1:
		return fmt.Sprintf("%.5f", v)
	}
	return fmt.Sprintf("%.3f", v)
}

// beside lists the baselines.
func (f *figure) beside() string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(f.Baselines)) {
		parts = append(parts, name+" "+f.number(f.Baselines[name]))
	}
	return strings.Join(parts, ", ")
}

func (f *figure) String() string {
	return fmt.Sprintf("%s %s; %s", f.Name, f.number(f.Value), f.beside())
}

// goal says what was asked for.
func (f *figure) goal() string {
	switch {
	case f.Goal == 0:
		return "better than that"
	case f.Higher:
		return "at least " + f.number(f.Goal)
	}
	return "at most " + f.number(f.Goal)
}

// writeTable writes README.md from the rows that are in a folder.
func writeTable(dir string) error {
	var rows []row
	var missing []string
	for _, s := range systems {
		text, err := os.ReadFile(filepath.Join(dir, s.name+".json"))
		if os.IsNotExist(err) {
			missing = append(missing, s.name)
			continue
		}
		var r row
		if err == nil {
			err = json.Unmarshal(text, &r)
		}
		if err != nil {
			return err
		}
		rows = append(rows, r)
	}
	var b strings.Builder
	b.WriteString(`# What the systems learn

` + "`go run ./bench learning`" + ` makes this file and everything beside it but default-run.svg: it trains each system by its recipe in
[bench/learning](../../bench/learning), through the command line, in a model's, an objective's and a backend's process, on the data sets named
(` + "`--data`" + `) and with seed 0, and measures it on what it has not seen. Results are the same to the bit on every machine; times are not: they are the
processor time of all processes together, on the machine named.

| system | learns from | measured | learned | without | goal | reached |
|---|---|---|---|---|---|---|
`)
	for _, r := range rows {
		name, learns := r.Name, r.Learns
		for _, f := range r.Figures {
			reached := "yes"
			if !f.reached() {
				reached = "**no**"
			}
			fmt.Fprintf(&b, "| %s | %s | %s | **%s** | %s | %s | %s |\n", name, learns, f.Name, f.number(f.Value), f.beside(), f.goal(), reached)
			name, learns = "", ""
		}
	}
	if len(missing) > 0 {
		fmt.Fprintf(&b, "\nNot measured: %s.\n", strings.Join(missing, ", "))
	}
	b.WriteString("\n| system | steps | processor minutes | weights_sha256 | host | machine |\n|---|---|---|---|---|---|\n")
	for _, r := range rows {
		minutes, version := "not recorded", "not recorded"
		if r.Seconds > 0 {
			minutes = fmt.Sprintf("%.1f", r.Seconds/60)
		}
		if r.Version != "" {
			version = r.Version
		}
		fmt.Fprintf(&b, "| %s | %d | %s | `%.12s` | %s | %s |\n", r.Name, r.Steps, minutes, r.Weights, version, r.Processor)
	}
	for _, r := range rows {
		fmt.Fprintf(&b, "\n## %s\n", r.Name)
		for _, p := range r.Pictures {
			file, text, _ := strings.Cut(p, " ")
			fmt.Fprintf(&b, "\n![%s](%s)\n", text, file)
			if strings.HasSuffix(file, ".png") {
				fmt.Fprintf(&b, "\n%s.\n", strings.ToUpper(text[:1])+text[1:])
			}
		}
		if len(r.Notes) > 0 {
			b.WriteString("\n")
		}
		for _, n := range r.Notes {
			fmt.Fprintf(&b, "- %s\n", n)
		}
	}
	return os.WriteFile(filepath.Join(dir, "README.md"), []byte(b.String()), 0o666)
}

// point is a validation.
type point struct{ step, value float64 }

// curve draws a figure of a run over its steps.
func (x *lesson) curve(r *run, key, title string) error {
	if x.results == "" {
		return nil
	}
	f, err := os.Open(filepath.Join(r.dir, "metrics.jsonl"))
	if err != nil {
		return err
	}
	defer f.Close()
	var points []point
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var e struct {
			Event   string
			Step    float64
			ValLoss float64 `json:"val_loss"`
			Metrics map[string]float64
		}
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return fmt.Errorf("%s: %w", f.Name(), err)
		}
		if e.Event == "validation" {
			v := e.ValLoss
			if key != "val_loss" {
				v = e.Metrics[key]
			}
			points = append(points, point{e.Step, v})
		}
	}
	if len(points) < 2 {
		return fmt.Errorf("%s has %d validations, too few for a curve", f.Name(), len(points))
	}
	var lines map[string]float64
	for _, m := range x.row.Figures {
		if v, err := r.figure(key); err == nil && v == m.Value {
			lines = m.Baselines
		}
	}
	name := x.row.Name + ".svg"
	x.row.Pictures = append(x.row.Pictures, name+" "+title+" over the steps, on the validation split")
	return os.WriteFile(filepath.Join(x.results, name), []byte(plot(title, points, lines)), 0o666)
}

// plot is a line of points, and level lines with names.
func plot(title string, points []point, levels map[string]float64) string {
	const left, top, width, height = 60.0, 30.0, 440.0, 200.0
	low, high, last := math.Inf(1), math.Inf(-1), 0.0
	for _, p := range points {
		low, high, last = min(low, p.value), max(high, p.value), max(last, p.step)
	}
	for _, v := range levels {
		low, high = min(low, v), max(high, v)
	}
	if high == low {
		high++
	}
	at := func(step, v float64) string {
		return fmt.Sprintf("%.1f,%.1f", left+width*step/last, top+height*(high-v)/(high-low))
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 720 270" width="720" font-family="sans-serif" font-size="12">`+"\n"+`<rect width="720" height="270" fill="#fff"/>`+"\n")
	fmt.Fprintf(&b, `<text x="%.0f" y="18" font-size="14">%s</text>`+"\n", left, title)
	for i := range 5 {
		v := low + (high-low)*float64(i)/4
		y := top + height*(high-v)/(high-low)
		fmt.Fprintf(&b, `<path d="M%.0f %.1fH%.0f" stroke="#e4e4e4"/><text x="%.0f" y="%.1f" text-anchor="end">%.4g</text>`+"\n", left, y, left+width, left-8, y+4, v)
		step := last * float64(i) / 4
		fmt.Fprintf(&b, `<text x="%.1f" y="248" text-anchor="middle">%.0f</text>`+"\n", left+width*float64(i)/4, step)
	}
	fmt.Fprintf(&b, `<text x="%.0f" y="265" text-anchor="middle">step</text>`+"\n", left+width/2)
	for _, name := range slices.Sorted(maps.Keys(levels)) {
		y := top + height*(high-levels[name])/(high-low)
		fmt.Fprintf(&b, `<path d="M%.0f %.1fH%.0f" stroke="#c60" stroke-dasharray="6 4"/><text x="%.0f" y="%.1f" fill="#c60">%s</text>`+"\n", left, y, left+width, left+width+6, y+4, name)
	}
	var path []string
	for _, p := range points {
		path = append(path, at(p.step, p.value))
	}
	fmt.Fprintf(&b, `<polyline fill="none" stroke="#1667b7" stroke-width="2" points="%s"/>`+"\n</svg>\n", strings.Join(path, " "))
	return b.String()
}
