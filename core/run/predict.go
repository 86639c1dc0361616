package run

import (
	"context"
	"encoding/hex"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/seedbed/seedbed/abi/wire"
	"github.com/seedbed/seedbed/core/plugins"
	"github.com/seedbed/seedbed/core/recipe"
	"github.com/seedbed/seedbed/datasets"
	"github.com/seedbed/seedbed/datasets/tokens"
)

// Prediction is what is known of a run before any of its data is read.
type Prediction struct {
	Role        string
	Parameters  int64
	Rows        int64   // of a step
	Tokens      int64   // of a step; 0 where rows are not pieces of text
	Grains      int64   // of a step
	Steps       uint64  // of the run
	StepFLOPs   float64 // of the matrix products and convolutions of a step
	MemoryBytes int64   // of all processes together
	Memory      string  // the same in words, which say where it is but a bound
	TooLarge    string  // what to do where FreeBytes are less; empty where they are not
	FreeBytes   int64   // of this machine; 0 if not known
	Device      string  // such as "cpu avx2", empty if not known
	PeakFLOPS   float64 // of the device; 0 if not known
}

// AtPeak is how many seconds the run takes at the peak of the device, which no
// run reaches; 0 if that is not known.
func (p *Prediction) AtPeak() float64 {
	if p.PeakFLOPS <= 0 {
		return 0
	}
	return float64(p.Steps) * p.StepFLOPs / p.PeakFLOPS
}

// Predict checks all of a recipe that can be checked without its data: it
// starts the plugins, builds the model, fits the objective to it and compiles
// the programs of a step. Of the data it takes for granted what the recipe
// says: that images have labels or captions, and texts enough words.
func Predict(ctx context.Context, r *recipe.Recipe, start Start) (_ *Prediction, err error) {
	s := &session{Job: Job{Recipe: r, Start: start, DataPlane: plugins.PlaneGRPC}, losses: map[uint64]float64{}}
	defer s.close()
	if err := s.startPlugins(ctx); err != nil {
		return nil, err
	}
	if err := s.buildAll(ctx); err != nil {
		return nil, err
	}
	if _, err := os.Stat(r.Model.Init); err == nil {
		if s.first, err = openFirstValues(r, s.weights.Tensors()); err != nil {
			return nil, err
		}
	}
	n := 1 // codes of an image: as many as the model takes
	var roles []string
	for _, l := range s.learned {
		roles = append(roles, l.role)
		for _, in := range l.module.Inputs() {
			if in.Name == "image_codes" && in.Type.Rank() == 2 {
				n = in.Type.Shape[1]
			}
		}
	}
	if s.data, err = assume(r, n); err != nil {
		return nil, err
	}
	if err := s.bindAll(ctx); err != nil {
		return nil, err
	}
	s.device = s.backend.Device()
	defer s.device.Close()
	t, all, need, err := s.compile(ctx)
	if err != nil {
		return nil, err
	}
	defer t.Close()
	defer all.close()
	stats, err := s.device.Stats(ctx)
	if err != nil {
		return nil, err
	}
	p := &Prediction{
		Role: strings.Join(roles, ", "), Rows: int64(r.Train.BatchSize), Tokens: int64(r.Train.BatchSize) * rowTokens(r), Grains: int64(r.Train.BatchSize / r.Train.Grain),
		Steps: uint64(r.Train.Steps), MemoryBytes: need.bytes(), Memory: need.String(), FreeBytes: need.free, Device: stats.Device, PeakFLOPS: stats.PeakFLOPS,
	}
	if !need.fits() {
		p.TooLarge = need.hint(r)
	}
	for _, x := range s.weights.Trained() {
		p.Parameters += int64(x.Type.Elements())
	}
	p.StepFLOPs, err = stepFLOPs(t, r)
	return p, err
}

// plannedRows is more than a batch has, and few enough to be counted.
const plannedRows = 1 << 30

// planned is a dataset of which only the schema is known.
type planned struct {
	datasets.Dataset
	schema *arrow.Schema
}

func (p planned) Schema() *arrow.Schema { return p.schema }
func (p planned) Len() int64            { return plannedRows }

