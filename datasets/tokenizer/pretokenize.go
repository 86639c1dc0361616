package tokenizer

import "unicode"

// preTokenizer splits normalized text into words.
type preTokenizer interface {
	// words calls f for each word. first says that the text begins where the whole input does.
	words(chars []char, first bool, f func(word []char))
	write(*jsonWriter)
}

// bertSplit is Hugging Face's BertPreTokenizer: words are parted by white space, and each punctuation character is one.
type bertSplit struct{}

func (bertSplit) words(chars []char, _ bool, f func([]char)) {
	start := 0
	for i, c := range chars {
		space, punctuation := unicode.Is(unicode.White_Space, c.r), isPunctuation(c.r)
		if !space && !punctuation {
			continue
		}
		if start < i {
			f(chars[start:i])
		}
		if punctuation {
			f(chars[i : i+1])
		}
		start = i + 1
	}
	if start < len(chars) {
		f(chars[start:])
	}
}

func isPunctuation(r rune) bool {
	return r >= '!' && r <= '/' || r >= ':' && r <= '@' || r >= '[' && r <= '`' || r >= '{' && r <= '~' || r >= 0x80 && unicode.IsPunct(r)
}

// metaspace is SentencePiece's way of keeping spaces (Kudo and Richardson 2018): each is written as a visible character, and a
// word begins with the space before it. As a decoder it turns them back.
type metaspace struct {
	replacement rune   // '▁'
	prepend     string // "always", "first" or "never": where a space is put in front of a text without one
	split       bool   // false: a text is one word
}

func (m metaspace) words(chars []char, first bool, f func([]char)) {
	if len(chars) == 0 {
		return
	}
	// The space in front has the place of the first character.
	text := make([]char, 1, len(chars)+1)
	text[0] = char{m.replacement, chars[0].start, chars[0].end}
	text = append(text, chars...)
	for i := range text {
		if text[i].r == ' ' {
			text[i].r = m.replacement
		}
	}
	if text[1].r == m.replacement || m.prepend == "never" || m.prepend == "first" && !first {
		text = text[1:]
	}
	start := 0
	for i := 1; i < len(text) && m.split; i++ {
		if text[i].r == m.replacement {
			f(text[start:i])
			start = i
		}
	}
	f(text[start:])
}
