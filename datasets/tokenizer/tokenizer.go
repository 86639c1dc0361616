package tokenizer

import (
	"errors"
	"fmt"
	"sort"
)

// EndOfText is the special token that GPT-2 puts between documents.
const EndOfText = "<|endoftext|>"

// Tokenizer is a pipeline of Hugging Face's sections: added tokens are cut out of the text, the normalizer rewrites what is left,
// the pre-tokenizer splits it into words, the model turns words into tokens, the post-processor and the decoder finish ids and
// text. It is immutable and may be used by any number of goroutines at once.
type Tokenizer struct {
	pipeline
	content []string         // by id: spelling in the vocabulary, or the text of an added token
	bytes   []string         // by id: what the token decodes to; of byte-level BPE
	special []bool           // by id: left out when decoding without special tokens
	ids     map[string]int32 // by content

	matchers [2]matcher // added tokens that are matched first, and after those
}

// pipeline holds the sections of a tokenizer.json.
type pipeline struct {
	added []AddedToken // ascending ids

	// words is nil for byte-level BPE, which the rest describes.
	words *wordPipeline

	split   byteLevel // pre_tokenizer
	model   *bpe
	finish  *byteLevel // post_processor
	decoder byteLevel
}

// vocab is the model's, by id.
func (p *pipeline) vocab() []string {
	if p.words != nil {
		return p.words.model.tokens()
	}
	return p.model.vocab
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
	vocab := p.vocab()
	sort.Slice(p.added, func(i, j int) bool { return p.added[i].ID < p.added[j].ID })
	t := &Tokenizer{pipeline: p, ids: make(map[string]int32, len(vocab)), content: append([]string(nil), vocab...)}
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
	t.special = make([]bool, len(t.content))
	if p.words == nil {
		t.bytes = make([]string, len(t.content))
		for id, content := range t.content {
			bytes, ok := unspell(content)
			if !ok {
				bytes = content
			}
			t.bytes[id] = bytes
		}
	} else if p.words.template != nil {
		if err := p.words.template.check(len(t.content)); err != nil {
			return nil, err
		}
	}
	for i, a := range p.added {
		t.special[a.ID] = a.Special
		m := &t.matchers[0]
		if a.Normalized {
			m = &t.matchers[1]
			if p.words != nil && p.words.normalizer != nil {
				a.Content = string(appendText(nil, p.words.normalizer.apply(charsOf([]byte(a.Content), 0))))
				if a.Content == "" {
					return nil, fmt.Errorf("added_tokens[%d]: nothing of it is left by the normalizer, so it can never be found: set normalized to false", i)
				}
			}
		}
		m.add(a)
	}
	if p.words != nil {
		p.words.documents = p.words.model.without(t.special[:len(vocab)])
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

// EndOfText returns the id of the special token that ends every document of a training corpus: <|endoftext|>, or where a
// tokenizer has none, </s> (T5) or [SEP] (BERT).
func (t *Tokenizer) EndOfText() (int32, error) {
	if id, ok := t.SpecialID(EndOfText, "</s>", "[SEP]"); ok {
		return id, nil
	}
	return 0, errors.New("the tokenizer has no special token " + EndOfText + ", </s> or [SEP], which ends documents: add one to added_tokens")
}

// AddedTokens returns the added tokens in the order of their ids.
func (t *Tokenizer) AddedTokens() []AddedToken { return append([]AddedToken(nil), t.added...) }