// assume returns the data that a recipe promises.
func assume(r *recipe.Recipe, codes int) (*data, error) {
	d := &data{close: func() error { return nil }, properties: map[string]string{}}
	lists := func(name string, n int) arrow.Field {
		return arrow.Field{Name: name, Type: arrow.FixedSizeListOfNonNullable(int32(n), arrow.PrimitiveTypes.Int32)}
	}
	var fields []arrow.Field
	c := &r.Data
	switch c.Kind {
	case recipe.Text:
		fields = append(fields, lists("tokens", r.Train.SequenceLength+1))
	case recipe.Samples:
		if c.Image != "" || len(c.Text) == 0 && c.Format != "lines" { // a table may have texts alone
			fields = append(fields, arrow.Field{Name: "image", Type: arrow.BinaryTypes.Binary})
		}
		if c.Label != "none" && c.Format != "lines" {
			fields = append(fields, arrow.Field{Name: "label", Type: arrow.PrimitiveTypes.Int32})
		}
		if len(c.Classes) > 0 {
			d.properties["classes"] = strconv.Itoa(len(c.Classes))
		}
	case recipe.Shapes:
		drawn, err := prepareShapes(r)
		if err != nil {
			return nil, err
		}
		fields = drawn.Train.Schema().Fields()
		d.properties["classes"] = strconv.Itoa(len(drawn.Stats.Classes))
	}
	if c.Captions {
		fields = append(fields, lists("tokens", r.Train.SequenceLength))
		if len(c.TextB) > 0 || c.Format == "lines" && len(c.Paths) == 2 {
			fields = append(fields, lists("tokens_b", r.Train.SequenceLength))
		}
	}
	if c.Codes != "" {
		fields = append(fields, lists("codes", codes))
	}
	d.Train = planned{schema: arrow.NewSchema(fields, nil)}
	if c.ValidationFraction > 0 {
		d.Validation = d.Train
	}
	if !c.Tokens() {
		return d, nil
	}
	if c.Tokenizer != "" {
		path, err := tokenizerFileOf(r)
		if err != nil {
			return nil, err
		}
		t, err := tokens.ReadTokenizer(path, c.VocabSize)
		if err != nil {
			return nil, r.Errorf("data.tokenizer", "%w", err)
		}
		end, err := t.EndOfText()
		if err != nil {
			return nil, err
		}
		for name, value := range tokenProperties(t, end) {
			d.properties[name] = value
		}
		return d, nil
	}
	for name, value := range plannedTokens(c) {
		d.properties[name] = value
	}
	return d, nil
}

// plannedTokens are the properties of a tokenizer that is still to be trained:
// its special tokens come first, in an order that is known.
func plannedTokens(c *recipe.Data) map[string]string {
	p := map[string]string{"vocab_size": strconv.Itoa(c.VocabSize), "end_of_text": "0"}
	switch {
	case c.TokenizerModel == "wordpiece":
		p["pad"], p["cls"], p["sep"], p["mask"], p["end_of_text"] = "0", "2", "3", "4", "3"
		if bits := hex.EncodeToString(make([]byte, (c.VocabSize+7)/8)); len(bits) <= wire.MaxPropertyLen {
			p["continues_word"] = bits
		}
	case c.TokenizerModel == "unigram":
		p["pad"], p["end_of_text"] = "0", "1"
	case c.Captions: // <|startoftext|> is before it
		p["end_of_text"] = "1"
	}
	return p
}

// String says in lines what is predicted.
func (p *Prediction) String() string {
	batch := fmt.Sprintf("%d samples", p.Rows)
	if p.Tokens > 0 {
		batch = fmt.Sprintf("%d sequences, %d tokens", p.Rows, p.Tokens)
	}
	memory := p.Memory
	if p.FreeBytes > 0 {
		memory += "; " + Bytes(p.FreeBytes) + " are free here"
	}
	if p.TooLarge != "" {
		memory += ", too little for this run: " + p.TooLarge
	}
	time := "not known: the backend does not tell its peak"
	if p.PeakFLOPS > 0 {
		time = fmt.Sprintf("at least %s at the peak of %s, %.0f GFLOPS", duration(p.AtPeak()), p.Device, p.PeakFLOPS/1e9)
	}
	return fmt.Sprintf("parameters  %d\na step      %s in grains of %d, %.3g FLOPs\nthe run     %d steps, %.3g FLOPs\nmemory      %s\ntime        %s\n",
		p.Parameters, batch, p.Rows/p.Grains, p.StepFLOPs, p.Steps, float64(p.Steps)*p.StepFLOPs, memory, time)
}

// duration writes a time for people.
func duration(seconds float64) string {
	const minute, hour, day, year = 60, 3600, 86400, 365.25 * 86400
	switch {
	case seconds >= 2*year:
		return fmt.Sprintf("%.0f years", seconds/year)
	case seconds >= 2*day:
		return fmt.Sprintf("%.0f days", seconds/day)
	case seconds >= 2*hour:
		return fmt.Sprintf("%.0f hours", seconds/hour)
	case seconds >= 2*minute:
		return fmt.Sprintf("%.0f minutes", seconds/minute)
	}
	return fmt.Sprintf("%.1f seconds", seconds)
}
