package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
)

// The JUnit schema as continuous-integration servers read it: a test case for
// each unit, since fifty thousand of them would help nobody.
type junitSuites struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Name     string       `xml:"name,attr"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Time     string       `xml:"time,attr"`
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Skipped  int         `xml:"skipped,attr"`
	Time     string      `xml:"time,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Name    string        `xml:"name,attr"`
	Class   string        `xml:"classname,attr"`
	Time    string        `xml:"time,attr"`
	Failure *junitMessage `xml:"failure"`
	Skipped *junitMessage `xml:"skipped"`
}

type junitMessage struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// WriteJUnit writes the report as JUnit XML.
func (r *Report) WriteJUnit(w io.Writer) error {
	out := junitSuites{Name: "seedbed conformance " + r.Kind + " " + r.Target, Time: seconds(r.Seconds)}
	failures := map[string][]Failure{}
	for _, f := range r.Failures {
		failures[f.Suite+"/"+f.Unit] = append(failures[f.Suite+"/"+f.Unit], f)
	}
	message := func(fs []Failure, first string) *junitMessage {
		var text strings.Builder
		for _, f := range fs {
			fmt.Fprintf(&text, "%s: %s\n", f.Case, f.Message)
		}
		return &junitMessage{Message: first, Text: printable(text.String())}
	}
	add := func(suite string, c junitCase) {
		if n := len(out.Suites); n == 0 || out.Suites[n-1].Name != suite {
			out.Suites = append(out.Suites, junitSuite{Name: suite})
		}
		s := &out.Suites[len(out.Suites)-1]
		s.Cases = append(s.Cases, c)
		s.Tests++
		out.Tests++
		if c.Failure != nil {
			s.Failures++
			out.Failures++
		} else if c.Skipped != nil {
			s.Skipped++
		}
	}
	for _, u := range r.Units {
		key := u.Suite + "/" + u.Name
		c := junitCase{Name: u.Name, Class: "seedbed." + r.Kind + "." + u.Suite, Time: seconds(u.Seconds)}
		if fs := failures[key]; u.Failed > 0 || len(fs) > 0 {
			c.Failure = message(fs, fmt.Sprintf("%d of %d cases failed", u.Failed, u.Cases))
		} else if u.Skipped > 0 {
			c.Skipped = &junitMessage{Message: fmt.Sprintf("%d of %d cases skipped", u.Skipped, u.Cases)}
		}
		delete(failures, key)
		add(u.Suite, c)
	}
	for _, f := range r.Failures { // those of no unit, such as of skips
		if _, left := failures[f.Suite+"/"+f.Unit]; left {
			add(f.Suite, junitCase{Name: f.Case, Class: "seedbed." + r.Kind + "." + f.Suite, Time: seconds(0), Failure: message([]Failure{f}, printable(f.Message))})
		}
	}
	for i := range out.Suites {
		total := 0.0
		for _, u := range r.Units {
			if u.Suite == out.Suites[i].Name {
				total += u.Seconds
			}
		}
		out.Suites[i].Time = seconds(total)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(out); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func seconds(s float64) string { return fmt.Sprintf("%.3f", s) }

// printable replaces what XML 1.0 cannot hold.
func printable(s string) string {
	return strings.Map(func(c rune) rune {
		if c < ' ' && c != '\n' && c != '\t' || c == 0xFFFE || c == 0xFFFF {
			return '?'
		}
		return c
	}, strings.ToValidUTF8(s, "?"))
}
