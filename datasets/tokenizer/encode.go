package tokenizer

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Encoding is a text, or a pair of texts, as tokens.
type Encoding struct {
	IDs     []int32
	Offsets [][2]int // first and last+1 code point of its text that each token touches; [0 0] for those of the post-processor
	TypeIDs []int32  // 0 for the first text and 1 for the second, or what the post-processor says
	Special []bool   // put there by the post-processor
}

// Encode turns a text into tokens. Added tokens found in the text become those tokens, and the post-processor puts its own around
// the text. A text that is not UTF-8 is an error.
func (t *Tokenizer) Encode(text string) (Encoding, error) { return t.encodeAll(text) }

// EncodePair turns two texts, such as a question and an answer, into one sequence of tokens.
func (t *Tokenizer) EncodePair(a, b string) (Encoding, error) { return t.encodeAll(a, b) }

func (t *Tokenizer) encodeAll(texts ...string) (Encoding, error) {
	encodings := make([]Encoding, len(texts))
	for i, text := range texts {
		var err error
		if encodings[i], err = t.encode(text, i == 0); err != nil {
			return Encoding{}, err
		}
	}
	if t.words != nil && t.words.template != nil {
		return t.words.template.apply(encodings...), nil
	}
	all := Encoding{IDs: []int32{}, Offsets: [][2]int{}}
	for i, e := range encodings {
		all.join(e, int32(i))
	}
	return all, nil
}

func (t *Tokenizer) encode(text string, first bool) (Encoding, error) {
	for i := 0; i < len(text); {
		c, size := utf8.DecodeRuneInString(text[i:])
		if c == utf8.RuneError && size == 1 {
			return Encoding{}, fmt.Errorf("encode: byte %d (0x%02X) is not UTF-8", i, text[i])
		}
		i += size
	}
	raw := []byte(text)
	// chars[i] is the number of the code point that byte i belongs to.
	chars := make([]int32, len(raw))
	for i, n := 0, int32(-1); i < len(raw); i++ {
		if utf8.RuneStart(raw[i]) {
			n++
		}
		chars[i] = n
	}

	enc := Encoding{IDs: []int32{}, Offsets: [][2]int{}}
	for _, s := range t.segments(raw) {
		if s.id >= 0 {
			enc.IDs = append(enc.IDs, s.id)
			enc.Offsets = append(enc.Offsets, [2]int{int(chars[s.start]), int(chars[s.end-1]) + 1})
			continue
		}
		if t.words != nil {
			t.words.encode(&enc, t.words.model, &t.matchers[1], raw[s.start:s.end], chars[s.start])
			continue
		}
		part, shift := raw[s.start:s.end], s.start
		if t.split.AddPrefixSpace && part[0] != ' ' {
			// The space has the place of the first character.
			part, shift = append([]byte{' '}, part...), s.start-1
		}
		place := func(i int) int { return int(chars[max(i+shift, s.start)]) }
		for i := 0; i < len(part); {
			end := t.wordEnd(part, i)
			first := len(enc.IDs)
			enc.IDs = t.model.encode(enc.IDs, part[i:end])
			for _, id := range enc.IDs[first:] {
				n := len(t.bytes[id])
				enc.Offsets = append(enc.Offsets, [2]int{place(i), place(i+n-1) + 1})
				i += n
			}
		}
	}
	if t.finish != nil && t.finish.TrimOffsets {
		for i, id := range enc.IDs {
			enc.Offsets[i] = trimOffsets(t.content[id], enc.Offsets[i], t.finish.AddPrefixSpace && (first && i == 0 || enc.Offsets[i][0] == 0))
		}
	}
	return enc, nil
}

// trimOffsets takes the white space at the ends of a token out of its offsets. The space that AddPrefixSpace put in front of a
// text never had a place of its own.
func trimOffsets(token string, offsets [2]int, prefixed bool) [2]int {
	spaces := func(s string) int { return utf8.RuneCountInString(token) - utf8.RuneCountInString(s) }
	isSpace := func(c rune) bool { return c == byteToChar[' '] || unicode.IsSpace(c) }
	leading := spaces(strings.TrimLeftFunc(token, isSpace))
	trailing := spaces(strings.TrimRightFunc(token, isSpace))
	if leading > 0 && prefixed {
		leading--
	}
	offsets[0] = min(offsets[0]+leading, offsets[1])
	if offsets[1] >= trailing {
		offsets[1] = max(offsets[1]-trailing, offsets[0])
	}
	return offsets
}

