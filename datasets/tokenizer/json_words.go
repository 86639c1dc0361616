package tokenizer

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"
)

// The sections of tokenizer.json that WordPiece and Unigram have, read and written.

func (o *object) wordPipeline() *wordPipeline {
	p := &wordPipeline{normalizer: o.normalizer("normalizer"), split: o.preTokenizer("pre_tokenizer"), template: o.template("post_processor"), decoder: o.decoder("decoder")}
	if p.model = o.wordModel("model"); o.err != nil {
		return nil
	}
	return p
}

func (p *wordPipeline) write(w *jsonWriter) {
	if p.normalizer == nil {
		w.raw(`null`)
	} else {
		p.normalizer.write(w)
	}
	w.raw(`,"pre_tokenizer":`)
	p.split.write(w)
	w.raw(`,"post_processor":`)
	p.template.write(w)
	w.raw(`,"decoder":`)
	if p.decoder == nil {
		w.raw(`null`)
	} else {
		p.decoder.write(w)
	}
	w.raw(`,"model":`)
	p.model.write(w)
	w.raw(`}`)
}

// section reads an object with a type; null and absent are nil.
func (o *object) section(name string) (sub *object, typ string) {
	if !o.present(name) {
		o.take(name)
		return nil, ""
	}
	sub = o.sub(name)
	return sub, sub.string("type", "")
}

func (o *object) normalizer(name string) normalizer {
	sub, typ := o.section(name)
	if sub == nil {
		return nil
	}
	defer o.close(sub)
	return sub.normalizerOf(typ, 0)
}

// maxNesting bounds sequences within sequences.
const maxNesting = 8

func (o *object) normalizerOf(typ string, depth int) normalizer {
	if form, ok := unicodeForms[typ]; ok {
		return form
	}
	switch typ {
	case "Lowercase":
		return lowercase{}
	case "StripAccents":
		return stripAccents{}
	case "BertNormalizer":
		b := bertNormalizer{cleanText: o.bool("clean_text", true), chinese: o.bool("handle_chinese_chars", true), lowercase: o.bool("lowercase", true)}
		if o.present("strip_accents") {
			strip := o.bool("strip_accents", false)
			b.stripAccents = &strip
		} else {
			o.take("strip_accents")
		}
		return b
	case "Sequence":
		if depth == maxNesting {
			o.fail("type", "more than %d sequences within each other", maxNesting)
			return nil
		}
		all := sequence{}
		for _, sub := range o.objects("normalizers") {
			all = append(all, sub.normalizerOf(sub.string("type", ""), depth+1))
			o.close(sub)
		}
		return all
	}
	o.fail("type", "%q is not supported, only BertNormalizer, NFC, NFD, NFKC, NFKD, Lowercase, StripAccents and Sequence", typ)
	return nil
}

// objects reads a list of objects.
func (o *object) objects(name string) []*object {
	value, ok := o.take(name)
	var items []json.RawMessage
	if err := json.Unmarshal(value, &items); !ok || err != nil {
		o.fail(name, "want a list, have %s", brief(value))
		return nil
	}
	subs := make([]*object, len(items))
	for i, item := range items {
		sub, err := parseObject(fmt.Sprintf("%s[%d]", o.at(name), i), item)
		if err != nil {
			o.fail(name, "%w", err)
			return nil
		}
		subs[i] = sub
	}
	return subs
}

func (s sequence) write(w *jsonWriter) {
	w.raw(`{"type":"Sequence","normalizers":[`)
	for i, n := range s {
		w.comma(i)
		n.write(w)
	}
	w.raw(`]}`)
}

func (f unicodeForm) write(w *jsonWriter) { w.raw(`{"type":"`, f.name, `"}`) }
func (lowercase) write(w *jsonWriter)     { w.raw(`{"type":"Lowercase"}`) }
func (stripAccents) write(w *jsonWriter)  { w.raw(`{"type":"StripAccents"}`) }
func (bertSplit) write(w *jsonWriter)     { w.raw(`{"type":"BertPreTokenizer"}`) }

func (b bertNormalizer) write(w *jsonWriter) {
	w.raw(`{"type":"BertNormalizer"`).flags("clean_text", b.cleanText, "handle_chinese_chars", b.chinese).raw(`,"strip_accents":`)
	if b.stripAccents == nil {
		w.raw(`null`)
	} else {
		w.raw(strconv.FormatBool(*b.stripAccents))
	}
	w.flags("lowercase", b.lowercase).raw(`}`)
}

