package numerics

import "math"

// The shape of a reduction (rule 7).
const (
	SumBlock = 4096 // elements in a block
	SumLanes = 32   // element i of a block goes to lane i mod 32
)

// SumAcc reduces a stream of elements, in row-major order, by rule 7: blocks of 4096 elements, 32 lanes each from +0, folded
// 16, 8, 4, 2, 1; the block sums are reduced the same way until one value is left. The zero value is ready to use.
type SumAcc struct{ l sumLevels[float32] }

// Add accumulates x as the next element.
func (s *SumAcc) Add(x float32) {
	lane := s.l.next()
	*lane += x
}

// AddSquare accumulates fma(x, x, lane) as the next element.
func (s *SumAcc) AddSquare(x float32) { s.AddProduct(x, x) }

// AddProduct accumulates fma(a, b, lane) as the next element.
func (s *SumAcc) AddProduct(a, b float32) {
	lane := s.l.next()
	*lane = FMA(a, b, *lane)
}

// Sum returns the reduction of what was added so far, +0 for nothing, and empties the accumulator.
func (s *SumAcc) Sum() float32 { return s.l.sum() }

// SumAcc64 is SumAcc in float64.
type SumAcc64 struct{ l sumLevels[float64] }

// Add accumulates x as the next element.
func (s *SumAcc64) Add(x float64) {
	lane := s.l.next()
	*lane += x
}

// AddSquare accumulates fma(x, x, lane) as the next element.
func (s *SumAcc64) AddSquare(x float64) { s.AddProduct(x, x) }

// AddProduct accumulates fma(a, b, lane) as the next element.
func (s *SumAcc64) AddProduct(a, b float64) {
	lane := s.l.next()
	*lane = math.FMA(a, b, *lane)
}

// Sum returns the reduction of what was added so far, +0 for nothing, and empties the accumulator.
func (s *SumAcc64) Sum() float64 { return s.l.sum() }

// Sum returns the sum of x by rule 7, and +0 for no elements.
func Sum(x []float32) float32 { return sum(x) }

// Sum64 is Sum in float64.
func Sum64(x []float64) float64 { return sum(x) }

// sum is rule 7 on values that are all at hand: every pass replaces each block by its sum.
func sum[F float](x []F) F {
	for len(x) > 1 {
		sums := make([]F, 0, (len(x)+SumBlock-1)/SumBlock)
		for len(x) > 0 {
			n := min(len(x), SumBlock)
			var b sumBlock[F]
			for i, v := range x[:n] {
				b.lanes[i%SumLanes] += v
			}
			sums = append(sums, b.fold())
			x = x[n:]
		}
		x = sums
	}
	if len(x) == 0 {
		return 0
	}
	return 0 + x[0] // a lone -0 joins a lane that starts at +0
}

// SumSquares returns the sum of squares of x by rule 7.
func SumSquares(x []float32) float32 {
	var s SumAcc
	for _, v := range x {
		s.AddSquare(v)
	}
	return s.Sum()
}

// sumLevels holds one open block per level: level 0 takes elements, level n+1 the block sums of level n.
type sumLevels[F float] struct{ levels []sumBlock[F] }

type sumBlock[F float] struct {
	lanes [SumLanes]F
	n     int // elements in the block so far
}

// next returns the lane of the next element. A full block is closed only when another element comes, so that a single
// full block is the last level.
func (s *sumLevels[F]) next() *F {
	if len(s.levels) == 0 {
		s.levels = make([]sumBlock[F], 1, 2)
	}
	if s.levels[0].n == SumBlock {
		s.close(0)
	}
	b := &s.levels[0]
	lane := &b.lanes[b.n%SumLanes]
	b.n++
	return lane
}

// close moves the sum of the block at a level to the level above and empties the block.
func (s *sumLevels[F]) close(level int) {
	if len(s.levels) == level+1 {
		s.levels = append(s.levels, sumBlock[F]{})
	}
	if s.levels[level+1].n == SumBlock {
		s.close(level + 1)
	}
	up := &s.levels[level+1]
	up.lanes[up.n%SumLanes] += s.levels[level].fold()
	up.n++
	s.levels[level] = sumBlock[F]{}
}

func (s *sumLevels[F]) sum() F {
	if len(s.levels) == 0 {
		return 0
	}
	for level := 0; level+1 < len(s.levels); level++ {
		s.close(level)
	}
	v := s.levels[len(s.levels)-1].fold()
	s.levels = s.levels[:1]
	s.levels[0] = sumBlock[F]{}
	return v
}

func (b *sumBlock[F]) fold() F {
	l := b.lanes
	for w := SumLanes / 2; w > 0; w /= 2 {
		for j := range w {
			l[j] += l[j+w]
		}
	}
	return l[0]
}
