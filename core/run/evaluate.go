package run

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/core/checkpoint"
	"github.com/seedbed/seedbed/core/device"
	"github.com/seedbed/seedbed/core/plugins"
	"github.com/seedbed/seedbed/core/probe"
	"github.com/seedbed/seedbed/core/recipe"
	"github.com/seedbed/seedbed/core/safetensors"
	"github.com/seedbed/seedbed/core/step"
	"github.com/seedbed/seedbed/core/train"
	"github.com/seedbed/seedbed/datasets"
	"github.com/seedbed/seedbed/datasets/shapes"
	"github.com/seedbed/seedbed/datasets/tokens"
)

// Evaluation is what Evaluate is asked to do.
type Evaluation struct {
	// Recipe says which model, objective and data: usually that of the
	// checkpoint's run, with other data perhaps. The model must have the
	// checkpoint's parameters.
	Recipe     *recipe.Recipe
	Checkpoint *checkpoint.Checkpoint
	Train      bool  // on the training split instead of the validation split
	Rows       int64 // at most, spread over the split; 0 for all
	// Probe measures the model's features instead of the objective: what a
	// linear classifier that learns from those of the training split tells of
	// the labels of the validation split.
	Probe bool
	// Among adds, if it is not 0, how often a caption is found among this many
	// and an image by its caption, all of which say something that no caption of
	// the training split says.
	Among int
	// ZeroShot, if it is not empty, measures instead how many images of the
	// validation split have the class whose text is nearest: a text with {} where
	// the name of the class stands, or several parted by |.
	ZeroShot string
	// Keep names outputs of the model and fields of the batch to return, those
	// of Among where it is given.
	Keep []string
	// Unscored leaves the loss and the metrics of the objective out.
	Unscored  bool
	DataPlane plugins.DataPlane
	Start     Start
	Events    func(Event)
}

// Evaluated is what a model does on rows that it does not learn from.
type Evaluated struct {
	Rows    int64
	LeftOut int64   // rows that are not among them, because they fill no grain
	Loss    float64 // NaN of a probe, and of what is not scored
	Metrics []Metric
	Kept    []safetensors.Tensor // in the order of Keep: a row each, the first part where a row has several
	Texts   []string             // captions of what is kept, if the data has any
}

// maxKept bounds what is kept in memory, in bytes.
const maxKept = 2 << 30

