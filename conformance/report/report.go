package report

import (
	"encoding/json"
	"io"
	"time"
)

// Report is one run of the suite against one target.
type Report struct {
	Kind        string      `json:"kind"`   // backend, objective or model
	Target      string      `json:"target"` // name and version of the plugin
	Profile     string      `json:"profile"`
	Seed        uint64      `json:"seed"`
	Only        string      `json:"only,omitempty"` // the pattern that chose cases
	Started     time.Time   `json:"started"`
	Seconds     float64     `json:"seconds"`
	Environment Environment `json:"environment"`
	Units       []Unit      `json:"units"`
	Failures    []Failure   `json:"failures"`
	Skips       []Skip      `json:"skips"`
	// Receipt is one hash over every result of the units that the receipt
	// covers; empty where some of them were not run, skipped or failed.
	Receipt string `json:"receipt,omitempty"`
	// NoReceipt says why there is none.
	NoReceipt string `json:"no_receipt,omitempty"`
}

// Environment is where the suite ran.
type Environment struct {
	OS      string `json:"os"`
	Arch    string `json:"arch"`
	CPU     string `json:"cpu,omitempty"`
	CPUs    int    `json:"cpus"`
	Go      string `json:"go"`
	Build   string `json:"build,omitempty"` // settings such as GOAMD64=v3
	Workers int    `json:"workers"`
}

// Unit counts the cases of one group, such as those of an op with a dtype.
type Unit struct {
	Suite    string  `json:"suite"`
	Name     string  `json:"name"`
	Op       string  `json:"op,omitempty"`
	DType    string  `json:"dtype,omitempty"`
	Optional bool    `json:"optional,omitempty"`
	Cases    int     `json:"cases"`
	Failed   int     `json:"failed"`
	Skipped  int     `json:"skipped"`
	Seconds  float64 `json:"seconds"`
	// Hash is over every result of the unit, in the receipt's order.
	Hash string `json:"hash,omitempty"`
}

// Failure is a case that did not pass.
type Failure struct {
	Suite   string `json:"suite"`
	Unit    string `json:"unit"`
	Case    string `json:"case"`
	Message string `json:"message"`
}

// Skip is a rule that excused cases from passing, and how many it did.
type Skip struct {
	Cases   string `json:"cases"`
	Reason  string `json:"reason"`
	URL     string `json:"url"`
	Expires string `json:"expires"`
	Used    int    `json:"used"`
}

// Counts are sums over units.
type Counts struct{ Cases, Passed, Failed, Skipped int }

func (c *Counts) add(u Unit) {
	c.Cases += u.Cases
	c.Failed += u.Failed
	c.Skipped += u.Skipped
	c.Passed += u.Cases - u.Failed - u.Skipped
}

// Total counts every case.
func (r *Report) Total() (c Counts) {
	for _, u := range r.Units {
		c.add(u)
	}
	return c
}

// Passed reports whether everything required passed: nothing failed, and
// something was run.
func (r *Report) Passed() bool {
	t := r.Total()
	return t.Failed == 0 && len(r.Failures) == 0 && t.Passed > 0
}

// Suite is the sum over a suite's units.
type Suite struct {
	Name string
	Counts
	Units   int
	Seconds float64
}

// Suites sums up by suite, in the order in which they first come.
func (r *Report) Suites() []Suite {
	var l []Suite
	at := map[string]int{}
	for _, u := range r.Units {
		i, ok := at[u.Suite]
		if !ok {
			i = len(l)
			at[u.Suite] = i
			l = append(l, Suite{Name: u.Suite})
		}
		l[i].add(u)
		l[i].Units++
		l[i].Seconds += u.Seconds
	}
	return l
}

// WriteJSON writes the whole report.
func (r *Report) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}
