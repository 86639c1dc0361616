package main

import (
	"context"
	"fmt"
	"image/png"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/seedbed/seedbed/datasets/shapes"
)

// What is drawn: pictures of each of some captions whose meaning training has
// not seen, the best of some candidates.
const (
	captions        = 64
	picturesOfEach  = 2
	candidates      = 16
	rowsOfDalle     = 20000 // as in dalle.yaml
	unseenFromDalle = 4000
)

// attributes are what pictures are judged by.
var attributes = []struct {
	name    string
	classes []string
}{{"color", shapes.Colors}, {"form", shapes.Forms}}

// wanted is a caption and what a picture of it must show.
type wanted struct {
	text   string
	values map[string]int // by attribute
}

func (x *lesson) dalle() error {
	autoencoder, err := x.pretrain("dvae", nil)
	if err != nil {
		return err
	}
	codes, err := filepath.Abs(autoencoder.dir)
	if err != nil {
		return err
	}
	judges := map[string]*run{}
	for _, a := range attributes {
		if judges[a.name], err = x.pretrain("judge", nil, "data.label="+a.name); err != nil {
			return err
		}
	}
	ranker, err := x.pretrain("clip", nil)
	if err != nil {
		return err
	}
	r, err := x.pretrain("dalle", nil, "data.codes="+strconv.Quote(codes))
	if err != nil {
		return err
	}
	unigram, err := x.unigram(r, nil, "image_codes")
	if err != nil {
		return err
	}
	if err := x.add(figure{Name: "nats a code", Baselines: map[string]float64{"unigram counts": unigram}}, r, "image_loss", nil); err != nil {
		return err
	}
	list, err := unseen(x.ctx)
	if err != nil {
		return err
	}
	var text strings.Builder
	for _, w := range list {
		fmt.Fprintln(&text, w.text)
	}
	draw := func(folder string, more ...string) (string, error) {
		pictures := filepath.Join(x.work, folder)
		if err := os.RemoveAll(pictures); err != nil {
			return "", err
		}
		// A lower temperature leaves objects out: ground follows ground most often. DALL-E draws without one, too.
		args := append([]string{"generate", "--out", r.dir, "--save", pictures, "--temperature", "1", "--json", "-"}, more...)
		_, err := x.command("", strings.NewReader(text.String()), args...)
		return pictures, err
	}
	first, err := draw("drawn", "--images", fmt.Sprint(picturesOfEach))
	if err != nil {
		return err
	}
	pictures, err := draw("best", "--images", fmt.Sprint(candidates), "--best", fmt.Sprint(picturesOfEach), "--rerank", ranker.dir)
	if err != nil {
		return err
	}
	const unranked = "the first candidates"
	mean := figure{Name: "attributes of drawn pictures judged right", Higher: true, Percent: true, Goal: 0.7, Baselines: map[string]float64{"chance": 0.125, unranked: 0}}
	var parts []figure
	for _, a := range attributes {
		before, err := x.judge(judges[a.name], a.name, a.classes, list, first)
		if err != nil {
			return err
		}
		got, err := x.judge(judges[a.name], a.name, a.classes, list, pictures)
		if err != nil {
			return err
		}
		real, err := judges[a.name].figure("accuracy")
		if err != nil {
			return err
		}
		parts = append(parts, figure{Name: a.name + " of drawn pictures judged right", Value: got, Higher: true, Percent: true, Baselines: map[string]float64{"chance": 0.125, unranked: before}})
		mean.Value += got / float64(len(attributes))
		mean.Baselines[unranked] += before / float64(len(attributes))
		x.row.Notes = append(x.row.Notes, fmt.Sprintf("the judge of %s is right about %.1f %% of real pictures that it has not seen", a.name, 100*real))
	}
	x.row.Notes = append(x.row.Notes, fmt.Sprintf("drawn are the %d of %d candidates whose embeddings by the row clip are nearest to the caption's, as DALL-E ranks them", picturesOfEach, candidates))
	x.row.Figures = append(append(x.row.Figures, mean), parts...)
	if err := x.curve(r, "image_loss", "nats a code"); err != nil {
		return err
	}
	var g grid
	for i, w := range list[:8] {
		var line []planar
		for k := range picturesOfEach {
			p, err := readPicture(drawn(pictures, i, k))
			if err != nil {
				return err
			}
			line = append(line, p)
		}
		if i%2 == 1 {
			g[len(g)-1] = append(g[len(g)-1], line...)
		} else {
			g = append(g, line)
		}
		x.row.Notes = append(x.row.Notes, fmt.Sprintf("pictures %d and %d: “%s”", picturesOfEach*i+1, picturesOfEach*(i+1), w.text))
	}
	return x.picture("dalle.png", "pictures drawn of unseen captions, two of each, from left to right and from top to bottom", g)
}

