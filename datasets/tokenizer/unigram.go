package tokenizer

import (
	"fmt"
	"slices"
	"unicode/utf8"
)

// unigram is the model of SentencePiece (Kudo 2018, "Subword regularization"): each token has a log probability, and a word falls
// into the tokens whose sum is largest.
type unigram struct {
	vocab  []string
	scores []float64
	// unknown is the token of characters that no token covers, a run of which is one token.
	unknown int32

	trie         trie
	unknownScore float64
}

// unknownPenalty is how much less probable than every token an unknown character is.
const unknownPenalty = 10

func newUnigram(vocab []string, scores []float64, unknown int32) (*unigram, error) {
	if unknown < 0 || int(unknown) >= len(vocab) {
		return nil, fmt.Errorf("model.unk_id: %d is outside [0, %d)", unknown, len(vocab))
	}
	m := &unigram{vocab: vocab, scores: scores, unknown: unknown, trie: trieOf(vocab, nil)}
	m.unknownScore = slices.Min(scores) - unknownPenalty
	return m, nil
}

func (m *unigram) tokens() []string { return m.vocab }

func (m *unigram) without(special []bool) wordModel {
	o := *m
	o.trie = trieOf(m.vocab, special)
	return &o
}

// cell is the best way to the text before a byte.
type cell struct {
	score float64
	start int32 // of the last token; -1: not reached
	id    int32
}

// path fills cells, one for each byte of a word and one more: cells[len(word)] is the end of the best path. Of equal scores the
// longest last token wins.
func (m *unigram) path(cells []cell, word []byte) []cell {
	cells = append(cells[:0], cell{})
	for range word {
		cells = append(cells, cell{start: -1})
	}
	reach := func(end, start int, id int32, score float64) {
		if c := &cells[end]; c.start < 0 || score > c.score {
			*c = cell{score, int32(start), id}
		}
	}
	for start := 0; start < len(word); {
		_, size := utf8.DecodeRune(word[start:])
		single := false
		for node, i := int32(0), start; i < len(word); {
			if node = m.trie.step(node, word[i]); node < 0 {
				break
			}
			i++
			if id := m.trie.id[node]; id >= 0 {
				reach(i, start, id, cells[start].score+m.scores[id])
				single = single || i == start+size
			}
		}
		if !single {
			reach(start+size, start, m.unknown, cells[start].score+m.unknownScore)
		}
		start += size
	}
	return cells
}

func (m *unigram) encode(ids []int32, ends []int, word []byte) ([]int32, []int) {
	var buf [64]cell
	cells := m.path(buf[:0], word)
	n := len(ids)
	for end := len(word); end > 0; end = int(cells[end].start) {
		id := cells[end].id
		if id == m.unknown && len(ids) > n && ids[len(ids)-1] == id {
			continue // the run ends where its last character does
		}
		ids, ends = append(ids, id), append(ends, end)
	}
	slices.Reverse(ids[n:])
	slices.Reverse(ends[len(ends)-(len(ids)-n):])
	return ids, ends
}
