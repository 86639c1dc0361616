package tokenizer

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// trainWords trains the models whose words are characters.
func trainWords(ctx context.Context, documents iter.Seq2[[]byte, error], opts TrainOptions) (*Tokenizer, error) {
	p := &wordPipeline{}
	if opts.Model == WordPiece {
		p.normalizer = bertNormalizer{cleanText: true, chinese: true, lowercase: !opts.Cased}
		p.split, p.decoder = bertSplit{}, pieceDecoder{prefix: piecePrefix, cleanup: true}
	} else {
		space := metaspace{replacement: '▁', prepend: "always", split: true}
		p.normalizer, p.split, p.decoder = unicodeForm{"NFKC", norm.NFKD, true}, space, space
	}
	words, counts, err := p.countWords(ctx, documents, opts.Workers)
	if err != nil {
		return nil, err
	}
	if opts.Model == WordPiece {
		p.model, err = trainWordPiece(ctx, words, counts, opts)
		p.template = bertTemplate(opts.SpecialTokens)
	} else {
		p.model, err = trainUnigram(ctx, words, counts, opts)
	}
	if err != nil {
		return nil, err
	}
	var added []AddedToken
	for id, s := range opts.SpecialTokens {
		added = append(added, AddedToken{ID: int32(id), Content: s, Special: true})
	}
	return newTokenizer(pipeline{added: added, words: p})
}

// countWords counts the parts of documents between spaces first, so that each distinct one is normalized once.
func (p *wordPipeline) countWords(ctx context.Context, documents iter.Seq2[[]byte, error], workers int) (words [][]byte, counts []int64, err error) {
	parts, partCounts, err := countWords(ctx, documents, workers, func(text []byte, i int) int {
		if n := bytes.IndexByte(text[i+1:], ' '); n >= 0 {
			return i + 1 + n
		}
		return len(text)
	})
	if err != nil {
		return nil, nil, err
	}
	t := tally{table: newWordTable()}
	var word []byte
	for i, part := range parts {
		p.split.words(p.normalizer.apply(charsOf(part, 0)), true, func(w []char) {
			word = appendText(word[:0], w)
			t.add(word, partCounts[i])
		})
	}
	words, counts = t.sorted()
	return words, counts, nil
}

const piecePrefix = "##"

// trainWordPiece merges pairs as BPE does, and keeps the vocabulary alone.
func trainWordPiece(ctx context.Context, words [][]byte, counts []int64, opts TrainOptions) (wordModel, error) {
	t := newTrainer(counts, opts)
	t.prefix = piecePrefix
	byCount := make([]int, len(words))
	for i := range byCount {
		byCount[i] = i
	}
	slices.SortStableFunc(byCount, func(a, b int) int { return cmp.Compare(counts[b], counts[a]) })
	for _, s := range opts.SpecialTokens {
		t.add(s)
	}
	all := map[rune]bool{}
	for _, w := range words {
		for _, r := range string(w) {
			all[r] = true
		}
	}
	for _, r := range slices.Sorted(maps.Keys(all)) {
		t.add(string(r))
	}
	for _, n := range byCount {
		for i, r := range string(words[n]) {
			if i > 0 {
				t.add(piecePrefix + string(r))
			}
		}
	}
	if len(t.tokens) > opts.VocabSize {
		return nil, fmt.Errorf("vocab_size %d is less than the %d special tokens and %d characters of the text (those within words count twice)",
			opts.VocabSize, len(opts.SpecialTokens), len(t.tokens)-len(opts.SpecialTokens))
	}
	for i, w := range words {
		ids := make([]int32, 0, utf8.RuneCount(w))
		for at, r := range string(w) {
			spelled := string(r)
			if at > 0 {
				spelled = piecePrefix + spelled
			}
			ids = append(ids, t.ids[spelled])
		}
		t.words[i] = ids
	}
	t.countPairs()
	if err := t.run(ctx); err != nil {
		return nil, err
	}
	return newWordPiece(t.tokens, unknownTokens[WordPiece], piecePrefix, 100)
}

// bertTemplate is [CLS] A [SEP] and [CLS] A [SEP] B [SEP], if there are such tokens.
func bertTemplate(specials []string) *template {
	begin, end := slices.Index(specials, "[CLS]"), slices.Index(specials, "[SEP]")
	if begin < 0 || end < 0 {
		return nil
	}
	cls, sep := templatePiece{true, "[CLS]", 0}, templatePiece{true, "[SEP]", 0}
	single := []templatePiece{cls, {false, "A", 0}, sep}
	return &template{
		single: single,
		pair:   append(slices.Clip(single), templatePiece{false, "B", 1}, templatePiece{true, "[SEP]", 1}),
		specials: []templateSpecial{
			{"[CLS]", []int32{int32(begin)}, []string{"[CLS]"}}, {"[SEP]", []int32{int32(end)}, []string{"[SEP]"}},
		},
	}
}
