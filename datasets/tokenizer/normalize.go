package tokenizer

import (
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// normalizer rewrites a text before it is split into words.
type normalizer interface {
	apply([]char) []char
	write(*jsonWriter)
}

// sequence applies normalizers in order.
type sequence []normalizer

func (s sequence) apply(chars []char) []char {
	for _, n := range s {
		chars = n.apply(chars)
	}
	return chars
}

// unicodeForm is one of the normalization forms of Unicode Standard Annex 15.
type unicodeForm struct {
	name      string // "NFC", "NFD", "NFKC" or "NFKD"
	decompose norm.Form
	compose   bool
}

var unicodeForms = map[string]unicodeForm{
	"NFC": {"NFC", norm.NFD, true}, "NFD": {"NFD", norm.NFD, false},
	"NFKC": {"NFKC", norm.NFKD, true}, "NFKD": {"NFKD", norm.NFKD, false},
}

func (f unicodeForm) apply(chars []char) []char {
	if isASCII(chars) {
		return chars
	}
	changes := decompose(chars, f.decompose)
	if f.compose {
		changes = compose(changes)
	}
	return rewrite(chars, changes)
}

func isASCII(chars []char) bool {
	for _, c := range chars {
		if c.r >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// combiningClass is the canonical combining class of a character.
func combiningClass(r rune) uint8 {
	if r < 0x300 {
		return 0
	}
	var buf [utf8.UTFMax]byte
	return norm.NFD.Properties(buf[:utf8.EncodeRune(buf[:], r)]).CCC()
}

// decompose replaces characters by their decompositions and puts runs of combining marks into canonical order.
func decompose(chars []char, form norm.Form) []change {
	out := make([]change, 0, len(chars)+len(chars)/4)
	var in, full [64]byte
	marks := 0 // characters of a class above 0 at the end of out
	add := func(r rune, by int32) {
		class := combiningClass(r)
		out = append(out, change{r, by})
		if class == 0 {
			marks = 0
			return
		}
		at := len(out) - 1
		for ; at > len(out)-1-marks && combiningClass(out[at-1].r) > class; at-- {
			out[at] = out[at-1]
		}
		out[at] = change{r, by}
		marks++
	}
	for _, c := range chars {
		if c.r < 0xA0 {
			add(c.r, 0)
			continue
		}
		by := int32(0)
		for text := form.Append(full[:0], in[:utf8.EncodeRune(in[:], c.r)]...); len(text) > 0; {
			r, size := utf8.DecodeRune(text)
			add(r, by)
			by = 1
			text = text[size:]
		}
	}
	return out
}

// compose replaces pairs by their primary composites (Unicode Standard, 3.11, D117). A composite stands for all that the
// characters it is made of stand for.
func compose(in []change) []change {
	out := in[:0]
	starter, last := -1, uint8(0) // index in out, and the class of the last character after it
	for _, c := range in {
		class := combiningClass(c.r)
		if starter >= 0 {
			blocked := len(out)-1 > starter && (last >= class)
			if !blocked {
				if r, ok := composite(out[starter].r, c.r); ok {
					out[starter] = change{r, out[starter].by + c.by - 1}
					continue
				}
			}
		}
		out = append(out, c)
		last = class
		if class == 0 {
			starter = len(out) - 1
		}
	}
	return out
}

func composite(a, b rune) (rune, bool) {
	if b < 0x300 {
		return 0, false // no such character is the second of a pair
	}
	var in, out [32]byte
	pair := utf8.AppendRune(utf8.AppendRune(in[:0], a), b)
	text := norm.NFC.Append(out[:0], pair...)
	r, size := utf8.DecodeRune(text)
	return r, size == len(text)
}

// lowercase maps each character to lower case by itself.
type lowercase struct{}

func (lowercase) apply(chars []char) []char {
	out := chars[:0:0]
	for _, c := range chars {
		if c.r == 'İ' { // the one character whose lower case is two
			out = append(out, char{'i', c.start, c.end}, char{'\u0307', c.start, c.end})
			continue
		}
		out = append(out, char{unicode.ToLower(c.r), c.start, c.end})
	}
	return out
}

// stripAccents leaves out nonspacing marks.
type stripAccents struct{}

func (stripAccents) apply(chars []char) []char {
	return filter(chars, func(r rune) bool { return r < 0x300 || !unicode.Is(unicode.Mn, r) })
}

func filter(chars []char, keep func(rune) bool) []char {
	out := make([]char, 0, len(chars))
	for _, c := range chars {
		if keep(c.r) {
			out = append(out, c)
		}
	}
	return out
}

// bertNormalizer is the cleaning of Devlin et al. 2018 ("BERT", BasicTokenizer).
type bertNormalizer struct {
	cleanText    bool  // leave out control characters, make all white space spaces
	chinese      bool  // put spaces around ideographs
	stripAccents *bool // nil: if lowercase
	lowercase    bool
}

func (b bertNormalizer) apply(chars []char) []char {
	if b.cleanText {
		chars = filter(chars, func(r rune) bool { return r != 0 && r != utf8.RuneError && !isControl(r) })
		for i, c := range chars {
			if unicode.Is(unicode.White_Space, c.r) {
				chars[i].r = ' '
			}
		}
	}
	if b.chinese {
		spaced := make([]char, 0, len(chars))
		for _, c := range chars {
			if isIdeograph(c.r) {
				space := char{' ', c.start, c.end}
				spaced = append(spaced, space, c, space)
			} else {
				spaced = append(spaced, c)
			}
		}
		chars = spaced
	}
	if b.stripAccents == nil && b.lowercase || b.stripAccents != nil && *b.stripAccents {
		chars = stripAccents{}.apply(unicodeForms["NFD"].apply(chars))
	}
	if b.lowercase {
		chars = lowercase{}.apply(chars)
	}
	return chars
}

// isControl: the general categories Other, without the white space among them that BERT keeps.
func isControl(r rune) bool {
	switch {
	case r == '\t' || r == '\n' || r == '\r':
		return false
	case r < utf8.RuneSelf:
		return r < ' ' || r == 0x7F
	}
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co)
}

// isIdeograph: the blocks that BERT takes for Chinese.
func isIdeograph(r rune) bool {
	return r >= 0x4E00 && r <= 0x9FFF || r >= 0x3400 && r <= 0x4DBF || r >= 0x20000 && r <= 0x2A6DF || r >= 0x2A700 && r <= 0x2B73F ||
		r >= 0x2B740 && r <= 0x2B81F || r >= 0x2B920 && r <= 0x2CEAF || r >= 0xF900 && r <= 0xFAFF || r >= 0x2F800 && r <= 0x2FA1F
}
