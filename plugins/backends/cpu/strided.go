package cpu

import (
	"slices"

	"github.com/seedbed/seedbed/plugins/backends/cpu/internal/vec"
)

// strided is a copy between two tensors that are laid out differently: broadcasts, transposes, slices, and the placing of a
// tensor in a larger one. Offsets and strides count elements.
type strided struct {
	shape    []int
	dst, src []int // strides
	dst0     int
	src0     int
}

// squeeze drops dimensions of size 1 and joins neighbours that both sides step through evenly.
func (s strided) squeeze() strided {
	q := strided{dst0: s.dst0, src0: s.src0}
	for i, n := range s.shape {
		if n == 1 {
			continue
		}
		if k := len(q.shape) - 1; k >= 0 && q.dst[k] == s.dst[i]*n && q.src[k] == s.src[i]*n {
			q.shape[k], q.dst[k], q.src[k] = q.shape[k]*n, s.dst[i], s.src[i]
			continue
		}
		q.shape, q.dst, q.src = append(q.shape, n), append(q.dst, s.dst[i]), append(q.src, s.src[i])
	}
	return q
}

func product(l []int) int {
	n := 1
	for _, d := range l {
		n *= d
	}
	return n
}

// copier returns what copies.
func (s strided) copier(bytes int) func(r *run, dst, src []byte) error {
	s = s.squeeze()
	switch bytes {
	case 1:
		return func(r *run, dst, src []byte) error { return copyStrided(r, s, dst, src) }
	case 2:
		return func(r *run, dst, src []byte) error {
			return copyStrided(r, s, view[uint16](dst), view[uint16](src))
		}
	case 8:
		return func(r *run, dst, src []byte) error {
			return copyStrided(r, s, view[uint64](dst), view[uint64](src))
		}
	}
	move := s.mover()
	return func(r *run, dst, src []byte) error { return move(r, view[float32](dst), view[float32](src)) }
}

// mover returns what copies elements of four bytes, whatever they are.
func (s strided) mover() func(r *run, dst, src []float32) error {
	s = s.squeeze()
	if k := len(s.shape) - 2; k >= 0 && s.dst[k+1] == 1 && s.src[k] == 1 && s.dst[k] == s.shape[k+1] && s.src[k+1] == s.shape[k] {
		return func(r *run, dst, src []float32) error { return transposeAll(r, s, dst, src) }
	}
	if order, reads, ok := s.lines(); ok {
		return func(r *run, dst, src []float32) error { return copyLines(r, s, order, reads, dst, src) }
	}
	return func(r *run, dst, src []float32) error { return copyStrided(r, s, dst, src) }
}

const transposedAtOnce = 64 // columns of src

// transposeAll transposes matrices, the innermost two dimensions, a strip of columns at a time.
func transposeAll(r *run, s strided, dst, src []float32) error {
	k := len(s.shape) - 2
	rows, cols := s.shape[k+1], s.shape[k]
	if rows*cols == 0 {
		return nil
	}
	strips := (cols + transposedAtOnce - 1) / transposedAtOnce
	return r.split(product(s.shape[:k])*strips, max(1, grain/(rows*transposedAtOnce)), func(lo, hi int) {
		index := make([]int, k)
		for u := lo; u < hi; u++ {
			unflatten(index, s.shape[:k], u/strips)
			d, o := s.dst0+offset(index, s.dst), s.src0+offset(index, s.src)
			from := u % strips * transposedAtOnce
			vec.Transpose(dst[d:d+rows*cols], src[o:o+rows*cols], rows, cols, from, min(from+transposedAtOnce, cols))
		}
	})
}

const (
	runLength  = 64 // elements of a dense dimension that a copy takes at a time
	runsAtOnce = 64 // side by side: they stay in the first-level cache
)

// lines says whether a copy has different dense dimensions on its two sides, one of them at least a cache line long. Runs along that one
// are then turned in the cache, and the others are gone through so that they reach memory in order on the other side: of what is read and
// written all of a line is. order gives the dimensions from the outermost, that of the runs last; reads says that runs are dense in src.
func (s strided) lines() (order []int, reads, ok bool) {
	dense := func(strides []int) int { return slices.Index(strides, 1) }
	d, o := dense(s.dst), dense(s.src)
	if d < 0 || o < 0 || d == o || slices.Min(s.src) < 1 || product(s.shape) == 0 {
		return nil, false, false
	}
	along, other := d, s.src
	if s.shape[d] < cacheLine/4 {
		along, other, reads = o, s.dst, true
	}
	if s.shape[along] < cacheLine/4 {
		return nil, false, false
	}
	for i := range s.shape {
		if i != along {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return other[b] - other[a] })
	return append(order, along), reads, true
}

