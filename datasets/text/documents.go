package text

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// Document is one text. Text is not empty, is UTF-8, and belongs to the receiver.
type Document struct {
	Text []byte
	File int // index of the file it comes from
}

// Documents reads files in order. After an error the sequence ends. A file that Options.SkipBinary leaves out has no documents;
// skipped is told why, if it is not nil.
func Documents(ctx context.Context, files []File, opts Options, skipped func(File, error)) iter.Seq2[Document, error] {
	return func(yield func(Document, error) bool) {
		opts, err := opts.WithDefaults()
		if err != nil {
			yield(Document{}, err)
			return
		}
		var o opener
		defer o.close()
		for i, f := range files {
			emit := func(text []byte) error {
				if err := ctx.Err(); err != nil {
					return err
				}
				if !yield(Document{Text: bytes.Clone(text), File: i}, nil) {
					return errStop
				}
				return nil
			}
			err := ctx.Err()
			if err == nil && opts.SkipBinary {
				err = o.read(f, opts, checkOnly)
				if errors.Is(err, ErrBinary) {
					if skipped != nil {
						skipped(f, err)
					}
					continue
				}
			}
			if err == nil {
				err = o.read(f, opts, func(s *stream) error { return split(s, opts, emit) })
				if errors.Is(err, ErrBinary) {
					err = fmt.Errorf("%w, or choose files with include, or set skip_binary", err)
				}
			}
			if err != nil {
				if !errors.Is(err, errStop) {
					yield(Document{}, err)
				}
				return
			}
		}
	}
}

var errStop = errors.New("stop")

func (o *opener) read(f File, opts Options, use func(*stream) error) error {
	file, err := o.open(f)
	if err != nil {
		return err
	}
	defer file.Close()
	return readFrom(f.Name, file, f.Size, opts, use)
}

func readFrom(name string, file io.Reader, size int64, opts Options, use func(*stream) error) error {
	s, err := newStream(name, file, size, opts)
	if err != nil {
		return err
	}
	defer s.close()
	return use(s)
}

func checkOnly(s *stream) error {
	for !s.done() {
		if err := s.fill(1); err != nil {
			return err
		}
		s.drop(s.checked)
	}
	return nil
}

// split gives the documents of a stream to emit.
func split(s *stream, opts Options, emit func([]byte) error) error {
	if opts.Format == "jsonl" || opts.Format == "auto" && namesJSONLines(s.name) {
		return splitJSONLines(s, opts, emit)
	}
	find := map[string]func([]byte) (int, int){"file": noEnd, "line": lineEnd, "paragraph": paragraphEnd}[opts.Document]
	return pieces(s, opts.MaxDocumentBytes, find, emit)
}

func namesJSONLines(name string) bool {
	name = strings.ToLower(name)
	name = strings.TrimSuffix(strings.TrimSuffix(name, ".gz"), ".zst")
	return strings.HasSuffix(name, ".jsonl") || strings.HasSuffix(name, ".ndjson")
}

// pieces emits documents of at most limit bytes. find returns the length of the document that ends in a text and how many
// bytes to go on after, or -1.
func pieces(s *stream, limit int, find func([]byte) (length, next int), emit func([]byte) error) error {
	for {
		if err := s.fill(limit + 1); err != nil {
			return err
		}
		text := s.text()
		if len(text) == 0 && s.done() {
			return nil
		}
		length, next := find(text[:min(len(text), limit+1)])
		switch {
		case length >= 0 && length <= limit:
		case s.done() && len(text) <= limit:
			length, next = len(text), len(text)
		default:
			length = cut(text[:limit])
			next = length
		}
		if len(bytes.TrimSpace(text[:length])) > 0 {
			if err := emit(text[:length]); err != nil {
				return err
			}
		}
		s.drop(next)
	}
}

// cut returns where to divide a text that is too long: after the last line end in its second half, else the last space, else
// the last whole character.
func cut(text []byte) int {
	for _, c := range []byte("\n ") {
		if i := bytes.LastIndexByte(text, c); i >= len(text)/2 {
			return i + 1
		}
	}
	n := len(text)
	for back := 1; back <= min(3, n); back++ {
		if utf8.RuneStart(text[n-back]) {
			if !utf8.FullRune(text[n-back:]) {
				n -= back
			}
			break
		}
	}
	return n
}

func noEnd([]byte) (length, next int) { return -1, -1 }

func lineEnd(text []byte) (length, next int) {
	i := bytes.IndexByte(text, '\n')
	if i < 0 {
		return -1, -1
	}
	if i > 0 && text[i-1] == '\r' {
		return i - 1, i + 1
	}
	return i, i + 1
}

// paragraphEnd finds the first blank line; the document ends with the line before it.
func paragraphEnd(text []byte) (length, next int) {
	for at := 0; ; {
		i := bytes.IndexByte(text[at:], '\n')
		if i < 0 {
			return -1, -1
		}
		if len(bytes.TrimSpace(text[at:at+i])) == 0 {
			return at, at + i + 1
		}
		at += i + 1
	}
}

func splitJSONLines(s *stream, opts Options, emit func([]byte) error) error {
	for line := 1; ; line++ {
		length, next := -1, -1
		for want := 1; length < 0; want = 2 * (s.checked + 1) {
			if err := s.fill(want); err != nil {
				return err
			}
			if length, next = lineEnd(s.text()); length < 0 && s.done() {
				length, next = len(s.text()), len(s.text())
			}
			if length > maxLineBytes || length < 0 && s.checked > maxLineBytes {
				return fmt.Errorf("%s:%d: line of more than %d bytes", s.name, line, maxLineBytes)
			}
		}
		if next == 0 && s.done() {
			return nil
		}
		if object := bytes.TrimSpace(s.text()[:length]); len(object) > 0 {
			text, err := textField(object, opts.TextField)
			if err != nil {
				return fmt.Errorf("%s:%d: %w", s.name, line, err)
			}
			for len(bytes.TrimSpace(text)) > 0 {
				n := len(text)
				if n > opts.MaxDocumentBytes {
					n = cut(text[:opts.MaxDocumentBytes])
				}
				if len(bytes.TrimSpace(text[:n])) > 0 {
					if err := emit(text[:n]); err != nil {
						return err
					}
				}
				text = text[n:]
			}
		}
		s.drop(next)
	}
}

// textField returns a string field of a JSON object.
func textField(object []byte, name string) ([]byte, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(object, &fields); err != nil {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			return nil, fmt.Errorf("column %d: not JSON: %w", syntax.Offset, err)
		}
		return nil, fmt.Errorf("not a JSON object: %w", err)
	}
	value, ok := fields[name]
	if !ok {
		return nil, fmt.Errorf("no field %q (text_field says which holds the text): the object has %q", name, slices.Sorted(maps.Keys(fields)))
	}
	var text *string
	if err := json.Unmarshal(value, &text); err != nil || text == nil {
		return nil, fmt.Errorf("field %q is not a string", name)
	}
	return []byte(*text), nil
}
