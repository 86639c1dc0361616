package run

import (
	"bytes"
	"context"
	"fmt"
	"strconv"

	"github.com/seedbed/seedbed/core/checkpoint"
	"github.com/seedbed/seedbed/core/plugins"
	"github.com/seedbed/seedbed/core/recipe"
)

// Ranker is a checkpoint of a model of role dual_encoder.
type Ranker struct {
	checkpoint *checkpoint.Checkpoint
	recipe     *recipe.Recipe
}

// OpenRanker opens and verifies a checkpoint, or the latest of a run.
func OpenRanker(path string) (*Ranker, error) {
	c, r, err := openTrained(path)
	if err != nil {
		return nil, err
	}
	return &Ranker{c, r}, nil
}

// Likeness is what Similarities is asked to do.
type Likeness struct {
	Folder    string // pairs of pictures and captions: KEY.png and KEY.txt
	Backend   string // a name or path; empty is the recipe's
	DataPlane plugins.DataPlane
	Start     Start
}

// Similarities returns the cosine of the embeddings of each picture of a folder
// and of its caption, in ascending order of their keys: what pictures that were
// drawn are ranked by (Ramesh et al., arXiv 2102.12092, section 2.6).
func (k *Ranker) Similarities(ctx context.Context, l Likeness) ([]float32, error) {
	c := k.checkpoint
	sets := []string{
		"data={kind: samples, label: none, captions: true, validation_fraction: 0, vocab_size: " + strconv.Itoa(k.recipe.Data.VocabSize) + "}",
		"data.paths=[" + strconv.Quote(l.Folder) + "]", "train.eval_every=0",
	}
	if l.Backend != "" {
		sets = append(sets, "backend.plugin="+strconv.Quote(l.Backend))
	}
	r, err := recipe.Parse(c.Path, []byte(c.Manifest.Recipe), sets)
	if err != nil {
		return nil, err
	}
	e, err := Evaluate(ctx, Evaluation{
		Recipe: r, Checkpoint: c, Train: true, Unscored: true, Keep: []string{"image_embeds", "text_embeds"}, DataPlane: l.DataPlane, Start: l.Start,
	})
	if err != nil {
		return nil, fmt.Errorf("rank pictures by %s: %w", c.Path, err)
	}
	var embeddings [2][]float32
	for i, x := range e.Kept {
		var data bytes.Buffer
		if err := x.Data(&data); err != nil {
			return nil, err
		}
		embeddings[i] = floats(data.Bytes())
	}
	images, texts, width := embeddings[0], embeddings[1], e.Kept[0].Type.Shape[1]
	cosines := make([]float32, len(images)/width)
	for row := range cosines {
		sum := float32(0)
		for i := range width {
			sum += float32(images[row*width+i] * texts[row*width+i])
		}
		cosines[row] = sum
	}
	return cosines, nil
}
