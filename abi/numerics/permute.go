package numerics

import "math/bits"

// A permutation of [0, n) is a Feistel network over the smallest domain of 2^b >= n values, b >= 6, walked until it falls into
// [0, n) (Black and Rogaway, "Ciphers with arbitrary finite domains", CT-RSA 2002). The index is split into an upper part of b/2
// bits and a lower part of the others; eight rounds add a Philox word of one part to the other, modulo its size. The minimum b
// makes small permutations close to uniform; on average fewer than two walks are needed for n > 64.
const (
	permuteRounds  = 8
	permuteMinBits = 6
	permuteDomain  = 0x7065726D // "perm": keeps these draws apart from every Stream under the same seed
)

// Permute returns where the permutation of [0, n) that belongs to (seed, epoch) sends i. Any i can be asked alone, so that a
// shuffled order can resume anywhere. An i outside [0, n) is sent to itself.
func Permute(seed, epoch, n, i uint64) uint64 {
	if i >= n {
		return i
	}
	p := newPermutation(seed, epoch, n)
	for {
		if i = p.forward(i); i < n {
			return i
		}
	}
}

// PermuteInverse undoes Permute: PermuteInverse(seed, epoch, n, Permute(seed, epoch, n, i)) is i.
func PermuteInverse(seed, epoch, n, i uint64) uint64 {
	if i >= n {
		return i
	}
	p := newPermutation(seed, epoch, n)
	for {
		if i = p.backward(i); i < n {
			return i
		}
	}
}

type permutation struct {
	key      [2]uint32
	epoch    uint64
	loBits   int
	loMask   uint64
	highMask uint64
}

func newPermutation(seed, epoch, n uint64) permutation {
	b := max(permuteMinBits, bits.Len64(n-1))
	lo := (b + 1) / 2
	return permutation{
		key:    [2]uint32{uint32(seed) ^ permuteDomain, uint32(seed>>32) ^ permuteDomain},
		epoch:  epoch,
		loBits: lo, loMask: 1<<lo - 1, highMask: 1<<(b-lo) - 1,
	}
}

// word is the round function. Parts have at most 32 bits, which leaves the upper half of the second counter word to the round.
func (p *permutation) word(round int, part uint64) uint64 {
	w := Philox4x32([4]uint32{uint32(part), uint32(round), uint32(p.epoch), uint32(p.epoch >> 32)}, p.key)
	return uint64(w[0])
}

func (p *permutation) forward(i uint64) uint64 {
	hi, lo := i>>p.loBits, i&p.loMask
	for r := 0; r < permuteRounds; r += 2 {
		hi = (hi + p.word(r, lo)) & p.highMask
		lo = (lo + p.word(r+1, hi)) & p.loMask
	}
	return hi<<p.loBits | lo
}

func (p *permutation) backward(i uint64) uint64 {
	hi, lo := i>>p.loBits, i&p.loMask
	for r := permuteRounds - 2; r >= 0; r -= 2 {
		lo = (lo - p.word(r+1, hi)) & p.loMask
		hi = (hi - p.word(r, lo)) & p.highMask
	}
	return hi<<p.loBits | lo
}
