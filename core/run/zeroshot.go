package run

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/seedbed/seedbed/core/probe"
	"github.com/seedbed/seedbed/datasets"
	"github.com/seedbed/seedbed/datasets/tokens"
)

// classPlace is where the name of a class stands in the text about it.
const classPlace = "{}"

// zeroShot tells the classes of the validation split's images by the texts about
// all classes (Radford et al., arXiv 2103.00020, section 3.1): an image has the
// class whose text's embedding is nearest. Several texts about a class, parted
// by |, stand for it with the mean of their embeddings, of length 1.
func (s *session) zeroShot(ctx context.Context, e *Evaluation) (*Evaluated, error) {
	classes := s.data.Stats.Classes
	switch {
	case len(classes) < 2:
		return nil, fmt.Errorf("the data has %d classes; telling them apart needs labels of at least 2: see data.label", len(classes))
	}
	var texts []string
	templates := strings.Split(e.ZeroShot, "|")
	for _, class := range classes {
		for _, t := range templates {
			if !strings.Contains(t, classPlace) {
				return nil, fmt.Errorf("the text %q has no %s, where the name of a class stands", t, classPlace)
			}
			texts = append(texts, strings.ReplaceAll(t, classPlace, class))
		}
	}
	images := s.data.Validation
	of := func(rows datasets.Dataset, names ...string) (*kept, error) { return s.keep(ctx, e, rows, names) }
	plain, err := s.titled(images, texts[:1], images.Len())
	if err != nil {
		return nil, err
	}
	s.data.Train = plain // whose columns the objective is bound to
	about, err := s.titled(images, texts, int64(len(texts)))
	if err != nil {
		return nil, err
	}
	embeddings, err := of(about, "text_embeds")
	if err != nil {
		return nil, err
	}
	pictures, err := of(plain, "image_embeds")
	if err != nil {
		return nil, err
	}
	var labels []int32
	for from := int64(0); from < images.Len(); from += applyRows {
		rows := make([]int64, min(applyRows, images.Len()-from))
		for i := range rows {
			rows[i] = from + int64(i)
		}
		record, err := images.Read(ctx, rows)
		if err != nil {
			return nil, err
		}
		found, err := labelsOf(record)
		labels = append(labels, found...)
		record.Release()
		if err != nil {
			return nil, err
		}
	}
	width := embeddings.tensors[0].Type.Shape[1]
	accuracy, err := probe.Nearest(floats(pictures.tensors[0].data), floats(embeddings.tensors[0].data), labels, width, len(templates))
	if err != nil {
		return nil, err
	}
	counts, most := make([]int, len(classes)), 0
	for _, label := range labels {
		counts[label]++
		most = max(most, counts[label])
	}
	return &Evaluated{Rows: images.Len(), Loss: math.NaN(), Metrics: []Metric{
		{Name: "zero_shot_accuracy", Doc: fmt.Sprintf("part of the images whose class is the nearest of %d by text", len(classes)), Value: accuracy},
		{Name: "most_frequent", Doc: "the same if each image had the class that most have", Value: float64(most) / float64(len(labels))},
	}}, nil
}

// titled gives n rows other texts and the tokens of these: row i has the i-th of
// the texts, or the last, and the image of row i of d, beginning again where
// there are more.
func (s *session) titled(d datasets.Dataset, texts []string, n int64) (datasets.Dataset, error) {
	t := &titled{Dataset: d, texts: texts, n: n}
	for i, f := range d.Schema().Fields() {
		if !slices.Contains([]string{"text", "text_b", "tokens", "tokens_b"}, f.Name) {
			t.kept = append(t.kept, i)
		}
	}
	var fields []arrow.Field
	for _, i := range t.kept {
		fields = append(fields, d.Schema().Field(i))
	}
	t.schema = arrow.NewSchema(append(fields, arrow.Field{Name: "text", Type: arrow.BinaryTypes.String}), nil)
	if s.data.tokenizer == nil {
		return nil, errors.New("texts need a tokenizer: data.captions must be true")
	}
	return tokens.Captions(t, s.data.tokenizer, s.Recipe.Train.SequenceLength)
}

type titled struct {
	datasets.Dataset
	schema *arrow.Schema
	kept   []int // columns
	texts  []string
	n      int64
}

func (t *titled) Schema() *arrow.Schema { return t.schema }
func (t *titled) Len() int64            { return t.n }

func (t *titled) Read(ctx context.Context, rows []int64) (arrow.Record, error) {
	at := make([]int64, len(rows))
	b := array.NewStringBuilder(memory.DefaultAllocator)
	defer b.Release()
	for i, r := range rows {
		at[i] = r % t.Dataset.Len()
		b.Append(t.texts[min(r, int64(len(t.texts))-1)])
	}
	record, err := t.Dataset.Read(ctx, at)
	if err != nil {
		return nil, err
	}
	defer record.Release()
	var columns []arrow.Array
	for _, i := range t.kept {
		columns = append(columns, record.Column(i))
	}
	texts := b.NewArray()
	defer texts.Release()
	return array.NewRecord(t.schema, append(columns, texts), record.NumRows()), nil
}
