package tokenizer

import (
	"sort"
	"unicode"
	"unicode/utf8"
)

// matcher finds added tokens in a text: the leftmost match, and of those the longest.
type matcher struct {
	tokens  map[string]AddedToken
	lengths [256][]int // of the tokens that begin with a byte, longest first
}

func (m *matcher) add(a AddedToken) {
	if m.tokens == nil {
		m.tokens = map[string]AddedToken{}
	}
	m.tokens[a.Content] = a
	lengths := &m.lengths[a.Content[0]]
	at := sort.Search(len(*lengths), func(i int) bool { return (*lengths)[i] <= len(a.Content) })
	if at == len(*lengths) || (*lengths)[at] != len(a.Content) {
		*lengths = append(*lengths, 0)
		copy((*lengths)[at+1:], (*lengths)[at:])
		(*lengths)[at] = len(a.Content)
	}
}

// segment is a part of a text: an added token, or text between them (id -1).
type segment struct {
	start, end int
	id         int32
}

// cut appends the segments of text[start:end], without gaps and without empty ones.
func (m *matcher) cut(dst []segment, text []byte, start, end int) []segment {
	if m.tokens == nil {
		if start < end {
			dst = append(dst, segment{start, end, -1})
		}
		return dst
	}
	done, begin := start, start
	text = text[:end]
	for i := start; i < end; {
		token, ok := m.at(text, i)
		if !ok {
			i++
			continue
		}
		from, to := i, i+len(token.Content)
		i = to
		if token.SingleWord && (from > begin && wordBefore(text[begin:from]) || to < end && wordAfter(text[to:])) {
			continue
		}
		if token.LStrip {
			for from > done {
				c, size := utf8.DecodeLastRune(text[done:from])
				if !unicode.IsSpace(c) {
					break
				}
				from -= size
			}
		}
		if token.RStrip {
			to = runEnd(text, to, space)
		}
		if done < from {
			dst = append(dst, segment{done, from, -1})
		}
		dst = append(dst, segment{from, to, token.ID})
		done, i = to, to
	}
	if done < end {
		dst = append(dst, segment{done, end, -1})
	}
	return dst
}

// at returns the longest token that text[i:] begins with.
func (m *matcher) at(text []byte, i int) (AddedToken, bool) {
	for _, n := range m.lengths[text[i]] {
		if i+n <= len(text) {
			if token, ok := m.tokens[string(text[i:i+n])]; ok {
				return token, true
			}
		}
	}
	return AddedToken{}, false
}

func wordBefore(text []byte) bool {
	c, _ := utf8.DecodeLastRune(text)
	return isWord(c)
}

func wordAfter(text []byte) bool {
	c, _ := utf8.DecodeRune(text)
	return isWord(c)
}

// isWord is \w of Unicode Technical Standard 18, annex C.
func isWord(c rune) bool {
	return unicode.In(c, unicode.L, unicode.M, unicode.Nd, unicode.Nl, unicode.Other_Alphabetic, unicode.Pc, unicode.Join_Control)
}
