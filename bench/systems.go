package main

import (
	"fmt"
	"path/filepath"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/numerics"
)

// system is a row of the table.
type system struct {
	name, learns string
	teach        func(x *lesson) error
}

var systems = []system{
	{"gpt", "English Wikipedia (wikitext2)", (*lesson).gpt},
	{"bert", "English Wikipedia (wikitext2)", (*lesson).bert},
	{"t5", "English Wikipedia (wikitext2)", (*lesson).t5},
	{"resnet", "handwritten digits (of 10,000 of MNIST)", (*lesson).digits},
	{"vit", "handwritten digits (of 10,000 of MNIST)", (*lesson).digits},
	{"mae", "characters and digits without labels (Omniglot, MNIST)", (*lesson).mae},
	{"simclr", "characters and digits without labels (Omniglot, MNIST)", (*lesson).simclr},
	{"clip", "pictures of shapes and captions", (*lesson).clip},
	{"dvae", "pictures of shapes", (*lesson).dvae},
	{"dalle", "captions and codes of pictures of shapes", (*lesson).dalle},
}

var (
	wikipedia = []string{"wikitext2"}
	mnist     = []string{filepath.Join("mnist", "t10k-images-idx3-ubyte.gz"), filepath.Join("mnist", "t10k-labels-idx1-ubyte.gz")}
)

// add measures a figure of a run beside others of the same run.
func (x *lesson) add(f figure, r *run, key string, baselines map[string]string) error {
	var err error
	if f.Value, err = r.figure(key); err != nil {
		return err
	}
	if f.Baselines == nil {
		f.Baselines = map[string]float64{}
	}
	for name, key := range baselines {
		if f.Baselines[name], err = r.figure(key); err != nil {
			return err
		}
	}
	x.row.Figures = append(x.row.Figures, f)
	return nil
}

func (x *lesson) gpt() error {
	r, err := x.pretrain("gpt", wikipedia)
	if err != nil {
		return err
	}
	counts := map[string]string{"bigram counts": "bigram_loss", "unigram counts": "unigram_loss"}
	if err := x.add(figure{Name: "nats a token"}, r, "val_loss", counts); err != nil {
		return err
	}
	return x.curve(r, "val_loss", "nats a token")
}

func (x *lesson) bert() error {
	r, err := x.pretrain("bert", wikipedia)
	if err != nil {
		return err
	}
	if err := x.add(figure{Name: "nats a hidden token"}, r, "masked_lm_loss", map[string]string{"unigram counts": "unigram_loss"}); err != nil {
		return err
	}
	// Always saying the same is right about a little more than half.
	pairs := figure{Name: "pairs told right", Higher: true, Percent: true, Goal: 0.6, Baselines: map[string]float64{"chance": 0.5}}
	if err := x.add(pairs, r, "next_sentence_accuracy", nil); err != nil {
		return err
	}
	return x.curve(r, "masked_lm_loss", "nats a hidden token")
}

func (x *lesson) t5() error {
	r, err := x.pretrain("t5", wikipedia)
	if err != nil {
		return err
	}
	unigram, err := x.unigram(r, x.paths(wikipedia), "labels")
	if err != nil {
		return err
	}
	if err := x.add(figure{Name: "nats a token of the spans", Baselines: map[string]float64{"unigram counts": unigram}}, r, "val_loss", nil); err != nil {
		return err
	}
	return x.curve(r, "val_loss", "nats a token of the spans")
}

// digits is a classifier beside logistic regression of the pixels.
func (x *lesson) digits() error {
	r, err := x.pretrain(x.row.Name, mnist)
	if err != nil {
		return err
	}
	e, err := x.evaluate(r, "--probe")
	if err != nil {
		return err
	}
	pixels, err := e.figure("pixel_probe")
	if err != nil {
		return err
	}
	accuracy := figure{Name: "test accuracy", Higher: true, Percent: true, Goal: 0.985, Baselines: map[string]float64{"logistic regression of pixels": pixels}}
	if err := x.add(accuracy, r, "accuracy", nil); err != nil {
		return err
	}
	return x.curve(r, "accuracy", "accuracy")
}

// probe measures the features of a run by a linear classifier of digits that it
// never saw.
func (x *lesson) probe(r *run, sets ...string) error {
	recipe, err := x.recipe(x.row.Name)
	if err != nil {
		return err
	}
	args := append([]string{recipe, "--probe"}, x.paths(mnist)...)
	for _, s := range append([]string{"data.label=", "data.validation_fraction=0.2", "objective.config.augment=none"}, sets...) {
		args = append(args, "--set", s)
	}
	e, err := x.evaluate(r, args...)
	if err != nil {
		return err
	}
	return x.add(figure{Name: "digits told by a linear probe", Higher: true, Percent: true}, e, "linear_probe",
		map[string]string{"of the untrained network": "untrained_probe", "of pixels": "pixel_probe"})
}

