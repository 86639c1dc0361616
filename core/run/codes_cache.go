package run

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// codesCache keeps the codes of datasets, each in a file whose name is the hash
// of all that they depend on: codesMagic, the codes as i32, and the SHA-256 of
// both. A file that is not whole counts as none.
type codesCache struct{ dir string }

const codesMagic = "seedbed codes 1\n"

// openCodesCache takes a folder as recipes name it: empty is the user's, and
// none keeps nothing.
func openCodesCache(dir string) (*codesCache, error) {
	if dir == "none" {
		return nil, nil
	}
	if dir == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return nil, err
		}
		dir = filepath.Join(user, "seedbed", "codes")
	}
	return &codesCache{dir}, nil
}

func (c *codesCache) path(key string) string { return filepath.Join(c.dir, key+".codes") }

// read returns n codes below most; nil if they are not there.
func (c *codesCache) read(key string, n int64, most int) []int32 {
	if c == nil {
		return nil
	}
	f, err := os.Open(c.path(key))
	if err != nil {
		return nil
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || info.Size() != int64(len(codesMagic))+4*n+sha256.Size {
		return nil
	}
	h := sha256.New()
	r := bufio.NewReaderSize(f, 1<<20)
	in := io.TeeReader(r, h)
	magic := make([]byte, len(codesMagic))
	if _, err := io.ReadFull(in, magic); err != nil || string(magic) != codesMagic {
		return nil
	}
	codes := make([]int32, n)
	if err := binary.Read(in, binary.LittleEndian, codes); err != nil {
		return nil
	}
	sum, err := io.ReadAll(r)
	if err != nil || !bytes.Equal(sum, h.Sum(nil)) {
		return nil
	}
	for _, v := range codes {
		if v < 0 || int(v) >= most {
			return nil
		}
	}
	return codes
}

// write keeps codes, whole or not at all.
func (c *codesCache) write(key string, codes []int32) error {
	if c == nil {
		return nil
	}
	if err := os.MkdirAll(c.dir, 0o755); err != nil {
		return err
	}
	return writeWhole(c.path(key), func(f io.Writer) error {
		h := sha256.New()
		w := bufio.NewWriterSize(f, 1<<20)
		out := io.MultiWriter(w, h)
		_, err := io.WriteString(out, codesMagic)
		const part = 1 << 16
		for from := 0; from < len(codes) && err == nil; from += part {
			_, err = out.Write(int32s(codes[from:min(from+part, len(codes))]))
		}
		if err == nil {
			_, err = w.Write(h.Sum(nil))
		}
		return errors.Join(err, w.Flush())
	})
}

func int32s(values []int32) []byte {
	data := make([]byte, 0, 4*len(values))
	for _, v := range values {
		data = binary.LittleEndian.AppendUint32(data, uint32(v))
	}
	return data
}

// keyOf is the hash of what a format makes of its arguments: a fingerprint, or the name under which codes are kept.
func keyOf(format string, args ...any) string {
	sum := sha256.Sum256(fmt.Appendf(nil, format, args...))
	return hex.EncodeToString(sum[:])
}
