package tokenizer

import (
	"errors"
	"fmt"
	"sort"
)

// EndOfText is the special token that GPT-2 puts between documents.
const EndOfText = "<|endoftext|>"

// Tokenizer is a pipeline of Hugging Face's sections: added tokens are cut out of the text, the pre-tokenizer splits what is
// left into words, the model turns words into tokens, the post-processor and the decoder finish ids and text. It is immutable
// and may be used by any number of goroutines at once.
type Tokenizer struct {
	pipeline
	content []string         // by id: spelling in the vocabulary, or the text of an added token
	bytes   []string         // by id: what the token decodes to
	special []bool           // by id: left out when decoding without special tokens
	ids     map[string]int32 // by content

	matchers [2]matcher // added tokens that are matched first, and after those
}

// pipeline holds the sections of a tokenizer.json.
type pipeline struct {
	added   []AddedToken // ascending ids
	split   byteLevel    // pre_tokenizer
	model   *bpe
	finish  *byteLevel // post_processor
	decoder byteLevel
}

// byteLevel holds the options of Hugging Face's ByteLevel, which can be pre-tokenizer, post-processor and decoder.
type byteLevel struct {
	AddPrefixSpace bool // begin each text with a space
	TrimOffsets    bool // as post-processor: offsets leave out white space at a token's ends
	UseRegex       bool // split with GPT-2's pattern, not at all otherwise
}

// AddedToken is a token that is found in the text before it is split into words.
type AddedToken struct {
	ID         int32
	Content    string
	SingleWord bool // only where no word character touches it
	LStrip     bool // takes the white space to its left with it
	RStrip     bool // and to its right
	Normalized bool // found after the tokens that are not
	Special    bool // left out by Decode on request
}

func newTokenizer(p pipeline) (*Tokenizer, error) {
	size := len(p.model.vocab)
	sort.Slice(p.added, func(i, j int) bool { return p.added[i].ID < p.added[j].ID })
	t := &Tokenizer{pipeline: p, ids: make(map[string]int32, size), content: append([]string(nil), p.model.vocab...)}
	for id, content := range t.content {
		t.ids[content] = int32(id)
	}
	for i, a := range p.added {
		switch id, known := t.ids[a.Content]; {
		case a.Content == "":
			return nil, fmt.Errorf("added_tokens[%d]: content is empty", i)
		case i > 0 && p.added[i-1].ID == a.ID:
			return nil, fmt.Errorf("added_tokens[%d]: id %d is used twice", i, a.ID)
		case known && id != a.ID:
			return nil, fmt.Errorf("added_tokens[%d]: %q has id %d here and %d elsewhere", i, a.Content, a.ID, id)
		case known:
		case int(a.ID) != len(t.content):
			return nil, fmt.Errorf("added_tokens[%d]: %q has id %d, but the next free id is %d: ids must have no gaps and no repeats",
				i, a.Content, a.ID, len(t.content))
		case len(t.content) >= MaxVocabSize:
			return nil, fmt.Errorf("added_tokens[%d]: more than %d tokens", i, MaxVocabSize)
		default:
			t.content = append(t.content, a.Content)
			t.ids[a.Content] = a.ID
		}
	}
	t.bytes, t.special = make([]string, len(t.content)), make([]bool, len(t.content))
	for id, content := range t.content {
		bytes, ok := unspell(content)
		if !ok {
			bytes = content
		}
		t.bytes[id] = bytes
	}
	for _, a := range p.added {
		t.special[a.ID] = a.Special
		m := &t.matchers[0]
		if a.Normalized {
			m = &t.matchers[1]
		}
		m.add(a)
	}
	return t, nil
}

// Size is the number of tokens; ids are 0 to Size-1.
func (t *Tokenizer) Size() int { return len(t.content) }

// ID returns the id of a token by its spelling in tokenizer.json, such as "<|endoftext|>" or "Ġthe".
func (t *Tokenizer) ID(token string) (id int32, ok bool) {
	id, ok = t.ids[token]
	return id, ok
}

// Token returns the spelling of a token in tokenizer.json, or "" if there is no such id.
func (t *Tokenizer) Token(id int32) string {
	if id < 0 || int(id) >= len(t.content) {
		return ""
	}
	return t.content[id]
}

// EndOfText returns the id of the token <|endoftext|>, which ends every document of a training corpus.
func (t *Tokenizer) EndOfText() (int32, error) {
	id, ok := t.ids[EndOfText]
	if !ok || !t.special[id] {
		return 0, errors.New("the tokenizer has no special token " + EndOfText + ", which ends documents: add it to added_tokens")
	}
	return id, nil
}

// AddedTokens returns the added tokens in the order of their ids.
func (t *Tokenizer) AddedTokens() []AddedToken { return append([]AddedToken(nil), t.added...) }