func (x *lesson) mae() error {
	characters, err := x.characters()
	if err != nil {
		return err
	}
	r, err := x.pretrain("mae", []string{characters})
	if err != nil {
		return err
	}
	if err := x.probe(r, "model.config.mask_ratio=0"); err != nil {
		return err
	}
	if err := x.curve(r, "val_loss", "squared error of hidden patches"); err != nil {
		return err
	}
	k, err := x.kept(r, nil, 12, "pixel_values", "prediction", "ids_restore")
	if err != nil {
		return err
	}
	return x.picture("mae.png", "digits and characters, what is shown of them, and what the model makes of it", hidden(k))
}

func (x *lesson) simclr() error {
	characters, err := x.characters()
	if err != nil {
		return err
	}
	r, err := x.pretrain("simclr", []string{characters})
	if err != nil {
		return err
	}
	if err := x.probe(r); err != nil {
		return err
	}
	return x.curve(r, "accuracy", "views found")
}

// among is how many captions one is found among.
const among = 500

func (x *lesson) clip() error {
	r, err := x.pretrain("clip", nil)
	if err != nil {
		return err
	}
	file := filepath.Join(x.work, "clip.safetensors")
	e, err := x.evaluate(r, "--among", fmt.Sprint(among), "--tensors", file, "--keep", "image_embeds,text_embeds,pixel_values")
	if err != nil {
		return err
	}
	chance := map[string]float64{"chance": 1.0 / among}
	for _, f := range []struct {
		name, key string
		goal      float64
	}{
		{"captions found first of 500", "caption_recall@1", 0.8}, {"captions found in five of 500", "caption_recall@5", 0}, {"images found first of 500", "image_recall@1", 0},
	} {
		if err := x.add(figure{Name: f.name, Higher: true, Percent: true, Goal: f.goal, Baselines: chance}, e, f.key, nil); err != nil {
			return err
		}
	}
	if err := x.curve(r, "accuracy", "captions found among 128"); err != nil {
		return err
	}
	k, err := openKept(file)
	if err != nil {
		return err
	}
	shown, notes := nearest(k, 6, 6)
	x.row.Notes = append(x.row.Notes, notes...)
	return x.picture("clip.png", "unseen captions, a row each, and the images nearest to them, the nearest first", shown)
}

func (x *lesson) dvae() error {
	r, err := x.pretrain("dvae", nil)
	if err != nil {
		return err
	}
	learned, err := x.kept(r, nil, 2000, "pixel_values", "--train")
	if err != nil {
		return err
	}
	k, err := x.kept(r, nil, 512, "pixel_values", "reconstruction")
	if err != nil {
		return err
	}
	got, mean := pixelErrors(learned, k)
	x.row.Figures = append(x.row.Figures, figure{Name: "squared error of a pixel (0 to 1)", Value: got, Baselines: map[string]float64{"the mean image": mean}})
	if err := x.curve(r, "squared_error", "squared error of an image's values from 0.1 to 0.9"); err != nil {
		return err
	}
	return x.picture("dvae.png", "unseen pictures above, what is made of their 256 codes below", pairs(k, 12))
}

// unigram is what counting the values of a field on the training split
// achieves on the validation split, in nats.
func (x *lesson) unigram(r *run, data []string, field string) (float64, error) {
	learned, err := x.kept(r, data, 4096, field, "--train")
	if err != nil {
		return 0, err
	}
	test, err := x.kept(r, data, 0, field)
	if err != nil {
		return 0, err
	}
	counts, total := map[int32]float64{}, 0.0
	for _, v := range learned.ints(field) {
		if v >= 0 {
			counts[v]++
			total++
		}
	}
	sum, n := 0.0, 0.0
	for _, v := range test.ints(field) {
		if v >= 0 {
			sum -= numerics.Log64((counts[v] + 0.5) / (total + 0.5*float64(len(counts)+1)))
			n++
		}
	}
	return sum / n, nil
}

// kept evaluates a run and keeps what flags name: outputs, fields, and flags
// that begin with a dash.
func (x *lesson) kept(r *run, data []string, rows int, names ...string) (*tensors, error) {
	file := filepath.Join(x.work, x.row.Name+".safetensors")
	args := append([]string{"--tensors", file, "--rows", fmt.Sprint(rows)}, data...)
	for _, n := range names {
		if n[0] == '-' {
			args = append(args, n)
		} else {
			args = append(args, "--keep", n)
		}
	}
	if _, err := x.evaluate(r, args...); err != nil {
		return nil, err
	}
	return openKept(file)
}

// tensors are what an evaluation kept.
type tensors struct {
	types map[string]ir.Type
	data  map[string][]byte
	texts []string
}