func copyLines(r *run, s strided, order []int, reads bool, dst, src []float32) error {
	shape, to, from := pick(s.shape, order), pick(s.dst, order), pick(s.src, order)
	last := len(order) - 1
	long, dStep, oStep := shape[last], to[last], from[last]
	shape = shape[:last]
	total := product(shape)
	blocks, tiles := (total+runsAtOnce-1)/runsAtOnce, (long+runLength-1)/runLength
	few := blocks * tiles / (8 * r.b.pool.Workers()) // parts: each has memory of its own to turn in
	return r.split(blocks*tiles, max(few, grain/(runsAtOnce*runLength)), func(lo, hi int) {
		work, turned := make([]float32, runsAtOnce*runLength), make([]float32, runsAtOnce*runLength)
		var d, o [runsAtOnce]int // where each run lies
		index := make([]int, last)
		for u := lo; u < hi; u++ {
			first, at := u%blocks*runsAtOnce, u/blocks*runLength
			rows, n := min(runsAtOnce, total-first), min(runLength, long-at)
			unflatten(index, shape, first)
			for j := range rows {
				d[j], o[j] = s.dst0+at*dStep+offset(index, to), s.src0+at*oStep+offset(index, from)
				next(index, shape)
			}
			if reads {
				for j, o := range o[:rows] {
					copy(work[j*runLength:][:n], src[o:])
				}
				vec.Transpose(turned, work, runsAtOnce, runLength, 0, n)
				for i := range n {
					scatterRun(dst[i*dStep:], d[:rows], turned[i*runsAtOnce:])
				}
				continue
			}
			for i := range n {
				gatherRun(turned[i*runsAtOnce:], src[i*oStep:], o[:rows])
			}
			vec.Transpose(work, turned, runLength, runsAtOnce, 0, rows)
			for j, d := range d[:rows] {
				copy(dst[d:][:n], work[j*runLength:])
			}
		}
	})
}

// scatterRun writes elements to where they belong, which ascends and is mostly side by side.
func scatterRun(dst []float32, at []int, src []float32) {
	if k := len(at) - 1; at[k]-at[0] == k {
		copy(dst[at[0]:][:len(at)], src)
		return
	}
	for j, to := range at {
		dst[to] = src[j]
	}
}

// gatherRun is scatterRun the other way.
func gatherRun(dst, src []float32, at []int) {
	if k := len(at) - 1; at[k]-at[0] == k {
		copy(dst[:len(at)], src[at[0]:])
		return
	}
	for j, from := range at {
		dst[j] = src[from]
	}
}

// copyStrided runs the innermost dimension in one go.
func copyStrided[T uint8 | uint16 | uint32 | uint64 | float32](r *run, s strided, dst, src []T) error {
	total := product(s.shape)
	if total == 0 {
		return nil
	}
	inner := min(1, len(s.shape))
	outer := len(s.shape) - inner
	run := product(s.shape[outer:])
	return r.split(total/run, max(1, grain/run), func(lo, hi int) {
		index := make([]int, outer)
		unflatten(index, s.shape[:outer], lo)
		d, o := s.dst0+offset(index, s.dst), s.src0+offset(index, s.src)
		for range hi - lo {
			switch {
			case inner == 0:
				dst[d] = src[o]
			case s.src[outer] < 0:
				for i := range run {
					dst[d+i*s.dst[outer]] = src[o+i*s.src[outer]]
				}
			default:
				copyRun(dst[d:], src[o:], run, s.dst[outer], s.src[outer])
			}
			for k := outer - 1; k >= 0; k-- {
				d, o = d+s.dst[k], o+s.src[k]
				if index[k]++; index[k] < s.shape[k] {
					break
				}
				index[k] = 0
				d, o = d-s.shape[k]*s.dst[k], o-s.shape[k]*s.src[k]
			}
		}
	})
}

func copyRun[T any](dst, src []T, n, dstStep, srcStep int) {
	switch {
	case dstStep == 1 && srcStep == 1:
		copy(dst[:n], src[:n])
	case dstStep == 1 && srcStep == 0:
		x := src[0]
		for i := range dst[:n] {
			dst[i] = x
		}
	default:
		for i := range n {
			dst[i*dstStep] = src[i*srcStep]
		}
	}
}
