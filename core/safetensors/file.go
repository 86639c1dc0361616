package safetensors

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"

	"github.com/seedbed/seedbed/abi/ir"
)

// ErrFormat is wrapped by every error that says that the bytes are not a safetensors file: as against a file that cannot be read.
var ErrFormat = errors.New("not a valid safetensors file; make it or download it again")

// File is an open safetensors file. Its methods may be called from several goroutines at once.
type File struct {
	name     string
	r        io.ReaderAt
	closer   io.Closer
	data     int64 // offset of the data in the file
	size     int64
	names    []string
	tensors  map[string]entry
	metadata map[string]string
}

// Open opens the file at path and checks its header. The caller closes it.
func Open(path string) (*File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open safetensors file: %w", err)
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s: not a regular file; name a .safetensors file", path)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	file, err := Parse(path, f, info.Size())
	if err != nil {
		f.Close()
		return nil, err
	}
	file.closer = f
	return file, nil
}

// Parse reads a file of size bytes from r; name stands for it in errors. It reads the header alone, and r must stay readable
// for as long as the File is used.
func Parse(name string, r io.ReaderAt, size int64) (*File, error) {
	f := &File{name: name, r: r, size: size}
	if err := f.parse(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return f, nil
}

func (f *File) parse() error {
	if f.size < 8 {
		return fmt.Errorf("%w: %d bytes are too few for the header length", ErrFormat, f.size)
	}
	var prefix [8]byte
	if err := readFull(f.r, prefix[:], 0); err != nil {
		return fmt.Errorf("read the header length: %w", err)
	}
	n := binary.LittleEndian.Uint64(prefix[:])
	if n > MaxHeader {
		return fmt.Errorf("%w: the header length is %d, the limit is %d", ErrFormat, n, MaxHeader)
	}
	if n > uint64(f.size-8) {
		return fmt.Errorf("%w: the header length is %d, but only %d bytes follow", ErrFormat, n, f.size-8)
	}
	text := make([]byte, n)
	if err := readFull(f.r, text, 8); err != nil {
		return fmt.Errorf("read the header: %w", err)
	}
	h, err := parseHeader(text)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrFormat, err)
	}
	f.tensors, f.metadata = h.tensors, h.metadata
	f.data = 8 + int64(n)
	f.names = slices.Sorted(maps.Keys(f.tensors))
	return f.checkCover()
}

// checkCover checks that the tensors fill the data from its first byte to its last, each byte once.
func (f *File) checkCover() error {
	order := slices.Clone(f.names)
	slices.SortFunc(order, func(a, b string) int {
		x, y := f.tensors[a], f.tensors[b]
		return cmp.Or(cmp.Compare(x.begin, y.begin), cmp.Compare(x.end, y.end), cmp.Compare(a, b))
	})
	size := f.size - f.data
	at := int64(0)
	for i, name := range order {
		e := f.tensors[name]
		if e.begin < at {
			return fmt.Errorf("%w: %w", ErrFormat, &tensorError{name, fmt.Errorf("begins at byte %d of the data, inside tensor %q, which ends at %d", e.begin, order[i-1], at)})
		}
		if e.begin > at {
			return fmt.Errorf("%w: %w", ErrFormat, &tensorError{name, fmt.Errorf("begins at byte %d of the data, but the tensors before it end at %d", e.begin, at)})
		}
		if e.end > size {
			return fmt.Errorf("%w: %w", ErrFormat, &tensorError{name, fmt.Errorf("ends at byte %d of the data, which has %d bytes: the file is cut short", e.end, size)})
		}
		at = e.end
	}
	if at != size {
		return fmt.Errorf("%w: the data has %d bytes, the tensors fill %d", ErrFormat, size, at)
	}
	return nil
}

// Close closes a file that Open opened. After Parse it does nothing.
func (f *File) Close() error {
	if f.closer == nil {
		return nil
	}
	return f.closer.Close()
}

// Names returns the names of the tensors, sorted by bytes.
func (f *File) Names() []string { return slices.Clone(f.names) }

// Metadata returns a copy of the free-form text that the file carries under "__metadata__"; nil if it has none.
func (f *File) Metadata() map[string]string { return maps.Clone(f.metadata) }