// drawn is the file of picture k of caption i.
func drawn(dir string, i, k int) string {
	return filepath.Join(dir, fmt.Sprintf("%05d-%05d.png", i+1, k+1))
}

// unseen are captions of the validation split that say what none of the
// training split says.
func unseen(ctx context.Context) ([]wanted, error) {
	c := shapes.Config{Size: 64, Rows: rowsOfDalle, Alike: true}
	learned, err := shapes.Open(c)
	if err != nil {
		return nil, err
	}
	c.Split, c.Rows = "validation", unseenFromDalle
	others, err := shapes.Open(c)
	if err != nil {
		return nil, err
	}
	rows, err := shapes.Distinct(others, captions, learned)
	if err != nil {
		return nil, err
	}
	record, err := others.Read(ctx, rows)
	if err != nil {
		return nil, err
	}
	defer record.Release()
	column := func(name string) int { return record.Schema().FieldIndices(name)[0] }
	texts := record.Column(column("text")).(*array.String)
	colors := record.Column(column("color")).(*array.Int32)
	forms := record.Column(column("label")).(*array.Int32) // of the configuration above
	var list []wanted
	for i := range rows {
		list = append(list, wanted{texts.Value(i), map[string]int{"color": int(colors.Value(i)), "form": int(forms.Value(i))}})
	}
	return list, nil
}

// judge puts the pictures into folders named after what they should show, and
// returns the part of which the judge says the same.
func (x *lesson) judge(r *run, attribute string, classes []string, list []wanted, pictures string) (float64, error) {
	dir := filepath.Join(x.work, "judged-"+attribute)
	if err := os.RemoveAll(dir); err != nil {
		return 0, err
	}
	for i, w := range list {
		folder := filepath.Join(dir, classes[w.values[attribute]])
		if err := os.MkdirAll(folder, 0o777); err != nil {
			return 0, err
		}
		for k := range picturesOfEach {
			file := drawn(pictures, i, k)
			data, err := os.ReadFile(file)
			if err != nil {
				return 0, err
			}
			if err := os.WriteFile(filepath.Join(folder, filepath.Base(file)), data, 0o666); err != nil {
				return 0, err
			}
		}
	}
	recipe, err := x.recipe("judged")
	if err != nil {
		return 0, err
	}
	var quoted []string
	for _, c := range classes {
		quoted = append(quoted, strconv.Quote(c))
	}
	e, err := x.evaluate(r, recipe, "--data", dir, "--train", "--set", "data.classes=["+strings.Join(quoted, ", ")+"]")
	if err != nil {
		return 0, err
	}
	return e.figure("accuracy")
}

// readPicture reads a square PNG file.
func readPicture(path string) (planar, error) {
	f, err := os.Open(path)
	if err != nil {
		return planar{}, err
	}
	defer f.Close()
	m, err := png.Decode(f)
	if err != nil {
		return planar{}, err
	}
	side := m.Bounds().Dx()
	p := planar{channels: 3, side: side, v: make([]float64, 3*side*side)}
	for y := range side {
		for c := range side {
			r, g, b, _ := m.At(c, y).RGBA()
			for k, v := range []uint32{r, g, b} {
				p.v[(k*side+y)*side+c] = float64(v) / 0xffff
			}
		}
	}
	return p, nil
}
