package tokenizer

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Decode returns the text of tokens, special tokens left out if skipSpecial. Bytes that are not UTF-8 become U+FFFD, one for each
// maximal part of a character (Unicode 15, 3.9, as Rust's from_utf8_lossy).
func (t *Tokenizer) Decode(ids []int32, skipSpecial bool) (string, error) {
	var bytes []byte
	first := true
	for i, id := range ids {
		switch {
		case id < 0 || int(id) >= len(t.content):
			return "", fmt.Errorf("decode: ids[%d] = %d is outside [0, %d)", i, id, len(t.content))
		case skipSpecial && t.special[id]:
		case t.words != nil:
			bytes = append(bytes, t.words.text(t.content[id], first)...)
			first = false
		default:
			bytes = append(bytes, t.bytes[id]...)
		}
	}
	text, rest := lossy(bytes)
	if rest > 0 {
		text += "\uFFFD"
	}
	return text, nil
}

// TextStream decodes tokens one by one as a model generates them, holding back characters that are not complete.
type TextStream struct {
	t           *Tokenizer
	skipSpecial bool
	started     bool
	pending     []byte
}

// NewTextStream returns a stream whose pieces add up to what Decode returns.
func (t *Tokenizer) NewTextStream(skipSpecial bool) *TextStream {
	return &TextStream{t: t, skipSpecial: skipSpecial}
}

// Next returns the text that one more token completes, which can be empty.
func (s *TextStream) Next(id int32) (string, error) {
	if id < 0 || int(id) >= len(s.t.content) {
		return "", fmt.Errorf("decode: id %d is outside [0, %d)", id, len(s.t.content))
	}
	if s.skipSpecial && s.t.special[id] {
		return "", nil
	}
	if s.t.words != nil {
		text := s.t.words.text(s.t.content[id], !s.started)
		s.started = true
		return text, nil
	}
	s.pending = append(s.pending, s.t.bytes[id]...)
	text, rest := lossy(s.pending)
	s.pending = append(s.pending[:0], s.pending[len(s.pending)-rest:]...)
	return text, nil
}

// Flush returns U+FFFD if the tokens ended within a character, and nothing otherwise.
func (s *TextStream) Flush() string {
	if len(s.pending) == 0 {
		return ""
	}
	s.pending = s.pending[:0]
	return "\uFFFD"
}

// lossy decodes UTF-8, leaving out the rest: up to 3 last bytes that begin a character without finishing it.
func lossy(bytes []byte) (text string, rest int) {
	var b strings.Builder
	for len(bytes) > 0 {
		c, size := utf8.DecodeRune(bytes)
		if c != utf8.RuneError || size > 1 {
			b.Write(bytes[:size])
			bytes = bytes[size:]
			continue
		}
		part := partOfCharacter(bytes)
		if part == len(bytes) && !utf8.FullRune(bytes) {
			return b.String(), part
		}
		b.WriteString("\uFFFD")
		bytes = bytes[part:]
	}
	return b.String(), 0
}

// partOfCharacter returns how many of the first bytes, which are not a character, could begin one: at least 1.
func partOfCharacter(bytes []byte) int {
	for n := min(3, len(bytes)); n > 1; n-- {
		if !utf8.FullRune(bytes[:n]) {
			return n
		}
	}
	return 1
}