func (m metaspace) write(w *jsonWriter) {
	w.raw(`{"type":"Metaspace","replacement":`).quote(string(m.replacement)).raw(`,"prepend_scheme":`).quote(m.prepend).flags("split", m.split).raw(`}`)
}

func (o *object) preTokenizer(name string) preTokenizer {
	sub, typ := o.section(name)
	if sub == nil {
		o.fail(name, "missing or null")
		return bertSplit{}
	}
	defer o.close(sub)
	switch typ {
	case "BertPreTokenizer":
	case "Metaspace":
		return sub.metaspace()
	default:
		sub.fail("type", "%q is not supported with this model, only BertPreTokenizer and Metaspace", typ)
	}
	return bertSplit{}
}

func (o *object) metaspace() metaspace {
	text, prepend := o.string("replacement", "▁"), o.string("prepend_scheme", "always")
	if o.present("add_prefix_space") { // of older files
		if add := o.bool("add_prefix_space", true); !add {
			prepend = "never"
		}
	} else {
		o.take("add_prefix_space")
	}
	r, size := utf8.DecodeRuneInString(text)
	if size != len(text) || r == utf8.RuneError {
		o.fail("replacement", "%q is not one character", text)
	}
	if prepend != "always" && prepend != "first" && prepend != "never" {
		o.fail("prepend_scheme", "%q is not always, first or never", prepend)
	}
	return metaspace{r, prepend, o.bool("split", true)}
}

func (o *object) decoder(name string) decoder {
	sub, typ := o.section(name)
	if sub == nil {
		return nil
	}
	defer o.close(sub)
	switch typ {
	case "WordPiece":
		return pieceDecoder{sub.string("prefix", "##"), sub.bool("cleanup", true)}
	case "Metaspace":
		return sub.metaspace()
	}
	sub.fail("type", "%q is not supported with this model, only WordPiece and Metaspace", typ)
	return nil
}

func (d pieceDecoder) write(w *jsonWriter) {
	w.raw(`{"type":"WordPiece","prefix":`).quote(d.prefix).flags("cleanup", d.cleanup).raw(`}`)
}

func (o *object) template(name string) *template {
	sub, typ := o.section(name)
	if sub == nil {
		return nil
	}
	defer o.close(sub)
	if typ != "TemplateProcessing" {
		sub.fail("type", "%q is not supported with this model, only TemplateProcessing", typ)
		return nil
	}
	t := &template{single: sub.templatePieces("single"), pair: sub.templatePieces("pair")}
	specials := sub.sub("special_tokens")
	for _, key := range specials.names {
		s := specials.sub(key)
		t.specials = append(t.specials, templateSpecial{s.string("id", key), field(s, "ids", []int32{}), field(s, "tokens", []string{})})
		if s.err == nil && t.specials[len(t.specials)-1].name != key {
			s.fail("id", "is not %q", key)
		}
		specials.close(s)
	}
	sub.close(specials)
	return t
}

func (o *object) templatePieces(name string) []templatePiece {
	var pieces []templatePiece
	for _, item := range o.objects(name) {
		kind := "Sequence"
		if item.present("SpecialToken") {
			kind = "SpecialToken"
		}
		sub := item.sub(kind)
		pieces = append(pieces, templatePiece{kind == "SpecialToken", sub.string("id", ""), field[int32](sub, "type_id", 0)})
		item.close(sub)
		o.close(item)
	}
	return pieces
}

func (t *template) write(w *jsonWriter) {
	if t == nil {
		w.raw(`null`)
		return
	}
	w.raw(`{"type":"TemplateProcessing","single":`)
	writePieces(w, t.single)
	w.raw(`,"pair":`)
	writePieces(w, t.pair)
	w.raw(`,"special_tokens":{`)
	for i, s := range t.specials {
		w.comma(i)
		w.quote(s.name).raw(`:{"id":`).quote(s.name).raw(`,"ids":[`)
		for j, id := range s.ids {
			w.comma(j)
			w.raw(strconv.Itoa(int(id)))
		}
		w.raw(`],"tokens":[`)
		for j, token := range s.tokens {
			w.comma(j)
			w.quote(token)
		}
		w.raw(`]}`)
	}
	w.raw(`}}`)
}

