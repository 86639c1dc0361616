package numerics

import "math"

// The chunk sizes of a contraction (rule 5).
const (
	ChunkK      = 512
	SuperChunkK = 8192
)

type float interface{ float32 | float64 }

// DotAcc accumulates one element of a contraction (rule 5): Add takes the products in ascending k. The zero value is ready to use.
//
//	p_c = fma chain over the chunk's 512 k, from +0
//	S   = +0, then S = S + p_c over the super-chunk's 16 chunks
//	sum = the tree of rule 9 over the super-chunks
type DotAcc struct {
	p float32
	n uint64
	s superChunks[float32]
}

// Add accumulates a*b as the next k.
func (d *DotAcc) Add(a, b float32) {
	d.p = FMA(a, b, d.p)
	if d.n++; d.n%ChunkK == 0 {
		d.s.push(d.p)
		d.p = 0
	}
}

// Sum returns the contraction of what was added so far; +0 for nothing. Adding may go on afterwards.
func (d *DotAcc) Sum() float32 {
	s := d.s
	if d.n%ChunkK != 0 {
		s.push(d.p)
	}
	return s.sum()
}

// Reset empties the accumulator.
func (d *DotAcc) Reset() { *d = DotAcc{} }

// DotAcc64 is DotAcc in float64: the same chunks, each a chain of float64 fused multiply-adds. The float64 reference uses it.
type DotAcc64 struct {
	p float64
	n uint64
	s superChunks[float64]
}

// Add accumulates a*b as the next k.
func (d *DotAcc64) Add(a, b float64) {
	d.p = math.FMA(a, b, d.p)
	if d.n++; d.n%ChunkK == 0 {
		d.s.push(d.p)
		d.p = 0
	}
}

// Sum returns the contraction of what was added so far; +0 for nothing. Adding may go on afterwards.
func (d *DotAcc64) Sum() float64 {
	s := d.s
	if d.n%ChunkK != 0 {
		s.push(d.p)
	}
	return s.sum()
}

// Reset empties the accumulator.
func (d *DotAcc64) Reset() { *d = DotAcc64{} }

// Dot returns the contraction of a and b (rule 5). b must be at least as long as a.
func Dot(a, b []float32) float32 {
	b = b[:len(a)]
	var s superChunks[float32]
	for len(a) > 0 {
		n := min(len(a), ChunkK)
		var p float32
		for i, x := range a[:n] {
			p = FMA(x, b[i], p)
		}
		s.push(p)
		a, b = a[n:], b[n:]
	}
	return s.sum()
}

// Dot64 returns the contraction of a and b in float64 (rule 5). b must be at least as long as a.
func Dot64(a, b []float64) float64 {
	b = b[:len(a)]
	var s superChunks[float64]
	for len(a) > 0 {
		n := min(len(a), ChunkK)
		var p float64
		for i, x := range a[:n] {
			p = math.FMA(x, b[i], p)
		}
		s.push(p)
		a, b = a[n:], b[n:]
	}
	return s.sum()
}

// superChunks adds chunk sums p_c in order into super-chunks, and those by the tree of rule 9. It is a plain value, so that a
// copy can be finished while the original goes on.
type superChunks[F float] struct {
	s        F
	chunks   uint64
	partials [40]F // a complete subtree of 2^i super-chunks where bit i of chunks/16 is set; enough for 2^53 k
}

const chunksPerSuper = SuperChunkK / ChunkK

func (c *superChunks[F]) push(p F) {
	c.s += p
	if c.chunks++; c.chunks%chunksPerSuper != 0 {
		return
	}
	v, i := c.s, 0
	for done := c.chunks/chunksPerSuper - 1; done&1 != 0; done >>= 1 {
		v = c.partials[i] + v
		i++
	}
	c.partials[i] = v
	c.s = 0
}

func (c *superChunks[F]) sum() F {
	v, have := c.s, c.chunks%chunksPerSuper != 0
	for i, done := 0, c.chunks/chunksPerSuper; done != 0; i, done = i+1, done>>1 {
		switch {
		case done&1 == 0:
		case have:
			v = c.partials[i] + v
		default:
			v, have = c.partials[i], true
		}
	}
	return v
}
