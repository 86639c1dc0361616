package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"
	"time"
)

//go:embed page.html
var pageText string

var pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{
	"seconds": func(s float64) string {
		switch {
		case s >= 90:
			return fmt.Sprintf("%d min %02d s", int(s)/60, int(s)%60)
		case s >= 1:
			return fmt.Sprintf("%.1f s", s)
		}
		return fmt.Sprintf("%.0f ms", s*1000)
	},
	"count": func(n int) string {
		s := fmt.Sprint(n)
		for i := len(s) - 3; i > 0; i -= 3 {
			s = s[:i] + "\u2009" + s[i:]
		}
		return s
	},
	"line": func(s string) string { first, _, _ := strings.Cut(s, "\n"); return first },
	"day":  func(t time.Time) string { return t.Format("2006-01-02 15:04 UTC") },
}).Parse(pageText))

// square is a place of the pass matrix.
type square struct {
	Unit
	State string // pass, fail, skip, some (skips among passes) or none
}

type row struct {
	Op      string
	Squares []square
	Seconds float64
	Cases   int
}

type page struct {
	*Report
	Total  Counts
	Suites []suiteRow
	DTypes []string
	Rows   []row
	OK     bool
	Width  widths
	// Others are the units outside the matrix, by suite.
	Others []Unit
}

type suiteRow struct {
	Suite
	State string
}

// widths are the shares of the bar at the top, in percent.
type widths struct{ Passed, Failed, Skipped float64 }

func state(cases, failed, skipped int) string {
	switch {
	case failed > 0:
		return "fail"
	case cases == 0:
		return "none"
	case skipped == cases:
		return "skip"
	case skipped > 0:
		return "some"
	}
	return "pass"
}

// WriteHTML writes the report as one page that needs nothing else.
func (r *Report) WriteHTML(w io.Writer) error {
	p := page{Report: r, Total: r.Total(), OK: r.Passed()}
	for _, s := range r.Suites() {
		p.Suites = append(p.Suites, suiteRow{s, state(s.Cases, s.Failed, s.Skipped)})
	}
	all := max(p.Total.Cases, 1)
	share := func(n int) float64 { return 100 * float64(n) / float64(all) }
	p.Width = widths{share(p.Total.Passed), share(p.Total.Failed), share(p.Total.Skipped)}
	at := map[string]int{}
	byOp := map[string]map[string]Unit{}
	for _, u := range r.Units {
		if u.Op == "" || u.DType == "" {
			p.Others = append(p.Others, u)
			continue
		}
		if !slices.Contains(p.DTypes, u.DType) {
			p.DTypes = append(p.DTypes, u.DType)
		}
		if byOp[u.Op] == nil {
			byOp[u.Op] = map[string]Unit{}
			at[u.Op] = len(p.Rows)
			p.Rows = append(p.Rows, row{Op: u.Op})
		}
		sum := byOp[u.Op][u.DType] // several suites may fill one square
		sum.Op, sum.DType = u.Op, u.DType
		sum.Cases, sum.Failed, sum.Skipped, sum.Seconds = sum.Cases+u.Cases, sum.Failed+u.Failed, sum.Skipped+u.Skipped, sum.Seconds+u.Seconds
		byOp[u.Op][u.DType] = sum
	}
	order := strings.Fields("f32 bf16 f16 f64 i32 i64 u8 u32 u64 bool")
	slices.SortFunc(p.DTypes, func(a, b string) int { return slices.Index(order, a) - slices.Index(order, b) })
	slices.SortFunc(p.Rows, func(a, b row) int { return strings.Compare(a.Op, b.Op) })
	for i := range p.Rows {
		x := &p.Rows[i]
		for _, d := range p.DTypes {
			u := byOp[x.Op][d]
			x.Squares = append(x.Squares, square{u, state(u.Cases, u.Failed, u.Skipped)})
			x.Seconds += u.Seconds
			x.Cases += u.Cases
		}
	}
	return pageTemplate.Execute(w, p)
}