func writePieces(w *jsonWriter, pieces []templatePiece) {
	w.raw(`[`)
	for i, p := range pieces {
		w.comma(i)
		kind := "Sequence"
		if p.special {
			kind = "SpecialToken"
		}
		w.raw(`{"`, kind, `":{"id":`).quote(p.name).raw(`,"type_id":`, strconv.Itoa(int(p.typeID)), `}}`)
	}
	w.raw(`]`)
}

func (o *object) wordModel(name string) wordModel {
	sub, typ := o.section(name)
	if sub == nil {
		o.fail(name, "missing or null")
		return nil
	}
	defer o.close(sub)
	var m wordModel
	var err error
	if typ == "WordPiece" {
		unknown, prefix, maxChars := sub.string("unk_token", "[UNK]"), sub.string("continuing_subword_prefix", "##"), field(sub, "max_input_chars_per_word", 100)
		if vocab := sub.vocab("vocab"); sub.err == nil {
			m, err = newWordPiece(vocab, unknown, prefix, maxChars)
		}
	} else {
		if sub.bool("byte_fallback", false) {
			sub.fail("byte_fallback", "true is not supported, only false")
		}
		unknown := field[int32](sub, "unk_id", -1)
		vocab, scores := sub.scores("vocab")
		if sub.err == nil {
			m, err = newUnigram(vocab, scores, unknown)
		}
	}
	if err != nil && sub.err == nil {
		sub.err = err
	}
	return m
}

// scores reads [["token", log probability], ...].
func (o *object) scores(name string) (vocab []string, scores []float64) {
	value, ok := o.take(name)
	var items [][]json.RawMessage
	if err := json.Unmarshal(value, &items); !ok || err != nil {
		o.fail(name, "want a list of pairs, have %s", brief(value))
		return nil, nil
	}
	if len(items) == 0 || len(items) > MaxVocabSize {
		o.fail(name, "%d tokens are outside [1, %d]", len(items), MaxVocabSize)
		return nil, nil
	}
	seen := make(map[string]bool, len(items))
	for i, item := range items {
		var token string
		var score float64
		if len(item) != 2 || json.Unmarshal(item[0], &token) != nil || json.Unmarshal(item[1], &score) != nil || string(item[1]) == "null" {
			o.fail(name, "[%d]: want a token and its log probability", i)
			return nil, nil
		}
		if seen[token] || math.Abs(score) > 1e30 {
			o.fail(name, "[%d]: token %q is there twice, or its score %v is none", i, token, score)
			return nil, nil
		}
		seen[token] = true
		vocab, scores = append(vocab, token), append(scores, score)
	}
	return vocab, scores
}

func (m *wordPiece) write(w *jsonWriter) {
	w.raw(`{"type":"WordPiece","unk_token":`).quote(m.unknown).raw(`,"continuing_subword_prefix":`).quote(m.prefix)
	w.raw(`,"max_input_chars_per_word":`, strconv.Itoa(m.maxChars)).vocab(m.vocab).raw(`}`)
}

func (m *unigram) write(w *jsonWriter) {
	w.raw(`{"type":"Unigram","unk_id":`, strconv.Itoa(int(m.unknown)), `,"vocab":[`)
	for i, token := range m.vocab {
		w.comma(i)
		w.raw(`[`).quote(token).raw(`,`, formatScore(m.scores[i]), `]`)
	}
	w.raw(`],"byte_fallback":false}`)
}

// formatScore writes the shortest decimal that reads back as the same float64, as Rust's serde_json does.
func formatScore(x float64) string {
	if a := math.Abs(x); a != 0 && (a < 1e-5 || a >= 1e16) {
		s := strconv.FormatFloat(x, 'e', -1, 64)
		// 1e-07 in Go, 1e-7 in Rust
		mantissa, exponent, _ := cutExponent(s)
		return mantissa + "e" + strconv.Itoa(exponent)
	}
	s := strconv.FormatFloat(x, 'f', -1, 64)
	for _, c := range s {
		if c == '.' {
			return s
		}
	}
	return s + ".0"
}

func cutExponent(s string) (mantissa string, exponent int, err error) {
	for i := range len(s) {
		if s[i] == 'e' {
			exponent, err = strconv.Atoi(s[i+1:])
			return s[:i], exponent, err
		}
	}
	return s, 0, nil
}
