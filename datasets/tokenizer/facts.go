package tokenizer

import "strings"

// SpecialID returns the first of some spellings that is a special token.
func (t *Tokenizer) SpecialID(spellings ...string) (id int32, ok bool) {
	for _, s := range spellings {
		if id, ok := t.ids[s]; ok && t.special[id] {
			return id, true
		}
	}
	return 0, false
}

// ContinuesWord returns a bit for each token, token 0 the lowest of the first byte: whether it goes on with the word before it. It is nil
// where a token alone does not say so: only WordPiece's do.
func (t *Tokenizer) ContinuesWord() []byte {
	if t.words == nil {
		return nil
	}
	m, ok := t.words.model.(*wordPiece)
	if !ok || m.prefix == "" {
		return nil
	}
	bits := make([]byte, (t.Size()+7)/8)
	for id, token := range m.vocab {
		if strings.HasPrefix(token, m.prefix) && token != m.prefix && !t.special[id] {
			bits[id/8] |= 1 << (id % 8)
		}
	}
	return bits
}
