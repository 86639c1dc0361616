package conformance

import (
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seedbed/seedbed/conformance/dataset"
	"github.com/seedbed/seedbed/datasets"
	"github.com/seedbed/seedbed/datasets/samples"
	"github.com/seedbed/seedbed/datasets/shapes"
	"github.com/seedbed/seedbed/datasets/tokenizer"
	"github.com/seedbed/seedbed/datasets/tokens"
)

type open = func(context.Context) (datasets.Dataset, error)

func openShapes(c shapes.Config) open {
	return func(context.Context) (datasets.Dataset, error) { return shapes.Open(c) }
}

func TestShapes(t *testing.T) {
	RunDataset(t, dataset.Target{
		Name: "shapes", Open: openShapes(shapes.Config{Size: 16, Rows: 40, Masks: true}),
		Others: map[string]open{
			"another seed":  openShapes(shapes.Config{Size: 16, Rows: 40, Masks: true, Seed: 1}),
			"another size":  openShapes(shapes.Config{Size: 24, Rows: 40, Masks: true}),
			"another split": openShapes(shapes.Config{Size: 16, Rows: 40, Masks: true, Split: "validation"}),
			"fewer rows":    openShapes(shapes.Config{Size: 16, Rows: 39, Masks: true}),
			"no masks":      openShapes(shapes.Config{Size: 16, Rows: 40}),
			"other labels":  openShapes(shapes.Config{Size: 16, Rows: 40, Masks: true, Label: "color"}),
		},
	}, Options{})
}

func openSamples(c samples.Config) open {
	return func(ctx context.Context) (datasets.Dataset, error) {
		s, err := samples.Open(ctx, c)
		if err != nil {
			return nil, err
		}
		return s.Data, nil
	}
}

func TestSamples(t *testing.T) {
	dir := t.TempDir()
	table := func(name, last string) string {
		var b strings.Builder
		b.WriteString("text,label\n")
		for i := range 20 {
			fmt.Fprintf(&b, "number %d,%s\n", i, []string{"odd", "even"}[i%2])
		}
		b.WriteString(last)
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(b.String()), 0o644))
		return path
	}
	of := func(path string) open {
		return openSamples(samples.Config{Paths: []string{path}, Header: true, Text: []string{"text"}, Label: "label"})
	}
	RunDataset(t, dataset.Target{Name: "csv", Open: of(table("a.csv", "")), Others: map[string]open{
		"a row more":     of(table("b.csv", "one more,odd\n")),
		"another label":  of(table("c.csv", "one more,even\n")),
		"another letter": of(table("d.csv", "one mode,even\n")),
	}}, Options{})

	folder := func(name string, grey uint8) string {
		for i := range 6 {
			im := image.NewGray(image.Rect(0, 0, 5, 4))
			for k := range im.Pix {
				im.Pix[k] = uint8(40*i + k)
			}
			im.SetGray(0, 0, color.Gray{Y: grey})
			path := filepath.Join(dir, name, []string{"cat", "dog"}[i%2], fmt.Sprintf("%d.png", i))
			require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
			f, err := os.Create(path)
			require.NoError(t, err)
			require.NoError(t, png.Encode(f, im))
			require.NoError(t, f.Close())
		}
		return filepath.Join(dir, name)
	}
	images := func(path string) open { return openSamples(samples.Config{Paths: []string{path}}) }
	RunDataset(t, dataset.Target{Name: "folder", Open: images(folder("a", 1)), Others: map[string]open{"another pixel": images(folder("b", 2))}}, Options{})
}

func TestTokens(t *testing.T) {
	dir := t.TempDir()
	write := func(name, end string) string {
		var b strings.Builder
		for i := range 300 {
			fmt.Fprintf(&b, "line %d of a text about %d things\n", i, i*i)
		}
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(b.String()+end), 0o644))
		return path
	}
	none := 0.0
	of := func(path string, sequence int) open {
		return func(ctx context.Context) (datasets.Dataset, error) {
			c, err := tokens.Prepare(ctx, tokens.Config{Paths: []string{path}, VocabSize: 300, SequenceLength: sequence, ValidationFraction: &none, CacheDir: filepath.Join(dir, "cache")}, nil)
			if err != nil {
				return nil, err
			}
			return c.Train, nil
		}
	}
	a := write("a.txt", "")
	RunDataset(t, dataset.Target{Name: "tokens", Open: of(a, 16), Others: map[string]open{
		"another end":     of(write("b.txt", "the end"), 16),
		"longer rows":     of(a, 17),
		"the same and on": of(write("c.txt", "the end\n"), 16),
	}}, Options{})
}

