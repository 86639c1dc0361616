package vec

import "github.com/seedbed/seedbed/abi/numerics"

// Sums by rule 7. The kernels take one block; what joins blocks is here.

const (
	block = numerics.SumBlock
	lanes = numerics.SumLanes
)

// Sum returns the sum of x.
func Sum(x []float32) float32 {
	if len(x) <= block {
		return sumBlock(x)
	}
	var s blockSums
	for len(x) > block {
		s.add(sumBlock(x[:block]))
		x = x[block:]
	}
	s.add(sumBlock(x))
	return s.sum()
}

// SumSquares returns the sum of squares of x.
func SumSquares(x []float32) float32 { return SumProducts(x, x) }

// SumProducts returns the sum of a*b, each product added by a fused multiply-add.
func SumProducts(a, b []float32) float32 {
	mustEqual(len(b), len(a))
	if len(a) <= block {
		return productsBlock(a, b)
	}
	var s blockSums
	for len(a) > block {
		s.add(productsBlock(a[:block], b[:block]))
		a, b = a[block:], b[block:]
	}
	s.add(productsBlock(a, b))
	return s.sum()
}

// SumSquaresAbout returns the sum of (x - mean)^2: the difference is rounded, its square is added by a fused multiply-add.
func SumSquaresAbout(x []float32, mean float32) float32 {
	if len(x) <= block {
		return squaresAboutBlock(x, mean)
	}
	var s blockSums
	for len(x) > block {
		s.add(squaresAboutBlock(x[:block], mean))
		x = x[block:]
	}
	s.add(squaresAboutBlock(x, mean))
	return s.sum()
}

// MaxOf returns the maximum of x (rule 4): NaN if any element is NaN, -Inf for no elements.
func MaxOf(x []float32) float32 {
	if active != nil {
		return active.maxOf(ptr(x), len(x))
	}
	m := negativeInfinity
	for _, v := range x {
		m = numerics.Max(m, v)
	}
	return m
}

func sumBlock(x []float32) float32 {
	if active != nil {
		return active.sum(ptr(x), len(x))
	}
	var l [lanes]float32
	for i, v := range x {
		l[i%lanes] += v
	}
	return fold(&l)
}

func productsBlock(a, b []float32) float32 {
	if active != nil {
		return active.sumProducts(ptr(a), ptr(b), len(a))
	}
	var l [lanes]float32
	for i, v := range a {
		l[i%lanes] = numerics.FMA(v, b[i], l[i%lanes])
	}
	return fold(&l)
}

func squaresAboutBlock(x []float32, mean float32) float32 {
	if active != nil {
		return active.sumSquaresAbout(ptr(x), len(x), mean)
	}
	var l [lanes]float32
	for i, v := range x {
		d := v - mean
		l[i%lanes] = numerics.FMA(d, d, l[i%lanes])
	}
	return fold(&l)
}

// blockSums reduces block sums by the rule that made them. Level n+1 takes the sums of level n's full blocks; three levels
// hold 2^48 elements.
type blockSums struct {
	lanes [3][lanes]float32
	n     [3]int
}

func (s *blockSums) add(v float32) { s.push(0, v) }

func (s *blockSums) push(level int, v float32) {
	if s.n[level] == block {
		s.close(level)
	}
	s.lanes[level][s.n[level]%lanes] += v
	s.n[level]++
}

func (s *blockSums) close(level int) {
	v := fold(&s.lanes[level])
	s.lanes[level], s.n[level] = [lanes]float32{}, 0
	s.push(level+1, v)
}

func (s *blockSums) sum() float32 {
	top := len(s.n) - 1
	for top > 0 && s.n[top] == 0 {
		top--
	}
	for level := range top {
		s.close(level)
	}
	return fold(&s.lanes[top])
}

func fold(l *[lanes]float32) float32 {
	for w := lanes / 2; w > 0; w /= 2 {
		for j := range w {
			l[j] += l[j+w]
		}
	}
	return l[0]
}
