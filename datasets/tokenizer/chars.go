package tokenizer

import "unicode/utf8"

// char is a character on its way through a normalizer: what it has become, and the code points [start, end) of the original text
// that it stands for.
type char struct {
	r          rune
	start, end int32
}

// change is one step of rewriting a text, as Hugging Face's NormalizedString counts them: a character that takes the place of the
// next 1-by old ones, or for by 1 one that is inserted and shares the place of the old one before it.
type change struct {
	r  rune
	by int32
}

// rewrite applies changes. Where they reorder characters, places stay in the order of the text, as in Hugging Face.
func rewrite(old []char, changes []change) []char {
	out := make([]char, len(changes))
	at := 0
	for i, c := range changes {
		place := char{}
		if c.by > 0 {
			if at > 0 {
				place = old[at-1]
			}
		} else {
			place = old[at]
			at += 1 - int(c.by)
		}
		out[i] = char{c.r, place.start, place.end}
	}
	return out
}

// charsOf decodes UTF-8 text whose first character is code point number first of the original. Bytes that are not UTF-8 become
// U+FFFD.
func charsOf(text []byte, first int32) []char {
	out := make([]char, 0, len(text))
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRune(text[i:])
		out = append(out, char{r, first, first + 1})
		first++
		i += size
	}
	return out
}

// appendText appends the UTF-8 text of characters.
func appendText(dst []byte, chars []char) []byte {
	for _, c := range chars {
		dst = utf8.AppendRune(dst, c.r)
	}
	return dst
}
