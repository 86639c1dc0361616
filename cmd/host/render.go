package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/seedbed/seedbed/core/run"
)

// renderer shows a run.
type renderer interface {
	event(run.Event)
	result(r *run.Result, out string) error
	failed() // an error is told next
}

// textRenderer shows a run to people: progress on err, with one live line if that is a
// terminal, and the result on out.
type textRenderer struct {
	err, out io.Writer
	live     bool
	every    int
	width    int // of the live line on the screen
	stage    string
	staged   time.Time
	unit     string // what a step is counted in: tokens or samples
	rows     string // what rows are: sequences or samples
}

func newText(err, out io.Writer, every int) *textRenderer {
	return &textRenderer{err: err, out: out, live: isTerminal(err), every: every}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb"
}

// line writes a line that stays. What cannot be shown is not worth a run.
func (t *textRenderer) line(format string, args ...any) {
	t.clear()
	_, _ = fmt.Fprintf(t.err, format+"\n", args...)
}

// now replaces the live line.
func (t *textRenderer) now(format string, args ...any) {
	s := fmt.Sprintf(format, args...)
	n := utf8.RuneCountInString(s)
	_, _ = fmt.Fprintf(t.err, "\r%s%s", s, strings.Repeat(" ", max(t.width-n, 0)))
	t.width = n
}

func (t *textRenderer) clear() {
	if t.width > 0 {
		_, _ = fmt.Fprintf(t.err, "\r%s\r", strings.Repeat(" ", t.width))
		t.width = 0
	}
}

func (t *textRenderer) failed() { t.clear() }

// stages says what Prepare does in each.
var stages = map[string]string{
	"list": "looking for files", "scan": "reading text", "train": "training a tokenizer", "encode": "turning text into tokens",
	"count": "counting tokens for the baselines", "check": "checking the cached tokens",
	"samples": "reading samples", "codes": "turning images into codes",
}

func (t *textRenderer) event(e run.Event) {
	switch e := e.(type) {
	case *run.Preparing:
		what := stages[e.Stage]
		if e.Stage != t.stage {
			t.stage = e.Stage
			if !t.live {
				t.line("data: %s", what)
			}
		}
		if t.live && time.Since(t.staged) > 100*time.Millisecond {
			t.staged = time.Now()
			share := ""
			if e.Total > 0 && e.Done > 0 {
				share = fmt.Sprintf(" %3.0f %%", 100*min(1, float64(e.Done)/float64(e.Total)))
			}
			t.now("data: %s%s", what, share)
		}
	case *run.Initialized:
		t.line("model: %v", e)
	case *run.Ready:
		t.line("data: %s", described(e.Data))
		device := ""
		if e.Device != "" {
			device = fmt.Sprintf(" on %s, %d workers", e.Device, e.Workers)
			if e.PeakFLOPS > 0 {
				device += fmt.Sprintf(", peak %.0f GFLOPS", e.PeakFLOPS/1e9)
			}
		}
		t.unit, t.rows = "samples", "samples"
		batch := e.BatchRows
		if e.BatchTokens > 0 {
			t.unit, t.rows, batch = "tokens", "sequences", e.BatchTokens
		}
		t.line("run:  %s: %d parameters, steps %d to %d of %d %s%s; about %s of memory, tensors travel by %s",
			e.Out, e.Parameters, e.First+1, e.Steps, batch, t.unit, device, run.Bytes(e.MemoryBytes), e.Plane)
	case *run.Step:
		speed := e.RowsPerSecond
		if t.unit == "tokens" {
			speed = e.TokensPerSecond
		}
		s := fmt.Sprintf("step %*d/%d  loss %.4f%s  %6.0f %s/s  %3.0f %% of peak  wait %2.0f %%  %s left",
			len(fmt.Sprint(e.Steps)), e.Step, e.Steps, e.Loss, metrics("  ", e.Metrics), speed, t.unit, 100*e.PeakShare, 100*e.WaitShare, e.Remaining.Round(time.Second))
		if e.Step == 1 || e.Step == e.Steps || e.Step%uint64(t.every) == 0 {
			t.line("%s", s)
		}
		if t.live && e.Step < e.Steps {
			t.now("%s", s)
		}
	case *run.Validation:
		missing := leftOut("; ", e.LeftOut)
		if e.BitsPerByte > 0 {
			t.line("validation after step %d: loss %.4f nats a token, %.4f bits a byte, on %d sequences%s", e.Step, e.Loss, e.BitsPerByte, e.Rows, missing)
		} else {
			t.line("validation after step %d: loss %.4f%s, on %d %s%s", e.Step, e.Loss, metrics(", ", e.Metrics), e.Rows, t.rows, missing)
		}
	case *run.Saved:
		t.line("saved %s", e.Path)
	case *run.Restarted:
		t.line("%s ended in step %d and was started again; the run goes on after step %d: %v", e.Plugin, e.Step, e.From, e.Err)
	case *run.Warning:
		t.line("warning: %s", e.Text)
	}
}