// Types returns the type of every tensor by name.
func (f *File) Types() map[string]ir.Type {
	types := make(map[string]ir.Type, len(f.tensors))
	for name, e := range f.tensors {
		types[name] = e.typ.With(slices.Clone(e.typ.Shape)...)
	}
	return types
}

// Type returns dtype and shape of the tensor called name, or an error if the file has no such tensor.
func (f *File) Type(name string) (ir.Type, error) {
	e, err := f.lookup(name)
	if err != nil {
		return ir.Type{}, err
	}
	return e.typ.With(slices.Clone(e.typ.Shape)...), nil
}

func (f *File) lookup(name string) (entry, error) {
	e, ok := f.tensors[name]
	if !ok {
		return entry{}, fmt.Errorf("%s: no tensor %q among its %d; Names lists them", f.name, name, len(f.names))
	}
	return e, nil
}

// Read returns all bytes of the tensor called name: little-endian, row-major.
func (f *File) Read(name string) ([]byte, error) {
	e, err := f.lookup(name)
	if err != nil {
		return nil, err
	}
	b := make([]byte, e.end-e.begin)
	if err := f.readAt(name, e, b, 0); err != nil {
		return nil, err
	}
	return b, nil
}

// ReadInto fills dst with all bytes of the tensor called name. dst must have exactly the tensor's size.
func (f *File) ReadInto(name string, dst []byte) error {
	e, err := f.lookup(name)
	if err != nil {
		return err
	}
	if int64(len(dst)) != e.end-e.begin {
		return fmt.Errorf("%s: tensor %q: the buffer has %d bytes, %v needs %d", f.name, name, len(dst), e.typ, e.end-e.begin)
	}
	return f.readAt(name, e, dst, 0)
}

// ReadAt fills p with bytes of the tensor called name from offset off, counted in bytes from the tensor's start. As io.ReaderAt
// wants, it returns io.EOF where the tensor ends before p is full.
func (f *File) ReadAt(name string, p []byte, off int64) (int, error) {
	e, err := f.lookup(name)
	if err != nil {
		return 0, err
	}
	size := e.end - e.begin
	if off < 0 {
		return 0, fmt.Errorf("%s: tensor %q: negative offset %d", f.name, name, off)
	}
	if off >= size {
		if len(p) == 0 {
			return 0, nil
		}
		return 0, io.EOF
	}
	n := min(int64(len(p)), size-off)
	if err := f.readAt(name, e, p[:n], off); err != nil {
		return 0, err
	}
	if n < int64(len(p)) {
		return int(n), io.EOF
	}
	return int(n), nil
}

// Reader returns a reader over the bytes of the tensor called name.
func (f *File) Reader(name string) (*io.SectionReader, error) {
	e, err := f.lookup(name)
	if err != nil {
		return nil, err
	}
	return io.NewSectionReader(tensorReader{f, name}, 0, e.end-e.begin), nil
}

type tensorReader struct {
	file *File
	name string
}

func (t tensorReader) ReadAt(p []byte, off int64) (int, error) { return t.file.ReadAt(t.name, p, off) }

func (f *File) readAt(name string, e entry, p []byte, off int64) error {
	if err := readFull(f.r, p, f.data+e.begin+off); err != nil {
		return fmt.Errorf("%s: tensor %q: %w", f.name, name, err)
	}
	if e.typ.DType == ir.Bool {
		if i := badBool(p); i >= 0 {
			return fmt.Errorf("%s: %w: %w", f.name, ErrFormat, &tensorError{name, fmt.Errorf("element %d is %d; a BOOL is 0 or 1", off+int64(i), p[i])})
		}
	}
	return nil
}

// badBool returns the index of the first byte that is neither 0 nor 1, or -1.
func badBool(p []byte) int { return slices.IndexFunc(p, func(b byte) bool { return b > 1 }) }

// readFull fills p. A file that has shrunk since it was opened is an error that says so.
func readFull(r io.ReaderAt, p []byte, off int64) error {
	n, err := r.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("the file ends at byte %d, sooner than its size said; was it changed meanwhile? %w", off+int64(n), io.ErrUnexpectedEOF)
	}
	return fmt.Errorf("read %d bytes at %d: %w", len(p), off, err)
}