// wrong is a dataset that is wrong in one way.
type wrong struct {
	datasets.Dataset
	read        func(ctx context.Context, d *wrong, rows []int64) (arrow.Record, error)
	fingerprint string
	close       error
	opened      int // how many were before
}

func (w *wrong) Read(ctx context.Context, rows []int64) (arrow.Record, error) {
	if w.read == nil {
		return w.Dataset.Read(ctx, rows)
	}
	return w.read(ctx, w, rows)
}

func (w *wrong) Fingerprint() string {
	if w.fingerprint == "" {
		return w.Dataset.Fingerprint()
	}
	return w.fingerprint
}

func (w *wrong) Close() error { return errors.Join(w.Dataset.Close(), w.close) }

func TestWrongDatasetsFail(t *testing.T) {
	base := shapes.Config{Size: 8, Rows: 20}
	opens := 0
	for name, w := range map[string]wrong{
		"rows in ascending order": {read: func(ctx context.Context, d *wrong, rows []int64) (arrow.Record, error) {
			sorted := append([]int64(nil), rows...)
			for i := range sorted {
				for k := i; k > 0 && sorted[k] < sorted[k-1]; k-- {
					sorted[k], sorted[k-1] = sorted[k-1], sorted[k]
				}
			}
			return d.Dataset.Read(ctx, sorted)
		}},
		"indices that wrap around": {read: func(ctx context.Context, d *wrong, rows []int64) (arrow.Record, error) {
			inside := make([]int64, len(rows))
			for i, r := range rows {
				inside[i] = (r%d.Len() + d.Len()) % d.Len()
			}
			return d.Dataset.Read(ctx, inside)
		}},
		"a row too few": {read: func(ctx context.Context, d *wrong, rows []int64) (arrow.Record, error) {
			return d.Dataset.Read(ctx, rows[:max(1, len(rows)-1)])
		}},
		"fingerprint of nothing": {fingerprint: "abc"},
		"fingerprint of all":     {fingerprint: strings.Repeat("0", 64)},
		"an error at the end":    {close: errors.New("no")},
		"an error without a reason": {read: func(ctx context.Context, d *wrong, rows []int64) (arrow.Record, error) {
			if ctx.Err() != nil {
				return nil, errors.New("something is wrong")
			}
			return d.Dataset.Read(ctx, rows)
		}},
		"other rows every time it is opened": {read: func(ctx context.Context, d *wrong, rows []int64) (arrow.Record, error) {
			moved := make([]int64, len(rows))
			for i, r := range rows {
				if moved[i] = r; r >= 0 && r < d.Len() {
					moved[i] = (r + int64(d.opened)) % d.Len()
				}
			}
			return d.Dataset.Read(ctx, moved)
		}},
	} {
		of := func(c shapes.Config) open {
			return func(context.Context) (datasets.Dataset, error) {
				d, err := shapes.Open(c)
				opens++
				copied := w
				copied.Dataset, copied.opened = d, opens
				return &copied, err
			}
		}
		other := base
		other.Seed = 9
		rep, err := Dataset(t.Context(), dataset.Target{Name: "wrong", Open: of(base), Others: map[string]open{"another seed": of(other)}}, Options{Workers: 1})
		require.NoError(t, err)
		assert.False(t, rep.Passed(), name)
	}
}

func TestCaptions(t *testing.T) {
	of := func(c shapes.Config, vocab, length int) open {
		return func(ctx context.Context) (datasets.Dataset, error) {
			d, err := shapes.Open(c)
			if err != nil {
				return nil, err
			}
			tok, err := tokens.TrainOnCaptions(ctx, d, 1<<20, tokenizer.TrainOptions{VocabSize: vocab})
			if err != nil {
				return nil, err
			}
			return tokens.Captions(d, tok, length)
		}
	}
	c := shapes.Config{Size: 8, Rows: 40}
	seed := c
	seed.Seed = 1
	RunDataset(t, dataset.Target{Name: "captions", Open: of(c, 280, 12), Others: map[string]open{
		"other pictures": of(seed, 280, 12), "another vocabulary": of(c, 270, 12), "shorter": of(c, 280, 11),
	}}, Options{})
}
