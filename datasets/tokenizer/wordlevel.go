package tokenizer

import (
	"strings"
	"unicode/utf8"
)

// wordPipeline holds the sections of a tokenizer whose words are characters, not bytes: WordPiece or Unigram.
type wordPipeline struct {
	normalizer normalizer // nil: none
	split      preTokenizer
	model      wordModel
	documents  wordModel // model for text that must not spell special tokens
	template   *template // nil: none
	decoder    decoder   // nil: tokens with spaces between them
}

// encode appends the tokens of a text without those of the template. first is the code point that the text starts at.
func (p *wordPipeline) encode(enc *Encoding, model wordModel, m *matcher, text []byte, first int32) {
	chars := charsOf(text, first)
	if p.normalizer != nil {
		chars = p.normalizer.apply(chars)
	}
	var word []byte
	var ids []int32
	var ends []int
	words := func(part []char, first bool) {
		p.split.words(part, first, func(w []char) {
			word = appendText(word[:0], w)
			ids, ends = model.encode(ids[:0], ends[:0], word)
			at, done := 0, 0
			for i, id := range ids {
				from := w[at]
				for done < ends[i] {
					done += utf8.RuneLen(w[at].r)
					at++
				}
				enc.IDs = append(enc.IDs, id)
				enc.Offsets = append(enc.Offsets, [2]int{int(from.start), int(w[at-1].end)})
			}
		})
	}
	if m.tokens == nil {
		words(chars, first == 0)
		return
	}
	normalized := appendText(nil, chars)
	at, done := 0, 0
	for _, s := range m.cut(nil, normalized, 0, len(normalized)) {
		from := at
		for done < s.end {
			done += utf8.RuneLen(chars[at].r)
			at++
		}
		if s.id >= 0 {
			enc.IDs = append(enc.IDs, s.id)
			enc.Offsets = append(enc.Offsets, [2]int{int(chars[from].start), int(chars[at-1].end)})
			continue
		}
		words(chars[from:at], first == 0 && from == 0)
	}
}

// splits reports whether a text may be cut before each space and its parts be encoded one by one.
func (p *wordPipeline) splits() bool {
	m, ok := p.split.(metaspace)
	return !ok || m.split
}

// appendIDs appends the tokens of a part of a document.
func (p *wordPipeline) appendIDs(dst []int32, part []byte, first bool) []int32 {
	var enc Encoding
	at := int32(1)
	if first {
		at = 0
	}
	p.encode(&enc, p.documents, &matcher{}, part, at)
	return append(dst, enc.IDs...)
}

// decoder turns the spelling of a token into text, given whether it is the first.
type decoder interface {
	text(token string, first bool) string
	write(*jsonWriter)
}

// text of tokens: spaces become spaces again, without those that the first token begins with.
func (m metaspace) text(token string, first bool) string {
	space := " "
	if first && m.prepend != "never" {
		space = ""
	}
	return strings.ReplaceAll(token, string(m.replacement), space)
}

// pieceDecoder joins the pieces of words and puts spaces between words.
type pieceDecoder struct {
	prefix  string
	cleanup bool // without the spaces that BERT's split leaves before punctuation and in English contractions
}

var cleanups = []*strings.Replacer{
	strings.NewReplacer(" .", "."), strings.NewReplacer(" ?", "?"), strings.NewReplacer(" !", "!"), strings.NewReplacer(" ,", ","),
	strings.NewReplacer(" ' ", "'"), strings.NewReplacer(" n't", "n't"), strings.NewReplacer(" 'm", "'m"),
	strings.NewReplacer(" do not", " don't"), strings.NewReplacer(" 's", "'s"), strings.NewReplacer(" 've", "'ve"), strings.NewReplacer(" 're", "'re"),
}

func (d pieceDecoder) text(token string, first bool) string {
	if !first {
		if rest, ok := strings.CutPrefix(token, d.prefix); ok {
			token = rest
		} else {
			token = " " + token
		}
	}
	if d.cleanup {
		for _, c := range cleanups {
			token = c.Replace(token)
		}
	}
	return token
}

// text is what a token adds to those before it.
func (p *wordPipeline) text(token string, first bool) string {
	switch {
	case p.decoder != nil:
		return p.decoder.text(token, first)
	case first:
		return token
	}
	return " " + token
}
