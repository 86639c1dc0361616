package probe

import (
	"fmt"
	"math"
)

// Recall returns, for n queries and the n vectors that belong to them, both
// [n, width], the part of the queries whose own vector is among the k with the
// largest inner products, for each of some k. Others as large as its own come
// before it, so that vectors that are all alike find nothing.
func Recall(queries, keys []float32, width int, ks ...int) ([]float64, error) {
	if width < 1 || len(queries) == 0 || len(queries) != len(keys) || len(queries)%width != 0 {
		return nil, fmt.Errorf("probe: %d and %d values are not of as many vectors of width %d", len(queries), len(keys), width)
	}
	n := len(queries) / width
	found := make([]float64, len(ks))
	for q := range n {
		own, before := product(queries, keys, q, q, width), 0
		for k := range n {
			if k != q && product(queries, keys, q, k, width) >= own {
				before++
			}
		}
		for i, k := range ks {
			if before < k {
				found[i] += 1 / float64(n)
			}
		}
	}
	return found, nil
}

func product(a, b []float32, i, k, width int) float64 {
	sum := 0.0
	for c, v := range a[i*width:][:width] {
		sum += float64(float64(v) * float64(b[k*width+c]))
	}
	return sum
}

// Nearest returns the part of n vectors [n, width] whose label is the class with
// the largest inner product, the first of several. A class is the mean of each
// vectors of texts [classes*each, width] that follow each other, divided by its
// length.
func Nearest(vectors, texts []float32, labels []int32, width, each int) (float64, error) {
	if width < 1 || each < 1 || len(labels) == 0 || len(vectors) != len(labels)*width || len(texts) == 0 || len(texts)%(each*width) != 0 {
		return 0, fmt.Errorf("probe: %d and %d values are not vectors of width %d for %d labels and for classes of %d texts", len(vectors), len(texts), width, len(labels), each)
	}
	classes := len(texts) / (each * width)
	means := make([]float64, classes*width)
	for k := range classes {
		mean, square := means[k*width:][:width], 0.0
		for c := range mean {
			for i := range each {
				mean[c] += float64(texts[(k*each+i)*width+c])
			}
			square += float64(mean[c] * mean[c])
		}
		for c := range mean {
			mean[c] /= math.Sqrt(square)
		}
	}
	right := 0
	for i, label := range labels {
		if label < 0 || int(label) >= classes {
			return 0, fmt.Errorf("probe: vector %d has label %d of %d classes", i, label, classes)
		}
		best, top := 0, math.Inf(-1)
		for k := range classes {
			sum := 0.0
			for c, v := range vectors[i*width:][:width] {
				sum += float64(float64(v) * means[k*width+c])
			}
			if sum > top {
				best, top = k, sum
			}
		}
		if best == int(label) {
			right++
		}
	}
	return float64(right) / float64(len(labels)), nil
}
