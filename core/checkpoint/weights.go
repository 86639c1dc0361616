package checkpoint

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"io"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/core/safetensors"
)

// WeightsSHA256 returns the hash of the tensors of f, in lower-case hex: the identity of a model, whatever file it is in. Two runs have
// the same weights if and only if they have the same hash.
//
// The hash is SHA-256 over one record per tensor, the names in ascending order of their UTF-8 bytes. All integers are 64-bit
// little-endian, all lengths in bytes:
//
//	length of the name,       the name
//	length of the dtype name, the dtype name ("f32", "bf16", ...: ir.DType.String)
//	rank,                     each dimension
//	length of the data,       the data, little-endian and row-major
//
// Every field is preceded by its length, so that no two sets of tensors give the same stream. Every NaN is hashed as the positive
// quiet NaN without payload: 0x7FC00000 in f32, 0x7FC0 in bf16, 0x7E00 in f16, 0x7FF8000000000000 in f64.
func WeightsSHA256(f *safetensors.File) (string, error) {
	h := sha256.New()
	buf := make([]byte, 1<<16)
	for _, name := range f.Names() {
		typ, err := f.Type(name)
		if err != nil {
			return "", err
		}
		r, err := f.Reader(name)
		if err != nil {
			return "", err
		}
		writeLengthPrefixed(h, name)
		writeLengthPrefixed(h, typ.DType.String())
		writeUint64(h, uint64(typ.Rank()))
		for _, d := range typ.Shape {
			writeUint64(h, uint64(d))
		}
		writeUint64(h, uint64(typ.Bytes()))
		c := &canonical{w: h, dtype: typ.DType}
		if _, err := io.CopyBuffer(onlyWriter{c}, onlyReader{r}, buf); err != nil {
			return "", fmt.Errorf("hash tensors: %w", err)
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// onlyReader and onlyWriter hide other methods, so that io.CopyBuffer uses its buffer.
type (
	onlyReader struct{ io.Reader }
	onlyWriter struct{ io.Writer }
)

// writeUint64 and writeLengthPrefixed need no error: a hash.Hash never returns one.
func writeUint64(h hash.Hash, n uint64) {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], n)
	h.Write(b[:])
}

func writeLengthPrefixed(h hash.Hash, s string) {
	writeUint64(h, uint64(len(s)))
	h.Write([]byte(s))
}

// canonical passes the bytes of a tensor on with every NaN replaced by the canonical one (rule 3 of the Exact profile). Pieces may be
// of any length: what is left of an element waits for the rest. Without the rest it is never written, which the caller sees by
// the tensor's size.
type canonical struct {
	w     io.Writer
	dtype ir.DType
	buf   []byte
}

func (c *canonical) Write(p []byte) (int, error) {
	if !c.dtype.IsFloat() {
		return c.w.Write(p)
	}
	const block = 1 << 16
	for rest := p; len(rest) > 0; {
		n := min(len(rest), block-len(c.buf))
		c.buf = append(c.buf, rest[:n]...) // a copy: p is the caller's
		rest = rest[n:]
		whole := len(c.buf) / c.dtype.Size() * c.dtype.Size()
		canonicalNaN(c.dtype, c.buf[:whole])
		if _, err := c.w.Write(c.buf[:whole]); err != nil {
			return len(p) - len(rest), err
		}
		c.buf = append(c.buf[:0], c.buf[whole:]...)
	}
	return len(p), nil
}

// canonicalNaN replaces the NaNs in b, whole elements of type d, in place.
func canonicalNaN(d ir.DType, b []byte) {
	le := binary.LittleEndian
	switch d {
	case ir.F32:
		for i := 0; i < len(b); i += 4 {
			if le.Uint32(b[i:])&0x7fffffff > 0x7f800000 {
				le.PutUint32(b[i:], 0x7fc00000)
			}
		}
	case ir.BF16:
		for i := 0; i < len(b); i += 2 {
			if le.Uint16(b[i:])&0x7fff > 0x7f80 {
				le.PutUint16(b[i:], 0x7fc0)
			}
		}
	case ir.F16:
		for i := 0; i < len(b); i += 2 {
			if le.Uint16(b[i:])&0x7fff > 0x7c00 {
				le.PutUint16(b[i:], 0x7e00)
			}
		}
	case ir.F64:
		for i := 0; i < len(b); i += 8 {
			if le.Uint64(b[i:])&(1<<63-1) > 0x7ff<<52 {
				le.PutUint64(b[i:], 0x7ff8<<48)
			}
		}
	}
}