// Evaluate applies the model of a checkpoint to a dataset.
func Evaluate(ctx context.Context, e Evaluation) (_ *Evaluated, err error) {
	if err := e.Checkpoint.Verify(); err != nil {
		return nil, err
	}
	r := *e.Recipe
	if r.Data.Tokens() { // the model's own tokens, whatever the data
		r.Data.Tokenizer, r.Data.VocabSize = filepath.Join(e.Checkpoint.Path, tokenizerFile), 0
	}
	s := &session{Job: Job{Recipe: &r, Start: e.Start, DataPlane: e.DataPlane, Events: e.Events}}
	defer s.close()
	if err := s.startPlugins(ctx); err != nil {
		return nil, err
	}
	if err := s.buildAll(ctx); err != nil {
		return nil, err
	}
	progress := func(p tokens.Progress) {
		if p.Warning == "" {
			s.tell(&Preparing{p})
		}
	}
	from := r
	if e.ZeroShot != "" {
		if role := s.learned[0].role; role != "dual_encoder" {
			return nil, fmt.Errorf("classes are told by texts by a model of role dual_encoder, not %s", role)
		}
		from.Data.Captions = false // images need none, and have none of use
	}
	if s.data, err = prepare(ctx, &from, progress); err != nil {
		return nil, err
	}
	if e.ZeroShot != "" {
		if err := s.data.readTokenizer(&r); err != nil {
			return nil, err
		}
	}
	if r.Data.Codes != "" {
		if err := s.addCodes(ctx, progress); err != nil {
			return nil, err
		}
	}
	s.device = s.backend.Device()
	defer s.device.Close() // the process may be gone
	if e.Probe {
		return s.probe(ctx, &e)
	}
	if e.Train {
		s.data.Validation = s.data.Train
	}
	if s.data.Validation == nil {
		return nil, r.Errorf("data.validation_fraction", "is 0: there is no validation split; evaluate on the training split or keep a part of the data apart")
	}
	if n := s.data.Validation.Len(); e.Rows > 0 && e.Rows < n {
		s.data.Validation = spread{s.data.Validation, e.Rows}
	}
	if e.ZeroShot != "" {
		return s.zeroShot(ctx, &e)
	}
	out := &Evaluated{Rows: s.data.Validation.Len(), Loss: math.NaN()}
	if !e.Unscored {
		if out, err = s.score(ctx, &e); err != nil {
			return nil, err
		}
	}
	if len(e.Keep) == 0 && e.Among == 0 {
		return out, nil
	}
	rows, keep := s.data.Validation, e.Keep
	if e.Among > 0 {
		if s.learned[0].role != "dual_encoder" {
			return nil, fmt.Errorf("captions are found by a model of role dual_encoder, not %s", s.learned[0].role)
		}
		if rows, err = s.unlike(e.Among); err != nil {
			return nil, err
		}
		keep = append([]string{"image_embeds", "text_embeds"}, keep...)
	}
	kept, err := s.keep(ctx, &e, rows, keep)
	if err != nil {
		return nil, err
	}
	if e.Among > 0 {
		metrics, err := retrieval(kept, e.Among)
		if err != nil {
			return nil, err
		}
		out.Metrics = append(out.Metrics, metrics...)
		kept.tensors = kept.tensors[2:]
	}
	for _, t := range kept.tensors {
		out.Kept = append(out.Kept, safetensors.Tensor{Name: t.Name, Type: t.Type, Data: safetensors.Bytes(t.data)})
	}
	out.Texts = kept.texts
	return out, nil
}

// score is the loss and the metrics of the objectives on the validation split.
func (s *session) score(ctx context.Context, e *Evaluation) (*Evaluated, error) {
	state := map[string]plugin.Buffer{}
	var err error
	for _, l := range s.learned {
		if l.bound, err = s.bind(ctx, l, l.module, s.Recipe.Train.Grain); err != nil {
			return nil, err
		}
		if err := s.setUpEvaluation(ctx, l); err != nil {
			return nil, err
		}
		of, err := upload(ctx, s.device, e.Checkpoint, l.module)
		if err != nil {
			return nil, err
		}
		for name, b := range of {
			state[name] = b
		}
	}
	all, err := s.evaluators(ctx, 0)
	if err != nil {
		return nil, err
	}
	defer all.close()
	v, err := s.evaluate(all, func(x *train.Evaluator) (train.Evaluation, error) {
		return x.Run(ctx, func(name string) plugin.Buffer { return state[name] })
	})
	if err != nil {
		return nil, err
	}
	return &Evaluated{Rows: v.Rows, LeftOut: v.LeftOut, Loss: v.Loss, Metrics: v.Metrics}, nil
}

// unlike returns n rows of the validation split whose captions say what no
// other of them and none of the training split says.
func (s *session) unlike(n int) (datasets.Dataset, error) {
	if s.Recipe.Data.Kind != recipe.Shapes {
		return nil, errors.New("captions are told apart by what they say, which is known of data.kind shapes alone")
	}
	c := shapesConfig(&s.Recipe.Data)
	learned, err := shapes.Open(c)
	if err != nil {
		return nil, err
	}
	c.Split, c.Rows = "validation", s.data.Validation.Len()
	others, err := shapes.Open(c)
	if err != nil {
		return nil, err
	}
	rows, err := shapes.Distinct(others, n, learned)
	if err != nil {
		return nil, fmt.Errorf("%w; make data.validation_fraction larger", err)
	}
	return datasets.Select(s.data.Validation, rows)
}

// kept are rows of tensors.
type kept struct {
	tensors []keptTensor
	texts   []string
}

type keptTensor struct {
	ir.Param
	data []byte
}

