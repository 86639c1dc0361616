package vision

import (
	"math"

	"github.com/seedbed/seedbed/abi/numerics"
)

// Key names the random draws of one view of one sample.
type Key struct {
	Seed   uint64 // of the run
	Epoch  uint64 // or the step, where an objective is told that
	Sample uint64 // within the epoch or step
	View   uint32 // 0, 1, ... where a sample is seen more than once
}

// Draws is the sequence of random numbers of a key: the Philox stream (numerics.Stream) whose seed is the Philox block of the key.
// It is for one goroutine.
type Draws struct {
	stream numerics.Stream
	next   uint64
	block  [4]uint32
}

// drawsDomain keeps these draws apart from every other use of a seed ("visi").
const drawsDomain = 0x76697369

// NewDraws returns the draws of a key from their beginning.
func NewDraws(k Key) Draws {
	w := numerics.Philox4x32(
		[4]uint32{uint32(k.Sample), uint32(k.Sample >> 32), uint32(k.Epoch), k.View},
		[2]uint32{uint32(k.Seed) ^ drawsDomain, uint32(k.Seed>>32) ^ uint32(k.Epoch>>32)})
	return Draws{stream: numerics.Stream{Seed: uint64(w[0]) | uint64(w[1])<<32, Stream: w[2], Step: w[3]}}
}

// Bits returns 32 random bits.
func (d *Draws) Bits() uint32 {
	if d.next%4 == 0 {
		d.block = d.stream.Block(d.next / 4)
	}
	w := d.block[d.next%4]
	d.next++
	return w
}

// Uniform returns a multiple of 2^-24 in [0, 1).
func (d *Draws) Uniform() float32 { return numerics.Uniform(d.Bits()) }

// Between returns a number in [low, high).
func (d *Draws) Between(low, high float64) float64 {
	u := float64(d.Uniform())
	return low + float64((high-low)*u)
}

// Below returns a whole number in [0, n), n in [1, 2^32): the upper half of bits * n, whose bias is below n / 2^32.
func (d *Draws) Below(n int) int { return int(uint64(d.Bits()) * uint64(n) >> 32) }

// Chance is true with probability p.
func (d *Draws) Chance(p float64) bool {
	return p >= 1 || numerics.Bernoulli(d.Bits(), numerics.BernoulliThreshold(p))
}

// normal returns a standard normal value.
func (d *Draws) normal() float64 {
	z, _ := numerics.Normal(d.Bits(), d.Bits())
	return float64(z)
}

// Beta returns a value of the beta distribution with both parameters alpha, in [0, 1], as mixup and cutmix need it: one of two
// gamma values over their sum.
func (d *Draws) Beta(alpha float64) float64 {
	if alpha == 1 {
		return float64(d.Uniform())
	}
	a, b := d.logGamma(alpha), d.logGamma(alpha)
	return numerics.Logistic64(a - b)
}

// logGamma returns the logarithm of a gamma value of shape alpha and scale 1 (Marsaglia and Tsang 2000, "A simple method for generating
// gamma variables"); shapes below 1 by their section 6. The logarithm does not underflow for small shapes.
func (d *Draws) logGamma(alpha float64) float64 {
	boost := 0.0
	if alpha < 1 {
		u := float64(float64(d.Bits())+1) * 0x1p-32
		boost = numerics.Log64(u) / alpha
		alpha++
	}
	c := alpha - 1.0/3
	s := 1 / math.Sqrt(9*c)
	for {
		x := d.normal()
		v := 1 + float64(s*x)
		if v <= 0 {
			continue
		}
		v = float64(float64(v*v) * v)
		u := float64(float64(d.Bits())+1) * 0x1p-32
		half := float64(0.5 * float64(x*x))
		if numerics.Log64(u) < half+float64(c*(1-v+numerics.Log64(v))) {
			return numerics.Log64(c) + numerics.Log64(v) + boost
		}
	}
}
