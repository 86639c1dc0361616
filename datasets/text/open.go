package text

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/klauspost/compress/zstd"
)

var (
	gzipMagic = []byte{0x1F, 0x8B}
	zstdMagic = []byte{0x28, 0xB5, 0x2F, 0xFD}
)

// ErrBinary is wrapped by errors about files that are not UTF-8 text.
var ErrBinary = errors.New("not text")

// stream is the text of a file, decompressed and known to be UTF-8.
type stream struct {
	name    string
	source  io.Reader
	limit   int64 // bytes of text that the file may hold
	cause   string
	buf     []byte
	checked int   // bytes of buf known to be good
	offset  int64 // of buf[0] in the text
	end     bool
	close   func()
}

// newStream decides by the content, checked against the name, how a file is compressed. Neither magic number begins UTF-8
// text.
func newStream(name string, file io.Reader, size int64, opts Options) (*stream, error) {
	s := &stream{name: name, limit: opts.MaxFileBytes, cause: "max_file_bytes", close: func() {}}
	in := bufio.NewReaderSize(file, 64<<10)
	magic, err := in.Peek(4)
	if err != nil && err != io.EOF {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	lower := strings.ToLower(name)
	switch {
	case bytes.HasPrefix(magic, gzipMagic):
		z, err := gzip.NewReader(in)
		if err != nil {
			return nil, fmt.Errorf("%s: gzip: %w", name, unexpectedEnd(err))
		}
		s.source = z
	case bytes.HasPrefix(magic, zstdMagic):
		z, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(128<<20), zstd.WithDecoderLowmem(true))
		if err != nil {
			return nil, fmt.Errorf("%s: zstd: %w", name, err)
		}
		s.source, s.close = z, z.Close
	case strings.HasSuffix(lower, ".gz"):
		return nil, fmt.Errorf("%s: the name says gzip, the content does not begin as gzip does", name)
	case strings.HasSuffix(lower, ".zst"):
		return nil, fmt.Errorf("%s: the name says zstd, the content does not begin as zstd does", name)
	default:
		s.source = in
		return s, nil
	}
	if grown := max(freeExpansion, size*opts.MaxExpansion); grown < s.limit {
		s.limit, s.cause = grown, "max_expansion"
	}
	return s, nil
}

// fill reads until the buffer holds n bytes of checked text or the text ends.
func (s *stream) fill(n int) error {
	for s.checked < n && !s.end {
		if cap(s.buf)-len(s.buf) < 4<<10 {
			s.buf = append(make([]byte, 0, max(2*cap(s.buf), 64<<10)), s.buf...)
		}
		free := s.buf[len(s.buf):cap(s.buf)]
		got, err := s.source.Read(free)
		s.buf = s.buf[:len(s.buf)+got]
		if s.offset+int64(len(s.buf)) > s.limit {
			return fmt.Errorf("%s: holds more than %d bytes of text (%s): a larger limit must be asked for", s.name, s.limit, s.cause)
		}
		switch {
		case err == io.EOF:
			s.end = true
		case err != nil:
			return fmt.Errorf("%s: after %d bytes of text: %w", s.name, s.offset+int64(len(s.buf)), unexpectedEnd(err))
		}
		if err := s.check(); err != nil {
			return err
		}
	}
	return nil
}

// check extends what is known to be UTF-8 without NUL, and drops a byte order mark.
func (s *stream) check() error {
	fresh := s.buf[s.checked:]
	if s.offset == 0 && s.checked == 0 {
		if len(fresh) < 3 && !s.end {
			return nil
		}
		if bytes.HasPrefix(fresh, []byte{0xFF, 0xFE}) || bytes.HasPrefix(fresh, []byte{0xFE, 0xFF}) {
			return fmt.Errorf("%s: byte 0: UTF-16 text is %w that can be read: convert it to UTF-8", s.name, ErrBinary)
		}
		if bytes.HasPrefix(fresh, []byte("\uFEFF")) {
			s.drop(3)
			fresh = s.buf
		}
	}
	whole := len(fresh)
	if !s.end {
		// A character may go on in bytes that are not read yet.
		for back := 1; back <= min(3, whole); back++ {
			if utf8.RuneStart(fresh[whole-back]) {
				if !utf8.FullRune(fresh[whole-back:]) {
					whole -= back
				}
				break
			}
		}
	}
	fresh = fresh[:whole]
	bad := bytes.IndexByte(fresh, 0)
	if utf8.Valid(fresh) && bad < 0 {
		s.checked += whole
		return nil
	}
	for i := 0; i < len(fresh); {
		c, size := utf8.DecodeRune(fresh[i:])
		if c == 0 || c == utf8.RuneError && size == 1 {
			return fmt.Errorf("%s: byte %d (0x%02X): %w: UTF-8 without NUL is wanted: convert it to UTF-8", s.name, s.offset+int64(s.checked+i), fresh[i], ErrBinary)
		}
		i += size
	}
	return nil
}

// drop removes the first n bytes of the buffer.
func (s *stream) drop(n int) {
	s.buf = s.buf[n:]
	s.checked = max(0, s.checked-n)
	s.offset += int64(n)
}

// text returns the checked part of the buffer, valid until the next fill.
func (s *stream) text() []byte { return s.buf[:s.checked] }

// done reports whether the buffer holds all the text that is left.
func (s *stream) done() bool { return s.end && s.checked == len(s.buf) }

func unexpectedEnd(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("the file is cut short (%w)", io.ErrUnexpectedEOF)
	}
	return err
}

// opener opens files without leaving the folder that the user named, whatever links were put there since.
type opener struct {
	folder string
	root   *os.Root
}

func (o *opener) open(f File) (*os.File, error) {
	if o.root == nil || o.folder != f.folder {
		o.close()
		root, err := os.OpenRoot(f.folder)
		if err != nil {
			return nil, err
		}
		o.folder, o.root = f.folder, root
	}
	file, err := o.root.Open(f.inside)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Name, err)
	}
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		file.Close()
		return nil, errors.Join(err, fmt.Errorf("%s: no longer a regular file", f.Name))
	}
	return file, nil
}

func (o *opener) close() {
	if o.root != nil {
		o.root.Close()
		o.root = nil
	}
}