// prepareToApply compiles some outputs of the first objective's model, with
// the batch that the objective makes.
func (s *session) prepareToApply(ctx context.Context, rows datasets.Dataset, names []string, state func(m *plugin.Module) (map[string]plugin.Buffer, error)) (*device.Function, *binding, error) {
	l := s.learned[0]
	m, err := s.buildFor(ctx, l.role, applyRows)
	if err != nil {
		return nil, nil, err
	}
	b, err := s.bind(ctx, l, m, applyRows)
	if err != nil {
		return nil, nil, err
	}
	var results []string // the others are fields
	for _, name := range names {
		if !slices.Contains(results, name) && !slices.ContainsFunc(b.Batch(), func(p ir.Param) bool { return p.Name == name }) {
			results = append(results, name)
		}
	}
	if len(results) == 0 {
		return nil, b, nil
	}
	f, values, err := step.Application(m, "outputs", results)
	if err != nil {
		return nil, nil, err
	}
	for i, name := range results {
		f.Return(name, values[i])
	}
	held, err := state(m)
	if err != nil {
		return nil, nil, err
	}
	a, err := apply(ctx, s.device, f, held)
	return a, b, err
}

// keep applies the model of the checkpoint to rows.
func (s *session) keep(ctx context.Context, e *Evaluation, rows datasets.Dataset, names []string) (*kept, error) {
	a, b, err := s.prepareToApply(ctx, rows, names, func(m *plugin.Module) (map[string]plugin.Buffer, error) {
		return upload(ctx, s.device, e.Checkpoint, m)
	})
	if err != nil {
		return nil, err
	}
	types := map[string]ir.Type{}
	for _, p := range b.Batch() {
		types[p.Name] = p.Type
	}
	if a != nil {
		for _, p := range a.Results {
			types[p.Name] = p.Type
		}
	}
	k := &kept{}
	total := int64(0)
	for _, name := range names {
		t := types[name]
		if t.Rank() == 0 || t.Shape[0]%applyRows != 0 {
			return nil, fmt.Errorf("%s is %v: it has no part for each row", name, t)
		}
		t = t.With(append([]int{int(rows.Len())}, t.Shape[1:]...)...)
		k.tensors = append(k.tensors, keptTensor{Param: ir.Param{Name: name, Type: t}})
		total += int64(t.Bytes())
	}
	if total > maxKept {
		return nil, fmt.Errorf("%d rows of %v are %s, more than is kept in memory; evaluate fewer rows", rows.Len(), names, Bytes(total))
	}
	err = eachBatch(ctx, rows, b, s.Recipe.Seed, func(record arrow.Record, fields map[string][]byte, n int) error {
		out := map[string][]byte{}
		if a != nil {
			var err error
			if out, err = a.Run(ctx, fields); err != nil {
				return err
			}
		}
		for i := range k.tensors {
			t := &k.tensors[i]
			data, ok := out[t.Name]
			if !ok {
				data = fields[t.Name]
			}
			t.data = append(t.data, data[:n*t.Type.Bytes()/t.Type.Shape[0]]...)
		}
		if found := record.Schema().FieldIndices("text"); len(found) == 1 {
			if texts, ok := record.Column(found[0]).(*array.String); ok {
				for i := range n {
					k.texts = append(k.texts, texts.Value(i))
				}
			}
		}
		return nil
	})
	return k, err
}

// retrieval measures embeddings of images and of their captions.
func retrieval(k *kept, n int) ([]Metric, error) {
	images, texts := floats(k.tensors[0].data), floats(k.tensors[1].data)
	width := k.tensors[0].Type.Shape[1]
	var list []Metric
	for _, way := range []struct {
		name, doc     string
		queries, keys []float32
	}{{"caption", "captions found by their images", images, texts}, {"image", "images found by their captions", texts, images}} {
		ks := []int{1, 5}
		found, err := probe.Recall(way.queries, way.keys, width, ks...)
		if err != nil {
			return nil, err
		}
		for i, v := range found {
			list = append(list, Metric{
				Name: fmt.Sprintf("%s_recall@%d", way.name, ks[i]), Value: v,
				Doc: fmt.Sprintf("part of the %s within the first %d of %d", way.doc, ks[i], n),
			})
		}
	}
	return list, nil
}

