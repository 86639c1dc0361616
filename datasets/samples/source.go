package samples

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// source is a file that can be read anywhere: on disk, or unpacked in memory.
type source struct {
	name string
	io.ReaderAt
	size   int64
	closer io.Closer
}

func (s *source) close() error {
	if s.closer == nil {
		return nil
	}
	return s.closer.Close()
}

// all is the whole content.
func (s *source) all() io.Reader { return io.NewSectionReader(s, 0, s.size) }

// part reads a bounded piece.
func (s *source) part(offset, size int64) ([]byte, error) {
	if size > maxMember {
		return nil, fmt.Errorf("%d bytes, more than %d", size, maxMember)
	}
	if offset < 0 || size < 0 || offset > s.size-size {
		return nil, io.ErrUnexpectedEOF
	}
	data := make([]byte, size)
	_, err := s.ReadAt(data, offset)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return data, err
}

func openSource(path string) (*source, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		f.Close()
		if err == nil {
			err = fmt.Errorf("%s: not a regular file", path)
		}
		return nil, err
	}
	lower := strings.ToLower(path)
	var unpacked io.Reader
	switch {
	case strings.HasSuffix(lower, ".gz") || strings.HasSuffix(lower, ".tgz"):
		unpacked, err = gzip.NewReader(f)
	case strings.HasSuffix(lower, ".zst"):
		var z *zstd.Decoder
		if z, err = zstd.NewReader(f, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(128<<20)); err == nil {
			defer z.Close()
			unpacked = z
		}
	default:
		return &source{path, f, info.Size(), f}, nil
	}
	defer f.Close()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	data, err := io.ReadAll(io.LimitReader(unpacked, maxUnpacked+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(data) > maxUnpacked {
		return nil, fmt.Errorf("%s: more than %d bytes unpacked: unpack it on disk", path, int64(maxUnpacked))
	}
	return &source{path, bytes.NewReader(data), int64(len(data)), nil}, nil
}
