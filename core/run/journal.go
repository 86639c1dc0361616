package run

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/seedbed/seedbed/core/tensorboard"
)

// Files of a run's folder that tell how it went: a line of JSON for every step
// and validation, and the same for TensorBoard.
const (
	metricsFile = "metrics.jsonl"
	eventsFile  = "events.out.tfevents.0.seedbed"
)

// entry is a line of metricsFile.
type entry struct {
	Event    string             `json:"event"` // step or validation
	Step     uint64             `json:"step"`  // steps taken
	Time     float64            `json:"time"`  // seconds since 1970
	Loss     *float64           `json:"loss"`  // null if it is no finite number
	LR       *float64           `json:"lr,omitempty"`
	GradNorm *float64           `json:"grad_norm,omitempty"`
	RowsPerS *float64           `json:"rows_per_s,omitempty"`
	Metrics  map[string]float64 `json:"metrics,omitempty"`
}

// journal writes how a run goes. Each line is written at once and whole, so that
// a run that is killed leaves at most the last torn.
type journal struct {
	metrics, events *os.File
	last            map[string]uint64 // step of the last entry, by event
}

// openJournal goes on with the journal of a run whose first steps are kept:
// what was written of later ones, which are taken again, is removed. The file of
// events is made anew from the lines.
func openJournal(out string, steps uint64) (_ *journal, err error) {
	j := &journal{last: map[string]uint64{}}
	defer func() {
		if err != nil {
			j.close()
		}
	}()
	if j.metrics, err = os.OpenFile(filepath.Join(out, metricsFile), os.O_RDWR|os.O_CREATE, 0o666); err != nil {
		return nil, err
	}
	if j.events, err = os.Create(filepath.Join(out, eventsFile)); err != nil {
		return nil, err
	}
	events := bufio.NewWriter(j.events)
	if _, err := events.Write(tensorboard.Header(now())); err != nil {
		return nil, err
	}
	kept := int64(0)
	for lines := bufio.NewReader(j.metrics); ; {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			break // what is left has no end
		}
		if err != nil {
			return nil, err
		}
		var e entry
		if json.Unmarshal(line, &e) != nil || e.Step > steps {
			break
		}
		kept += int64(len(line))
		j.last[e.Event] = e.Step
		if _, err := events.Write(e.record()); err != nil {
			return nil, err
		}
	}
	if err := j.metrics.Truncate(kept); err != nil {
		return nil, err
	}
	if _, err := j.metrics.Seek(kept, io.SeekStart); err != nil {
		return nil, err
	}
	return j, events.Flush()
}

func now() float64 { return float64(time.Now().UnixMilli()) / 1000 }

func (j *journal) close() {
	for _, f := range []*os.File{j.metrics, j.events} {
		if f != nil {
			_ = f.Close() // every line is written already
		}
	}
}

// add writes what a run tells, unless it was told of that step before.
func (j *journal) add(e Event) error {
	x := entry{Time: now()}
	var metrics []Metric
	switch e := e.(type) {
	case *Step:
		x.Event, x.Step, x.Loss, x.LR, x.GradNorm, metrics = "step", e.Step, finite(e.Loss), &e.LR, finite(e.GradNorm), e.Metrics
		if e.RowsPerSecond > 0 {
			x.RowsPerS = &e.RowsPerSecond
		}
	case *Validation:
		x.Event, x.Step, x.Loss, metrics = "validation", e.Step, finite(e.Loss), e.Metrics
	default:
		return nil
	}
	if last, ok := j.last[x.Event]; ok && x.Step <= last {
		return nil
	}
	j.last[x.Event] = x.Step
	for _, m := range metrics {
		if x.Metrics == nil {
			x.Metrics = map[string]float64{}
		}
		if finite(m.Value) != nil {
			x.Metrics[m.Name] = m.Value
		}
	}
	line, err := json.Marshal(x)
	if err != nil {
		return err
	}
	if _, err := j.metrics.Write(append(line, '\n')); err != nil {
		return err
	}
	_, err = j.events.Write(x.record())
	return err
}

// finite returns a number that JSON has, or nil.
func finite(v float64) *float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return &v
}

// record is the entry for TensorBoard.
func (e *entry) record() []byte {
	prefix := "train/"
	if e.Event == "validation" {
		prefix = "validation/"
	}
	var scalars []tensorboard.Scalar
	for _, x := range []struct {
		name  string
		value *float64
	}{{"loss", e.Loss}, {"lr", e.LR}, {"grad_norm", e.GradNorm}, {"rows_per_s", e.RowsPerS}} {
		if x.value != nil {
			scalars = append(scalars, tensorboard.Scalar{Tag: prefix + x.name, Value: *x.value})
		}
	}
	var names []string
	for name := range e.Metrics {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		scalars = append(scalars, tensorboard.Scalar{Tag: prefix + name, Value: e.Metrics[name]})
	}
	return tensorboard.Scalars(e.Time, e.Step, scalars)
}
