package batch

import (
	"github.com/seedbed/seedbed/abi/numerics"
	"github.com/seedbed/seedbed/abi/plugin"
)

// Draws are the random numbers of one sample of a step: a function of the run's
// seed, the step, the sample's place in the step and the stream, which keeps
// uses apart. Cutting a step into other grains changes nothing.
type Draws struct {
	stream numerics.Stream
	next   uint64
}

// sampleDraws is the most draws of one sample, a power of two.
const sampleDraws = 1 << 32

// NewDraws begins the draws of row r of a grain of n rows.
func NewDraws(at plugin.Position, stream uint32, n, r int) *Draws {
	return &Draws{
		stream: numerics.Stream{Seed: at.Seed, Stream: stream, Step: uint32(at.Step)},
		next:   (at.Grain*uint64(n) + uint64(r)) * sampleDraws,
	}
}

// Bits returns the next 32 random bits.
func (d *Draws) Bits() uint32 {
	d.next++
	return d.stream.At(d.next - 1)
}

// Below returns a number from 0 to n-1, n positive: the next bits times n,
// without the last 32 bits of the product. Each is as likely as another to
// within n * 2^-32.
func (d *Draws) Below(n int) int { return int(uint64(d.Bits()) * uint64(n) >> 32) }

// Chance reports true with probability p.
func (d *Draws) Chance(p float64) bool {
	return p >= 1 || numerics.Bernoulli(d.Bits(), numerics.BernoulliThreshold(p))
}

// Uniform returns a number in [0, 1), a multiple of 2^-24.
func (d *Draws) Uniform() float32 { return numerics.Uniform(d.Bits()) }

// Choose returns k different numbers below n in random order (Fisher and
// Yates's shuffle, Durstenfeld 1964, broken off), k at most n.
func (d *Draws) Choose(n, k int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	for i := range k {
		j := i + d.Below(n-i)
		all[i], all[j] = all[j], all[i]
	}
	return all[:k]
}
