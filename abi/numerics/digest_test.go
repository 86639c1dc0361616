package numerics

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestDigest pins the bits of everything the package computes on fixed inputs, so that another architecture, compiler, GOAMD64 level or
// -d=fmahash cannot differ unnoticed. A change here is a change of the Exact profile; the other tests say which side is right.
func TestDigest(t *testing.T) {
	digest := func(f func(put func(uint64))) string {
		h := sha256.New()
		f(func(v uint64) { writeWord(h, v) })
		return hex.EncodeToString(h.Sum(nil)[:8])
	}
	const n = 20_000
	bits := make([]uint32, n)
	Stream{Seed: 1}.FillBits(bits, 0)
	z := normalData(n, 2)
	for name, c := range map[string]struct {
		want string
		f    func(put func(uint64))
	}{
		"functions": {"d443efcd1aadb8f5", func(put func(uint64)) {
			for _, fn := range functions {
				for i, b := range bits {
					put(uint64(math.Float32bits(fn.f(f32(b)))))
					put(uint64(math.Float32bits(fn.f(4 * z[i]))))
				}
			}
		}},
		"float64": {"778968a9b2f3312c", func(put func(uint64)) {
			for _, fn := range functions {
				for _, v := range z[:200] {
					if y := fn.f64(float64(v) * 1.1); y == y {
						put(math.Float64bits(y))
					}
				}
			}
		}},
		"sums": {"40cd284b7150a85d", func(put func(uint64)) {
			var acc SumAcc
			for i, v := range z {
				acc.AddProduct(v, f32(bits[i]&0x3FFFFFFF))
			}
			for _, v := range []float32{Dot(z, z), Sum(z), SumSquares(z), TreeSum(z), acc.Sum()} {
				put(uint64(math.Float32bits(v)))
			}
			x := to64(z)
			for _, v := range []float64{Dot64(x, x), Sum64(x), TreeSum64(x)} {
				put(math.Float64bits(v))
			}
		}},
		"fma": {"bdb43a334837df6d", func(put func(uint64)) {
			for i := range n - 2 {
				if v := FMA(f32(bits[i]), f32(bits[i+1]), f32(bits[i+2])); v == v {
					put(uint64(math.Float32bits(v)))
				}
				put(uint64(math.Float32bits(FMA(z[i], z[i+1], z[i+2]))))
			}
		}},
		"permutation": {"ff5acd4674b432b2", func(put func(uint64)) {
			for i := range uint64(1000) {
				put(Permute(1, 2, 1000, i))
			}
		}},
		"schedules": {"36a5865fa01c3948", func(put func(uint64)) {
			for i := range uint64(1000) {
				p := Progress(i, 999)
				for _, v := range []float64{Pow(0.999, i), CosineDecay(p, 0.1), LinearDecay(p, 0.1), InverseSqrtDecay(i, 100), ClipFactor(p*3, 1)} {
					put(math.Float64bits(v))
				}
			}
		}},
	} {
		assert.Equal(t, c.want, digest(c.f), name)
	}
}

func writeWord(h hash.Hash, v uint64) {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], v)
	h.Write(b[:])
}
