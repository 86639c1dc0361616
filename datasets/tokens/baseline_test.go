package tokens_test

import (
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seedbed/seedbed/datasets/tokens"
	"github.com/stretchr/testify/assert"
)

// TestBaseline restates the formulas with maps over whole slices.
func TestBaseline(t *testing.T) {
	dir := t.TempDir()
	// More tokens than are counted at a time, so that pairs across the seams count too.
	var lines []string
	for i := range 700 {
		lines = append(lines, strings.ReplaceAll(prose(uint32(i), 3000), "\n", " "))
	}
	write(t, filepath.Join(dir, "a.txt"), strings.Join(lines, "\n"))
	c := config(t, dir)
	c.Document, c.VocabSize = "line", 270
	corpus := prepare(t, c)
	train, validation := shards(t, corpus.Dir, "train"), shards(t, corpus.Dir, "validation")
	assert.Greater(t, len(train), 2<<18, "too little to have seams")

	count, pair := map[int32]float64{}, map[[2]int32]float64{}
	for i, id := range train {
		count[id]++
		if i > 0 {
			pair[[2]int32{train[i-1], id}]++
		}
	}
	unigram := func(b int32) float64 { return (count[b] + 1) / (float64(len(train)) + 270) }
	total := 0.0
	for b := range int32(270) {
		total += unigram(b)
	}
	assert.InDelta(t, 1, total, 1e-12)
	mean := func(p func(a, b int32) float64) float64 {
		sum := 0.0
		for i := 1; i < len(validation); i++ {
			sum -= math.Log(p(validation[i-1], validation[i]))
		}
		return sum / float64(len(validation)-1)
	}
	b := corpus.Stats.Baseline
	assert.InDelta(t, mean(func(_, b int32) float64 { return unigram(b) }), b.UnigramLoss, 1e-9)
	best, prior := math.Inf(1), 0.0
	for m := 1.0; m <= 65536; m *= 2 {
		if loss := mean(func(a, b int32) float64 { return (pair[[2]int32{a, b}] + m*unigram(b)) / (count[a] + m) }); loss < best {
			best, prior = loss, m
		}
	}
	assert.InDelta(t, best, b.BigramLoss, 1e-9)
	assert.Equal(t, prior, b.BigramPrior)

	text := 0
	for _, d := range documents(t, corpus, validation) {
		text += len(d)
	}
	assert.InDelta(t, float64(text)/float64(len(validation)), b.BytesPerToken, 1e-12)
}

func TestBitsPerByte(t *testing.T) {
	// A loss of 2 bits a token, four bytes a token: half a bit a byte.
	assert.InDelta(t, 0.5, tokens.Baseline{BytesPerToken: 4}.BitsPerByte(2*math.Ln2), 1e-15)
	// Eight bits a token of one byte: a byte.
	assert.InDelta(t, 8, tokens.Baseline{BytesPerToken: 1}.BitsPerByte(math.Log(256)), 1e-14)
}
