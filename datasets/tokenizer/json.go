package tokenizer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// MaxFileSize bounds a tokenizer.json, in bytes. The largest published ones have about 35 MB.
const MaxFileSize = 128 << 20

// Load reads a tokenizer.json.
func Load(path string) (*Tokenizer, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("load tokenizer: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, MaxFileSize+1))
	if err != nil {
		return nil, fmt.Errorf("load tokenizer: %w", err)
	}
	t, err := Parse(data)
	if err != nil {
		return nil, fmt.Errorf("load tokenizer %s: %w", path, err)
	}
	return t, nil
}

// Save writes a tokenizer.json, which appears under its name when it is complete.
func (t *Tokenizer) Save(path string) error {
	data, err := t.MarshalJSON()
	if err != nil {
		return fmt.Errorf("save tokenizer: %w", err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.tmp")
	if err != nil {
		return fmt.Errorf("save tokenizer: %w", err)
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
		return fmt.Errorf("save tokenizer: %w", err)
	}
	return nil
}

// Parse reads the content of a tokenizer.json. Errors name the field.
func Parse(data []byte) (*Tokenizer, error) {
	if len(data) > MaxFileSize {
		return nil, fmt.Errorf("more than %d bytes", MaxFileSize)
	}
	root, err := parseObject("tokenizer.json", data)
	if err != nil {
		return nil, err
	}
	var p pipeline
	version := root.string("version", "1.0")
	if root.err == nil && version != "1.0" {
		return nil, fmt.Errorf(`version: %q is not supported, only "1.0"`, version)
	}
	root.null("truncation", "padding")
	p.added = root.addedTokens("added_tokens")
	if kind(root.fields["model"]) == "WordPiece" || kind(root.fields["model"]) == "Unigram" {
		p.words = root.wordPipeline()
	} else {
		root.null("normalizer")
		p.split = root.byteLevel("pre_tokenizer")
		if root.present("post_processor") {
			b := root.byteLevel("post_processor")
			p.finish = &b
		} else {
			root.take("post_processor")
		}
		p.decoder = root.byteLevel("decoder")
		p.model = root.model("model")
	}
	if err := root.end(); err != nil {
		return nil, err
	}
	return newTokenizer(p)
}

// object reads a JSON object field by field. The first error sticks; end reports it, or a field that nothing asked for.
type object struct {
	path   string
	names  []string // in the order of the file
	fields map[string]json.RawMessage
	err    error
}

func parseObject(path string, data []byte) (*object, error) {
	o := &object{path: path, fields: map[string]json.RawMessage{}}
	err := eachField(data, func(name string, dec *json.Decoder) error {
		if _, twice := o.fields[name]; twice {
			return fmt.Errorf("field %q twice", name)
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return err
		}
		o.names = append(o.names, name)
		o.fields[name] = value
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return o, nil
}

// eachField calls f for each field of a JSON object that is all of data; f reads the value.
func eachField(data []byte, f func(name string, dec *json.Decoder) error) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	if open, err := dec.Token(); err != nil {
		return unexpectedEnd(err)
	} else if open != json.Delim('{') {
		return fmt.Errorf("want an object, have %v", open)
	}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return unexpectedEnd(err)
		}
		if err := f(name.(string), dec); err != nil {
			return unexpectedEnd(err)
		}
	}
	if _, err := dec.Token(); err != nil {
		return unexpectedEnd(err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return errors.New("data after the end of the object")
	}
	return nil
}

func unexpectedEnd(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

func (o *object) at(name string) string {
	if o.path == "tokenizer.json" {
		return name
	}
	return o.path + "." + name
}

func (o *object) fail(name, format string, args ...any) {
	if o.err == nil {
		o.err = fmt.Errorf(o.at(name)+": "+format, args...)
	}
}

func (o *object) end() error {
	if o.err != nil {
		return o.err
	}
	for _, name := range o.names {
		if _, unread := o.fields[name]; unread {
			return fmt.Errorf("%s: not supported", o.at(name))
		}
	}
	return nil
}

// present reports whether a field is there and not null.
func (o *object) present(name string) bool {
	value, ok := o.fields[name]
	return ok && string(value) != "null"
}

// take returns a field and marks it as read.
func (o *object) take(name string) (json.RawMessage, bool) {
	ok := o.present(name)
	value := o.fields[name]
	delete(o.fields, name)
	return value, ok
}

func field[T any](o *object, name string, missing T) T {
	value, ok := o.take(name)
	if !ok {
		return missing
	}
	if err := json.Unmarshal(value, &missing); err != nil {
		o.fail(name, "want %T, have %s", missing, brief(value))
	}
	return missing
}

func (o *object) bool(name string, missing bool) bool       { return field(o, name, missing) }
func (o *object) string(name string, missing string) string { return field(o, name, missing) }
func (o *object) optional(name string) *string              { return field[*string](o, name, nil) }

// null refuses fields that are not null or absent.
func (o *object) null(names ...string) {
	for _, name := range names {
		if value, ok := o.take(name); ok {
			o.fail(name, "%s is not supported, only null", kind(value))
		}
	}
}

func (o *object) sub(name string) *object {
	value, ok := o.take(name)
	if !ok {
		o.fail(name, "missing or null")
		return &object{err: o.err}
	}
	sub, err := parseObject(o.at(name), value)
	if err != nil {
		if o.err == nil {
			o.err = err
		}
		return &object{err: err}
	}
	return sub
}

func (o *object) close(sub *object) {
	if err := sub.end(); err != nil && o.err == nil {
		o.err = err
	}
}

func (o *object) byteLevel(name string) byteLevel {
	sub := o.sub(name)
	defer o.close(sub)
	if typ := sub.string("type", ""); sub.err == nil && typ != "ByteLevel" {
		sub.fail("type", "%q is not supported, only ByteLevel", typ)
	}
	return byteLevel{
		AddPrefixSpace: sub.bool("add_prefix_space", true),
		TrimOffsets:    sub.bool("trim_offsets", true),
		UseRegex:       sub.bool("use_regex", true),
	}
}

func (o *object) addedTokens(name string) []AddedToken {
	value, ok := o.take(name)
	if !ok {
		return nil
	}
	var items []json.RawMessage
	if err := json.Unmarshal(value, &items); err != nil {
		o.fail(name, "want a list, have %s", brief(value))
		return nil
	}
	tokens := make([]AddedToken, len(items))
	for i, item := range items {
		sub, err := parseObject(fmt.Sprintf("%s[%d]", o.at(name), i), item)
		if err != nil {
			o.fail(name, "%w", err)
			return nil
		}
		id := field[int64](sub, "id", -1)
		if sub.err == nil && (id < 0 || id >= MaxVocabSize) {
			sub.fail("id", "%d is outside [0, %d)", id, MaxVocabSize)
		}
		tokens[i] = AddedToken{
			ID: int32(id), Content: sub.string("content", ""), SingleWord: sub.bool("single_word", false), LStrip: sub.bool("lstrip", false),
			RStrip: sub.bool("rstrip", false), Normalized: sub.bool("normalized", false), Special: sub.bool("special", false),
		}
		o.close(sub)
	}
	return tokens
}

func (o *object) model(name string) *bpe {
	sub := o.sub(name)
	defer o.close(sub)
	if typ := sub.string("type", "BPE"); sub.err == nil && typ != "BPE" {
		sub.fail("type", "%q is not supported, only BPE, WordPiece and Unigram", typ)
	}
	sub.null("dropout")
	unknown, prefix, suffix := sub.optional("unk_token"), sub.optional("continuing_subword_prefix"), sub.optional("end_of_word_suffix")
	if prefix != nil && *prefix != "" {
		sub.fail("continuing_subword_prefix", "%q is not supported, only none", *prefix)
	}
	if suffix != nil && *suffix != "" {
		sub.fail("end_of_word_suffix", "%q is not supported, only none", *suffix)
	}
	fuse, fallback, ignoreMerges := sub.bool("fuse_unk", false), sub.bool("byte_fallback", false), sub.bool("ignore_merges", false)
	vocab := sub.vocab("vocab")
	merges := sub.merges("merges")
	if sub.err != nil {
		return nil
	}
	m, err := newBPE(vocab, merges)
	if err != nil {
		sub.err = err
		return nil
	}
	m.unknown, m.subwordPrefix, m.wordSuffix, m.fuseUnknown, m.byteFallback, m.ignoreMerges = unknown, prefix, suffix, fuse, fallback, ignoreMerges
	return m
}

// vocab reads {"token": id}; ids must be 0 to n-1.
func (o *object) vocab(name string) []string {
	value, ok := o.take(name)
	if !ok {
		o.fail(name, "missing or null")
		return nil
	}
	ids := map[string]int32{}
	err := eachField(value, func(token string, dec *json.Decoder) error {
		var id int64
		if err := dec.Decode(&id); err != nil {
			return fmt.Errorf("token %q: %w", token, err)
		}
		if _, twice := ids[token]; twice {
			return fmt.Errorf("token %q twice", token)
		}
		if id < 0 || id >= MaxVocabSize {
			return fmt.Errorf("token %q: id %d is outside [0, %d)", token, id, MaxVocabSize)
		}
		ids[token] = int32(id)
		return nil
	})
	if err != nil {
		o.fail(name, "%w", err)
		return nil
	}
	vocab := make([]string, len(ids))
	taken := make([]bool, len(ids))
	for token, id := range ids {
		if int(id) >= len(vocab) || taken[id] {
			o.fail(name, "the %d tokens do not have the ids 0 to %d, each once", len(ids), len(ids)-1)
			return nil
		}
		vocab[id], taken[id] = token, true
	}
	return vocab
}

// merges reads [["a", "b"], ...] or, as older files have it, ["a b", ...].
func (o *object) merges(name string) [][2]string {
	value, ok := o.take(name)
	if !ok {
		o.fail(name, "missing or null")
		return nil
	}
	var pairs [][]string
	if json.Unmarshal(value, &pairs) == nil {
		merges := make([][2]string, len(pairs))
		for i, pair := range pairs {
			if len(pair) != 2 {
				o.fail(name, "[%d]: want 2 tokens, have %d", i, len(pair))
				return nil
			}
			merges[i] = [2]string(pair)
		}
		return merges
	}
	var lines []string
	if err := json.Unmarshal(value, &lines); err != nil {
		o.fail(name, `want [["a", "b"], ...] or ["a b", ...]: %w`, err)
		return nil
	}
	merges := make([][2]string, len(lines))
	for i, line := range lines {
		a, b, ok := strings.Cut(line, " ")
		if !ok || strings.Contains(b, " ") {
			o.fail(name, "[%d]: want two tokens with a space between, have %q", i, line)
			return nil
		}
		merges[i] = [2]string{a, b}
	}
	return merges
}

// brief shows the beginning of a JSON value.
func brief(value json.RawMessage) string {
	if len(value) > 40 {
		return string(value[:40]) + "..."
	}
	return string(value)
}

// kind names a section by its type if it has one.
func kind(value json.RawMessage) string {
	var section struct{ Type string }
	if json.Unmarshal(value, &section) == nil && section.Type != "" {
		return section.Type
	}
	return brief(value)
}

// MarshalJSON returns the content of a tokenizer.json, byte for byte as Hugging Face tokenizers write it.
func (t *Tokenizer) MarshalJSON() ([]byte, error) {
	var w jsonWriter
	w.raw(`{"version":"1.0","truncation":null,"padding":null,"added_tokens":[`)
	for i, a := range t.added {
		w.comma(i)
		w.raw(`{"id":`, strconv.Itoa(int(a.ID)), `,"content":`).quote(a.Content)
		w.flags("single_word", a.SingleWord, "lstrip", a.LStrip, "rstrip", a.RStrip, "normalized", a.Normalized, "special", a.Special).raw(`}`)
	}
	w.raw(`],"normalizer":`)
	if t.words != nil {
		t.words.write(&w)
		return w.Bytes(), nil
	}
	w.raw(`null,"pre_tokenizer":`).byteLevel(&t.split)
	w.raw(`,"post_processor":`).byteLevel(t.finish)
	w.raw(`,"decoder":`).byteLevel(&t.decoder)
	w.raw(`,"model":{"type":"BPE","dropout":null,"unk_token":`).optional(t.model.unknown)
	w.raw(`,"continuing_subword_prefix":`).optional(t.model.subwordPrefix)
	w.raw(`,"end_of_word_suffix":`).optional(t.model.wordSuffix)
	w.flags("fuse_unk", t.model.fuseUnknown, "byte_fallback", t.model.byteFallback, "ignore_merges", t.model.ignoreMerges)
	w.vocab(t.model.vocab).raw(`,"merges":[`)
	for i, merge := range t.model.merges {
		w.comma(i)
		w.raw(`[`).quote(t.model.vocab[merge[0]]).raw(`,`).quote(t.model.vocab[merge[1]]).raw(`]`)
	}
	w.raw(`]}}`)
	return w.Bytes(), nil
}

// jsonWriter writes as Rust's serde_json does: no spaces, and no escapes but those that JSON demands.
type jsonWriter struct{ bytes.Buffer }

func (w *jsonWriter) raw(parts ...string) *jsonWriter {
	for _, s := range parts {
		w.WriteString(s)
	}
	return w
}

func (w *jsonWriter) comma(i int) {
	if i > 0 {
		w.WriteByte(',')
	}
}

func (w *jsonWriter) quote(s string) *jsonWriter {
	w.WriteByte('"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			w.raw(`\`, string(c))
		case c >= ' ':
			w.WriteByte(c)
		case strings.IndexByte("\b\f\n\r\t", c) >= 0:
			w.raw(`\`, string("btn fr"[c-'\b']))
		default:
			fmt.Fprintf(w, `\u%04x`, c)
		}
	}
	w.WriteByte('"')
	return w
}

func (w *jsonWriter) optional(s *string) *jsonWriter {
	if s == nil {
		return w.raw(`null`)
	}
	return w.quote(*s)
}

// flags writes pairs of a name and a bool.
func (w *jsonWriter) flags(pairs ...any) *jsonWriter {
	for i := 0; i < len(pairs); i += 2 {
		w.raw(`,"`, pairs[i].(string), `":`, strconv.FormatBool(pairs[i+1].(bool)))
	}
	return w
}

// vocab writes the field of a vocabulary in the order of ids.
func (w *jsonWriter) vocab(tokens []string) *jsonWriter {
	w.raw(`,"vocab":{`)
	for id, token := range tokens {
		w.comma(id)
		w.quote(token).raw(`:`, strconv.Itoa(id))
	}
	return w.raw(`}`)
}

func (w *jsonWriter) byteLevel(b *byteLevel) *jsonWriter {
	if b == nil {
		return w.raw(`null`)
	}
	w.raw(`{"type":"ByteLevel"`)
	return w.flags("add_prefix_space", b.AddPrefixSpace, "trim_offsets", b.TrimOffsets, "use_regex", b.UseRegex).raw(`}`)
}