// ofGoRun matches the paths of executables that "go run" has built, for this once or into its cache.
var ofGoRun = regexp.MustCompile(`/go-build[0-9]+/|/[0-9a-f]{64}-d/[^/]+$`)

// calledAs is how the user calls this program, whose first argument is given.
func calledAs(program string) string {
	if ofGoRun.MatchString(filepath.ToSlash(program)) {
		return "go run ./cmd/host"
	}
	return quoted(program)
}

func (t *textRenderer) result(r *run.Result, out string) error {
	t.clear()
	var b strings.Builder
	host := calledAs(os.Args[0])
	if r.Interrupted {
		if r.Checkpoint == "" {
			fmt.Fprintf(&b, "stopped before the first step: nothing to save\n")
		} else {
			fmt.Fprintf(&b, "stopped after step %d of %d\ncheckpoint      %s\ngo on with      %s pretrain --resume --out %s\n", r.Step, r.Steps, r.Checkpoint, host, quoted(out))
		}
		_, err := io.WriteString(t.out, b.String())
		return err
	}
	if v := r.Validation; v != nil && v.BitsPerByte > 0 && r.Baseline != nil {
		fmt.Fprintf(&b, "                nats/token  bits/byte\n")
		for _, l := range []struct {
			name string
			loss float64
		}{{"validation loss", v.Loss}, {"bigram counts", r.Baseline.BigramLoss}, {"unigram counts", r.Baseline.UnigramLoss}} {
			fmt.Fprintf(&b, "%-15s %10.4f %10.4f\n", l.name, l.loss, r.Baseline.BitsPerByte(l.loss))
		}
	} else if v != nil {
		fmt.Fprintf(&b, "%-24s %10.4f\n", "validation loss", v.Loss)
		for _, m := range v.Metrics {
			fmt.Fprintf(&b, "%-24s %10.4f%s\n", m.Name, m.Value, note(m.Doc))
		}
		if r.Baseline != nil {
			fmt.Fprintf(&b, "%-24s %10.4f\n%-24s %10.4f\n", "bigram counts", r.Baseline.BigramLoss, "unigram counts", r.Baseline.UnigramLoss)
		}
	} else {
		fmt.Fprintf(&b, "training loss   %10.4f\n", r.Loss)
	}
	if r.Sample != "" {
		after := ""
		if r.Prompt != "" {
			after = fmt.Sprintf(" after %q", r.Prompt)
		}
		fmt.Fprintf(&b, "\na sample%s:\n%s\n\n", after, strings.TrimRight(r.Sample, "\n"))
	}
	fmt.Fprintf(&b, "checkpoint      %s\nweights_sha256  %s\n", r.Checkpoint, r.WeightsSHA256)
	fmt.Fprintf(&b, "train on        %s pretrain --resume --out %s --set train.steps=%d\n", host, quoted(out), 2*r.Steps)
	if r.Sample == "" {
		_, err := io.WriteString(t.out, b.String())
		return err
	}
	prompt := ""
	if r.Prompt != "" {
		prompt = " " + quoted(r.Prompt)
	}
	fmt.Fprintf(&b, "generate        %s generate --checkpoint %s%s\n", host, quoted(r.Checkpoint), prompt)
	_, err := io.WriteString(t.out, b.String())
	return err
}

// described says what there is to learn from.
func described(d run.DataStats) string {
	if x := d.Text; x != nil {
		return fmt.Sprintf("%d training and %d validation documents, %s of text, %d tokens, %d sequences",
			x.Train.Documents, x.Validation.Documents, run.Bytes(x.Train.Bytes+x.Validation.Bytes), x.Train.Tokens+x.Validation.Tokens, d.TrainRows)
	}
	s := fmt.Sprintf("%d training and %d validation samples", d.TrainRows, d.ValidationRows)
	if n := len(d.Classes); n > 0 {
		s += fmt.Sprintf(", %d classes", n)
	}
	if d.Skipped > 0 {
		s += fmt.Sprintf(", %d bad ones left out", d.Skipped)
	}
	return s
}

// metrics writes metrics on a line, each after sep.
func metrics(sep string, list []run.Metric) string {
	var b strings.Builder
	for _, m := range list {
		fmt.Fprintf(&b, "%s%s %.4f", sep, m.Name, m.Value)
	}
	return b.String()
}

// note is a remark in a table.
func note(s string) string {
	if s == "" {
		return ""
	}
	return "  " + s
}