func (t *Tokenizer) segments(text []byte) []segment {
	var segments []segment
	for _, s := range t.matchers[0].cut(nil, text, 0, len(text)) {
		if s.id >= 0 || t.words != nil { // the second kind is found after normalizing
			segments = append(segments, s)
		} else {
			segments = t.matchers[1].cut(segments, text, s.start, s.end)
		}
	}
	return segments
}

func (t *Tokenizer) wordEnd(text []byte, i int) int {
	if !t.split.UseRegex {
		return len(text)
	}
	return wordEnd(text, i)
}

// Encoder turns documents into tokens and remembers how words were encoded. It is for one goroutine.
type Encoder struct {
	t     *Tokenizer
	words *wordTable
	spans []idSpan // tokens of each word, in ids
	ids   []int32
}

type idSpan struct{ start, end uint32 }

// Bounds of what an Encoder remembers, after which it starts afresh.
const (
	maxCachedWord  = 64 // bytes
	maxCachedWords = 1 << 18
)

// NewEncoder returns an encoder with an empty memory.
func (t *Tokenizer) NewEncoder() *Encoder {
	return &Encoder{t: t, words: newWordTable()}
}

// Append appends the tokens of a document. Unlike Tokenizer.Encode it takes added tokens in the document for ordinary text, so
// that no document can forge a special token, and the post-processor adds nothing. Bytes that are not UTF-8 are encoded as bytes
// by byte-level BPE and as U+FFFD by others.
func (e *Encoder) Append(dst []int32, document []byte) []int32 {
	if e.t.words != nil {
		return e.appendWords(dst, document)
	}
	if e.t.split.AddPrefixSpace && len(document) > 0 && document[0] != ' ' {
		document = append([]byte{' '}, document...)
	}
	for i := 0; i < len(document); {
		end := e.t.wordEnd(document, i)
		dst = e.appendWord(dst, document[i:end])
		i = end
	}
	return dst
}

// appendWords cuts a document before each space: no normalizer and no word reaches across.
func (e *Encoder) appendWords(dst []int32, document []byte) []int32 {
	if !e.t.words.splits() {
		return e.t.words.appendIDs(dst, document, true)
	}
	for i := 0; i < len(document); {
		end := len(document)
		if n := bytes.IndexByte(document[i+1:], ' '); n >= 0 {
			end = i + 1 + n
		}
		part := document[i:end]
		switch {
		case i == 0: // may be split otherwise, and does not occur again
			dst = e.t.words.appendIDs(dst, part, true)
		case len(part) > maxCachedWord:
			dst = e.t.words.appendIDs(dst, part, false)
		default:
			dst = e.cached(dst, part)
		}
		i = end
	}
	return dst
}

func (e *Encoder) appendWord(dst []int32, word []byte) []int32 {
	if len(word) == 1 {
		return append(dst, e.t.model.bytes[word[0]])
	}
	if len(word) > maxCachedWord {
		return e.t.model.encode(dst, word)
	}
	return e.cached(dst, word)
}

// cached appends the tokens of a word, remembered or new.
func (e *Encoder) cached(dst []int32, word []byte) []int32 {
	n, added := e.words.number(word)
	if added {
		if n >= maxCachedWords {
			e.words.reset()
			e.spans, e.ids = e.spans[:0], e.ids[:0]
			e.words.number(word)
			n = 0
		}
		start := len(e.ids)
		if e.t.words != nil {
			e.ids = e.t.words.appendIDs(e.ids, word, false)
		} else {
			e.ids = e.t.model.encode(e.ids, word)
		}
		e.spans = append(e.spans, idSpan{uint32(start), uint32(len(e.ids))})
	}
	s := e.spans[n]
	return append(dst, e.ids[s.start:s.end]...)
}