// probe measures features: the checkpoint's, those of the first values, and
// pixels.
func (s *session) probe(ctx context.Context, e *Evaluation) (*Evaluated, error) {
	if s.data.Validation == nil {
		return nil, s.Recipe.Errorf("data.validation_fraction", "is 0: a probe learns from the training split and is measured on the validation split")
	}
	splits := []datasets.Dataset{s.data.Train, s.data.Validation}
	for i, d := range splits {
		if e.Rows > 0 && e.Rows < d.Len() {
			splits[i] = spread{d, e.Rows}
		}
	}
	out := &Evaluated{Rows: splits[1].Len(), Loss: math.NaN()}
	pixels := ""
	for _, in := range s.learned[0].module.Inputs() {
		if in.Name == "pixel_values" || in.Name == "view_a" {
			pixels = in.Name
		}
	}
	of := func(state func(m *plugin.Module) (map[string]plugin.Buffer, error), names ...string) (map[string][]*probe.Set, error) {
		a, b, err := s.prepareToApply(ctx, splits[0], names, state)
		if err != nil {
			return nil, err
		}
		sets := map[string][]*probe.Set{}
		for _, d := range splits {
			for _, name := range names {
				sets[name] = append(sets[name], &probe.Set{})
			}
			err := eachBatch(ctx, d, b, s.Recipe.Seed, func(record arrow.Record, fields map[string][]byte, n int) error {
				labels, err := labelsOf(record)
				if err != nil {
					return err
				}
				results, err := a.Run(ctx, fields)
				if err != nil {
					return err
				}
				for _, name := range names {
					data, ok := results[name]
					if !ok {
						data = fields[name]
					}
					set := sets[name][len(sets[name])-1]
					x := floats(data)
					for _, r := range a.Results {
						if r.Name == name { // of several parts of a row the first
							x = x[:applyRows*r.Type.Elements()/r.Type.Shape[0]]
						}
					}
					set.Width = len(x) / applyRows
					set.X = append(set.X, x[:n*set.Width]...)
					set.Labels = append(set.Labels, labels[:n]...)
				}
				return nil
			})
			if err != nil {
				return nil, err
			}
		}
		return sets, nil
	}
	names := []string{"features"}
	if pixels != "" {
		names = append(names, pixels)
	}
	learned, err := of(func(m *plugin.Module) (map[string]plugin.Buffer, error) {
		return upload(ctx, s.device, e.Checkpoint, m)
	}, names...)
	if err != nil {
		return nil, err
	}
	untrained, err := of(func(m *plugin.Module) (map[string]plugin.Buffer, error) {
		return first(ctx, s.device, m, s.Recipe.Seed)
	}, "features")
	if err != nil {
		return nil, err
	}
	for _, m := range []struct {
		name, doc string
		sets      []*probe.Set
	}{
		{"linear_probe", "accuracy of a linear classifier of the features", learned["features"]},
		{"untrained_probe", "the same, before the model had learned anything", untrained["features"]},
		{"pixel_probe", "accuracy of a linear classifier of the pixels", learned[pixels]},
	} {
		if m.sets == nil {
			continue
		}
		v, err := probe.Accuracy(m.sets[0], m.sets[1])
		if err != nil {
			return nil, err
		}
		out.Metrics = append(out.Metrics, Metric{Name: m.name, Doc: m.doc, Value: v})
	}
	return out, nil
}

// labelsOf returns the classes of rows.
func labelsOf(record arrow.Record) ([]int32, error) {
	found := record.Schema().FieldIndices("label")
	if len(found) != 1 {
		return nil, errors.New("a probe needs labels, and the data has none: see data.label")
	}
	labels, ok := record.Column(found[0]).(*array.Int32)
	if !ok || labels.NullN() > 0 {
		return nil, errors.New("a probe needs labels that are classes, one for each row")
	}
	return labels.Int32Values(), nil
}

func floats(data []byte) []float32 {
	x := make([]float32, len(data)/4)
	for i := range x {
		x[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))
	}
	return x
}
