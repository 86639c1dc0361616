package tokenizer

import (
	"unicode"
	"unicode/utf8"
)

// Classes of characters that GPT-2's pattern tells apart.
const (
	other  uint8 = iota
	letter       // \p{L}
	number       // \p{N}
	space        // \s, the White_Space property
)

var asciiClass = func() (table [utf8.RuneSelf]uint8) {
	for c := range table {
		table[c] = runeClass(rune(c))
	}
	return table
}()

func runeClass(c rune) uint8 {
	switch {
	case unicode.IsLetter(c):
		return letter
	case unicode.IsNumber(c):
		return number
	case unicode.Is(unicode.White_Space, c):
		return space
	}
	return other
}

// classAt returns the class and the size of the character at text[i]. A byte that is not UTF-8 is a character of class other.
func classAt(text []byte, i int) (class uint8, size int) {
	if c := text[i]; c < utf8.RuneSelf {
		return asciiClass[c], 1
	}
	c, size := utf8.DecodeRune(text[i:])
	return runeClass(c), size
}

// runEnd returns where the run of characters of one class that contains text[i-1] ends.
func runEnd(text []byte, i int, class uint8) int {
	for i < len(text) {
		c, size := classAt(text, i)
		if c != class {
			break
		}
		i += size
	}
	return i
}

// wordEnd returns where the word that starts at text[i] ends; i is less than len(text). Words are the matches of GPT-2's pattern
//
//	's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
//
// which cover every text without a gap.
func wordEnd(text []byte, i int) int {
	if text[i] == '\'' {
		if n := contraction(text[i+1:]); n > 0 {
			return i + 1 + n
		}
	}
	class, size := classAt(text, i)
	if class != space {
		return runEnd(text, i+size, class)
	}
	// A space goes to the run after it.
	if text[i] == ' ' && i+1 < len(text) {
		if class, size := classAt(text, i+1); class != space {
			return runEnd(text, i+1+size, class)
		}
	}
	// White space that ends in front of a word leaves its last character to it, unless it has no other.
	end, last := i+size, i
	for end < len(text) {
		class, size := classAt(text, end)
		if class != space {
			if last > i {
				return last
			}
			return end
		}
		last = end
		end += size
	}
	return end
}

// contraction returns the length of an English contraction after an apostrophe, or 0.
func contraction(text []byte) int {
	if len(text) >= 1 {
		switch text[0] {
		case 's', 't', 'm', 'd':
			return 1
		}
	}
	if len(text) >= 2 {
		switch string(text[:2]) {
		case "re", "ve", "ll":
			return 2
		}
	}
	return 0
}
