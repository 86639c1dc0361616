package profile

import (
	"cmp"
	"encoding/json"
	"io"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/seedbed/seedbed/abi/plugin"
)

// Trace is what several processes did, as the spans of a trace in the
// trace-event format ("Trace Event Format", Google, 2016). It may be used by any
// number of goroutines.
type Trace struct {
	mu     sync.Mutex
	events []event
	lanes  map[lane]*rows
	names  map[int]string
}

type event struct {
	Name  string         `json:"name"`
	Phase string         `json:"ph"`
	Time  float64        `json:"ts"`            // microseconds since 1970
	Took  float64        `json:"dur,omitempty"` // microseconds
	PID   int            `json:"pid"`
	TID   int            `json:"tid"`
	Args  map[string]any `json:"args,omitempty"`
}

// lane is a kind of spans of a process.
type lane struct {
	pid  int
	kind string
}

// rows are those of a lane: in each, spans do not overlap.
type rows struct {
	first int // its TID; the others follow
	ends  []time.Time
}

const rowsOfLane = 100

// Host is the process that traces.
func Host() int { return os.Getpid() }

// Process names a process.
func (t *Trace) Process(pid int, name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.names == nil {
		t.names = map[int]string{}
	}
	t.names[pid] = name
}

// Span adds what a process did from begin on, in a row of that kind; spans of
// a kind that overlap get rows of their own.
func (t *Trace) Span(pid int, kind, name string, begin time.Time, took time.Duration, args map[string]any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	l := t.lane(lane{pid, kind})
	row := slices.IndexFunc(l.ends, func(end time.Time) bool { return !end.After(begin) })
	if row < 0 {
		row = min(len(l.ends), rowsOfLane-1)
		l.ends = append(l.ends, time.Time{})
	}
	l.ends[row] = begin.Add(took)
	t.events = append(t.events, event{Name: name, Phase: "X", Time: micros(begin), Took: float64(took.Nanoseconds()) / 1e3, PID: pid, TID: l.first + row, Args: args})
}

func (t *Trace) lane(l lane) *rows {
	if t.lanes == nil {
		t.lanes = map[lane]*rows{}
	}
	if t.lanes[l] == nil {
		x := &rows{first: rowsOfLane}
		for o := range t.lanes {
			if o.pid == l.pid {
				x.first += rowsOfLane
			}
		}
		t.lanes[l] = x
		t.events = append(t.events, event{Name: "thread_name", Phase: "M", PID: l.pid, TID: x.first, Args: map[string]any{"name": l.kind}})
	}
	return t.lanes[l]
}

// Backend adds the runs of a backend's process and the ops within them.
func (t *Trace) Backend(pid int, p plugin.Profile) {
	for _, r := range p.Runs {
		t.Span(pid, "runs", r.Function, r.Begin, r.Took, nil)
		for _, o := range r.Ops {
			t.Span(pid, "ops", o.Name, r.Begin.Add(o.Begin), o.Took, map[string]any{"types": o.Types, "flops": o.FLOPs, "bytes": o.Bytes})
		}
	}
}

func micros(t time.Time) float64 { return float64(t.UnixNano()) / 1e3 }

// Write writes the trace as JSON.
func (t *Trace) Write(w io.Writer) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := slices.Clone(t.events)
	for pid, name := range t.names {
		all = append(all, event{Name: "process_name", Phase: "M", PID: pid, Args: map[string]any{"name": name}})
	}
	slices.SortStableFunc(all, func(a, b event) int { return cmp.Or(cmp.Compare(a.Time, b.Time), cmp.Compare(a.PID, b.PID)) })
	return json.NewEncoder(w).Encode(map[string]any{"traceEvents": all, "displayTimeUnit": "ms"})
}
