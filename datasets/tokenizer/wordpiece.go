package tokenizer

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// wordModel turns a word of characters into tokens.
type wordModel interface {
	// encode appends the tokens of a word and, to ends, the byte of the word where each ends.
	encode(ids []int32, ends []int, word []byte) ([]int32, []int)
	tokens() []string // by id
	// without is the model that never finds special tokens (by id) in a word.
	without(special []bool) wordModel
	write(*jsonWriter)
}

// wordPiece is the model of BERT (Schuster and Nakajima 2012): the longest token that a word begins with, then the longest that
// the rest begins with, and so on. A word for which that fails is unknown as a whole.
type wordPiece struct {
	vocab    []string
	unknown  string
	prefix   string // of tokens that do not begin a word
	maxChars int    // a word with more characters is unknown

	trie      trie  // of tokens that begin words
	rest      trie  // of the others, without their prefix
	unknownID int32 // -1 if not in vocab
}

func newWordPiece(vocab []string, unknown, prefix string, maxChars int) (*wordPiece, error) {
	m := &wordPiece{vocab: vocab, unknown: unknown, prefix: prefix, maxChars: maxChars, unknownID: int32(slices.Index(vocab, unknown))}
	if m.unknownID < 0 {
		return nil, fmt.Errorf("model.unk_token: %q is not in model.vocab", unknown)
	}
	m.index(nil)
	return m, nil
}

func (m *wordPiece) index(special []bool) {
	rest := make([]string, len(m.vocab))
	for id, token := range m.vocab {
		rest[id], _ = strings.CutPrefix(token, m.prefix)
		if len(rest[id])+len(m.prefix) != len(token) {
			rest[id] = "" // begins a word
		}
	}
	m.trie, m.rest = trieOf(m.vocab, special), trieOf(rest, special)
}

func (m *wordPiece) without(special []bool) wordModel {
	o := *m
	o.index(special)
	return &o
}

func (m *wordPiece) tokens() []string { return m.vocab }

func (m *wordPiece) encode(ids []int32, ends []int, word []byte) ([]int32, []int) {
	n := len(ids)
	whole := func() ([]int32, []int) { return append(ids[:n], m.unknownID), append(ends[:n], len(word)) }
	if utf8.RuneCount(word) > m.maxChars {
		return whole()
	}
	for start := 0; start < len(word); {
		t := &m.trie
		if start > 0 {
			t = &m.rest
		}
		id, end := t.longest(word, start)
		if id < 0 {
			return whole()
		}
		ids, ends = append(ids, id), append(ends, end)
		start = end
	}
	return ids, ends
}
