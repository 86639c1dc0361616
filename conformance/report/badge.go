package report

import (
	"fmt"
	"html"
	"io"
)

// Summary is the report in a few words, skips included.
func (r *Report) Summary() string {
	t := r.Total()
	s := fmt.Sprintf("%s %d passed", r.Profile, t.Passed)
	if n := t.Failed; n > 0 {
		s = fmt.Sprintf("%s %d failed", r.Profile, n)
	} else if !r.Passed() {
		s = r.Profile + " failed"
	}
	if t.Skipped > 0 {
		s += fmt.Sprintf(", %d skipped", t.Skipped)
	}
	return s
}

// WriteBadge writes an SVG that says how the run went, for a README. Skipped
// cases are on it.
func (r *Report) WriteBadge(w io.Writer) error {
	const label = "seedbed conformance"
	text, color := r.Summary(), "#2da44e"
	switch {
	case !r.Passed():
		color = "#cf222e"
	case r.Total().Skipped > 0:
		color = "#9a6700"
	}
	// Verdana at 11 px is about 6.6 px a character.
	width := func(s string) int { return len(s)*66/10 + 12 }
	l, t := width(label), width(text)
	_, err := fmt.Fprintf(w, `<svg xmlns="http://www.w3.org/2000/svg" width="%[1]d" height="20" role="img" aria-label="%[2]s: %[3]s">
<title>%[2]s: %[3]s</title>
<clipPath id="r"><rect width="%[1]d" height="20" rx="3"/></clipPath>
<g clip-path="url(#r)"><rect width="%[4]d" height="20" fill="#444c56"/><rect x="%[4]d" width="%[5]d" height="20" fill="%[6]s"/></g>
<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11" text-anchor="middle"><text x="%[7]d" y="14">%[2]s</text><text x="%[8]d" y="14">%[3]s</text></g>
</svg>
`, l+t, html.EscapeString(label), html.EscapeString(text), l, t, color, l/2, l+t/2)
	return err
}
