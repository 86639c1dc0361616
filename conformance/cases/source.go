package cases

import (
	"hash/fnv"

	"github.com/seedbed/seedbed/abi/numerics"
)

// source draws the random numbers of one case.
type source struct {
	stream numerics.Stream
	at     uint64
	// variant counts the cases of one cell: it walks through sizes and flavours,
	// so that few cases already meet most of them.
	variant int
	sized   bool
}

// newSource returns the source of case number i of what is called name.
func newSource(seed uint64, name string, i, variant int) *source {
	h := fnv.New64a()
	h.Write([]byte(name))
	return &source{stream: numerics.Stream{Seed: seed ^ h.Sum64(), Stream: uint32(i)}, variant: variant}
}

func (r *source) bits() uint32 {
	r.at++
	return r.stream.At(r.at - 1)
}

func (r *source) bits64() uint64 { return uint64(r.bits())<<32 | uint64(r.bits()) }

// n returns one of 0 to n-1.
func (r *source) n(n int) int { return int(uint64(r.bits()) * uint64(n) >> 32) }

// in returns one of lo to hi.
func (r *source) in(lo, hi int) int { return lo + r.n(hi-lo+1) }

func (r *source) one(n int) bool { return r.n(n) == 0 }

func pick[T any](r *source, of ...T) T { return of[r.n(len(of))] }

// perm returns a permutation of 0 to n-1.
func (r *source) perm(n int) []int {
	p := make([]int, n)
	for i := range p {
		j := r.n(i + 1)
		p[i], p[j] = p[j], i
	}
	return p
}

// sizes are empty, one, and around the widths of vector units and the unrolled
// loops over them. Their number is prime to that of the flavours.
var sizes = []int{7, 1, 16, 33, 0, 8, 31, 64, 5, 17, 9, 129, 2, 32, 63, 15, 127, 3, 65, 257, 24, 1023, 128, 1025, 4099}

// size returns the variant's size the first time and a small one after that.
func (r *source) size() int {
	if !r.sized {
		r.sized = true
		return sizes[r.variant%len(sizes)]
	}
	return r.small()
}

// small returns a dimension that is rarely empty.
func (r *source) small() int {
	return pick(r, 1, 2, 3, 4, 5, 7, 8, 9, 3, 2, 4, 5, 1, 2, 3, 0)
}

// some is small and never empty.
func (r *source) some() int { return pick(r, 1, 2, 3, 4, 5, 7, 8, 9, 17, 2, 3, 4) }

// shape returns a shape of lo to hi dimensions that holds the variant's size.
func (r *source) shape(lo, hi int) []int {
	rank := r.in(lo, hi)
	if rank == 0 {
		return []int{}
	}
	s := make([]int, rank)
	big := rank - 1
	if r.one(4) {
		big = r.n(rank)
	}
	s[big] = r.size()
	room := 8192 / max(s[big], 1)
	for i := range s {
		if i != big {
			s[i] = min(r.small(), room)
			room = max(room/max(s[i], 1), 1)
		}
	}
	return s
}
