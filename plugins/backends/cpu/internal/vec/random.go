package vec

import (
	"unsafe"

	"github.com/seedbed/seedbed/abi/numerics"
)

// FillBits writes the random bits (rule 14) of elements first, first+1, ... of a stream.
func FillBits(dst []uint32, s numerics.Stream, first uint64) {
	if active == nil {
		s.FillBits(dst, first)
		return
	}
	head := min(int(-first%4), len(dst))
	s.FillBits(dst[:head], first)
	dst, first = dst[head:], first+uint64(head)
	for {
		counter := first / 4
		// The kernel counts in the low word alone.
		blocks := min(uint64(len(dst)/4), 1<<32-uint64(uint32(counter)))
		blocks -= blocks % uint64(active.lanes)
		if blocks == 0 {
			// Fewer than a vector of counters, before the end or before the low word's wrap.
			n := min(len(dst), 4*active.lanes)
			s.FillBits(dst[:n], first)
			if dst, first = dst[n:], first+uint64(n); len(dst) == 0 {
				return
			}
			continue
		}
		active.philox(ptr(dst), int(blocks), uint32(counter), uint32(counter>>32), s.Stream, s.Step, uint32(s.Seed), uint32(s.Seed>>32))
		dst, first = dst[4*blocks:], first+4*blocks
	}
}

const normalPart = 512 // elements, whose pairs stay in the first-level cache

// NormalScratch is the number of floats that FillNormal needs to work in.
const NormalScratch = 2 * normalPart

// FillNormal writes the standard normal values (rule 14) of elements first, first+1, ... of a stream. scratch has at least NormalScratch elements;
// its contents do not matter.
func FillNormal(dst []float32, s numerics.Stream, first uint64, scratch []float32) {
	if active == nil {
		s.FillNormal(dst, first)
		return
	}
	head := min(int(-first%4), len(dst))
	s.FillNormal(dst[:head], first)
	dst, first = dst[head:], first+uint64(head)
	for len(dst) >= 4 {
		n := min(normalPart, len(dst)&^3)
		bits := unsafe.Slice((*uint32)(unsafe.Pointer(ptr(dst))), n)
		FillBits(bits, s, first)
		half := func(i int) []float32 { return scratch[i*n/2 : (i+1)*n/2] }
		radius, angle, cosine, sine := half(0), half(1), half(2), half(3)
		for i := range radius {
			radius[i] = float32(bits[2*i]>>8+1) * 0x1p-24
			angle[i] = float32(bits[2*i+1]>>8) * 0x1p-23
		}
		Log(radius, radius)
		MulScalar(radius, radius, -2)
		Sqrt(radius, radius)
		CosPi(cosine, angle)
		SinPi(sine, angle)
		for i, r := range radius {
			dst[2*i], dst[2*i+1] = r*cosine[i], r*sine[i]
		}
		dst, first = dst[n:], first+uint64(n)
	}
	s.FillNormal(dst, first)
}

// Dropout writes x * scale where bits < threshold, else +0.
func Dropout(dst, x []float32, bits []uint32, threshold uint32, scale float32) {
	mustEqual(len(x), len(dst))
	mustEqual(len(bits), len(dst))
	if active != nil {
		active.dropout(ptr(dst), ptr(x), (*float32)(unsafe.Pointer(ptr(bits))), len(dst), threshold, scale)
		return
	}
	for i, v := range x {
		if numerics.Bernoulli(bits[i], threshold) {
			dst[i] = v * scale
		} else {
			dst[i] = 0
		}
	}
}