// leftOut says, after sep, how many rows were not evaluated, if there are any.
func leftOut(sep string, rows int64) string {
	if rows == 0 {
		return ""
	}
	return fmt.Sprintf("%s%d more fill no grain and are left out", sep, rows)
}

// values are metrics as a JSON object; nil if there are none.
func values(list []run.Metric) object {
	if len(list) == 0 {
		return nil
	}
	o := object{}
	for _, m := range list {
		o[m.Name] = m.Value
	}
	return o
}

// quoted quotes an argument for a shell, if it has to be.
func quoted(s string) string {
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:=,") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// jsonRenderer shows a run to programs, as JSON lines.
type jsonRenderer struct{ out io.Writer }

func (l *jsonRenderer) write(v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = l.out.Write(append(data, '\n'))
	return err
}

func (l *jsonRenderer) failed() {}

type object map[string]any

func (l *jsonRenderer) event(e run.Event) {
	var v any
	switch e := e.(type) {
	case *run.Preparing:
		v = object{"event": "data", "stage": e.Stage, "done": e.Done, "total": e.Total}
	case *run.Initialized:
		v = object{"event": "init", "path": e.Path, "taken": e.Taken, "anew": append([]string{}, e.Anew...), "unused": append([]string{}, e.Unused...)}
	case *run.Ready:
		v = object{"event": "start", "out": e.Out, "step": e.First, "steps": e.Steps, "parameters": e.Parameters, "batch_rows": e.BatchRows, "batch_tokens": e.BatchTokens,
			"train_rows": e.Data.TrainRows, "validation_rows": e.Data.ValidationRows, "skipped": e.Data.Skipped,
			"memory_bytes": e.MemoryBytes, "device": e.Device, "workers": e.Workers, "peak_flops": e.PeakFLOPS, "data_plane": e.Plane}
	case *run.Step:
		v = struct {
			Event           string  `json:"event"`
			Step            uint64  `json:"step"`
			Loss            float64 `json:"loss"`
			LR              float64 `json:"lr"`
			GradNorm        float64 `json:"grad_norm"`
			Metrics         object  `json:"metrics,omitempty"`
			RowsPerSecond   float64 `json:"rows_per_s"`
			TokensPerSecond float64 `json:"tokens_per_s,omitempty"`
			PeakShare       float64 `json:"peak_share"`
			WaitShare       float64 `json:"wait_share"`
		}{"step", e.Step, e.Loss, e.LR, e.GradNorm, values(e.Metrics), e.RowsPerSecond, e.TokensPerSecond, e.PeakShare, e.WaitShare}
	case *run.Validation:
		o := object{"event": "validation", "step": e.Step, "val_loss": e.Loss, "rows": e.Rows}
		if e.BitsPerByte > 0 {
			o["bits_per_byte"] = e.BitsPerByte
		}
		if e.LeftOut > 0 {
			o["left_out"] = e.LeftOut
		}
		if m := values(e.Metrics); m != nil {
			o["metrics"] = m
		}
		v = o
	case *run.Saved:
		v = object{"event": "checkpoint", "step": e.Step, "checkpoint": e.Path}
	case *run.Restarted:
		v = object{"event": "restart", "plugin": e.Plugin, "step": e.Step, "from": e.From, "error": e.Err.Error()}
	case *run.Warning:
		v = object{"event": "warning", "text": e.Text}
	}
	_ = l.write(v) // a reader that went away does not end the run
}

// result writes the last line. The loss is null where there is no validation
// split; what does not apply to the objective is left out.
func (l *jsonRenderer) result(r *run.Result, _ string) error {
	v := struct {
		Event         string   `json:"event"`
		Step          uint64   `json:"step"`
		ValLoss       *float64 `json:"val_loss"`
		Metrics       object   `json:"metrics,omitempty"`
		BitsPerByte   *float64 `json:"bits_per_byte,omitempty"`
		UnigramLoss   *float64 `json:"unigram_loss,omitempty"`
		BigramLoss    *float64 `json:"bigram_loss,omitempty"`
		Checkpoint    string   `json:"checkpoint"`
		WeightsSHA256 string   `json:"weights_sha256"`
		Sample        string   `json:"sample,omitempty"`
	}{Event: "done", Step: r.Step, Checkpoint: r.Checkpoint, WeightsSHA256: r.WeightsSHA256, Sample: r.Sample}
	if r.Interrupted {
		v.Event = "stopped"
	}
	if r.Validation != nil {
		v.ValLoss, v.Metrics = &r.Validation.Loss, values(r.Validation.Metrics)
		if r.Validation.BitsPerByte > 0 {
			v.BitsPerByte = &r.Validation.BitsPerByte
		}
		if r.Baseline != nil {
			v.UnigramLoss, v.BigramLoss = &r.Baseline.UnigramLoss, &r.Baseline.BigramLoss
		}
	}
	return l.write(v)
}
